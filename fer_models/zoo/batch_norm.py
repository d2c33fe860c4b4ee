"""Where a model's batch norm is."""

import keras


def batch_norm_layers(model):
    """Return all batch norm layers of a model, also those inside of layers and models."""
    return [
        layer
        for layer in model._flatten_layers()
        if isinstance(layer, keras.layers.BatchNormalization)
    ]
