"""Kernels of `refine.suppress`: poses grouped by image, walked best first."""

import numpy as np

from refine._kernel import kernel
from refine.oks import EPS


@kernel
def _oks(p, area, weight, better, worse, i, j, floor):
    """OKS of poses i and j, or `floor` once it cannot exceed that."""
    used = 0
    for q in range(len(weight)):
        used += better[i, q] & worse[j, q]
    if used == 0:
        return 0.0
    if area[i] == 0 or area[j] == 0:
        for q in range(len(weight)):
            if better[i, q] != worse[j, q]:
                return 0.0
            if better[i, q] and (p[i, q, 0] != p[j, q, 0] or p[i, q, 1] != p[j, q, 1]):
                return 0.0
        return 1.0
    scale = -0.5 / ((area[i] + area[j]) / 2 + EPS)
    total, left = 0.0, used
    for q in range(len(weight)):
        if better[i, q] & worse[j, q]:
            dx, dy = p[i, q, 0] - p[j, q, 0], p[i, q, 1] - p[j, q, 1]
            exponent = (dx * dx + dy * dy) * weight[q] * scale
            # exp(-40) is below the rounding of the sum; NaN goes on to be found below.
            if not exponent < -40:
                total += np.exp(exponent)
            left -= 1
            if total + left < floor * used:
                return floor
    # Coordinates so large that distance and area overflow say nothing.
    return 0.0 if np.isnan(total) else total / used


@kernel
def hard_kernel(p, area, weight, better, worse, starts, threshold, most):
    """Return which of the poses, best first within an image, stay."""
    keep = np.zeros(len(p), np.bool_)
    kept = np.empty(len(p), np.intp)
    for image in range(len(starts) - 1):
        count = 0
        for j in range(starts[image], starts[image + 1]):
            if count == most:
                break
            alike = False
            for c in range(count):
                i = kept[c]
                if _oks(p, area, weight, better, worse, i, j, threshold) > threshold:
                    alike = True
                    break
            if not alike:
                keep[j] = True
                kept[count] = j
                count += 1
    return keep


@kernel
def soft_kernel(p, area, weight, better, worse, starts, score, threshold, linear, most, floor):
    """Decay `score` in place and return each pose's place on its image, or -1."""
    rank = np.full(len(p), -1)
    for image in range(len(starts) - 1):
        low, high = starts[image], starts[image + 1]
        for place in range(min(most, high - low)):
            i = -1
            for j in range(low, high):
                if rank[j] < 0 and (i < 0 or score[j] > score[i]):
                    i = j
            if score[i] < floor:
                break
            rank[i] = place
            for j in range(low, high):
                if rank[j] >= 0:
                    continue
                oks = _oks(p, area, weight, better, worse, i, j, -1.0)
                if not linear:
                    score[j] *= np.exp(-oks * oks / threshold)
                elif oks >= threshold:
                    score[j] *= 1 - oks
    return rank
