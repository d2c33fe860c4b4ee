"""Convolutions on JAX as sums of shifted maps and matrix products, which XLA compiles fast.

On a graphics card XLA looks for the fastest of cuDNN's algorithms for every shape of every
convolution and both its gradients. A network of depthwise convolutions has hundreds of these, some
of which are slow even to try; docs/how-to/train-on-a-graphics-card.md has figures.

The functions that Keras's JAX backend calls are replaced, as Keras has no other place for it;
results and gradients are the same up to rounding.
"""

import contextlib
import os
from collections.abc import Iterator, Sequence
from typing import Any

import keras

# Matrix products fused with slices stop XLA (jaxlib 0.11) with a failed check.
FLAG = "--xla_gpu_enable_triton_gemm=false"


def set_flags() -> None:
    """Tell XLA what it needs to know before JAX first looks at the graphics card."""
    before = os.environ.get("XLA_FLAGS", "")
    if FLAG not in before:
        os.environ["XLA_FLAGS"] = f"{before} {FLAG}".strip()


@contextlib.contextmanager
def installed() -> Iterator[None]:
    """Compute convolutions as matrix products inside of the `with` block.

    Raises:
        ValueError: If Keras does not run on JAX.
    """
    if keras.backend.backend() != "jax":
        raise ValueError(
            "Convolutions as matrix products are for JAX: set KERAS_BACKEND=jax. "
            f"Received: the backend {keras.backend.backend()}"
        )
    from keras.src.backend.jax import nn

    kept = nn.conv, nn.depthwise_conv
    nn.conv, nn.depthwise_conv = conv, depthwise_conv
    try:
        yield
    finally:
        nn.conv, nn.depthwise_conv = kept


def depthwise_conv(
    inputs: Any,
    kernel: Any,
    strides: int | Sequence[int] = 1,
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: int | Sequence[int] = 1,
) -> Any:
    """As `keras.ops.depthwise_conv`: a sum over the places of the kernel."""
    import jax.numpy as jnp

    height, width, channels, multiplier = kernel.shape
    parts = _shifted(inputs, kernel, strides, padding, data_format, dilation_rate)
    taps = jnp.reshape(jnp.asarray(kernel), (height * width, channels * multiplier))
    # In float32, as cuDNN sums half precision too; fused, it costs no memory.
    summed = sum(
        jnp.repeat(part, multiplier, axis=-1).astype("float32") * tap.astype("float32")
        for part, tap in zip(parts, taps, strict=True)
    )
    return summed.astype(parts[0].dtype)


def conv(
    inputs: Any,
    kernel: Any,
    strides: int | Sequence[int] = 1,
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: int | Sequence[int] = 1,
) -> Any:
    """As `keras.ops.conv`: one matrix product with the pixels under the kernel side by side."""
    import jax.numpy as jnp

    parts = _shifted(inputs, kernel, strides, padding, data_format, dilation_rate)
    under = jnp.concatenate(parts, axis=-1)
    taps = jnp.reshape(jnp.asarray(kernel), (-1, kernel.shape[-1]))
    product = jnp.reshape(under, (-1, len(taps))) @ taps
    return jnp.reshape(product, (*under.shape[:-1], kernel.shape[-1]))


def _shifted(inputs, kernel, strides, padding, data_format, dilation_rate):
    """Return what each place of the kernel sees, a map of the output's size for each."""
    import jax.numpy as jnp

    strides, dilation = _pair(strides), _pair(dilation_rate)
    last = keras.config.image_data_format() if data_format is None else data_format
    whole = kernel.ndim == 4 and kernel.shape[2] == inputs.shape[-1]
    if last != "channels_last" or dilation != (1, 1) or not whole:
        raise ValueError(
            "Convolutions as matrix products must be 2D, channels last, without groups and "
            f"dilation. Received: kernel of shape {tuple(kernel.shape)}, inputs of shape "
            f"{tuple(inputs.shape)}, {last}, dilation_rate={dilation_rate}"
        )
    x, sizes = jnp.asarray(inputs), kernel.shape[:2]
    around = [
        _padding(side, size, step, padding)
        for side, size, step in zip(x.shape[1:3], sizes, strides, strict=True)
    ]
    x = jnp.pad(x, ((0, 0), *around, (0, 0)))
    ends = [side - size + 1 for side, size in zip(x.shape[1:3], sizes, strict=True)]
    return [
        x[:, down : down + ends[0] : strides[0], right : right + ends[1] : strides[1]]
        for down in range(sizes[0])
        for right in range(sizes[1])
    ]


def _padding(side, size, step, padding):
    if padding.lower() == "valid":
        return 0, 0
    total = max((-(-side // step) - 1) * step + size - side, 0)
    return total // 2, total - total // 2


def _pair(value):
    return (value, value) if isinstance(value, int) else tuple(value)
