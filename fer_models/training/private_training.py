"""Settings of a private training with Poisson sampling, and the guarantee that follows."""

import dataclasses
import functools
import math
from collections.abc import Sequence
from typing import Any

from fer_data import arguments, whole
from fer_data.checks import check_integer, check_number, check_seed, shown
from fer_models.training.accountant import checked_delta, epsilon

# Steps of the privacy loss distribution, and the tolerance of the noise multiplier.
INTERVAL, TOLERANCE = 1e-3, 1e-3
# A physical batch has room for the mean number of examples plus so many standard deviations.
ROOM = 6


@arguments.checked_class(earlier=arguments.sequence(arguments.number(1e-3)))
@dataclasses.dataclass(frozen=True, kw_only=True)
class PrivateTraining:
    """Settings of `fit_private`: the wanted guarantee, and the batches.

    Each example is in each batch with probability `batch_size / examples`, independently of the
    others. So the number of examples in a batch varies. A physical batch has `largest_batch`
    places; unused places are padding without a gradient. If more examples are drawn than there are
    places, a random subset is kept and the others are left out of that step. The accountant knows
    this rule (Ganesh, 2025), so nothing is added to delta.

    The number of examples is taken as known: it decides the probability and the noise, and the
    guarantee does not hide it.

    Attributes:
        epsilon: The wanted guarantee, above 0, from which the noise is computed. None trains
            without privacy: no noise, no clipping, and the same batches.
        delta: Probability with which the guarantee may fail, below 1 / examples.
        batch_size: Mean number of examples in a batch.
        steps: Number of batches.
        l2_norm_clip: Largest L2 norm of the gradient of one example, over all weights together.
        largest_batch: Places in a physical batch, `batch_size` or more, rounded up to a multiple of
            `group`. None: 6 standard deviations above `batch_size`, so that about one batch in a
            thousand million is too large.
        earlier: Noise multipliers of Gaussian releases of the same examples before the training,
            such as that of `private_mean`; epsilon covers them, `epsilon_if_shuffled` does not.
        group: Number of examples whose gradients are held in memory at once.
        seed: Seed of the batches and the noise. None takes one from the operating system. Give one
            only in tests and studies of accuracy, because whoever knows the seed can remove the
            noise.

    Raises:
        ValueError: If a value is out of its range.

    Example:

    >>> PrivateTraining(epsilon=3.0, batch_size=1024, steps=300).places(28_558)
    1280

    Reference:
        Abadi et al., "Deep Learning with Differential Privacy", CCS 2016. Ganesh, "Tight
        Privacy Accounting with Truncated Poisson Sampling", 2025 (https://arxiv.org/abs/2508.15089).
    """

    epsilon: float | None
    delta: float = 1e-5
    batch_size: int = 1024
    steps: int = 300
    l2_norm_clip: float = 1.0
    largest_batch: int | None = None
    earlier: Sequence[float] = ()
    group: int = 256
    seed: int | None = None

    def __post_init__(self) -> None:
        for name in ("batch_size", "steps", "group"):
            check_integer(name, getattr(self, name), 1)
        if self.largest_batch is not None:
            check_integer("largest_batch", self.largest_batch, self.batch_size)
        for name in ("epsilon", "l2_norm_clip"):
            value = getattr(self, name)
            if name != "epsilon" or value is not None:
                check_number(name, value, 0)
                if value == 0:
                    raise ValueError(f"`{name}` must be above 0. Received: {name}={value!r}")
        checked_delta(self.delta)
        if self.seed is not None:
            check_seed("seed", self.seed)

    def places(self, examples: int) -> int:
        """Return the places in a physical batch, a multiple of `group`.

        Args:
            examples: Number of training examples.
        """
        most = self.largest_batch
        if most is None:
            share = self.probability(examples)
            deviation = math.sqrt(examples * share * (1 - share))
            most = min(examples, math.ceil(self.batch_size + ROOM * deviation))
        return math.ceil(most / self.group) * self.group

    def probability(self, examples: int) -> float:
        """Return the probability with which an example is in a batch.

        Args:
            examples: Number of training examples, `batch_size` or more.

        Raises:
            ValueError: If there are fewer examples.
        """
        if self.batch_size > examples:
            raise ValueError(
                f"`batch_size` must be at most the number of examples, {examples}. "
                f"Received: batch_size={self.batch_size}"
            )
        return self.batch_size / examples

    def noise_multiplier(self, examples: int) -> float:
        """Return the standard deviation of the noise divided by `l2_norm_clip`; 0 without privacy.

        Args:
            examples: Number of training examples.

        Raises:
            ImportError: If jax-privacy is not installed.
            ValueError: If there are fewer examples than `batch_size`, delta is too large, `earlier`
                alone spends the wanted epsilon, or no noise suffices for it.
        """
        self.probability(examples)
        if self.epsilon is None:
            return 0.0
        if self.delta >= 1 / examples:
            raise ValueError(
                f"`delta` must be below 1 / examples = {1 / examples:.2g}, or one example may be "
                f"given away whole. Received: delta={self.delta!r}"
            )
        known = self._known(examples)
        if self.earlier:
            spent = _spent_earlier(known.earlier, self.delta)
            if spent >= self.epsilon:
                raise ValueError(
                    "`epsilon` must be above what the releases of `earlier` spend alone, "
                    f"{spent:.4g} at this delta: allow a larger epsilon, or give `earlier` more "
                    f"noise. Received: epsilon={self.epsilon!r}, earlier={shown(self.earlier)}"
                )
        # Accounting without truncation is much faster, and its noise almost always suffices.
        noise = _calibrated(self.epsilon, dataclasses.replace(known, places=None))
        if _spent(noise, known) > self.epsilon:
            noise = _calibrated(self.epsilon, known)
        return float(noise)

    def guarantee(self, examples: int) -> dict[str, Any]:
        """Return the guarantee of a training, ready for JSON.

        Args:
            examples: Number of training examples.

        Returns:
            Dictionary with the settings except the seed, `examples`, `sampling_probability`,
            `largest_batch`, `noise_multiplier`, `epsilon`, which is at most the wanted one, and
            `epsilon_if_shuffled`, the epsilon that the same noise would prove for shuffled batches.
            Both are None without privacy.

        Raises:
            ImportError: If jax-privacy is not installed.
            ValueError: As for `noise_multiplier`.
        """
        noise = self.noise_multiplier(examples)
        spent = shuffled = None
        if noise:
            spent = _spent(noise, self._known(examples))
            epochs = math.ceil(self.steps * self.batch_size / examples)
            shuffled = epsilon(
                noise,
                examples=examples,
                batch_size=self.batch_size,
                epochs=epochs,
                delta=self.delta,
            )
        return {
            "wanted_epsilon": self.epsilon,
            "epsilon": spent,
            "epsilon_if_shuffled": shuffled,
            "delta": self.delta,
            "noise_multiplier": noise,
            "l2_norm_clip": self.l2_norm_clip if noise else None,
            "earlier": list(self.earlier),
            "examples": int(examples),
            "batch_size": int(self.batch_size),
            "largest_batch": int(self.places(examples)),
            "sampling_probability": float(self.probability(examples)),
            "steps": int(self.steps),
        }

    def _known(self, examples):
        return _Known(
            examples,
            self.probability(examples),
            self.places(examples),
            self.steps,
            self.delta,
            tuple(self.earlier),
        )


@functools.lru_cache(maxsize=64)
def _calibrated(target, known):
    accounting = _accounting()
    try:
        return accounting.calibrate_dp_mechanism(
            _counter,
            lambda noise: _event(noise, known),
            target,
            known.delta,
            # The second number is a first guess, which is doubled until it suffices.
            accounting.LowerEndpointAndGuess(0.0, 2.0),
            tol=TOLERANCE,
        )
    except accounting.mechanism_calibration.NoBracketIntervalFoundError as error:
        raise ValueError(
            "`epsilon` must be larger for so many steps: no noise up to a thousand million times "
            f"the clip suffices. Received: epsilon={target!r}, steps={known.steps}"
        ) from error


@functools.lru_cache(maxsize=64)
def _spent(noise, known):
    return float(_counter().compose(_event(noise, known)).get_epsilon(known.delta))


@functools.lru_cache(maxsize=64)
def _spent_earlier(earlier, delta):
    accounting = _accounting()
    events = [accounting.GaussianDpEvent(each) for each in earlier]
    return float(_counter().compose(accounting.ComposedDpEvent(events)).get_epsilon(delta))


def _event(noise, known):
    """Return the event of all releases: the steps, and the releases before them."""
    accounting = _accounting()
    if known.places is None:
        step = accounting.PoissonSampledDpEvent(known.share, accounting.GaussianDpEvent(noise))
    else:
        step = accounting.TruncatedSubsampledGaussianDpEvent(
            known.examples, known.share, known.places, noise
        )
    return accounting.ComposedDpEvent(
        [
            accounting.SelfComposedDpEvent(step, known.steps),
            *(accounting.GaussianDpEvent(each) for each in known.earlier),
        ]
    )


def _counter():
    return _accounting().pld.PLDAccountant(value_discretization_interval=INTERVAL)


@dataclasses.dataclass(frozen=True)
class _Known:
    """Numbers that decide a guarantee, besides the noise."""

    examples: int
    share: float
    places: int | None
    steps: int
    delta: float
    earlier: tuple[float, ...]


def _accounting():
    try:
        import dp_accounting
        import dp_accounting.pld
    except ImportError as error:
        raise ImportError(
            f"Training with Poisson sampling needs jax-privacy. {whole.how_to_install('dp')}"
        ) from error
    return dp_accounting
