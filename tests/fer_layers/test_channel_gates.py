"""ChannelAttention, CBAM and SqueezeExcite by their equations."""

import keras
import numpy as np
import pytest
from helpers.layers import randomize, sample, to_numpy

from fer_layers import CBAM, ChannelAttention, SqueezeExcite

pytestmark = pytest.mark.backend


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def mlp(layer, x):
    w1, b1, w2, b2 = layer.get_weights()
    return np.maximum(x @ w1 + b1, 0) @ w2 + b2


def test_channel_attention_by_its_equation():
    x = sample((2, 6, 5, 8))
    layer = ChannelAttention(reduction=3)
    layer.build(x.shape)
    randomize(layer)
    gate = sigmoid(mlp(layer, x.mean((1, 2))) + mlp(layer, x.max((1, 2))))[:, None, None]
    np.testing.assert_allclose(to_numpy(layer.attention(x)), gate, atol=1e-6)
    np.testing.assert_allclose(to_numpy(layer(x)), x * gate, atol=1e-6)


def test_cbam_is_channel_then_spatial_attention():
    x = sample((2, 6, 5, 8))
    layer = CBAM(reduction=2)
    layer.build(x.shape)
    randomize(layer)
    expected = to_numpy(layer.spatial(layer.channel(x)))
    np.testing.assert_allclose(to_numpy(layer(x)), expected, atol=1e-6)


@pytest.mark.parametrize("shape", [(2, 6, 5, 8), (2, 3, 6, 5, 8)])
def test_squeeze_excite_by_its_equation(shape):
    x = sample(shape)
    layer = SqueezeExcite(reduction=4)
    layer.build(shape)
    randomize(layer)
    axes = tuple(range(1, len(shape) - 1))
    gate = np.expand_dims(sigmoid(mlp(layer, x.mean(axes))), axes)
    np.testing.assert_allclose(to_numpy(layer.attention(x)), gate, atol=1e-6)
    np.testing.assert_allclose(to_numpy(layer(x)), x * gate, atol=1e-6)


def test_clip_of_still_frames_is_gated_as_its_frame():
    frame = sample((2, 6, 5, 8))
    clip = np.repeat(frame[:, None], 4, axis=1)
    image_layer, clip_layer = SqueezeExcite(reduction=4), SqueezeExcite(reduction=4)
    expected = to_numpy(image_layer(frame))
    clip_layer.build(clip.shape)
    clip_layer.set_weights(image_layer.get_weights())
    actual = to_numpy(clip_layer(clip))
    np.testing.assert_allclose(actual, np.repeat(expected[:, None], 4, axis=1), atol=1e-6)


def test_hidden_units_round_down_as_the_authors_do():
    layer = CBAM(reduction=3)
    layer.build((None, 7, 7, 8))
    assert layer.channel.squeeze.units == 2


def test_data_format_follows_the_global_setting():
    keras.config.set_image_data_format("channels_first")
    try:
        assert CBAM().channel.data_format == "channels_first"
    finally:
        keras.config.set_image_data_format("channels_last")
