"""Where joints are missing: how long, between what, and what lies between."""

from itertools import pairwise

import numpy as np
from scipy.interpolate import PchipInterpolator

from refine._types import Bools, Floats
from refine.motion.arrays import present


def fillable(there: Bools, time: Floats, longest_s: float) -> Bools:
    """Tell the frames of joints (T, K) that lie in a gap, not too long, between two places."""
    fits = np.zeros_like(there)
    for k in range(there.shape[1]):
        known = np.flatnonzero(there[:, k])
        for a, b in pairwise(known.tolist()):
            if b - a > 1 and time[b] - time[a] <= longest_s:
                fits[a + 1 : b, k] = True
    return fits


def since(there: Bools, time: Floats) -> Floats:
    """Return the time (T, K) from the nearest frame in which a joint is there."""
    when = np.where(there, time[:, None], -np.inf)
    before = time[:, None] - np.maximum.accumulate(when)
    ahead = np.minimum.accumulate(np.where(there, when, np.inf)[::-1])[::-1] - time[:, None]
    return np.asarray(np.minimum(before, ahead))


def least_around(score: Floats, gap: Bools) -> Floats:
    """Return, inside gaps, the lesser of the scores (T, K) before and after."""
    out = np.full_like(score, np.nan)
    for k in range(score.shape[1]):
        edges = np.flatnonzero(np.diff(np.r_[False, gap[:, k], False].astype(np.int8)))
        for start, end in edges.reshape(-1, 2):
            out[start:end, k] = min(score[start - 1, k], score[end, k])
    return out


def between(xy: Floats, time: Floats, method: str) -> Floats:
    """Return joints (T, K, 2) with their gaps filled by lines ("linear") or by "pchip"."""
    out = np.full_like(xy, np.nan)
    for k in range(xy.shape[1]):
        known = np.flatnonzero(present(xy[:, k]))
        if len(known) < 2:
            continue
        for c in range(2):
            if method == "linear":
                out[:, k, c] = np.interp(time, time[known], xy[known, k, c])
            else:
                out[:, k, c] = PchipInterpolator(time[known], xy[known, k, c])(time)
    return out
