"""Few of many positions on an axis, evenly apart."""

import numpy as np
from numpy.typing import NDArray


def spread_indices(positions: NDArray[np.floating], count: int) -> list[int]:
    """Indices, ascending, of the `count` positions that lie nearest to evenly spaced targets.

    The targets reach from the first position to the last, and the sum of squared distances to them is the least
    possible; the first and last position are therefore always chosen. A single one is the last.

    Args:
        positions: Ascending, shape (n,).
        count: How many; all indices come back where there are no more.
    """
    if count < 1:
        raise ValueError(f"count must be at least 1, got {count}")
    size = len(positions)
    if size <= count:
        return list(range(size))
    if count == 1:
        return [size - 1]
    distances = (positions - np.linspace(positions[0], positions[-1], count)[:, None]) ** 2
    return _cheapest_ascending_path(distances)


def _cheapest_ascending_path(costs: NDArray[np.floating]) -> list[int]:
    """One column a row, strictly ascending, with the least sum of costs (rows, columns); leftmost among equals."""
    rows, columns = costs.shape
    best = np.full((rows, columns), np.inf)  # best[r, c]: cheapest way to place rows 0..r with row r at column c
    best[0] = costs[0]
    for row in range(1, rows):
        best[row, 1:] = costs[row, 1:] + np.minimum.accumulate(best[row - 1])[:-1]
    path = [int(np.argmin(best[-1]))]
    for row in range(rows - 2, -1, -1):
        path.append(int(np.argmin(best[row, : path[-1]])))
    return path[::-1]
