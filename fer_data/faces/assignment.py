"""Assignment of rows to columns by the greatest sum of gains."""

import numpy as np
from numpy.typing import ArrayLike


def best_pairs(gains: ArrayLike) -> list[tuple[int, int]]:
    """Return the pairs of rows and columns with the greatest sum of gains.

    Each row and each column is in one pair at most; there are as many pairs as the shorter side has
    entries. This replaces SciPy's `linear_sum_assignment`, whose import takes longer than a video's
    first answer and whose files are larger than everything else that recognition needs.

    Args:
        gains: Finite numbers `(rows, columns)`.

    Returns:
        List of `(row, column)`, in the order of the rows.

    Raises:
        ValueError: If `gains` has another shape or is not finite.

    Example:

    >>> best_pairs([[0.9, 0.8], [0.8, 0.1]])
    [(0, 1), (1, 0)]

    Reference:
        Jonker and Volgenant, "A Shortest Augmenting Path Algorithm for Dense and Sparse Linear
        Assignment Problems", Computing 38, 1987.
    """
    gains = np.asarray(gains, np.float64)
    if gains.ndim != 2 or not np.isfinite(gains).all():
        raise ValueError(
            "`gains` must be finite numbers of the shape (rows, columns). "
            f"Received: gains of shape {gains.shape}"
        )
    if gains.shape[0] > gains.shape[1]:
        return sorted((row, column) for column, row in best_pairs(gains.T))
    rows, columns = gains.shape
    costs = -gains
    # Prices of rows and columns, and the row of each column; the last column is where each search
    # starts.
    of_rows, of_columns = np.zeros(rows), np.zeros(columns + 1)
    row_of = np.full(columns + 1, -1)
    for row in range(rows):
        row_of[columns] = row
        column = columns
        least, before = np.full(columns, np.inf), np.full(columns, columns)
        reached = np.zeros(columns + 1, bool)
        while row_of[column] >= 0:
            reached[column] = True
            from_row = row_of[column]
            reduced = costs[from_row] - of_rows[from_row] - of_columns[:columns]
            nearer = ~reached[:columns] & (reduced < least)
            least[nearer], before[nearer] = reduced[nearer], column
            following = int(np.where(reached[:columns], np.inf, least).argmin())
            step = least[following]
            of_rows[row_of[reached]] += step
            of_columns[reached] -= step
            least[~reached[:columns]] -= step
            column = following
        # Back along the path, each column takes the row of the one before.
        while column != columns:
            row_of[column] = row_of[before[column]]
            column = int(before[column])
    return sorted(
        (int(row_of[column]), int(column)) for column in np.flatnonzero(row_of[:columns] >= 0)
    )
