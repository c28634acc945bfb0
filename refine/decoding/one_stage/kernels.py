"""Numba kernels of this room."""

import numpy as np

from refine._kernel import kernel
from refine.decoding.maps.gauss import fit_gaussians

MATCH_DISTANCE, MATCH_SCORE, MATCH_WINDOW, MATCH_SIGMA = 75.0, 0.05, 6, 2.0
"""Input px, keypoint score, input px and input px: lib/config MAX_ABSORB_DISTANCE,
ADJUST_THRESHOLD, GUASSIAN_KERNEL, SIGMA."""


@kernel
def fit(maps, counts, xy):
    """Fit a Gaussian around each counting joint and move it there, in place."""
    _, height, width = maps.shape
    owner, middle = np.empty((counts.size, 2), np.int64), np.empty((counts.size, 2))
    count = 0
    for m in range(len(xy)):
        for q in range(len(maps)):
            if not counts[m, q]:
                continue
            x = min(max(int(xy[m, q, 0] + 0.5), 0), width - 1)
            y = min(max(int(xy[m, q, 1] + 0.5), 0), height - 1)
            if maps[q, y, x] > 0:
                owner[count, 0], owner[count, 1] = m, q
                middle[count, 0], middle[count, 1] = x, y
                count += 1
    fitted, sigma = np.empty((count, 5)), np.full(count, MATCH_SIGMA)
    which, at = owner[:count, 1].copy(), middle[:count]
    fit_gaussians(maps, which, at, at, sigma, MATCH_WINDOW / MATCH_SIGMA, fitted)
    for p in range(count):
        m, q = owner[p]
        xy[m, q, 0], xy[m, q, 1] = fitted[p, 0], fitted[p, 1]


@kernel
def box_nms(box, threshold, most):
    kept = np.empty(min(most, len(box)), np.intp)
    count = 0
    for j in range(len(box)):
        if count == len(kept):
            break
        x1, y1, x2, y2 = box[j]
        area = (x2 - x1) * (y2 - y1)
        alike = False
        for c in range(count):
            b = box[kept[c]]
            w = min(x2, b[2]) - max(x1, b[0])
            h = min(y2, b[3]) - max(y1, b[1])
            if w > 0 and h > 0:
                inner = w * h
                union = area + (b[2] - b[0]) * (b[3] - b[1]) - inner
                if inner > threshold * union:
                    alike = True
                    break
        if not alike:
            kept[count] = j
            count += 1
    return kept[:count]


@kernel
def nearby(xy, distance, joints, near):
    n, k, _ = xy.shape
    for i in range(n):
        left = top = np.inf
        right = bottom = -np.inf
        for q in range(k):
            # Comparisons with NaN are false, so missing joints do not count.
            if xy[i, q, 0] < left:
                left = xy[i, q, 0]
            if xy[i, q, 0] > right:
                right = xy[i, q, 0]
            if xy[i, q, 1] < top:
                top = xy[i, q, 1]
            if xy[i, q, 1] > bottom:
                bottom = xy[i, q, 1]
        reach = distance * np.hypot(right - left, bottom - top)
        near[i, i] = True
        for j in range(n):
            close = 0
            for q in range(k):
                close += np.hypot(xy[i, q, 0] - xy[j, q, 0], xy[i, q, 1] - xy[j, q, 1]) < reach
            if close > joints:
                near[i, j] = True
