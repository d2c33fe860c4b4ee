"""The gate that triplet attention and CBAM share: convolution of a pooled pair of maps."""

import math

import keras
import numpy as np

from fer_layers._arguments import PACKAGE, odd_int

BLOCK = 8


def toeplitz_selection(kernel_size, block=BLOCK):
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
        use_norm: Whether there is batch normalisation; without it the convolution has a bias,
            into which that of a trained layer can be folded.
        **kwargs: `name`, `dtype` and `trainable` of every Keras layer.

    Input shape:
        `(batch, rows, columns, 2)` whatever the image data format: max and mean.

    Output shape:
        `(batch, rows, columns)`, in (0, 1).

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

    def __init__(self, kernel_size=7, use_norm=True, **kwargs):
        super().__init__(**kwargs)
        self.kernel_size = odd_int("kernel_size", kernel_size)
        self.use_norm = bool(use_norm)
        self.bias = self.norm = None
        if self.use_norm:
            self.norm = keras.layers.BatchNormalization(
                momentum=0.99, epsilon=1e-5, dtype=self.dtype_policy, name="norm"
            )

    def build(self, input_shape):
        if len(input_shape) != 4 or input_shape[-1] != 2:
            raise ValueError(
                "AttentionGate expects (batch, rows, columns, 2). "
                f"Received: input_shape={tuple(input_shape)}"
            )
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

    def call(self, inputs, training=None):
        x = self._convolve(inputs)
        x = x + self.bias if self.norm is None else self.norm(x, training=training)
        return keras.ops.sigmoid(keras.ops.squeeze(x, -1))

    def _convolve(self, x):
        ops = keras.ops
        columns = x.shape[2]
        if columns is None:
            # The number of blocks must be known when the graph is built.
            return ops.conv(x, self.kernel, padding="same", data_format="channels_last")
        size = self.kernel_size
        blocks = -(-columns // BLOCK)
        padded = blocks * BLOCK
        if padded > columns:
            x = ops.pad(x, ((0, 0), (0, 0), (0, padded - columns), (0, 0)))
        rows = ops.shape(x)[1]
        x = ops.reshape(x, (-1, rows, blocks, BLOCK * 2))
        selection = toeplitz_selection(size)
        neighbours = selection.shape[1]
        kernel = ops.einsum(
            "itc,tbpq->ibpcq",
            ops.squeeze(self.kernel, -1),
            ops.cast(selection, self.compute_dtype),
        )
        kernel = ops.reshape(kernel, (size, neighbours, BLOCK * 2, BLOCK))
        x = ops.conv(x, kernel, padding="same", data_format="channels_last")
        x = ops.reshape(x, (-1, rows, padded, 1))
        return x[:, :, :columns] if padded > columns else x

    def norm_pairs(self):
        """Return this layer with its norm or None, for whoever folds it."""
        return [(self, self.norm)]

    def count_operations(self, input_shape):
        """Return the operations of the convolution as written in the paper, and its norm."""
        outputs = math.prod(input_shape[1:3])
        return {
            "macs": outputs * self.kernel_size**2 * 2,
            "bias": 0 if self.use_norm else outputs,
            "batch_norm": outputs if self.use_norm else 0,
        }

    def compute_output_shape(self, input_shape):
        return tuple(input_shape[:3])

    def get_config(self):
        return super().get_config() | {
            "kernel_size": self.kernel_size,
            "use_norm": self.use_norm,
        }
