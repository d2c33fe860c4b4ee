"""Checks of arguments that several modules share, with errors in Keras's style."""

import math
import numbers


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
