"""Settings of a training with differential privacy by Poisson sampling, and what they guarantee."""

import dataclasses
import functools
import math
from collections.abc import Sequence
from typing import Any

from fer_data import arguments, whole
from fer_data.checks import check_integer, check_number, check_seed
from fer_models.training.accountant import checked_delta, epsilon

# Steps of the privacy loss distribution, and the tolerance of the noise multiplier.
INTERVAL, TOLERANCE = 1e-3, 1e-3
# Standard deviations of the size of a batch above its mean that a physical batch has room for.
ROOM = 6


@dataclasses.dataclass(frozen=True, kw_only=True)
class PrivateTraining:
    """How `fit_private` trains: the guarantee that is wanted, and the batches.

    Each example is in each batch with probability `batch_size / examples`, by itself. So the number
    of examples in a batch varies. A physical batch has `largest_batch` places: what is left over is
    padding without a gradient. If more examples were drawn than there are places, as many as there
    are places are chosen by chance and the others are left out of that step. The accountant knows
    this rule (Ganesh, 2025), so delta stays as it is and nothing is added to it.

    The number of examples is taken as known: it decides the probability and the noise, and the
    guarantee does not hide it.

    Attributes:
        epsilon: The guarantee that is wanted, above 0; the noise follows from it. None trains
            without privacy: no noise, no clipping, and the same batches.
        delta: Probability with which the guarantee may fail, below 1 / examples.
        batch_size: Examples in a batch, on average.
        steps: Number of batches.
        l2_norm_clip: Largest L2 norm of the gradient of one example, over all weights together.
        largest_batch: Places in a physical batch, `batch_size` or more, rounded up to a multiple of
            `group`. None: 6 standard deviations above `batch_size`, so that about one batch in a
            thousand million is cut.
        earlier: Noise multipliers of Gaussian releases of the same examples before the training,
            such as that of `private_mean`; epsilon covers them too, `epsilon_if_shuffled` does not.
        group: Examples whose gradients are held in memory at once.
        seed: Seed of the batches and the noise. None takes one from the operating system, as it
            must be: who knows the seed can take the noise off again. Give one only in tests and
            studies of accuracy.

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
        arguments.sequence(arguments.number(1e-3))("earlier", self.earlier)
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
        """Return the standard deviation of the noise over `l2_norm_clip`; 0 without privacy.

        Args:
            examples: Number of training examples.

        Raises:
            ImportError: If jax-privacy is not installed.
            ValueError: If there are fewer examples than `batch_size`, or delta is too large.
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
        # The first is much faster, and almost always enough.
        noise = _calibrated(self.epsilon, dataclasses.replace(known, places=None))
        if _spent(noise, known) > self.epsilon:
            noise = _calibrated(self.epsilon, known)
        return float(noise)

    def guarantee(self, examples: int) -> dict[str, Any]:
        """Return what a training guarantees, of JSON's types, for its record.

        Args:
            examples: Number of training examples.

        Returns:
            Dictionary with the settings but the seed, `examples`, `sampling_probability`,
            `largest_batch`, `noise_multiplier`, `epsilon`, at most the one that was wanted, and
            `epsilon_if_shuffled`: what would be proven of the same noise if the batches had been
            shuffled and not sampled. Both are None without privacy.

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
            "examples": examples,
            "batch_size": self.batch_size,
            "largest_batch": self.places(examples),
            "sampling_probability": self.probability(examples),
            "steps": self.steps,
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
    return accounting.calibrate_dp_mechanism(
        _counter,
        lambda noise: _event(noise, known),
        target,
        known.delta,
        # The second is a guess, which is doubled until it is enough.
        accounting.LowerEndpointAndGuess(0.0, 2.0),
        tol=TOLERANCE,
    )


@functools.lru_cache(maxsize=64)
def _spent(noise, known):
    return float(_counter().compose(_event(noise, known)).get_epsilon(known.delta))


def _event(noise, known):
    """Return what is released: all steps, and what was released before."""
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
    """What a guarantee depends on, besides the noise."""

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
