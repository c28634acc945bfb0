"""Numba kernels of this room."""

import numpy as np

from refine._exp import exp_single
from refine._kernel import kernel

LAYER_NORM = np.float32(1e-5)
"""Added to the variance: `torch.nn.LayerNorm`."""
HALF_ROOT = np.float32(0.5**0.5)
TAIL, TAIL_AT = (
    tuple(map(np.float32, (0.254829592, -0.284496736, 1.421413741, -1.453152027, 1.061405429))),
    np.float32(0.3275911),
)
"""Of erfc within 1.5e-7: Abramowitz and Stegun, 7.1.26."""
LEAST_SPREAD = 1e-3
"""Body sizes, `refine.refiner.pose.network.Output.spread`."""
FARTHEST = np.float32(13)
"""The probability of being beyond it is below the least float32."""


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


@kernel(forceinline=True, fastmath={"contract"})
def _tail(far):
    """Return the probability that a normal variate is beyond a place, 0 to `FARTHEST`."""
    z = far * HALF_ROOT
    t = np.float32(1) / (np.float32(1) + TAIL_AT * z)
    part = (((TAIL[4] * t + TAIL[3]) * t + TAIL[2]) * t + TAIL[1]) * t + TAIL[0]
    return np.float32(0.5) * t * part * exp_single(-z * z)


def _activate(inner, bias, scale):
    x = inner * scale[:, None] + bias
    tail = _tail(np.minimum(np.abs(x), FARTHEST))
    inner[:] = x * np.where(x < 0, tail, 1 - tail)


@kernel(fastmath={"contract"}, py_func=_activate)
def activate(inner, bias, scale):
    """Scale each row of (N, W), add the bias and apply GELU, in place."""
    for i in range(len(inner)):
        row, by = inner[i], scale[i]
        for j in range(row.size):
            x = row[j] * by + bias[j]
            far = abs(x)
            tail = _tail(far if far < FARTHEST else FARTHEST)
            row[j] = x * (tail if x < np.float32(0) else np.float32(1) - tail)


def _join(hidden, more, bias, scale):
    hidden += more
    hidden += bias
    scale[:] = 1 / np.sqrt(hidden.var(1) + LAYER_NORM)


@kernel(fastmath={"contract", "reassoc", "nsz"}, py_func=_join)
def join(hidden, more, bias, scale):
    """Add to (N, W) in place; fill (N,) with one over the standard deviation of each row."""
    for i in range(len(hidden)):
        row, other = hidden[i], more[i]
        total = squares = np.float32(0)
        for j in range(row.size):
            row[j] += other[j] + bias[j]
            total += row[j]
        mean = total / np.float32(row.size)
        for j in range(row.size):
            squares += (row[j] - mean) * (row[j] - mean)
        scale[i] = np.float32(1) / np.sqrt(squares / np.float32(row.size) + LAYER_NORM)


@kernel
def lay_out(scene, frame, reach, out):
    """Fill (N, F) with the features of `refine.refiner.pose.features.features`."""
    xy, present, score, near, image_size = scene
    centre, size = frame
    far, far_near, border = reach
    n, k, _ = xy.shape
    around = near.shape[1]
    at_near, there_near = 7 * k + 5, 7 * k + 5 + 2 * around * k
    for i in range(n):
        row, body = out[i], size[i]
        count = 0
        for q in range(k):
            here = present[i, q]
            count += here
            row[2 * k + q] = here
            for c in range(2):
                at = (xy[i, q, c] - centre[i, c]) / body if here else 0.0
                row[2 * q + c] = min(max(at, -far), far)
                known = here and score[i, q, c] >= 0
                row[3 * k + 2 * q + c] = 2 * score[i, q, c] - 1 if known else 0.0
                row[5 * k + 2 * q + c] = known
        for c in range(2):
            for side in range(2):
                edge = (image_size[i, c] if side else 0.0) - centre[i, c]
                away = edge / body
                away = border if np.isnan(away) else min(max(away, -border), border)
                row[7 * k + 2 * side + c] = away / 5
        row[7 * k + 4] = count / k
        for m in range(around):
            other = near[i, m]
            for q in range(k):
                u = v = 0.0
                there = other >= 0 and present[other, q]
                if there:
                    u = (xy[other, q, 0] - centre[i, 0]) / body
                    v = (xy[other, q, 1] - centre[i, 1]) / body
                    there = abs(u) <= far_near and abs(v) <= far_near
                row[at_near + 2 * (m * k + q)] = u / 2 if there else 0.0
                row[at_near + 2 * (m * k + q) + 1] = v / 2 if there else 0.0
                row[there_near + m * k + q] = there


@kernel
def believe(raw, shown, out):
    """Fill xy (N, K, 2), the other fields of each joint (5, N, K) and oks (N,) of a `Belief`."""
    columns, present, centre, size = shown
    xy, each, oks = out
    n, k, _ = xy.shape
    for i in range(n):
        some = False
        for q in range(k):
            told = raw[i, 7 * q : 7 * q + 7]
            for c in range(2):
                xy[i, q, c] = (columns[i, 2 * q + c] + told[c]) * size[i] + centre[i, c]
            spread = np.float64(told[2])
            # As torch has it: beyond 20 they are the same.
            spread = spread if spread > 20 else np.log1p(np.exp(spread))
            each[0, i, q] = (spread + LEAST_SPREAD) * size[i]
            for field in range(1, 5):
                each[field, i, q] = _probability(told[field + 2])
            some = some or present[i, q]
            if not present[i, q]:
                each[1, i, q] = 0.0
        oks[i] = _probability(raw[i, 7 * k])
        # A pose without a single joint gives the network nothing to believe in.
        if not some:
            xy[i], oks[i] = np.nan, 0.0


@kernel
def _probability(logit):
    return 1 / (1 + np.exp(-np.float64(logit)))
