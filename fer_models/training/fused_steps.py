"""Fewer and faster operations in a training step on TensorFlow, with the same results.

Keras computes batch normalisation of a training step from some ten operations and as many for its
gradient; TensorFlow has one for each. In bfloat16, TensorFlow's gradient of a depthwise convolution
takes longer on a processor than in float32, where it is a small part of a step.

What Keras calls is replaced, as Keras has no other place for it; results and gradients are the same
up to rounding. `benchmarks/fused_steps.py` prints what it saves.
"""

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

import keras

_lock = threading.Lock()
_kept: list[Any] = []
_users = 0


@contextlib.contextmanager
def installed() -> Iterator[None]:
    """Compute so inside of the `with` block, in all threads.

    It does nothing on other backends than TensorFlow, or where there is a graphics card, whose
    compiler joins small operations itself.
    """
    global _users
    if not _gains():
        yield
        return
    with _lock:
        if not _users:
            _install()
        _users += 1
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            if not _users:
                _put_back()


def _gains():
    if keras.backend.backend() != "tensorflow":
        return False
    import tensorflow as tf

    return not tf.config.list_physical_devices("GPU")


def _install():
    from keras.src.backend.tensorflow import nn

    normalise, depthwise_conv = keras.layers.BatchNormalization.call, nn.depthwise_conv
    _kept[:] = normalise, depthwise_conv

    def call(self, inputs, training=None, mask=None):
        if training and mask is None and _fusible(self, inputs):
            return _normalise(self, inputs)
        return normalise(self, inputs, training=training, mask=mask)

    def convolve(inputs, kernel, *args, **kwargs):
        import tensorflow as tf

        if inputs.dtype != tf.bfloat16:
            return depthwise_conv(inputs, kernel, *args, **kwargs)
        whole = (tf.cast(each, tf.float32) for each in (inputs, kernel))
        return tf.cast(depthwise_conv(*whole, *args, **kwargs), tf.bfloat16)

    keras.layers.BatchNormalization.call, nn.depthwise_conv = call, convolve


def _put_back():
    from keras.src.backend.tensorflow import nn

    keras.layers.BatchNormalization.call, nn.depthwise_conv = _kept


def _fusible(layer, inputs):
    last = layer.axis in (-1, len(inputs.shape) - 1)
    # Keras 3.13 has no `renorm`.
    plain = not (getattr(layer, "renorm", False) or layer.synchronized)
    known = layer.compute_dtype in ("float32", "bfloat16") and layer.variable_dtype == "float32"
    return layer.trainable and plain and last and known and len(inputs.shape) in (4, 5)


def _normalise(layer: keras.layers.BatchNormalization, inputs: Any) -> Any:
    """Return normalised maps of a training step, and move the layer's statistics."""
    import tensorflow as tf

    maps = inputs = tf.cast(inputs, layer.compute_dtype)
    channels = inputs.shape[-1]
    if len(inputs.shape) == 5:
        # The operation is for pictures: those of a clip stand below each other.
        shape = tf.shape(inputs)
        maps = tf.reshape(inputs, [shape[0] * shape[1], *tf.unstack(shape[2:])])
    outputs, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
        x=maps,
        scale=tf.cast(layer.gamma, tf.float32) if layer.scale else tf.ones(channels),
        offset=tf.cast(layer.beta, tf.float32) if layer.center else tf.zeros(channels),
        mean=tf.zeros([0]),
        variance=tf.zeros([0]),
        epsilon=layer.epsilon,
        is_training=True,
    )
    # TensorFlow's is the unbiased estimate, Keras's is not.
    count = tf.cast(tf.size(inputs), tf.float32) / channels
    variance = variance * (count - 1) / count
    for moving, batch in ((layer.moving_mean, mean), (layer.moving_variance, variance)):
        moving.assign(moving * layer.momentum + batch * (1.0 - layer.momentum))
    if maps is not inputs:
        outputs = tf.reshape(outputs, tf.shape(inputs))
        outputs.set_shape(inputs.shape)
    return outputs
