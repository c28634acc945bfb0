"""Numba kernels of this room."""

import numpy as np

from refine._kernel import kernel
from refine.decoding.maps.peak import peak_of

FLOOR, CEILING = 1e-3, 50.0
"""Before the logarithm: mmpose refine_simcc_dark, as UDP has it."""
RIDGE = 1e-9
"""Added to the second derivative: mmpose refine_simcc_dark."""


@kernel
def decode(maps, bits, unsigned, nan_above, rule, softmax, beta, taps, at, top):
    bins = maps.shape[1]
    for m in range(len(maps)):
        line = maps[m]
        cell, value = peak_of(line, bits[m], unsigned[m], nan_above)
        top[m] = value
        if not np.isfinite(value):
            continue
        if cell < 0:
            # No positive value.
            cell = 0
            while line[cell] != value:
                cell += 1
        at[m] = cell
        if rule == 1 or softmax:
            mass, moment = 0.0, 0.0
            for i in range(bins):
                p = np.exp(beta * (line[i] - value))
                mass += p
                moment += p * i
            if rule == 1:
                at[m] = moment / mass
            if softmax:
                top[m] = 1 / mass
        if rule == 2 and value > 0:
            at[m] = cell - _dark_step(line, cell, value, taps)


@kernel
def _blurred(line, cell, taps):
    """Blur one bin; beyond the map lie zeros."""
    first = cell - taps.size // 2
    total = 0.0
    for t in range(max(0, -first), min(taps.size, line.size - first)):
        total += taps[t] * line[first + t]
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
