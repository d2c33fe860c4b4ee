"""Fused steps are Keras's own: losses, gradients, statistics, and what is put back."""

import keras
import numpy as np
import pytest
from keras import layers

from fer_models.training import fused_steps

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="it replaces functions of TensorFlow's backend"
)


def pictures(dtype):
    return keras.Sequential(
        [
            keras.Input((9, 8, 3)),
            layers.Conv2D(8, 3, use_bias=False, dtype=dtype),
            layers.BatchNormalization(momentum=0.5, dtype=dtype),
            layers.DepthwiseConv2D(3, strides=2, use_bias=False, dtype=dtype),
            layers.BatchNormalization(scale=False, center=False, dtype=dtype),
            layers.Flatten(),
            layers.Dense(2, dtype="float32"),
        ]
    )


def clips(dtype):
    return keras.Sequential(
        [
            keras.Input((4, 6, 5, 3)),
            layers.Conv3D(8, 3, use_bias=False, dtype=dtype),
            layers.BatchNormalization(dtype=dtype),
            layers.Activation("tanh"),
            layers.Flatten(),
            layers.Dense(2, dtype="float32"),
        ]
    )


def step(build, dtype):
    """Return loss, gradients and moved statistics of one step, and the operations of its graph."""
    import tensorflow as tf

    keras.utils.set_random_seed(0)
    model = build(dtype)
    images = np.random.default_rng(0).normal(1, 2, size=(16, *model.input_shape[1:]))

    @tf.function
    def slopes(images):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(model(images, training=True) ** 2)
        return loss, tape.gradient(loss, [each.value for each in model.trainable_variables])

    loss, gradients = slopes(tf.constant(images, "float32"))
    graph = slopes.get_concrete_function(tf.constant(images, "float32")).graph
    moved = [each.numpy() for each in model.non_trainable_variables]
    return (
        loss.numpy(),
        [g.numpy() for g in gradients],
        moved,
        {op.type for op in graph.get_operations()},
    )


@pytest.mark.parametrize("build", [pictures, clips])
def test_a_step_is_the_same(build):
    loss, gradients, moved, types = step(build, "float32")
    with fused_steps.installed():
        same_loss, same_gradients, same_moved, fused_types = step(build, "float32")
    assert "FusedBatchNormV3" in fused_types - types
    np.testing.assert_allclose(same_loss, loss, rtol=1e-5)
    for ours, theirs in zip(same_gradients + same_moved, gradients + moved, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-5)


def test_half_precision_stays_close_and_convolves_depthwise_in_whole():
    whole_loss, whole, whole_moved, _ = step(pictures, "float32")
    with fused_steps.installed():
        loss, gradients, moved, _ = step(pictures, "mixed_bfloat16")
    np.testing.assert_allclose(loss, whole_loss, rtol=0.05)
    np.testing.assert_allclose(gradients[-1], whole[-1], rtol=0.05, atol=0.05)
    for ours, theirs in zip(moved, whole_moved, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0.05, atol=0.05)


def test_layers_that_are_not_fused_compute_as_before():
    images = np.random.default_rng(0).normal(size=(6, 5, 4, 3)).astype("float32")
    for options in ({"axis": 1}, {"renorm": True}, {"trainable": False}, {"dtype": "float64"}):
        expected = layers.BatchNormalization(**options)(images, training=True)
        with fused_steps.installed():
            given = layers.BatchNormalization(**options)(images, training=True)
        np.testing.assert_array_equal(given, expected)


def test_keras_is_put_back():
    from keras.src.backend.tensorflow import nn

    before = layers.BatchNormalization.call, nn.depthwise_conv
    with fused_steps.installed():
        assert layers.BatchNormalization.call is not before[0]
    assert (layers.BatchNormalization.call, nn.depthwise_conv) == before
