"""A stack of Gaussian noise layers."""

from typing import Any

import keras

from fer_layers._arguments import PACKAGE, inherited, positive_int, seed_or_none, shown


@keras.saving.register_keras_serializable(package=PACKAGE)
class GaussianNoiseStack(keras.layers.Layer):
    """One or more `GaussianNoise` layers in a row, active in training only.

    `n` layers of standard deviation `s` in a row, at one place, do the same as one layer of
    standard deviation `s * sqrt(n)`. A second layer adds something new only at another place in the
    network.

    Args:
        layers: Number of noise layers, at least 1.
        stddev: Standard deviation of each, from 0 to 1, in units of the input.
        seed: Seed; the layers draw from it independently of one another. Two runs with the
            same seed add the same noise. None draws a seed.
        **kwargs: `name`, `dtype` and `trainable` of every Keras layer.

    Input shape:
        Any.

    Output shape:
        As the input.

    Raises:
        ValueError: If `layers` is below 1 or `stddev` is outside [0, 1].

    Example:

    >>> import keras
    >>> from fer_layers import GaussianNoiseStack
    >>> noise = GaussianNoiseStack(layers=2, stddev=0.1, seed=1)
    >>> x = keras.ops.ones((1, 4, 4, 3))
    >>> bool(keras.ops.all(noise(x, training=False) == x))
    True

    Reference:
        Tang and Kok, "GhostFace", 2022: one or two layers of 0.1 on feature maps, as regulariser.
    """

    def __init__(
        self, layers: int = 1, stddev: float = 0.1, seed: int | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.count = positive_int("layers", layers)
        is_number = isinstance(stddev, (int, float)) and not isinstance(stddev, bool)
        if not is_number or not 0 <= stddev <= 1:
            raise ValueError(
                f"`stddev` must be a number from 0 to 1. Received: stddev={shown(stddev)}"
            )
        self.stddev = stddev
        self.seed = seed_or_none("seed", seed)
        self.noises = [
            keras.layers.GaussianNoise(
                stddev,
                seed=None if self.seed is None else self.seed + index,
                name=f"noise_{index + 1}",
                **inherited(self),
            )
            for index in range(layers)
        ]
        self.supports_masking = True

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        for noise in self.noises:
            noise.build(input_shape)
        super().build(input_shape)

    def call(self, inputs: keras.KerasTensor, training: bool | None = None) -> keras.KerasTensor:
        x = inputs
        for noise in self.noises:
            x = noise(x, training=training)
        return x

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return tuple(input_shape)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "layers": self.count,
            "stddev": self.stddev,
            "seed": self.seed,
        }
