"""The posterior of heatmaps and its place of highest expected similarity, compiled."""

import numpy as np

from refine._kernel import kernel

FAINT = 0.1
"""Cells below this part of the highest are left out: their cube is a thousandth of its."""


@kernel
def weigh(start, at, value, expected, spread, sigma, rival_xy, rival_score, pull, reach, taken):
    """Return what the prior and the rivals make of every peak, (P,) in (0, 1].

    Args:
        start: (N * K + 1,) peaks of map m are start[m] to start[m + 1].
        at: (P, 2) cells.
        value: (P,) height in units of the scores of the rivals.
        expected: (N, K, 2) cells, NaN where nothing is expected.
        spread: (N, K) cells, Laplace scale.
        sigma: (N, K) cells, see `read`.
        rival_xy: (N, M, K, 2) cells, the same joints of other poses; NaN where there are none.
        rival_score: (N, M, K).
        pull: weight of the prior.
        reach: spreads beyond which a peak is not any less likely.
        taken: what becomes of a peak that is more of a rival's.
    """
    out = np.ones(len(at))
    k = expected.shape[1]
    for m in range(len(start) - 1):
        a, j = m // k, m % k
        for p in range(start[m], start[m + 1]):
            x, y = at[p]
            if np.isfinite(expected[a, j, 0]) and spread[a, j] > 0:
                far = (abs(x - expected[a, j, 0]) + abs(y - expected[a, j, 1])) / spread[a, j]
                out[p] = np.exp(-pull * min(far, reach))
            for r in range(rival_xy.shape[1]):
                dx, dy = x - rival_xy[a, r, j, 0], y - rival_xy[a, r, j, 1]
                near = np.exp(-(dx * dx + dy * dy) / (2 * sigma[a, j] ** 2))
                if rival_score[a, r, j] * near > value[p]:
                    out[p] *= taken
                    break
    return out


@kernel
def read(maps, start, at, weight, sigma, power, xy, mode):
    """Write the place of highest expected similarity of every map.

    The posterior of a cell is its value to the `power` times the weight of the peak next to it;
    expected similarity is the posterior blurred with exp(-d^2 / (2 sigma^2)).

    Args:
        maps: (M, H, W), highest 1.
        start: (M + 1,) see `weigh`.
        at: (P, 2) cells.
        weight: (P,).
        sigma: (M,) cells.
        power: sharpens the map.
        xy: (M, 2) result; untouched where a map has no peak.
        mode: (M,) result: the peak next to that place, -1 where a map has none.
    """
    _, height, width = maps.shape
    mass = np.empty((height, width))
    rows = np.empty((height, width))
    blurred = np.empty((height, width))
    fall = np.empty(max(height, width))
    for m in range(len(maps)):
        first, last = start[m], start[m + 1]
        mode[m] = -1
        if last == first:
            continue
        left, right, top, bottom = width, -1, height, -1
        for y in range(height):
            for x in range(width):
                mass[y, x] = 0.0
                v = maps[m, y, x]
                if v < FAINT:
                    continue
                p = _next_to(at, first, last, x, y)
                mass[y, x] = weight[p] * np.float64(v) ** power
                left, right, top, bottom = min(left, x), max(right, x), min(top, y), max(bottom, y)
        # One cell more to each side, for the parabola.
        x0, x1 = max(left - 1, 0), min(right + 2, width)
        y0, y1 = max(top - 1, 0), min(bottom + 2, height)
        for d in range(max(x1 - x0, y1 - y0)):
            fall[d] = np.exp(-d * d / (2 * sigma[m] ** 2))
        for y in range(top, bottom + 1):
            rows[y, x0:x1] = 0.0
            for q in range(left, right + 1):
                v = mass[y, q]
                if v > 0:
                    for x in range(x0, x1):
                        rows[y, x] += v * fall[abs(x - q)]
        best, bx, by = -1.0, 0, 0
        for y in range(y0, y1):
            blurred[y, x0:x1] = 0.0
            for q in range(top, bottom + 1):
                f = fall[abs(y - q)]
                for x in range(x0, x1):
                    blurred[y, x] += f * rows[q, x]
            for x in range(x0, x1):
                if blurred[y, x] > best:
                    best, bx, by = blurred[y, x], x, y
        xy[m, 0], xy[m, 1] = np.float64(bx), np.float64(by)
        if 0 < bx < width - 1:
            xy[m, 0] += _top(blurred[by, bx - 1], best, blurred[by, bx + 1])
        if 0 < by < height - 1:
            xy[m, 1] += _top(blurred[by - 1, bx], best, blurred[by + 1, bx])
        mode[m] = _next_to(at, first, last, bx, by)


@kernel
def _next_to(at, first, last, x, y):
    found, least = first, np.inf
    for p in range(first, last):
        d = (at[p, 0] - x) ** 2 + (at[p, 1] - y) ** 2
        if d < least:
            found, least = p, d
    return found


@kernel
def _top(before, here, after):
    """Return where the parabola through three logarithms is highest, in [-.5, .5]."""
    a, b, c = np.log(max(before, 1e-300)), np.log(here), np.log(max(after, 1e-300))
    bend = a - 2 * b + c
    return max(-0.5, min(0.5, (a - c) / (2 * bend))) if bend < 0 else 0.0
