"""The gate that triplet attention and CBAM share: convolution of a pooled pair of maps."""

import math
from typing import Any

import keras
import numpy as np

from fer_layers._arguments import PACKAGE, flag, inherited, odd_int

BLOCK = 8


def toeplitz_selection(kernel_size: int, block: int = BLOCK) -> np.ndarray:
    """Return the 0/1 array `(kernel_size, blocks, block, block)` that spreads a kernel.

    Entry `(tap, b, p, q)` is 1 where position `p` of neighbouring block `b` is under `tap`
    when the kernel is centred on position `q` of the middle block.
    """
    half = kernel_size // 2
    reach = math.ceil(half / block)
    selection = np.zeros((kernel_size, 2 * reach + 1, block, block), "float32")
    for tap in range(kernel_size):
        for q in range(block):
            b, p = divmod(q + tap - half, block)
            selection[tap, b + reach, p, q] = 1
    return selection


@keras.saving.register_keras_serializable(package=PACKAGE)
class AttentionGate(keras.layers.Layer):
    """Convolve a pair of pooled maps to one, normalise it, squash it to (0, 1).

    A convolution from two channels to one leaves vector units idle. Here `block`
    neighbouring positions of the last spatial axis are viewed as channels, a free reshape,
    and the kernel is spread out to match (a Toeplitz matrix), which gives the same numbers
    faster. The stored kernel stays `(kernel_size, kernel_size, 2, 1)`.

    Args:
        kernel_size: Odd length of the square kernel.
        use_norm: Whether there is batch normalisation; without it the convolution has a bias, into
            which the batch norm of a trained layer can be folded.
        **kwargs: `name`, `dtype` and `trainable` of every Keras layer.

    Input shape:
        `(batch, rows, columns, 2)` whatever the image data format: max and mean. Or, without
        stacking them, `gate(max, mean)`, each `(batch, rows, columns)`.

    Output shape:
        `(batch, rows, columns)`, in (0, 1). If `axis` (1, 2 or 3) names the axis that was pooled,
        it is kept with length 1, so that the gate broadcasts to the input.

    Raises:
        ValueError: If `kernel_size` is even or the input is not of rank 4 with two maps.

    Example:

    >>> import keras
    >>> from fer_layers import AttentionGate
    >>> AttentionGate(7)(keras.ops.ones((1, 14, 24, 2))).shape
    TensorShape([1, 14, 24])

    Reference:
        Misra et al., "Rotate to Attend: Convolutional Triplet Attention Module", WACV 2021,
        section 3.2; Woo et al., "CBAM", ECCV 2018, section 3.
    """

    def __init__(self, kernel_size: int = 7, use_norm: bool = True, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.kernel_size = odd_int("kernel_size", kernel_size)
        self.use_norm = flag("use_norm", use_norm)
        self.bias = self.norm = None
        if self.use_norm:
            self.norm = keras.layers.BatchNormalization(
                momentum=0.99, epsilon=1e-5, name="norm", **inherited(self)
            )

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        if len(input_shape) != 3:  # else the shape of one map of the pair
            _check_pair(input_shape)
        self.kernel = self.add_weight(
            name="kernel",
            shape=(self.kernel_size, self.kernel_size, 2, 1),
            initializer="glorot_uniform",
        )
        if self.norm is None:
            self.bias = self.add_weight(name="bias", shape=(1,), initializer="zeros")
        else:
            self.norm.build((*input_shape[:3], 1))
        super().build(input_shape)

    def call(
        self,
        inputs: keras.KerasTensor,
        mean: keras.KerasTensor | None = None,
        axis: int | None = None,
        training: bool | None = None,
    ) -> keras.KerasTensor:
        ops = keras.ops
        if mean is None:
            _check_pair(inputs.shape)
            inputs, mean = inputs[..., 0], inputs[..., 1]
        columns = inputs.shape[2]
        x = self._convolve(inputs, mean)
        if self.norm is None:
            # Added before the blocks are opened, so that an exporter can fold it into the
            # convolution.
            x = ops.sigmoid(x + ops.tile(self.bias, (x.shape[-1],)))
            return _opened(x, columns, axis)
        x = self.norm(_opened(x, columns, 3), training=training)
        return _moved(ops.sigmoid(x), axis)

    def _convolve(self, largest, mean):
        """Return the convolution, `(batch, rows, blocks, BLOCK)` or `(batch, rows, columns, 1)`."""
        ops = keras.ops
        columns = largest.shape[2]
        if columns is None:
            # The number of blocks must be known when the graph is built.
            pair = ops.stack([largest, mean], axis=-1)
            return ops.conv(pair, self.kernel, padding="same", data_format="channels_last")
        size = self.kernel_size
        blocks = -(-columns // BLOCK)
        padding = blocks * BLOCK - columns
        rows = ops.shape(largest)[1]

        def blocked(x):
            if padding:
                x = ops.pad(x, ((0, 0), (0, 0), (0, padding)))
            return ops.reshape(x, (-1, rows, blocks, BLOCK))

        selection = toeplitz_selection(size)
        neighbours = selection.shape[1]
        kernel = ops.einsum(
            "itc,tbpq->ibcpq",
            ops.squeeze(self.kernel, -1),
            ops.cast(selection, self.compute_dtype),
        )
        kernel = ops.reshape(kernel, (size, neighbours, 2 * BLOCK, BLOCK))
        x = ops.concatenate([blocked(largest), blocked(mean)], axis=-1)
        return ops.conv(x, kernel, padding="same", data_format="channels_last")

    def norm_pairs(self) -> list[tuple[keras.Layer, keras.Layer | None]]:
        """Return `[(layer, norm or None)]`, for code that folds norms into convolutions."""
        return [(self, self.norm)]

    def count_operations(self, input_shape: tuple[int, ...]) -> dict[str, int]:
        """Return the operations of the convolution as written in the paper, and of its norm."""
        outputs = math.prod(input_shape[1:3])
        return {
            "macs": outputs * self.kernel_size**2 * 2,
            "bias": 0 if self.use_norm else outputs,
            "batch_norm": outputs if self.use_norm else 0,
        }

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return tuple(input_shape[:3])

    def compute_output_spec(
        self,
        inputs: keras.KerasTensor,
        mean: keras.KerasTensor | None = None,
        axis: int | None = None,
        training: bool | None = None,
    ) -> keras.KerasTensor:
        if mean is None:
            _check_pair(inputs.shape)
        shape = list(inputs.shape[:3])
        if axis is not None:
            shape.insert(axis, 1)
        return keras.KerasTensor(shape, dtype=self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "kernel_size": self.kernel_size,
            "use_norm": self.use_norm,
        }


def _check_pair(shape):
    if len(shape) != 4 or shape[-1] != 2:
        raise ValueError(
            "AttentionGate expects (batch, rows, columns, 2), or two of (batch, rows, columns). "
            f"Received: input_shape={tuple(shape)}"
        )


def _moved(x, axis):
    """Return `(batch, rows, columns, 1)` with the axis of one at `axis`, or without it."""
    if axis == 3:
        return x
    x = keras.ops.squeeze(x, 3)
    return x if axis is None else keras.ops.expand_dims(x, axis)


def _opened(x, columns, axis):
    """Return what `_convolve` gives with the columns in a row, and an axis of one at `axis`."""
    ops = keras.ops
    if x.shape[-1] == 1:
        return _moved(x, axis)
    padded = x.shape[2] * BLOCK
    shape = [-1, ops.shape(x)[1], padded]
    if axis is not None:
        shape.insert(axis, 1)
    x = ops.reshape(x, shape)
    if padded == columns:
        return x
    return x[:, :, :columns] if axis in (None, 3) else x[..., :columns]
