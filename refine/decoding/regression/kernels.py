"""Numba kernels of this room."""

import numpy as np

from refine._kernel import kernel

NEGLIGIBLE = -40.0
"""exp(-40) of the maximum: 10^5 such cells weigh less than a part in 10^12."""


@kernel
def _top(values):
    """Return the maximum, or NaN if there is one."""
    top = values[0]
    for v in values:
        if v > top or np.isnan(v):
            top = v
        if np.isnan(top):
            break
    return np.float64(top)


@kernel
def expectation(maps, beta, out):
    """Fill x, y, the highest probability and log(sum(exp(beta * map))) into (M, 4)."""
    _, height, width = maps.shape
    for m in range(len(maps)):
        top = _top(maps[m].ravel())
        if not np.isfinite(top):
            continue
        mass = sum_x = sum_y = 0.0
        for y in range(height):
            row = 0.0
            for x in range(width):
                v = beta * (maps[m, y, x] - top)
                if v > NEGLIGIBLE:
                    p = np.exp(v)
                    row += p
                    sum_x += p * x
            mass += row
            sum_y += row * y
        out[m, 0], out[m, 1] = sum_x / mass, sum_y / mass
        out[m, 2], out[m, 3] = 1 / mass, beta * top + np.log(mass)


@kernel
def coarse(maps, out):
    """Fill x, y and mass of the best 2 x 2 cells into (M, 3); maps may be one cell wide."""
    _, height, width = maps.shape
    p = np.zeros((height + 1, width + 1))
    for m in range(len(maps)):
        top = _top(maps[m].ravel())
        if not np.isfinite(top):
            continue
        total = 0.0
        for y in range(height):
            for x in range(width):
                p[y, x] = np.exp(maps[m, y, x] - top)
                total += p[y, x]
        best, at_x, at_y = -1.0, 0, 0
        for y in range(max(height - 1, 1)):
            for x in range(max(width - 1, 1)):
                mass = p[y, x] + p[y, x + 1] + p[y + 1, x] + p[y + 1, x + 1]
                if mass > best:
                    best, at_x, at_y = mass, x, y
        out[m, 0] = at_x + (p[at_y, at_x + 1] + p[at_y + 1, at_x + 1]) / best
        out[m, 1] = at_y + (p[at_y + 1, at_x] + p[at_y + 1, at_x + 1]) / best
        out[m, 2] = best / total


@kernel
def refine(xy, maps, stride, reach, least):
    """Move points (M, 2) in place."""
    _, height, width = maps.shape
    for m in range(len(xy)):
        if not (np.isfinite(xy[m, 0]) and np.isfinite(xy[m, 1])):
            continue
        # Truncated toward zero, as the cast in mediapipe does.
        column, row = int(xy[m, 0] / stride), int(xy[m, 1] / stride)
        if column < 0 or row < 0 or column >= width or row >= height:
            continue
        most = mass = sum_x = sum_y = 0.0
        for y in range(max(0, row - reach), min(height, row + reach + 1)):
            for x in range(max(0, column - reach), min(width, column + reach + 1)):
                p = 1 / (1 + np.exp(-np.float64(maps[m, y, x])))
                most = max(most, p)
                mass += p
                sum_x += p * x
                sum_y += p * y
        if most >= least and mass > 0:
            xy[m, 0], xy[m, 1] = sum_x / mass * stride, sum_y / mass * stride
