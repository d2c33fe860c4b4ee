"""Checks of arguments that several modules share, with errors in Keras's style."""

import math
import numbers

import numpy as np


def check_integer(name, value, least):
    """Raise `ValueError` unless `value` is an integer of `least` or more."""
    whole = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    if not whole or value < least:
        raise ValueError(f"`{name}` must be an integer >= {least}. Received: {name}={value!r}")


def check_number(name, value, low=-math.inf, high=math.inf):
    """Raise `ValueError` unless `value` is a finite number in `[low, high]`."""
    number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if not number or not math.isfinite(value) or not low <= value <= high:
        if low == -math.inf and high == math.inf:
            rule = "a finite number"
        elif high == math.inf:
            rule = f"a number >= {low}"
        else:
            rule = f"a number in [{low}, {high}]"
        raise ValueError(f"`{name}` must be {rule}. Received: {name}={value!r}")


def check_choice(name, value, choices):
    """Raise `ValueError` unless `value` is one of `choices`."""
    if value not in choices:
        raise ValueError(f"`{name}` must be one of {choices}. Received: {name}={value!r}")


def is_whole(value):
    """Return whether `value` is an integer of 1 or more."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def check_attribute(owner, name, valid, rule):
    """Raise `ValueError` unless `valid`."""
    if not valid:
        raise ValueError(
            f"`{name}` of a {type(owner).__name__} must be {rule}. "
            f"Received: {name}={getattr(owner, name)!r}"
        )


def checked_images(images, shape=None):
    """Return images as an array after checking rank, range and, if given, the shape of one."""
    images = np.asarray(images)
    if images.ndim != 4 or not len(images) or images.dtype.kind not in "uif":
        raise ValueError(
            "`images` must be numbers of shape (examples, height, width, channels), one example "
            f"or more. Received: dtype={images.dtype}, shape={images.shape}"
        )
    if shape is not None and any(
        theirs not in (None, ours) for theirs, ours in zip(shape, images.shape[1:], strict=True)
    ):
        raise ValueError(
            f"`images` must be of the model's shape {tuple(shape)}. Received: {images.shape[1:]}"
        )
    if not np.isfinite(images).all() or images.min() < 0 or images.max() > 255:
        raise ValueError(
            f"`images` must be in [0, 255]. Received: values from {images.min()} to {images.max()}"
        )
    return images


def checked_labels(labels, count, classes):
    """Return labels as int32 after checking their number and range."""
    labels = np.asarray(labels)
    if labels.dtype.kind not in "iu" or labels.shape != (count,):
        raise ValueError(
            f"`labels` must be {count} integers, one an image. "
            f"Received: dtype={labels.dtype}, shape={labels.shape}"
        )
    if labels.min() < 0 or labels.max() >= classes:
        raise ValueError(
            f"`labels` must be from 0 to {classes - 1}. "
            f"Received: labels from {labels.min()} to {labels.max()}"
        )
    return labels.astype("int32")


def check_epsilon(name, value, most=255):
    """Raise `ValueError` unless `value` is a number of grey levels above 0."""
    number = isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
    if not number or not 0 < value <= most:
        raise ValueError(
            f"`{name}` must be above 0 and at most {most} grey levels. Received: {name}={value!r}"
        )


def checked_values(name, values, length=None):
    """Return finite float64 values `(examples, queries)`, or raise `ValueError`.

    Args:
        name: Of the argument.
        values: `(examples,)` or `(examples, queries)`.
        length: Number of examples wanted, or `None`.
    """
    values = np.asarray(values, dtype="float64")
    if values.ndim == 1:
        values = values[:, None]
    if values.ndim != 2 or not values.size:
        raise ValueError(
            f"`{name}` must be of shape (examples,) or (examples, queries), and not empty. "
            f"Received: shape={values.shape}"
        )
    if length is not None and len(values) != length:
        raise ValueError(f"`{name}` must hold {length} examples. Received: {len(values)}")
    return checked_finite(name, values)


def checked_finite(name, values):
    """Return the values, or raise `ValueError` where one is infinite or not a number."""
    if not np.isfinite(values).all():
        raise ValueError(
            f"`{name}` must be finite. Received: {int((~np.isfinite(values)).sum())} of "
            f"{values.size} values that are not"
        )
    return values


def checked_references(name, values, examples, queries):
    """Return values of reference models `(models, examples, queries)`, or raise `ValueError`."""
    values = np.asarray(values, dtype="float64")
    if values.ndim == 2:
        values = values[..., None]
    if values.ndim != 3 or not len(values) or values.shape[1:] != (examples, queries):
        raise ValueError(
            f"`{name}` must be of shape (models, {examples}, {queries}), with the examples and "
            f"queries of the target. Received: shape={values.shape}"
        )
    return checked_finite(name, values)


def checked_inside(inside, shape):
    """Return a boolean array `(models, examples)`, or raise `ValueError`."""
    inside = np.asarray(inside)
    if inside.dtype != bool or inside.shape != shape:
        raise ValueError(
            f"`inside` must be a boolean array of shape {shape}, whether each reference model was "
            f"trained on each example. Received: dtype={inside.dtype}, shape={inside.shape}"
        )
    return inside


def checked_rate(name, value):
    """Return a number between 0 and 1, both excluded, or raise `ValueError`."""
    if isinstance(value, bool) or not 0 < value < 1:
        raise ValueError(f"`{name}` must be between 0 and 1. Received: {name}={value!r}")
    return float(value)
