"""Numba kernels of this room."""

import numpy as np

from refine._kernel import kernel


@kernel
def frame_size(xy, present, log_distance, weight):
    n, k, _ = xy.shape
    out = np.full(n, 50.0)
    value, mass = np.empty(k * (k - 1) // 2), np.empty(k * (k - 1) // 2)
    for a in range(n):
        used, total = 0, 0.0
        for i in range(k):
            if not present[a, i]:
                continue
            for j in range(i):
                if present[a, j] and weight[i, j] > 0:
                    d = np.hypot(xy[a, i, 0] - xy[a, j, 0], xy[a, i, 1] - xy[a, j, 1])
                    value[used] = np.log(max(d, 1e-3)) - log_distance[i, j]
                    mass[used] = weight[i, j]
                    total += mass[used]
                    used += 1
        if used:
            reached = 0.0
            for q in np.argsort(value[:used]):
                reached += mass[q]
                if reached >= total / 2:
                    out[a] = max(np.exp(value[q]), 2.0)
                    break
    return out


@kernel
def nearest(centre, order, start, count):
    out = np.full((len(centre), count), -1, np.intp)
    best = np.empty(count)
    for s in range(len(start) - 1):
        for i in order[start[s] : start[s + 1]]:
            best[:] = np.inf
            for j in order[start[s] : start[s + 1]]:
                d = np.hypot(centre[i, 0] - centre[j, 0], centre[i, 1] - centre[j, 1])
                if i == j or not d < best[count - 1]:
                    continue
                slot = count - 1
                while slot > 0 and d < best[slot - 1]:
                    best[slot] = best[slot - 1]
                    out[i, slot] = out[i, slot - 1]
                    slot -= 1
                best[slot] = d
                out[i, slot] = j
    return out
