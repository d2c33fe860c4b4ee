"""Checks of the attributes of recipes, stages and schedules."""


def is_whole(value):
    """Return whether `value` is an integer of 1 or more."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def check(owner, name, valid, rule):
    """Raise `ValueError` unless `valid`."""
    if not valid:
        raise ValueError(
            f"`{name}` of a {type(owner).__name__} must be {rule}. "
            f"Received: {name}={getattr(owner, name)!r}"
        )
