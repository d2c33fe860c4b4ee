"""The order of several data sets in an epoch."""

import numpy as np
import pytest

from fer_data.pipelines.set_order import SetOrder


def test_every_face_once_without_weights():
    order = SetOrder([5, 3], seed=4)
    assert order.shares == (5, 3)
    assert sorted(order(0).tolist()) == list(range(8))
    twice = SetOrder([5, 3], passes=2)
    assert len(twice) == 16
    assert np.bincount(twice(7)).tolist() == [2] * 8


@pytest.mark.parametrize("epoch", [0, 3])
def test_the_weights_are_the_shares(epoch):
    order = SetOrder([90, 10], weights=[1, 3], seed=1)
    numbers = order(epoch)
    assert order.shares == (25, 75)
    assert len(numbers) == len(order) == 100
    times = np.bincount(numbers, minlength=100)
    # A small set comes again as a whole, a large one not a face twice.
    assert times[:90].max() == 1
    assert times[90:].min() >= 7
    assert times[90:].max() <= 8
    assert times[90:].sum() == 75
    # They come mixed.
    assert 0.5 < (numbers[:50] >= 90).mean() < 0.95


def test_epochs_differ_and_repeat():
    order = SetOrder([40, 10], weights=[1, 1], seed=1)
    assert order(2).tolist() == SetOrder([40, 10], [1, 1], seed=1)(2).tolist()
    assert order(2).tolist() != order(3).tolist()
    assert order(2).tolist() != SetOrder([40, 10], [1, 1], seed=2)(2).tolist()
    # Of a set that is drawn from in part, the faces change.
    assert set(order(0)) != set(order(1))
    seen = set().union(*(order(epoch) for epoch in range(8)))
    assert seen == set(range(50))


def test_counts_and_weights_may_come_once():
    order = SetOrder(iter([6, 2]), iter([1, 1]))
    assert (order.counts, order.shares) == ((6, 2), (4, 4))
    with pytest.raises(ValueError, match="`counts"):
        SetOrder(iter([6, 0]))


def test_a_set_of_little_weight_has_a_face():
    assert SetOrder([3, 1], weights=[1e-9, 1]).shares == (1, 3)
    assert sorted(SetOrder([3, 1], weights=[1e-9, 1])(0).tolist())[1:] == [3] * 3
    assert SetOrder([1, 1, 1], weights=[1e-9, 1e-9, 1]).shares == (1, 1, 1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([],), "`counts` must have 1 or more"),
        (([0, 3],), "`counts"),
        (([1, 3], [1]), "`weights` must have 2 entries"),
        (([1, 3], [0, 1]), "`weights` must be above 0"),
        (([1, 3], None, -1), "`seed`"),
        (([1, 3], None, 0, 0), "`passes`"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        SetOrder(*arguments)
