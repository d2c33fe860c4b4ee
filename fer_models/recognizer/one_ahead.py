"""Two steps of a stream at a time, on two of the processor's cores."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def one_ahead(items: Iterable[T], finish: Callable[[T], R]) -> Iterator[R]:
    """Yield `finish(item)` of each item, in order, while the next item is made.

    A thread of its own finishes one item after the other; the calling thread makes the items. So
    two items are held at a time. An error of either step comes in its place: what was made before
    it is yielded first.

    Args:
        items: Iterable whose `next` is the first step.
        finish: The second step.

    Example:

    >>> list(one_ahead(range(3), lambda number: 10 * number))
    [0, 10, 20]
    """
    items, waiting, end = iter(items), None, None
    with ThreadPoolExecutor(1, "finish") as pool:
        while end is None:
            try:
                following = pool.submit(finish, next(items))
            except Exception as error:
                following, end = None, error
            if waiting is not None:
                yield waiting.result()
            waiting = following
    if not isinstance(end, StopIteration):
        raise end
