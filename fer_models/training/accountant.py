"""The guarantee of DP-SGD: epsilon, by the accountants of dp-accounting."""

import math
from typing import Any

from fer_data.checks import check_choice, check_integer, check_number, checked_rate

SAMPLINGS = ("shuffled", "poisson")
ACCOUNTANTS = ("pld", "rdp")


def epsilon(
    noise_multiplier: float,
    *,
    examples: int,
    batch_size: int,
    epochs: int,
    delta: float = 1e-5,
    sampling: str = "shuffled",
    accountant: str = "pld",
) -> float:
    """Return the epsilon of a training by `DPTrainer`, at a given delta.

    Two data sets are neighbours here if one has a blank (a gradient of zeros) in the place of one
    example of the other.

    Args:
        noise_multiplier: Of `DPSGD`.
        examples: Number of training examples.
        batch_size: Examples a step, on average.
        epochs: Number of epochs.
        delta: Probability with which the guarantee may fail, below 1 / `examples`.
        sampling: How the batches were drawn. `"shuffled"`: each epoch goes once through all
            examples in any order, as the pipelines of `fer_data` do; nothing is gained from the
            chance of the order, and the value holds for certain. `"poisson"`: each example is in
            each batch with probability `batch_size / examples`, by itself. Many papers quote this
            much smaller value for shuffled batches; it is no proven bound for them (Chua et al.,
            2024), and with it no more than a comparison with those papers.
        accountant: `"pld"`, privacy loss distributions, tight; or `"rdp"`, Renyi divergences,
            a little above it.

    Returns:
        A float; infinite without noise.

    Raises:
        ImportError: If dp-accounting is not installed.
        ValueError: If an argument is out of range.

    Example:

    ```python
    epsilon(1.0, examples=28_709, batch_size=256, epochs=20)
    ```

    Reference:
        Abadi et al., CCS 2016; Mironov et al., "Renyi Differential Privacy of the Sampled Gaussian
        Mechanism", 2019; Koskela et al., AISTATS 2020. Chua et al., "How Private are DP-SGD
        Implementations?", ICML 2024.
    """
    for name, value in (("examples", examples), ("batch_size", batch_size), ("epochs", epochs)):
        check_integer(name, value, 1)
    check_number("noise_multiplier", noise_multiplier, 0)
    if checked_delta(delta) >= 1 / examples:
        raise ValueError(
            f"`delta` must be below 1 / `examples` = {1 / examples:.2g}, or one face may be given "
            f"away whole. Received: delta={delta!r}"
        )
    for name, word, known in (
        ("sampling", sampling, SAMPLINGS),
        ("accountant", accountant, ACCOUNTANTS),
    ):
        check_choice(name, word, known)
    if noise_multiplier == 0:
        return math.inf
    accounting = _dp_accounting()
    step = accounting.GaussianDpEvent(noise_multiplier)
    if sampling == "shuffled":
        # One step of each epoch sees the example; the others do not depend on it.
        event = accounting.SelfComposedDpEvent(step, int(epochs))
    else:
        probability = min(1.0, batch_size / examples)
        steps = math.ceil(examples / batch_size) * int(epochs)
        event = accounting.SelfComposedDpEvent(
            accounting.PoissonSampledDpEvent(probability, step), steps
        )
    if accountant == "rdp":
        counter = accounting.rdp.RdpAccountant()
    else:
        counter = accounting.pld.PLDAccountant()
    return float(counter.compose(event).get_epsilon(delta))


def guarantee(dp: Any, *, examples: int, batch_size: int, epochs: int) -> dict[str, Any]:
    """Return what a training by DP-SGD guarantees, of JSON's types, for its record.

    Args:
        dp: A `DPSGD`.
        examples: Number of training examples.
        batch_size: Examples a step.
        epochs: Number of epochs.

    Returns:
        Dictionary with `noise_multiplier`, `l2_norm_clip`, `delta` and `epochs`, and with
        `epsilon` and `epsilon_if_poisson_sampled`, which are None where they are infinite.

    Raises:
        ImportError: If dp-accounting is not installed.
        ValueError: If an argument is out of range.
    """
    check_integer("epochs", epochs, 1)
    known = {
        "noise_multiplier": dp.noise_multiplier,
        "l2_norm_clip": dp.l2_norm_clip,
        "delta": dp.delta,
        "epochs": int(epochs),
    }
    for name, sampling in (("epsilon", "shuffled"), ("epsilon_if_poisson_sampled", "poisson")):
        value = epsilon(
            dp.noise_multiplier,
            examples=examples,
            batch_size=batch_size,
            epochs=epochs,
            delta=dp.delta,
            sampling=sampling,
        )
        # JSON has no infinity.
        known[name] = value if math.isfinite(value) else None
    return known


def checked_delta(delta: float) -> float:
    """Return delta, or raise `ValueError`."""
    return checked_rate("delta", delta)


def _dp_accounting():
    try:
        import dp_accounting
        import dp_accounting.pld
        import dp_accounting.rdp
    except ImportError as error:
        raise ImportError(
            'The epsilon of DP-SGD needs dp-accounting: pip install "fer-keras[privacy]"'
        ) from error
    return dp_accounting
