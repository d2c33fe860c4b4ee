"""The best pairs of rows and columns are SciPy's."""

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from fer_data.faces.assignment import best_pairs


@pytest.mark.parametrize("ties", [False, True])
def test_pairs_are_the_best_of_all(ties):
    generator = np.random.default_rng(1)
    for _ in range(100):
        gains = generator.uniform(-1, 1, generator.integers(0, 8, 2))
        gains = gains.round() if ties else gains
        pairs = best_pairs(gains)
        rows, columns = (list(each) for each in zip(*pairs, strict=True)) if pairs else ([], [])
        assert len(set(rows)) == len(set(columns)) == min(gains.shape)
        assert rows == sorted(rows)
        best = gains[linear_sum_assignment(-gains)].sum()
        assert gains[rows, columns].sum() == pytest.approx(best)


@pytest.mark.parametrize("bad", [[1, 2], [[1, np.nan]], [[np.inf]]])
def test_bad_gains(bad):
    with pytest.raises(ValueError, match="`gains`"):
        best_pairs(bad)
