"""Checks of the arguments that attacks and corruptions share."""

import numpy as np


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


def check_whole(name, value, least):
    """Raise `ValueError` unless `value` is an integer of at least `least`."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
        raise ValueError(
            f"`{name}` must be an integer of {least} or more. Received: {name}={value!r}"
        )


def check_epsilon(name, value, most=255):
    """Raise `ValueError` unless `value` is a number of grey levels above 0."""
    number = isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
    if not number or not 0 < value <= most:
        raise ValueError(
            f"`{name}` must be above 0 and at most {most} grey levels. Received: {name}={value!r}"
        )
