"""Checks of arguments, with errors in Keras's style: one schema for all public functions.

A check raises `ValueError` with the argument's name, the rule, and what was received. Those named
`check_...` return nothing; those named `checked_...` return the argument as what it stands for,
such as an array. Call them first in a public function, so that no error of another library, which
knows no argument's name, reaches the caller.
"""

import math
import numbers
import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

# Kinds of NumPy's dtypes: unsigned, signed, floating.
REAL, WHOLE = "uif", "ui"
# Larger ones are no number of NumPy's, and no count of anything.
MOST_INTEGER = 2**63 - 1


def check_integer(name: str, value: Any, least: int, most: int = MOST_INTEGER) -> None:
    """Raise `ValueError` unless `value` is an integer from `least` to `most`."""
    whole = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    if not whole or not least <= value <= most:
        large = whole and most == MOST_INTEGER < value
        rule = f">= {least}" if most == MOST_INTEGER and not large else f"from {least} to {most}"
        raise ValueError(f"`{name}` must be an integer {rule}. Received: {name}={shown(value)}")


def check_seed(name: str, value: Any) -> None:
    """Raise `ValueError` unless `value` is an integer of 0 or more."""
    check_integer(name, value, 0)


def check_number(name: str, value: Any, low: float = -math.inf, high: float = math.inf) -> None:
    """Raise `ValueError` unless `value` is a finite number in `[low, high]`."""
    if not is_number(value) or not low <= value <= high:
        if low == -math.inf and high == math.inf:
            rule = "a finite number"
        elif high == math.inf:
            rule = f"a number >= {low}"
        else:
            rule = f"a number in [{low}, {high}]"
        raise ValueError(f"`{name}` must be {rule}. Received: {name}={shown(value)}")


def is_number(value: Any) -> bool:
    """Return whether `value` is a finite number."""
    if not isinstance(value, numbers.Real) or isinstance(value, bool):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer of a thousand digits
        return False


def check_flag(name: str, value: Any) -> None:
    """Raise `ValueError` unless `value` is True or False."""
    if not isinstance(value, (bool, np.bool_)):
        raise ValueError(f"`{name}` must be True or False. Received: {name}={shown(value)}")


def check_choice(name: str, value: Any, choices: Iterable[Any]) -> None:
    """Raise `ValueError` unless `value` is one of `choices`."""
    listed = tuple(choices)
    # An object without a hash, such as an array, may lack a plain equality too; and True equals 1.
    odd = getattr(type(value), "__hash__", None) is None or (
        isinstance(value, bool) and not any(each is value for each in listed)
    )
    if odd or value not in listed:
        raise ValueError(f"`{name}` must be one of {choices}. Received: {name}={shown(value)}")


def check_text(name: str, value: Any, none: bool = False) -> None:
    """Raise `ValueError` unless `value` is a text, or, if so said, None."""
    if not isinstance(value, str) and not (none and value is None):
        rule = "a text or None" if none else "a text"
        raise ValueError(f"`{name}` must be {rule}. Received: {name}={shown(value)}")


def check_path(name: str, value: Any) -> None:
    """Raise `ValueError` unless `value` names a file or folder."""
    if isinstance(value, (str, os.PathLike)):
        text = os.fspath(value)
        if isinstance(text, str) and text and "\0" not in text:
            return
    raise ValueError(
        f"`{name}` must be the path of a file or folder. Received: {name}={shown(value)}"
    )


def check_callable(name: str, value: Any) -> None:
    """Raise `ValueError` unless `value` can be called."""
    if not callable(value):
        raise ValueError(f"`{name}` must be a function. Received: {name}={shown(value)}")


def check_instance(name: str, value: Any, kind: type | tuple[type, ...], rule: str) -> None:
    """Raise `ValueError` unless `value` is of a class; `rule` describes it in words."""
    if not isinstance(value, kind):
        raise ValueError(f"`{name}` must be {rule}. Received: {name}={shown(value)}")


def check_mapping(name: str, value: Any) -> None:
    """Raise `ValueError` unless `value` is a mapping with texts as its keys."""
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise ValueError(f"`{name}` must be a dictionary by name. Received: {name}={shown(value)}")


def checked_names(name: str, value: Iterable[str], count: int | None = None) -> tuple[str, ...]:
    """Return names as a tuple of different texts, one at least, or raise `ValueError`.

    Args:
        name: Of the argument.
        value: List of texts, not a single text.
        count: How many there must be. None: any number.
    """
    listed = isinstance(value, Iterable) and not isinstance(value, (str, bytes, Mapping))
    rank_0 = isinstance(value, np.ndarray) and not value.ndim
    names = tuple(value) if listed and not rank_0 else ()
    if (
        not names
        or not all(isinstance(each, str) for each in names)
        or len(set(names)) < len(names)
    ):
        raise ValueError(
            f"`{name}` must be a list of different texts. Received: {name}={shown(value)}"
        )
    if count is not None and len(names) != count:
        raise ValueError(f"`{name}` must be {count} texts. Received: {name}={shown(value)}")
    return tuple(str(each) for each in names)


def check_sequence(name: str, value: Any) -> None:
    """Raise `ValueError` unless `value` is iterable and neither a text nor a dictionary."""
    listed = isinstance(value, Iterable) and not isinstance(value, (str, bytes, Mapping))
    if not listed or (isinstance(value, np.ndarray) and not value.ndim):
        raise ValueError(
            f"`{name}` must be a sequence such as a list. Received: {name}={shown(value)}"
        )


def checked_array(
    name: str,
    value: ArrayLike,
    shape: tuple[int | None, ...] | None = None,
    *,
    ranks: Collection[int] = (),
    kinds: str = REAL,
    low: float = -math.inf,
    high: float = math.inf,
    empty: bool = False,
    finite: bool = True,
) -> np.ndarray:
    """Return an argument as an array after checking its dtype, rank, shape and values.

    Args:
        name: Of the argument.
        value: What `np.asarray` takes.
        shape: Its shape, with None where any length will do. None: any shape of `ranks`.
        ranks: Ranks that it may have. Default: that of `shape`, or any.
        kinds: Kinds of its dtype, as `numpy.dtype.kind`: "u", "i", "f", "b" for True and False.
        low: Smallest value.
        high: Largest value.
        empty: Whether it may have no value.
        finite: Whether each value must be finite.

    Returns:
        The array; not a copy, where the argument was one.

    Raises:
        ValueError: If it breaks a rule.

    Example:

    >>> checked_array("points", [[1, 2], [3, 4]], (None, 2)).shape
    (2, 2)
    """
    array = as_array(name, value)
    if shape is not None:
        ranks = ranks or (len(shape),)
    wanted = " or ".join(map(str, ranks)) if shape is None else _written(shape)
    # An empty list has a dtype of no meaning.
    right = array.dtype.kind in kinds or (empty and not array.size and array.dtype.kind == "f")
    if not right or (ranks and array.ndim not in ranks):
        rule = f"{_kinds(kinds)} of {'rank' if shape is None else 'shape'} {wanted}"
        raise ValueError(
            f"`{name}` must be {rule if ranks else _kinds(kinds)}. "
            f"Received: {name} of dtype={array.dtype}, shape={array.shape}"
        )
    if shape is not None and any(
        each not in (None, own) for each, own in zip(shape, array.shape, strict=True)
    ):
        raise ValueError(
            f"`{name}` must be of shape {wanted}. Received: {name} of shape {array.shape}"
        )
    if not array.size:
        if empty:
            return array
        raise ValueError(f"`{name}` must not be empty. Received: {name} of shape {array.shape}")
    if finite and array.dtype.kind == "f":
        checked_finite(name, array)
    # A NaN, where it is allowed, is in no range and outside of none.
    if low != -math.inf or high != math.inf:
        least, most = np.nanmin(array), np.nanmax(array)
        if least < low or most > high:
            rule = f"in [{low}, {high}]" if high != math.inf else f">= {low}"
            raise ValueError(f"`{name}` must be {rule}. Received: values from {least} to {most}")
    return array


def as_array(name: str, value: Any) -> np.ndarray:
    """Return `np.asarray` of an argument, or raise `ValueError` where it is no array of numbers."""
    try:
        array = np.asarray(value)
    except Exception as error:  # whatever an object's own conversion raises
        raise ValueError(
            f"`{name}` must be an array of numbers, of one shape. "
            f"Received: {shown(value)} ({error})"
        ) from error
    if array.dtype.kind not in "buifcUSOM":
        # Such as bfloat16, which NumPy does not know by itself.
        try:
            array = array.astype("float32")
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"`{name}` must be an array of numbers. Received: dtype={array.dtype}"
            ) from error
    return array


def as_numbers(name: str, value: Any, dtype: str = "float64") -> np.ndarray:
    """Return an argument as an array of floats, or raise `ValueError` if it is not one.

    Rank, shape and values are not looked at; numbers too large for the dtype are infinite.
    """
    array = as_array(name, value)
    if array.dtype.kind not in "buif":
        raise ValueError(
            f"`{name}` must be an array of numbers. "
            f"Received: {name} of dtype={array.dtype}, shape={array.shape}"
        )
    with np.errstate(over="ignore"):
        return array.astype(dtype, copy=False)


def _kinds(kinds):
    if kinds == "b":
        return "an array of True and False"
    if set(kinds) <= set(WHOLE):
        return "an array of integers"
    return "an array of numbers"


def _written(shape):
    inside = ", ".join("any" if each is None else str(each) for each in shape)
    return f"({inside}{',' if len(shape) == 1 else ''})"


def shown(value: Any) -> str:
    """Return an argument for a message, in at most about 200 characters."""
    if isinstance(value, np.ndarray) and value.size > 8:
        return f"an array of dtype={value.dtype}, shape={value.shape}"
    try:
        text = repr(value)
    except Exception as error:  # an integer of a million digits has no repr
        text = f"a {type(value).__name__} that cannot be shown ({type(error).__name__})"
    return text if len(text) <= 200 else f"{text[:180]}... ({type(value).__name__})"


def is_whole(value: Any) -> bool:
    """Return whether `value` is an integer of 1 or more."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def check_attribute(owner: object, name: str, valid: bool, rule: str) -> None:
    """Raise `ValueError` unless `valid`."""
    if not valid:
        raise ValueError(
            f"`{name}` of a {type(owner).__name__} must be {rule}. "
            f"Received: {name}={getattr(owner, name)!r}"
        )


def check_scale(name: str, pixels: np.ndarray) -> None:
    """Raise `ValueError` where pixels look scaled to [0, 1]: floats, none above 1.

    Zeros alone pass: they are the same in either range.
    """
    if pixels.dtype.kind == "f" and 0 < pixels.max() <= 1:
        raise ValueError(
            f"`{name}` must hold pixels in [0, 255]; these look scaled to [0, 1]: multiply them "
            f"by 255. Received: values from {pixels.min()} to {pixels.max()}"
        )


def checked_images(
    images: ArrayLike, shape: Sequence[int | None] | None = None, *, whole: bool = True
) -> np.ndarray:
    """Return images as an array after checking rank and values and, if given, the shape of one.

    Args:
        images: `(examples, height, width, channels)` in [0, 255].
        shape: Of one image, with None for a length that is free.
        whole: Whether they are a whole set, which must not look scaled to [0, 1]. A few images of
            one, such as those that an attack left over, may all be nearly black.
    """
    images = as_array("images", images)
    if images.ndim != 4 or not images.size or images.dtype.kind not in "uif":
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
    if whole:
        check_scale("images", images)
    return images


def checked_labels(labels: ArrayLike, count: int, classes: int) -> np.ndarray:
    """Return labels as int32 after checking their number and range."""
    labels = as_array("labels", labels)
    if labels.dtype.kind not in "iu" or labels.shape != (count,):
        raise ValueError(
            f"`labels` must be {count} integers, one for each image. "
            f"Received: dtype={labels.dtype}, shape={labels.shape}"
        )
    if labels.min() < 0 or labels.max() >= classes:
        raise ValueError(
            f"`labels` must be from 0 to {classes - 1}. "
            f"Received: labels from {labels.min()} to {labels.max()}"
        )
    return labels.astype("int32")


def check_epsilon(name: str, value: Any, most: float = 255) -> None:
    """Raise `ValueError` unless `value` is a number of grey levels above 0."""
    number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if not number or not 0 < value <= most:
        raise ValueError(
            f"`{name}` must be above 0 and at most {most} grey levels. "
            f"Received: {name}={shown(value)}"
        )


def checked_values(name: str, values: ArrayLike, length: int | None = None) -> np.ndarray:
    """Return finite float64 values `(examples, queries)`, or raise `ValueError`.

    Args:
        name: Of the argument.
        values: `(examples,)` or `(examples, queries)`.
        length: Number of examples wanted, or `None`.
    """
    values = as_numbers(name, values)
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


def checked_finite(name: str, values: np.ndarray) -> np.ndarray:
    """Return the values, or raise `ValueError` where one is infinite or not a number."""
    if not np.isfinite(values).all():
        raise ValueError(
            f"`{name}` must be finite. Received: {int((~np.isfinite(values)).sum())} of "
            f"{values.size} values that are not"
        )
    return values


def checked_references(name: str, values: ArrayLike, examples: int, queries: int) -> np.ndarray:
    """Return values of reference models `(models, examples, queries)`, or raise `ValueError`."""
    values = as_numbers(name, values)
    if values.ndim == 2:
        values = values[..., None]
    if values.ndim != 3 or not len(values) or values.shape[1:] != (examples, queries):
        raise ValueError(
            f"`{name}` must be of shape (models, {examples}, {queries}), with the examples and "
            f"queries of the target. Received: shape={values.shape}"
        )
    return checked_finite(name, values)


def checked_inside(inside: ArrayLike, shape: tuple[int, ...]) -> np.ndarray:
    """Return a boolean array `(models, examples)`, or raise `ValueError`."""
    inside = as_array("inside", inside)
    if inside.dtype != bool or inside.shape != shape:
        raise ValueError(
            f"`inside` must be a boolean array of shape {shape}, whether each reference model was "
            f"trained on each example. Received: dtype={inside.dtype}, shape={inside.shape}"
        )
    return inside


def checked_rate(name: str, value: Any) -> float:
    """Return a number between 0 and 1, both excluded, or raise `ValueError`."""
    number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if not number or not 0 < value < 1:
        raise ValueError(f"`{name}` must be between 0 and 1. Received: {name}={shown(value)}")
    return float(value)
