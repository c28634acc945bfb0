"""Numba kernels of this room."""

import numpy as np

from refine._kernel import kernel
from refine.decoding.maps.kernels import CUBIC_OPENCV, cubic_weights


@kernel
def _taps(n, size):
    """Return first cells and weights (size, 4) of a cubic resize; cells may lie outside."""
    first, weights = np.empty(size, np.int64), np.empty((size, 4))
    for i in range(size):
        at = (i + 0.5) * n / size - 0.5
        low = int(np.floor(at))
        first[i] = low - 1
        cubic_weights(at - low, CUBIC_OPENCV, weights[i])
    return first, weights


@kernel
def decode(maps, cells, probability, out):
    n, k, height, width = maps.shape
    line = np.empty(width)
    for i in range(n):
        across, down = cells[i]
        left, by_column = _taps(width, across)
        top, by_row = _taps(height, down)
        for q in range(k):
            values = maps[i, q]
            if not np.isfinite(values).all():
                continue
            best, at = -np.inf, 0
            mass = 0.0
            for y in range(down):
                most = -np.inf
                least = np.inf
                for x in range(width):
                    v = 0.0
                    for t in range(4):
                        v += by_row[y, t] * values[min(max(top[y] + t, 0), height - 1), x]
                    line[x] = v
                    most, least = max(most, v), min(least, v)
                # No cubic goes beyond its cells by more than a quarter of their range, so rows
                # that cannot hold the maximum are passed over.
                if not probability and most + 0.25 * (most - least) <= best:
                    continue
                for x in range(across):
                    v = 0.0
                    for t in range(4):
                        v += by_column[x, t] * line[min(max(left[x] + t, 0), width - 1)]
                    if v > best:
                        # The sum of exponentials is kept relative to the maximum so far.
                        mass = mass * np.exp(best - v) + 1.0
                        best, at = v, y * across + x
                    elif probability:
                        mass += np.exp(v - best)
            out[i, q, 0], out[i, q, 1] = at % across, at // across
            out[i, q, 2] = 1 / mass if probability else best
