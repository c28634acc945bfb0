"""A border-safe sub-pixel decoder: least squares of a Gaussian on the cells that exist.

DARK needs two cells on every side of the peak and a blur that reads zeros beyond the map, so it
is off by a third of a cell near the border. Here an isotropic Gaussian of free amplitude, place
and width is fitted by Gauss-Newton to the in-map part of a window around the peak: nothing is
assumed about what lies outside, the peak itself may lie there, and the amplitude drops out
(variable projection), so maps of any scale decode alike. Under white noise this is the maximum
likelihood estimate. Trained networks do not answer with Gaussians: their cores do look like one,
their tails do not. Hence a small window, and a wide one only where the map is visibly noisy.

A peak beyond a border is found from its flank, up to a cell outside; beyond a corner, both ways
outside, only from a sigma of 1.3 cells on: too little is seen of a narrower one, whose place and
width trade off, and it is left within a cell of the corner.
"""

import numpy as np

from refine._kernel import kernel
from refine.decoding.maps.gauss import SIGMA_MIN, fit_gaussians
from refine.decoding.maps.peak import peak_of

HALF_MAXIMUM = float(np.exp(-0.5))
"""A Gaussian one sigma from its centre, relative to its maximum."""
CORE, WIDE = 1.5, 2.5
"""Half sides of the two windows in sigmas, chosen between 1.25 and 3 by AP on two networks and by
the error on synthetic maps (tests/benchmarks/decode_ap.py and decode_error.py)."""
NOISY = 0.01
"""Noise over amplitude above which the wide window is used; of the confident maps of a real
network (PP-TinyPose 256 x 192) one in a hundred lies above."""
CHUNK = 128
"""Maps whose peaks are fitted together: of 64 x 48 cells they fit into a cache."""


@kernel
def decode_fit(maps, xy, score):
    """Decode maps (M, H, W) into xy (M, 2) and score (M,)."""
    height, width = maps.shape[1:]
    flat = maps.reshape(len(maps), height * width)
    which, sigma = np.empty(CHUNK, np.int64), np.empty(CHUNK)
    middle, start, fitted = np.empty((CHUNK, 2)), np.empty((CHUNK, 2)), np.empty((CHUNK, 5))
    for first in range(0, len(maps), CHUNK):
        count = 0
        for m in range(first, min(first + CHUNK, len(maps))):
            xy[m, 0] = xy[m, 1] = np.nan
            cell, score[m] = peak_of(flat[m])
            if cell < 0:
                continue
            y, x = cell // width, cell % width
            right, below = x, y
            while right + 1 < width and maps[m, y, right + 1] == maps[m, y, x]:
                right += 1
            while below + 1 < height and maps[m, below + 1, x] == maps[m, y, x]:
                below += 1
            # The middle of a plateau; the peak itself where there is none.
            xy[m, 0], xy[m, 1] = 0.5 * (x + right), 0.5 * (y + below)
            width_here = width_of(maps, m, x, y, right, below)
            if width_here <= 0:
                continue
            which[count], sigma[count] = m, width_here
            middle[count, 0], middle[count, 1] = xy[m, 0], xy[m, 1]
            count += 1
        start[:count] = middle[:count]
        for reach in (CORE, WIDE):
            fit_gaussians(
                maps, which[:count], middle[:count], start[:count], sigma[:count], reach,
                fitted[:count],
            )  # fmt: skip
            noisy = 0
            for p in range(count):
                xy[which[p], 0], xy[which[p], 1] = fitted[p, 0], fitted[p, 1]
                if fitted[p, 4] > NOISY:
                    which[noisy] = which[p]
                    middle[noisy, 0], middle[noisy, 1] = middle[p, 0], middle[p, 1]
                    start[noisy, 0], start[noisy, 1] = fitted[p, 0], fitted[p, 1]
                    sigma[noisy] = fitted[p, 2]
                    noisy += 1
            count = noisy


@kernel
def width_of(maps, m, x, y, right, below):
    """Measure sigma: mean distance to exp(-1/2) of the peak, over the sides that reach it.

    At least `SIGMA_MIN` and at most a quarter of the map; -1 where no side reaches it.
    """
    height, width = maps.shape[1:]
    top = np.float64(maps[m, y, x])
    level = HALF_MAXIMUM * top
    total, sides = 0.0, 0
    for side in range(4):
        dx, dy = (1, -1, 0, 0)[side], (0, 0, 1, -1)[side]
        at_x, at_y = (right if side == 0 else x), (below if side == 2 else y)
        extra = 0.5 * (right - x) if dx else 0.5 * (below - y)
        before, steps = top, 0
        while True:
            at_x += dx
            at_y += dy
            if at_x < 0 or at_y < 0 or at_x >= width or at_y >= height:
                break
            now = np.float64(maps[m, at_y, at_x])
            if now < level:
                total += extra + steps + (before - level) / (before - max(now, 0.0))
                sides += 1
                break
            steps += 1
            before = now
    if not (sides and total > 0):
        return -1.0
    return min(max(total / sides, SIGMA_MIN), max(height, width) / 4)
