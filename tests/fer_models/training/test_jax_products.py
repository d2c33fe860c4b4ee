"""Convolutions as products are the library's: values and gradients, and what they refuse."""

import os

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fer_models.training import jax_products as products

pytestmark = [
    pytest.mark.backend,
    pytest.mark.skipif(
        keras.backend.backend() != "jax", reason="it replaces functions of the JAX backend"
    ),
]


def both(ours, theirs, images, kernel, **options):
    """Return values and gradients of ours and the library's."""
    import jax

    def loss(function):
        def run(images, kernel):
            out = function(images, kernel, **options)
            return (out * np.cos(np.arange(out.size)).reshape(out.shape)).sum(), out

        return jax.jit(jax.value_and_grad(run, (0, 1), has_aux=True))(images, kernel)

    return loss(ours), loss(theirs)


@given(
    side=st.tuples(st.integers(5, 9), st.integers(5, 9)),
    kernel=st.sampled_from([(1, 1), (3, 3), (5, 3)]),
    strides=st.sampled_from([1, 2, (1, 2)]),
    padding=st.sampled_from(["valid", "same"]),
    depthwise=st.booleans(),
    channels=st.integers(1, 3),
    filters=st.integers(1, 3),
)
@settings(max_examples=5, deadline=None)
def test_values_and_gradients(side, kernel, strides, padding, depthwise, channels, filters):
    rng = np.random.default_rng(0)
    images = rng.normal(size=(2, *side, channels)).astype("float32")
    taps = rng.normal(size=(*kernel, channels, filters)).astype("float32")
    name = "depthwise_conv" if depthwise else "conv"
    ((_, mine), my_slopes), ((_, library), slopes) = both(
        getattr(products, name),
        getattr(keras.ops, name),
        *(images, taps),
        **{"strides": strides, "padding": padding, "data_format": "channels_last"},
    )
    np.testing.assert_allclose(mine, library, atol=1e-4)
    for own, other in zip(my_slopes, slopes, strict=True):
        np.testing.assert_allclose(own, other, atol=1e-4)


@pytest.mark.parametrize(
    "changes",
    [{"data_format": "channels_first"}, {"dilation_rate": 2}, {"kernel": np.ones((3, 3, 1, 2))}],
)
def test_mistakes(changes):
    arguments = {"inputs": np.ones((1, 6, 6, 2)), "kernel": np.ones((3, 3, 2, 2))} | changes
    with pytest.raises(ValueError, match="channels last, without groups"):
        products.conv(**arguments)


def test_installing_replaces_what_keras_calls(monkeypatch):
    from keras.src.backend.jax import nn

    library = nn.conv, nn.depthwise_conv
    images = np.random.default_rng(0).normal(size=(1, 6, 6, 2)).astype("float32")
    layers = keras.layers.Conv2D(3, 3, padding="same"), keras.layers.DepthwiseConv2D(3, 2)
    before = [np.asarray(layer(images)) for layer in layers]
    with products.installed():
        assert nn.conv is products.conv
        for layer, old in zip(layers, before, strict=True):
            np.testing.assert_allclose(layer(images), old, atol=1e-5)
    assert (nn.conv, nn.depthwise_conv) == library
    monkeypatch.setenv("XLA_FLAGS", "--xla_dump_to=here")
    for _ in range(2):
        products.set_flags()
    assert os.environ["XLA_FLAGS"] == f"--xla_dump_to=here {products.FLAG}"
