"""Checks that the attacks share."""

import numpy as np


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
