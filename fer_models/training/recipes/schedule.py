"""Schedules of a recipe's learning rate."""

import dataclasses

import keras

from fer_data.checks import check_attribute, is_number, is_whole


@dataclasses.dataclass(frozen=True)
class Constant:
    """One rate throughout.

    Attributes:
        any_length: Whether a training of more epochs begins as one of fewer does.
    """

    any_length = True

    def rate(
        self, learning_rate: float, steps_per_epoch: int | None, epochs: int
    ) -> float | keras.optimizers.schedules.LearningRateSchedule:
        """Return what an optimiser takes for its learning rate in a stage of so many epochs."""
        return learning_rate

    def callbacks(self, learning_rate: float, initial_epoch: int) -> list[keras.callbacks.Callback]:
        """Return the callbacks that move the rate in a stage that begins with that epoch."""
        return []


@dataclasses.dataclass(frozen=True)
class Cosine(Constant):
    """A linear warm-up, then half a cosine down to zero over a stage, step by step.

    Attributes:
        warmup_steps: Steps of the warm-up; at most a tenth of the stage's.
    """

    warmup_steps: int = 500
    any_length = False

    def __post_init__(self) -> None:
        steps = self.warmup_steps
        check_attribute(self, "warmup_steps", type(steps) is int and steps >= 0, "0 or more")

    def rate(
        self, learning_rate: float, steps_per_epoch: int | None, epochs: int
    ) -> keras.optimizers.schedules.LearningRateSchedule:
        """Return the warm-up and the half cosine of a stage of so many epochs."""
        if steps_per_epoch is None:
            raise ValueError(
                "`steps_per_epoch` must be given for a schedule that changes at every step. "
                "Received: steps_per_epoch=None"
            )
        steps = steps_per_epoch * epochs
        warm_up = min(self.warmup_steps, steps // 10)
        return keras.optimizers.schedules.CosineDecay(
            0.0, steps - warm_up, warmup_target=learning_rate, warmup_steps=warm_up
        )


@dataclasses.dataclass(frozen=True)
class Steps(Constant):
    """A constant rate, multiplied by `factor` after every `every` epochs of a stage."""

    every: int
    factor: float = 0.1

    def __post_init__(self) -> None:
        check_attribute(self, "every", is_whole(self.every), "an integer of 1 or more")
        right = is_number(self.factor) and 0 < self.factor < 1
        check_attribute(self, "factor", right, "between 0 and 1")

    def callbacks(self, learning_rate: float, initial_epoch: int) -> list[keras.callbacks.Callback]:
        """Return a callback that lowers the rate by the number of epochs."""

        def at(epoch, _):
            return learning_rate * self.factor ** ((epoch - initial_epoch) // self.every)

        return [keras.callbacks.LearningRateScheduler(at)]


@dataclasses.dataclass(frozen=True)
class Plateau(Constant):
    """A constant rate, multiplied by `factor` after `patience` epochs without a better value.

    Attributes:
        patience: Epochs without a better value.
        factor: Multiplier of the rate, between 0 and 1.
        monitor: The value, lower being better.
    """

    patience: int = 5
    factor: float = 0.1
    monitor: str = "val_loss"

    def __post_init__(self) -> None:
        check_attribute(self, "patience", is_whole(self.patience), "an integer of 1 or more")
        check_attribute(self, "monitor", isinstance(self.monitor, str), "the name of a metric")
        right = is_number(self.factor) and 0 < self.factor < 1
        check_attribute(self, "factor", right, "between 0 and 1")

    def callbacks(self, learning_rate: float, initial_epoch: int) -> list[keras.callbacks.Callback]:
        """Return a callback that lowers the rate when `monitor` stays where it is."""
        return [
            keras.callbacks.ReduceLROnPlateau(
                self.monitor, factor=self.factor, patience=self.patience, mode="min", verbose=1
            )
        ]
