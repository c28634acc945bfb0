"""Numba kernels of this room."""

import numpy as np

from refine._exp import exp
from refine._kernel import kernel
from refine.decoding.maps.peak import peak_of

FLOOR, CEILING = 1e-3, 50.0
"""Before the logarithm: mmpose refine_simcc_dark, as UDP has it."""
RIDGE = 1e-9
"""Added to the second derivative: mmpose refine_simcc_dark."""


@kernel
def decode(x, y, rule, softmax, beta, taps_x, taps_y, mean, xy, score):
    """Fill bins (M, 2) and scores (M,) of pairs of maps (M, Wx) and (M, Hy); NaN where none is."""
    for m in range(len(score)):
        xy[m, 0], left = _decode_one(x[m], rule, softmax, beta[0], taps_x)
        xy[m, 1], right = _decode_one(y[m], rule, softmax, beta[1], taps_y)
        if mean:
            score[m] = (left + right) / 2
        else:
            score[m] = np.nan if np.isnan(left) or np.isnan(right) else min(left, right)
        told = softmax or rule == 1 or score[m] > 0
        if not told or np.isnan(xy[m, 0]) or np.isnan(xy[m, 1]):
            xy[m] = np.nan


@kernel(forceinline=True)
def _decode_one(line, rule, softmax, beta, taps):
    """Return bin and score of one map."""
    if line.size == 0:
        return np.nan, np.nan
    cell, value = peak_of(line)
    if not np.isfinite(value):
        return np.nan, value
    if cell < 0:
        # No positive value.
        cell = 0
        while line[cell] != value:
            cell += 1
    at, top = np.float64(cell), value
    if rule == 1 or softmax:
        mass, moment = _softmax_sums(line, value, beta)
        if rule == 1:
            at = moment / mass
        if softmax:
            top = 1 / mass
    if rule == 2 and value > 0:
        at = cell - _dark_step(line, cell, value, taps)
    return at, top


@kernel(fastmath={"contract", "reassoc", "nsz"})
def _softmax_sums(line, value, beta):
    mass = moment = 0.0
    for i in range(line.size):
        p = exp(beta * (line[i] - value))
        mass += p
        moment += p * i
    return mass, moment


@kernel(fastmath={"contract", "reassoc", "nsz"})
def _blurred(line, cell, taps):
    """Blur one bin; beyond the map lie zeros."""
    first = cell - taps.size // 2
    low, high = max(0, -first), min(taps.size, line.size - first)
    part, weights = line[first + low : first + high], taps[low:high]
    total = 0.0
    for t in range(part.size):
        total += weights[t] * part[t]
    return total


@kernel
def _dark_step(line, cell, value, taps):
    """Return the step of DARK-1D.

    mmpose blurs the whole map and rescales it to its old maximum. That is a constant under the
    logarithm and drops out, unless floor or ceiling act on a bin that the step reads.
    """
    g = np.empty(5)
    for j in range(5):
        g[j] = _blurred(line, min(max(cell + j - 2, 0), line.size - 1), taps)
    if not (g.min() > FLOOR and value <= CEILING):
        most = g.max()
        for i in range(line.size):
            most = max(most, _blurred(line, i, taps))
        for j in range(5):
            g[j] = min(max(g[j] * value / most, FLOOR), CEILING)
    dx = 0.5 * np.log(g[3] / g[1])
    dxx = RIDGE + 0.25 * np.log(g[4] * g[0] / (g[2] * g[2]))
    return dx / dxx
