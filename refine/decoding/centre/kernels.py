"""Numba kernels of the centre decoders: joints that a centre predicts, snapped to peaks."""

import math

import numpy as np

from refine._kernel import kernel


@kernel
def snap(xy, box, start, peak, reach):
    """Return the peak (N, K) that every joint takes, or -1: CenterNet multi_pose_decode.

    Args:
        xy: (N, K, 2) cells, as regressed.
        box: (N, 4) xyxy cells.
        start: (K + 1,) peaks of joint k are rows start[k] to start[k + 1].
        peak: (P, 2) cells.
        reach: of the longer side of the box.
    """
    n, k, _ = xy.shape
    out = np.full((n, k), -1, np.int64)
    for a in range(n):
        x0, y0, x1, y1 = box[a]
        far = reach * max(y1 - y0, x1 - x0)
        for m in range(k):
            best, nearest = -1, np.inf
            for p in range(start[m], start[m + 1]):
                d2 = (xy[a, m, 0] - peak[p, 0]) ** 2 + (xy[a, m, 1] - peak[p, 1]) ** 2
                if d2 < nearest:
                    best, nearest = p, d2
            if best < 0 or math.sqrt(nearest) > far:
                continue
            x, y = peak[best]
            if x0 <= x <= x1 and y0 <= y <= y1:
                out[a, m] = best
    return out


@kernel
def log_probability(maps, logits):
    """Return log p of maps (K, H, W); -inf where p is not positive."""
    k, height, width = maps.shape
    out = np.empty((k, height, width))
    for m in range(k):
        for j in range(height):
            for i in range(width):
                v = np.float64(maps[m, j, i])
                if logits:
                    out[m, j, i] = min(v, 0.0) - math.log1p(math.exp(-abs(v)))
                else:
                    out[m, j, i] = math.log(v) if v > 0 else -np.inf
    return out


@kernel
def snap_gaussian(log_p, xy, box, spread):
    """Return the cell (N, K, 2) inside the box with the highest p * exp(-d^2 / spread).

    d is the distance to the regressed joint; column -1 if no cell of the box is above 0.
    """
    _, height, width = log_p.shape
    n, k, _ = xy.shape
    out = np.full((n, k, 2), -1, np.int64)
    for a in range(n):
        left, top = max(0, math.ceil(box[a, 0])), max(0, math.ceil(box[a, 1]))
        right, bottom = min(width, math.ceil(box[a, 2])), min(height, math.ceil(box[a, 3]))
        for m in range(k):
            best = -np.inf
            x, y = xy[a, m]
            for j in range(top, bottom):
                for i in range(left, right):
                    v = log_p[m, j, i] - ((i - x) ** 2 + (j - y) ** 2) / spread
                    if v > best:
                        best = v
                        out[a, m, 0], out[a, m, 1] = i, j
    return out


@kernel
def weighted(log_p, xy, box, cell, spread, everyone):
    """Return p * exp(-d^2 / spread) (N, K) at cells; with `everyone` the highest of all people."""
    n, k, _ = xy.shape
    out = np.zeros((n, k))
    for a in range(n):
        for m in range(k):
            i, j = cell[a, m]
            if i < 0:
                continue
            for b in range(n):
                inside = box[b, 0] <= i < box[b, 2] and box[b, 1] <= j < box[b, 3]
                if not inside or (b != a and not everyone):
                    continue
                d2 = (i - xy[b, m, 0]) ** 2 + (j - xy[b, m, 1]) ** 2
                out[a, m] = max(out[a, m], math.exp(log_p[m, j, i] - d2 / spread))
    return out


@kernel
def snap_inverse(log_p, xy, blunt):
    """Return column and row (K, 2) of the highest p / (d + blunt) in maps (K, H, W)."""
    k, height, width = log_p.shape
    out = np.zeros((k, 2), np.int64)
    for m in range(k):
        best = -np.inf
        for j in range(height):
            for i in range(width):
                d = math.sqrt((i - xy[m, 0]) ** 2 + (j - xy[m, 1]) ** 2)
                v = log_p[m, j, i] - math.log(d + blunt)
                if v > best:
                    best = v
                    out[m, 0], out[m, 1] = i, j
    return out
