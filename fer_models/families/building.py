"""The parts that all image models share: input, preparation, head and weights around a body."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras

from fer_data.checks import check_choice, check_integer
from fer_layers import PerImageStandardization
from fer_models.zoo import bundled
from fer_models.zoo.bundled import Weights
from fer_models.zoo.channels import channel_axis
from fer_models.zoo.weight_files import read_weights

POOLINGS = (None, "avg", "max")


def square_shape(size: int, channels: int) -> tuple[int, int, int]:
    """Return the shape of one square image, by Keras's global data format."""
    return (channels, size, size) if channel_axis() == 1 else (size, size, channels)


def build_image_model(
    body: Callable[[keras.KerasTensor], keras.KerasTensor],
    *,
    family: str,
    name: str | None,
    default_shape: tuple[int | None, ...],
    min_size: int,
    include_top: bool,
    weights: str | os.PathLike[str] | None,
    input_tensor: keras.KerasTensor | None,
    input_shape: Sequence[int | None] | None,
    pooling: str | None,
    classes: int,
    classifier_activation: str | Callable | None,
    include_preprocessing: bool,
    head: Callable[[keras.KerasTensor], keras.KerasTensor] | None = None,
    preprocess: Callable[[keras.KerasTensor], keras.KerasTensor] | None = None,
) -> keras.Model:
    """Wrap `body`, a function from an image tensor to a feature map, into a model.

    Args:
        body: Function that takes the prepared image and returns the last feature map.
        family: Name under which the registry knows the model.
        name: Name of the Keras model.
        default_shape: Shape of one image where `input_shape` and `input_tensor` are None.
        min_size: Smallest height and width that the body works on.
        include_top, weights, input_tensor, input_shape, pooling, classes,
        classifier_activation, include_preprocessing: See `ImageArguments`.
        head: Function from the feature map to the vector that the classifying dense layer
            reads. Default: global average pooling.
        preprocess: Function from the image in [0, 255] to what `body` takes. Default: each
            image standardised to mean 0 and standard deviation 1.

    Returns:
        A `keras.Model`.

    Raises:
        ValueError: If an argument breaks its rule; the message names it.
    """
    check_choice("pooling", pooling, POOLINGS)
    check_integer("classes", classes, 2)
    bundled = bundled_weights(family, weights)
    if bundled is not None and bundled.input_shape:
        default_shape = by_data_format(bundled.input_shape)
    inputs = _inputs(input_tensor, input_shape, default_shape, min_size)
    _check_fits(bundled, weights, inputs.shape[channel_axis()], classes if include_top else None)
    head = head or keras.layers.GlobalAveragePooling2D(name="avg_pool")
    preprocess = preprocess or PerImageStandardization(name="standardization")
    x = preprocess(inputs) if include_preprocessing else inputs
    x = body(x)
    if include_top:
        x = head(x)
        x = keras.layers.Dense(classes, name="logits")(x)
        # Float32 under every policy: a softmax in half precision loses the small classes.
        x = keras.layers.Activation(classifier_activation, dtype="float32", name="predictions")(x)
    elif pooling == "avg":
        x = keras.layers.GlobalAveragePooling2D(name="avg_pool")(x)
    elif pooling == "max":
        x = keras.layers.GlobalMaxPooling2D(name="max_pool")(x)
    source = inputs if input_tensor is None else keras.utils.get_source_inputs(inputs)
    model = keras.Model(source, x, name=name)
    load_weights(model, family, weights)
    return model


def _inputs(input_tensor, input_shape, default_shape, min_size):
    if input_tensor is not None:
        if not keras.backend.is_keras_tensor(input_tensor):
            raise ValueError(
                "`input_tensor` must be a Keras tensor, as `keras.Input` gives. "
                f"Received: input_tensor of type {type(input_tensor).__name__}"
            )
        given = tuple(input_tensor.shape[1:])
        if input_shape is not None and tuple(input_shape) != given:
            raise ValueError(
                "`input_shape` must equal the shape of `input_tensor` where both are given. "
                f"Received: input_shape={tuple(input_shape)}, input_tensor of shape {given}"
            )
        _check_shape(given, min_size)
        return input_tensor
    shape = tuple(default_shape if input_shape is None else input_shape)
    _check_shape(shape, min_size)
    return keras.Input(shape, name="image")


def _check_shape(shape, min_size):
    first = keras.config.image_data_format() == "channels_first"
    rule = "(channels, height, width)" if first else "(height, width, channels)"
    if len(shape) != 3:
        raise ValueError(f"`input_shape` must be {rule}. Received: input_shape={shape}")
    channels, sizes = (shape[0], shape[1:]) if first else (shape[2], shape[:2])
    if channels not in (1, 3):
        raise ValueError(
            f"`input_shape` must be {rule} with 1 channel (grey) or 3 (colour). "
            f"Received: input_shape={shape}"
        )
    if any(size is not None and not (isinstance(size, int) and size >= min_size) for size in sizes):
        raise ValueError(
            f"`input_shape` must have height and width of at least {min_size}. "
            f"Received: input_shape={shape}"
        )


def by_data_format(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape of one image, given channels last, by Keras's global data format."""
    return (shape[2], *shape[:2]) if channel_axis() == 1 else tuple(shape)


def bundled_weights(family: str, weights: str | os.PathLike[str] | None) -> Weights | None:
    """Return the registry's `Weights` where `weights` is a tag, `None` for `None` or a path."""
    if weights is None:
        return None
    if not isinstance(weights, (str, Path)):
        raise ValueError(
            "`weights` must be None, a tag of the registry or a path. "
            f"Received: weights={weights!r}"
        )
    if _is_path(weights):
        return None
    return bundled.weights(family, str(weights))


def bundled_option(
    family: str, weights: str | os.PathLike[str] | None, option: str, value: Any, default: Any
) -> Any:
    """Return an argument of a builder: the given one, that of bundled weights, or the default.

    Raises:
        ValueError: If the weights were trained with another value than the given one.
    """
    bundled = bundled_weights(family, weights)
    if bundled is None:
        return default if value is None else value
    own = bundled.options.get(option, default)
    if value not in (None, own):
        raise ValueError(
            f"`{option}` must be {own!r} with weights={weights!r}, which were trained so, or left "
            f"out. Received: {option}={value!r}"
        )
    return own


def _check_fits(bundled, weights, channels, classes):
    if bundled is None or not bundled.input_shape:
        return
    if channels != bundled.input_shape[-1]:
        raise ValueError(
            f"`input_shape` must have {bundled.input_shape[-1]} channel(s) with "
            f"weights={weights!r}, which were trained on {bundled.input_shape}. Received: "
            f"{channels} channels"
        )
    if classes not in (None, len(bundled.class_names)):
        raise ValueError(
            f"`classes` must be {len(bundled.class_names)} with weights={weights!r}; for others "
            f"build with `include_top=False` and add a dense layer. Received: classes={classes}"
        )


def _is_path(weights):
    return Path(weights).suffix in (".h5", ".keras")


def load_weights(model: keras.Model, family: str, weights: str | os.PathLike[str] | None) -> None:
    """Load `weights` (None, a tag of the registry, or a path) into `model`."""
    if weights is None:
        return
    if not _is_path(weights):
        read_weights(model, bundled.weights_file(family, str(weights)))
    elif not Path(weights).is_file():
        raise ValueError(f"`weights` names no file. Received: weights={str(weights)!r}")
    else:
        model.load_weights(weights)
