"""Numba kernels of this room."""

import numpy as np

from refine._exp import exp
from refine._kernel import kernel

LEAST_MASS = 1e-12
"""Of a map under a bell, so that one without any does not divide by 0."""
STILL = 1e-7
"""Cells; the next step is shorter still."""
FAR = 6.5
"""Standard deviations beyond which a bell is below 1e-9."""


@kernel(fastmath={"contract", "reassoc", "nsz"})
def _row(line, weights, low, high):
    """Return the weighted sum of a part of a row, and that of its columns."""
    part, by = line[low:high], weights[low:high]
    total, moment = line.dtype.type(0), line.dtype.type(0)
    for u in range(part.size):
        mass = part[u] * by[u]
        total += mass
        moment += mass * by.dtype.type(u)
    return np.float64(total), np.float64(moment) + low * np.float64(total)


@kernel
def climb(probability, spread, iterations, at):
    """Move places (M, 2) in maps (M, h, w) by mean shift under bells of deviations (M,)."""
    _, height, width = probability.shape
    columns = np.empty(width, probability.dtype)
    for m in range(len(probability)):
        x, y, s = float(at[m, 0]), float(at[m, 1]), float(spread[m])
        for _ in range(iterations):
            left, right = max(0, int(x - FAR * s)), min(width, int(x + FAR * s) + 2)
            top, bottom = max(0, int(y - FAR * s)), min(height, int(y + FAR * s) + 2)
            for u in range(left, right):
                columns[u] = exp(-((x - u) * (x - u)) / (2 * s * s))
            mass = over_x = over_y = 0.0
            for v in range(top, bottom):
                total, moment = _row(probability[m, v], columns, left, right)
                weight = exp(-((y - v) * (y - v)) / (2 * s * s))
                mass += weight * total
                over_x += weight * moment
                over_y += weight * v * total
            mass = max(mass, LEAST_MASS)
            before_x, before_y = x, y
            x, y = over_x / mass, over_y / mass
            if abs(x - before_x) + abs(y - before_y) < STILL:
                break
        at[m, 0], at[m, 1] = x, y
