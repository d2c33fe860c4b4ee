"""Fused steps are Keras's own: losses, gradients, statistics, and what is put back."""

import inspect

import keras
import numpy as np
import pytest
from keras import layers

from fer_models.training import fused_steps

pytestmark = pytest.mark.skipif(
    not fused_steps._gains(), reason="it is for TensorFlow without a graphics card"
)


def pictures(dtype):
    return keras.Sequential(
        [
            keras.Input((9, 8, 3)),
            layers.Conv2D(8, 3, use_bias=False, dtype=dtype),
            layers.BatchNormalization(momentum=0.5, dtype=dtype),
            layers.Activation("tanh", dtype=dtype),
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


def step(build, dtype, count=16):
    """Return loss, gradients and moved statistics of one step, and the operations of its graph."""
    import tensorflow as tf

    keras.utils.set_random_seed(0)
    model = build(dtype)
    images = np.random.default_rng(0).normal(1, 2, size=(count, *model.input_shape[1:]))

    # As `fit` traces it: for any number of images.
    @tf.function(input_signature=[tf.TensorSpec(model.input_shape, "float32")])
    def slopes(images):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(model(images, training=True) ** 2)
        return loss, tape.gradient(loss, [each.value for each in model.trainable_variables])

    loss, gradients = slopes(tf.constant(images, "float32"))
    moved = [each.numpy() for each in model.non_trainable_variables]
    operations = slopes.get_concrete_function().graph.get_operations()
    return loss.numpy(), [g.numpy() for g in gradients], moved, operations


@pytest.mark.parametrize("build", [pictures, clips])
@pytest.mark.parametrize("count", [16, 3])
def test_a_step_is_the_same(build, count):
    loss, gradients, moved, operations = step(build, "float32", count)
    assert not any(each.type == "FusedBatchNormV3" for each in operations)
    with fused_steps.installed():
        same_loss, same_gradients, same_moved, fused = step(build, "float32", count)
    assert any(each.type == "FusedBatchNormV3" for each in fused)
    np.testing.assert_allclose(same_loss, loss, rtol=1e-5)
    for ours, theirs in zip(same_gradients + same_moved, gradients + moved, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-5)


def test_half_precision_stays_close_and_convolves_depthwise_in_whole():
    whole_loss, whole, whole_moved, _ = step(pictures, "float32")
    with fused_steps.installed():
        loss, gradients, moved, operations = step(pictures, "mixed_bfloat16")
    depthwise = [each for each in operations if each.type.startswith("DepthwiseConv2dNative")]
    assert len(depthwise) == 3
    assert {each.get_attr("T").name for each in depthwise} == {"float32"}
    np.testing.assert_allclose(loss, whole_loss, rtol=0.05)
    for ours, theirs in zip(gradients, whole, strict=True):
        angle = (ours * theirs).sum() / np.linalg.norm(ours) / np.linalg.norm(theirs)
        assert angle > 0.9
    for ours, theirs in zip(moved, whole_moved, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0.05, atol=0.05)


@pytest.mark.parametrize(
    "options",
    [
        {"axis": 1},
        {"trainable": False},
        {"dtype": "float64"},
        {"dtype": "bfloat16"},
        pytest.param(
            {"renorm": True},
            marks=pytest.mark.skipif(
                "renorm" not in inspect.signature(layers.BatchNormalization).parameters,
                reason="this Keras has no `renorm`",
            ),
        ),
    ],
)
def test_layers_that_are_not_fused_compute_as_before(options):
    images = np.random.default_rng(0).normal(size=(6, 5, 4, 3)).astype("float32")
    expected = layers.BatchNormalization(**options)(images, training=True)
    with fused_steps.installed():
        given = layers.BatchNormalization(**options)(images, training=True)
    np.testing.assert_array_equal(given, expected)


def test_keras_is_put_back_when_the_last_user_has_left():
    from keras.src.backend.tensorflow import nn

    before = layers.BatchNormalization.call, nn.depthwise_conv
    one, other = fused_steps.installed(), fused_steps.installed()
    one.__enter__()
    other.__enter__()
    one.__exit__(None, None, None)
    assert layers.BatchNormalization.call is not before[0]
    other.__exit__(None, None, None)
    assert (layers.BatchNormalization.call, nn.depthwise_conv) == before
