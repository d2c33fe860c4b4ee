"""The schema of a public function: one rule for each argument, written above the function.

>>> from fer_data.arguments import array, checked, integer
>>> @checked(points=array((None, 2)), size=integer(1))
... def scaled(points, size=1):
...     return size * np.asarray(points)
>>> scaled([[1, 2]], size=0)
Traceback (most recent call last):
ValueError: `size` must be an integer >= 1. Received: size=0

A rule is a function of the argument's name and value that raises `ValueError`; those here call the
checks of `fer_data.checks`. An argument that is left out is not checked, nor is None where None is
the default. What two arguments must be to each other, the function itself checks.
"""

import functools
import inspect
import math
import numbers
from collections.abc import Callable, Collection, Iterable, Mapping, Sized
from typing import Any, ParamSpec, TypeVar

import numpy as np

from fer_data import checks
from fer_data.checks import REAL, shown

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")
Rule = Callable[[str, Any], object]


def checked(**rules: Rule) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Return a decorator that checks the arguments of a function before it is called.

    Args:
        **rules: A rule for each argument to check, by its name.

    Raises:
        TypeError: If the function has no argument of a name; when it is defined, not when called.
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        signature = inspect.signature(function)
        unknown = set(rules) - set(signature.parameters)
        if unknown:
            raise TypeError(f"{function.__qualname__} has no arguments {sorted(unknown)}")
        wanted = [
            (name, rules[name], parameter.default is None)
            for name, parameter in signature.parameters.items()
            if name in rules
        ]

        @functools.wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            try:
                bound = signature.bind(*args, **kwargs)
            except TypeError:
                return function(*args, **kwargs)  # It raises Python's own error.
            given = bound.arguments
            for name, rule, optional in wanted:
                if name in given and not (optional and given[name] is None):
                    if isinstance(rule, _OfEntries) and _has_no_length(given[name]):
                        given[name] = list(given[name])
                    rule(name, given[name])
            return function(*bound.args, **bound.kwargs)

        return call

    return decorate


def checked_class(**rules: Rule) -> Callable[[type[T]], type[T]]:
    """Return a decorator that checks what a class is made with; see `checked`."""

    def decorate(kind: type[T]) -> type[T]:
        kind.__init__ = checked(**rules)(kind.__init__)  # type: ignore[method-assign]
        return kind

    return decorate


def integer(least: int = 0, most: int = checks.MOST_INTEGER) -> Rule:
    """Return the rule of an integer from `least` to `most`."""
    return lambda name, value: checks.check_integer(name, value, least, most)


def number(low: float = -math.inf, high: float = math.inf) -> Rule:
    """Return the rule of a finite number from `low` to `high`."""
    return lambda name, value: checks.check_number(name, value, low, high)


def optional(rule: Rule) -> Rule:
    """Return the rule of an argument that may be None though it has another default, or none."""
    return _like((rule,), lambda name, value: None if value is None else rule(name, value))


def choice(choices: Iterable[Any]) -> Rule:
    """Return the rule of one of some choices."""
    listed = tuple(choices)
    return lambda name, value: checks.check_choice(name, value, listed)


def instance(kind: type | tuple[type, ...], rule: str) -> Rule:
    """Return the rule of an object of a class; `rule` describes it in words."""
    return lambda name, value: checks.check_instance(name, value, kind, rule)


def with_method(method: str, rule: str) -> Rule:
    """Return the rule of an object that has a method, whatever its class."""

    def check(name, value):
        if not callable(getattr(value, method, None)):
            raise ValueError(f"`{name}` must be {rule}. Received: {name}={shown(value)}")

    return check


def having(*attributes: str, rule: str) -> Rule:
    """Return the rule of an object with some attributes, whatever its class."""

    def check(name, value):
        if not all(hasattr(value, attribute) for attribute in attributes):
            raise ValueError(f"`{name}` must be {rule}. Received: {name}={shown(value)}")

    return check


flag: Rule = checks.check_flag
seed: Rule = checks.check_seed
text: Rule = checks.check_text
path: Rule = checks.check_path
function: Rule = checks.check_callable


def mapping(of: Rule | None = None) -> Rule:
    """Return the rule of a dictionary by name, with a rule for its values."""

    def check(name, value):
        checks.check_mapping(name, value)
        for key, each in value.items() if of is not None else ():
            of(f"{name}[{key!r}]", each)

    return check


def sequence(of: Rule | None = None, least: int = 0, most: float = math.inf) -> Rule:
    """Return the rule of a sequence, with a rule for its entries and bounds of its length.

    The entries of an iterator come once. So `checked` makes a list of it, which is looked at and
    handed on, unless there is no rule of entries or length: it may be a stream. The rule by itself,
    or inside of that of another sequence or mapping, does not look at them.
    """

    def check(name, value):
        checks.check_sequence(name, value)
        try:
            length = len(value)
        except TypeError:
            return
        if not least <= length <= most:
            bounds = f"{least}" if least == most else f"{least} to {most}"
            bounds = f"{least} or more" if most == math.inf else bounds
            raise ValueError(
                f"`{name}` must have {bounds} entries. Received: {name}={shown(value)}"
            )
        if of is not None:
            for place, each in enumerate(value):
                of(f"{name}[{place}]", each)

    return check if of is None and (least, most) == (0, math.inf) else _OfEntries(check)


def either(*rules: Rule, rule: str) -> Rule:
    """Return the rule of an argument that keeps one of several; `rule` describes them in words."""

    def check(name, value):
        for each in rules:
            try:
                return each(name, value)
            except ValueError:
                continue
        raise ValueError(f"`{name}` must be {rule}. Received: {name}={shown(value)}")

    return _like(rules, check)


def array(
    shape: tuple[int | None, ...] | None = None,
    *,
    ranks: Collection[int] = (),
    kinds: str = REAL,
    low: float = -math.inf,
    high: float = math.inf,
    empty: bool = False,
    finite: bool = True,
) -> Rule:
    """Return the rule of an array; see `fer_data.checks.checked_array`.

    Of a tensor of a framework, rank and dtype are looked at and the values are not: it may have
    none yet.
    """
    allowed = ranks or (() if shape is None else (len(shape),))

    def check(name, value):
        if _is_tensor(value):
            value = _Outline(value)
            if (allowed and value.rank not in (None, *allowed)) or value.kind not in (None, *kinds):
                raise ValueError(
                    f"`{name}` must be numbers of rank {' or '.join(map(str, allowed)) or 'any'}. "
                    f"Received: {name} of dtype={value.dtype}, shape={value.shape}"
                )
            return
        checks.checked_array(
            name,
            value,
            shape,
            ranks=ranks,
            kinds=kinds,
            low=low,
            high=high,
            empty=empty,
            finite=finite,
        )

    return check


def plain(name: str, value: Any) -> None:
    """Raise `ValueError` where `value` is an array, which has no plain equality and no truth."""
    if isinstance(value, np.ndarray):
        raise ValueError(f"`{name}` must not be an array. Received: {name}={shown(value)}")


def scalar(name: str, value: Any) -> None:
    """Raise `ValueError` unless `value` is a text, a number or None: the name of a class, say."""
    if value is not None and not isinstance(value, (str, numbers.Number, np.generic)):
        raise ValueError(f"`{name}` must be a text or a number. Received: {name}={shown(value)}")


def categories(name: str, value: Any) -> None:
    """Raise `ValueError` unless `value` is a vector of whole numbers or of texts, one at least."""
    entries = checks.as_array(name, value)
    kinds = {type(each) for each in entries.flat} if entries.dtype.kind == "O" else {str}
    right = entries.dtype.kind in "uibUSO" and entries.ndim == 1 and entries.size
    if not right or kinds not in ({str}, {int}):
        raise ValueError(
            f"`{name}` must be a non-empty vector of whole numbers or of texts. "
            f"Received: {name}={shown(value)}"
        )


# Of values such as pixels, whatever their range.
images: Rule = array(ranks=(4,))
labels: Rule = array((None,), kinds="ui")


class _OfEntries:
    """A rule that looks at the entries of a sequence."""

    def __init__(self, check: Rule) -> None:
        self._check = check

    def __call__(self, name: str, value: Any) -> object:
        return self._check(name, value)


names: Rule = _OfEntries(checks.checked_names)


def _like(rules, check):
    """Return a rule made of others, which looks at entries if one of them does."""
    return _OfEntries(check) if any(isinstance(each, _OfEntries) for each in rules) else check


def _has_no_length(value):
    return isinstance(value, Iterable) and not isinstance(value, Sized)


def _is_tensor(value):
    if isinstance(value, (np.ndarray, np.generic, Mapping)):
        return False
    return hasattr(value, "shape") and hasattr(value, "dtype")


class _Outline:
    def __init__(self, tensor):
        self.dtype, self.shape = tensor.dtype, tensor.shape
        name = str(getattr(tensor.dtype, "name", tensor.dtype)).removeprefix("torch.")
        starts = {"u": "u", "i": "i", "f": "f", "b": "f" if "bfloat" in name else "b"}
        self.kind = starts.get(name[:1], name[:1])
        try:
            self.rank = len(tensor.shape)
        except (TypeError, ValueError):  # a rank that is not known yet
            self.rank = None
