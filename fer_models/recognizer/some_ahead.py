"""Two steps of a stream at a time, on two of the processor's cores."""

import collections
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def some_ahead(items: Iterable[T], finish: Callable[[T], R], most: int) -> Iterator[R]:
    """Yield `finish(item)` of each item, in order, while the next items are made.

    A thread of its own finishes one item after the other; the calling thread makes the items. What
    is finished is yielded before another item is made. An error of either step comes in its turn:
    what was made before it is yielded first.

    Args:
        items: Iterable whose `next` is the first step.
        finish: The second step.
        most: Items that may wait for the second step or be in it while another is made, 1 or more.
            With 1 each item takes as long as the slower of its two steps; a larger number evens out
            items that take long.

    Example:

    >>> list(some_ahead(range(3), lambda number: 10 * number, most=2))
    [0, 10, 20]
    """
    items, end = iter(items), None
    waiting: collections.deque[Future[R]] = collections.deque()
    with ThreadPoolExecutor(1, "finish") as pool:
        try:
            while end is None:
                try:
                    waiting.append(pool.submit(finish, next(items)))
                except Exception as error:
                    end = error
                while waiting and (len(waiting) > most or waiting[0].done() or end is not None):
                    yield waiting.popleft().result()
        finally:
            # Whoever leaves early is not kept waiting.
            for each in waiting:
                each.cancel()
    if not isinstance(end, StopIteration):
        raise end
