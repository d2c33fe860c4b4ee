"""Test-time augmentation: the mean of a model's outputs for a face and for its mirror image."""

import keras

from fer_models.zoo.model_checks import check_one_output


def mirror_mean(model: keras.Model) -> keras.Model:
    """Return a model that gives the mean over each image and its mirror image.

    An expression is the same in the mirror, and the mean of the two answers is steadier than one,
    at twice the time.

    Args:
        model: Built Keras model of one image, channels last, with one output.

    Returns:
        A `keras.Model` of the same input and output, which shares the weights.

    Raises:
        ValueError: If the model has another input, or several outputs.

    Example:

    >>> import numpy as np
    >>> inputs = keras.Input((1, 2, 1))
    >>> model = keras.Model(inputs, keras.layers.Flatten()(inputs))
    >>> mirror_mean(model).predict(np.array([[[[0.2], [0.8]]]]), verbose=0).tolist()
    [[0.5, 0.5]]
    """
    shapes = [tuple(tensor.shape) for tensor in getattr(model, "inputs", None) or ()]
    if len(shapes) != 1 or len(shapes[0]) != 4:
        raise ValueError(
            "`model` must take one image (batch, height, width, channels). "
            f"Received: inputs of shape {shapes}"
        )
    check_one_output(model)
    across = 2 if keras.config.image_data_format() == "channels_last" else 3
    images = keras.Input(shapes[0][1:])
    mirrored = keras.ops.flip(images, axis=across)
    mean = (model(images) + model(mirrored)) / 2
    return keras.Model(images, mean, name=f"{model.name}_mirror_mean")
