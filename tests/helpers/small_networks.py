"""A small network in the place of those of the registry, where a test is about the training."""

import dataclasses

import keras

from fer_models.zoo import registry


def small_network(
    input_shape,
    classes,
    width=1,
    stem_strides=2,
    noise_layers=1,
    noise_stddev=0.1,
    cbam="light",
    dense_units=1024,
    dropout=0.5,
    trunk=None,
    weights=None,
    seed=None,
):
    """Return a network with what matters to a training: batch norm, dropout, a convolution."""
    image = keras.Input(input_shape)
    x = keras.layers.Conv2D(4, 5, strides=4, activation="relu", name="last_conv")(image / 255)
    x = keras.layers.BatchNormalization()(x)
    x = keras.layers.Flatten()(x)
    x = keras.layers.Dropout(0.1, seed=seed)(x)
    return keras.Model(image, keras.layers.Dense(classes, activation="softmax")(x))


def put_small_networks(monkeypatch):
    """Let every name of the registry build the small network."""
    for name, entry in registry.MODELS.items():
        small = dataclasses.replace(entry, builder=small_network, weights={})
        monkeypatch.setitem(registry.MODELS, name, small)
