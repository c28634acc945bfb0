"""Numba kernels of this room."""

import numpy as np

from refine._kernel import kernel
from refine.decoding.maps.fit import CORE, width_of
from refine.decoding.maps.gauss import fit_gaussians

HARMLESS, FATAL, FIRST = 0, 1, 2
"""What an equal neighbour does to a peak: nothing, end it, or end it if it comes before."""
CENTROID = 3
"""Cells to each side: OpenPose src/openpose/net/nmsBase.cpp."""
WANDER = 1.0
"""Cells that a fit may lie from its peak; farther off it has run to another person."""
CUBIC_MATLAB = -0.5
"""Parameter of the cubic kernel: MATLAB's `imresize`, with which CPM enlarges its maps."""
CUBIC_OPENCV = -0.75
"""Parameter of the cubic kernel: OpenCV's INTER_CUBIC."""


@kernel
def _weights(t, cubic, out):
    """Fill (4,) weights of the cells -1, 0, 1 and 2 for a point t in [0, 1) right of cell 0."""
    if cubic:
        cubic_weights(t, CUBIC_MATLAB, out)
    else:
        out[0], out[1], out[2], out[3] = 0.0, 1 - t, t, 0.0


@kernel
def add(maps, to_cells, low, high, cubic, weight, out):
    """Add weight times the maps (N, K, h, w), read where each pixel lies, to out (N, K, H, W)."""
    n, k, height, width = maps.shape
    columns, rows = np.empty(4, np.int64), np.empty(4, np.int64)
    across, down = np.empty(4), np.empty(4)
    for i in range(n):
        a = to_cells[i]
        for y in range(out.shape[2]):
            for x in range(out.shape[3]):
                u = a[0, 0] * x + a[0, 1] * y + a[0, 2]
                v = a[1, 0] * x + a[1, 1] * y + a[1, 2]
                if not (low[0] <= u <= high[0] and low[1] <= v <= high[1]):
                    continue
                left, top = int(np.floor(u)), int(np.floor(v))
                _weights(u - left, cubic, across)
                _weights(v - top, cubic, down)
                for j in range(4):
                    columns[j] = min(max(left - 1 + j, 0), width - 1)
                    rows[j] = min(max(top - 1 + j, 0), height - 1)
                first, last = (0, 4) if cubic else (1, 3)
                for q in range(k):
                    total = 0.0
                    for r in range(first, last):
                        line = maps[i, q, rows[r]]
                        part = 0.0
                        for c in range(first, last):
                            part += across[c] * line[columns[c]]
                        total += down[r] * part
                    out[i, q, y, x] += weight * total


@kernel
def _grown(cell):
    more = np.empty((2 * len(cell), 2), np.int64)
    more[: len(cell)] = cell
    return more


@kernel
def peaks(maps, threshold, reach, cross, ties):
    k, height, width = maps.shape
    start = np.zeros(k + 1, np.int64)
    cell = np.empty((64, 2), np.int64)
    n = 0
    for m in range(k):
        values = maps[m]
        for y in range(height):
            line = values[y]
            for x in range(width):
                v = line[x]
                if not v > threshold:
                    continue
                # Most cells fall to their left or right neighbour already.
                if (x and line[x - 1] > v) or (x + 1 < width and line[x + 1] > v):
                    continue
                if not _is_peak(values, y, x, v, reach, cross, ties):
                    continue
                if n == len(cell):
                    cell = _grown(cell)
                cell[n, 0], cell[n, 1] = x, y
                n += 1
        start[m + 1] = n
    return start, cell[:n].copy()


@kernel
def _is_peak(values, y, x, v, reach, cross, ties):
    height, width = values.shape
    for j in range(max(0, y - reach), min(height, y + reach + 1)):
        for i in range(max(0, x - reach), min(width, x + reach + 1)):
            if (j == y and i == x) or (cross and j != y and i != x):
                continue
            if values[j, i] > v:
                return False
            before = j < y or (j == y and i < x)
            if values[j, i] == v and (ties == FATAL or (ties == FIRST and before)):
                return False
    return True


@kernel
def peaks_ring(maps, threshold):
    k, height, width = maps.shape
    start = np.zeros(k + 1, np.int64)
    cell = np.empty((64, 2), np.int64)
    n = 0
    for m in range(k):
        values = maps[m]
        for y in range(height):
            for x in range(width):
                v = values[y, x]
                if not v > threshold:
                    continue
                ring = x in (1, width - 2) or y in (1, height - 2)
                inner = 1 < x < width - 2 and 1 < y < height - 2
                if not (ring or inner) or not _is_peak(
                    values, y, x, v, 1, False, FATAL if inner else HARMLESS
                ):
                    continue
                if n == len(cell):
                    cell = _grown(cell)
                cell[n, 0], cell[n, 1] = x, y
                n += 1
        start[m + 1] = n
    return start, cell[:n].copy()


@kernel
def centroid(maps, start, cell, xy):
    height, width = maps.shape[1:]
    for m in range(len(maps)):
        for p in range(start[m], start[m + 1]):
            x, y = cell[p]
            sx = sy = total = 0.0
            for j in range(max(0, y - CENTROID), min(height, y + CENTROID + 1)):
                for i in range(max(0, x - CENTROID), min(width, x + CENTROID + 1)):
                    v = np.float64(maps[m, j, i])
                    if v > 0:
                        sx += i * v
                        sy += j * v
                        total += v
            if total > 0:
                xy[p, 0], xy[p, 1] = sx / total, sy / total


@kernel
def fit(maps, start, cell, xy):
    which, sigma = np.empty(len(cell), np.int64), np.empty(len(cell))
    peak, count = np.empty(len(cell), np.int64), 0
    for m in range(len(maps)):
        for p in range(start[m], start[m + 1]):
            x, y = cell[p]
            width = width_of(maps, m, x, y, x, y)
            if width > 0 and maps[m, y, x] > 0:
                which[count], sigma[count], peak[count] = m, width, p
                count += 1
    middle, fitted = cell[peak[:count]].astype(np.float64), np.empty((count, 5))
    fit_gaussians(maps, which[:count], middle, middle, sigma[:count], CORE, fitted)
    for i in range(count):
        p = peak[i]
        if (
            abs(fitted[i, 0] - middle[i, 0]) <= WANDER
            and abs(fitted[i, 1] - middle[i, 1]) <= WANDER
        ):
            xy[p, 0], xy[p, 1] = fitted[i, 0], fitted[i, 1]


@kernel
def cubic_weights(t, a, out):
    """Fill (4,) weights of the cells -1, 0, 1 and 2 for a point t in [0, 1) right of cell 0.

    Keys' kernel with parameter a.
    """
    for j in range(4):
        d = abs(t - (j - 1))
        if d <= 1:
            out[j] = ((a + 2) * d - (a + 3)) * d * d + 1
        else:
            out[j] = a * (((d - 5) * d + 8) * d - 4)


@kernel(fastmath=True)
def resample(maps, row_first, row_weights, first, weights, out):
    k, height, _ = maps.shape
    size = len(first)
    taps = weights.shape[1]
    by_tap = np.ascontiguousarray(weights.T)
    wide = np.empty((height, size), np.float32)
    for m in range(k):
        for y in range(height):
            line, source = wide[y], maps[m, y]
            line[:] = 0
            for t in range(taps):
                tap = by_tap[t]
                for x in range(size):
                    line[x] += tap[x] * source[first[x] + t]
        for y in range(len(row_first)):
            line = out[m, y]
            line[:] = 0
            for t in range(row_weights.shape[1]):
                weight, source = row_weights[y, t], wide[row_first[y] + t]
                for x in range(size):
                    line[x] += weight * source[x]


def _widen_halves(bits, out):
    out[:] = bits.view(np.float16)


@kernel(py_func=_widen_halves)
def widen_halves(bits, out):
    """Read float16, given by their bits, as float32; NumPy takes 20 times as long."""
    spelled = out.view(np.int32)
    for i in range(bits.size):
        spelled[i] = (np.int32(bits[i]) & 0x7FFF) << 13
    # The exponents of the two have biases 112 apart.
    for i in range(bits.size):
        out[i] *= np.float32(2.0**112)
    for i in range(bits.size):
        half = np.int32(bits[i])
        endless = 0x7F800000 | ((half & 0x3FF) << 13)
        spelled[i] = endless if (half & 0x7C00) == 0x7C00 else spelled[i]
        spelled[i] |= (half & 0x8000) << 16
