"""Kernels of `refine.decoding.tags.arrays`."""

import numpy as np

from refine._kernel import kernel

TIE_BREAK = 1e-3
"""Weight of the unrounded distance in the cost: the published costs, multiples of 100 less a peak
value, tie for all groups of one rounded distance, and solvers then differ (munkres, scipy)."""

BLOCK = 64
"""Cells whose maximum is kept to skip them when joints are filled in."""


@kernel
def peaks(maps, bits, threshold, window, most):
    """Find local maxima above a threshold, the highest `most` of each map, highest first.

    Returns:
        count (K,), cell (K, most) and value (K, most) of the peaks; highest (K, H, B), the
        maximum of every BLOCK cells of a row, 0 where none is positive; and the joint of a map
        that is not finite, or -1.
    """
    k, h, w = maps.shape
    reach = window // 2
    count = np.zeros(k, np.intp)
    cell = np.zeros((k, most), np.intp)
    value = np.zeros((k, most), np.float32)
    highest = np.zeros((k, h, (w + BLOCK - 1) // BLOCK), np.float32)
    infinite = np.int32(0x7F800000)
    for q in range(k):
        plane = maps[q]
        for y in range(h):
            for b in range(highest.shape[2]):
                low = b * BLOCK
                part = bits[q, y, low : low + BLOCK]
                # Positive floats sort like their bits, and the maximum of integers vectorises.
                top, wild = part[0], part[0] & infinite
                for j in range(part.size):
                    top = max(top, part[j])
                    wild = max(wild, part[j] & infinite)
                if wild == infinite:
                    return count, cell, value, highest, q
                if top <= 0:
                    continue
                row = plane[y, low : low + BLOCK]
                best = np.float32(0)
                for j in range(part.size):
                    if part[j] == top:
                        best = row[j]
                        break
                highest[q, y, b] = best
                if best <= threshold:
                    continue
                for j in range(row.size):
                    v = row[j]
                    if v <= threshold or (count[q] == most and v <= value[q, most - 1]):
                        continue
                    x = low + j
                    if not _is_maximum(plane, x, y, v, reach):
                        continue
                    at = min(count[q], most - 1)
                    count[q] = at + 1
                    while at > 0 and value[q, at - 1] < v:
                        value[q, at], cell[q, at] = value[q, at - 1], cell[q, at - 1]
                        at -= 1
                    value[q, at], cell[q, at] = v, y * w + x
    return count, cell, value, highest, -1


@kernel
def _is_maximum(plane, x, y, v, reach):
    h, w = plane.shape
    for j in range(max(y - reach, 0), min(y + reach + 1, h)):
        for i in range(max(x - reach, 0), min(x + reach + 1, w)):
            if plane[j, i] > v:
                return False
    return True


@kernel
def group(
    order, at, groups, column, count, value, tag,
    member, total, size, key, distance, cost, mean, closed, most, threshold, compat,
):  # fmt: skip
    """Group joints from the `at`-th on until one needs the assignment solver.

    `column` holds the group of each peak of the `at`-th joint, or nothing. Returns the place in
    `order` whose `cost` is to be solved, K when done, and the number of groups so far.
    """
    depth = tag.shape[2]
    for i in range(at, len(order)):
        k = order[i]
        n = count[k]
        if n == 0:
            continue
        open_to = min(groups, most)
        if closed and groups >= most:
            continue
        if groups == 0:
            column = np.full(n, 0)
        elif len(column) == 0:
            best = np.empty(n, np.intp)
            taken = np.zeros(open_to, np.bool_)
            clear = not compat and n <= open_to
            for p in range(n):
                best[p] = 0
                for g in range(open_to):
                    d2 = 0.0
                    for t in range(depth):
                        d2 += (tag[k, p, t] - total[g, t] / size[g]) ** 2
                    d = np.sqrt(d2 / depth if mean else d2)
                    distance[p, g] = d
                    cost[p, g] = np.rint(d) * 100 - value[k, p]
                    if not compat:
                        cost[p, g] += TIE_BREAK * d
                    if cost[p, g] < cost[p, best[p]]:
                        best[p] = g
                # Where every peak has a cheapest group of its own, that is the optimum.
                clear = clear and not taken[best[p]]
                taken[best[p]] = True
            if not clear:
                return i, groups
            column = best
        for p in range(n):
            g = column[p]
            if g >= open_to or distance[p, g] >= threshold:
                g = groups
                if compat:
                    for other in range(groups):
                        if key[other] == tag[k, p, 0]:
                            g = other
                            break
                groups += g == groups
                total[g], size[g], key[g] = 0, 0, tag[k, p, 0]
            member[g, k] = p
            total[g] += tag[k, p]
            size[g] += 1
        column = np.empty(0, np.intp)
    return len(order), groups


@kernel
def finish(maps, tags, highest, member, count, cell, value, tag_at, fill, filled_score, odd):
    """Place the joints of all groups in their cells and look for those that are missing."""
    n, k = member.shape
    depth, h, w = tags.shape[1:]
    xy = np.full((n, k, 2), np.nan)
    score = np.zeros((n, k))
    instance = np.zeros(n)
    mean = np.empty(depth)
    for g in range(n):
        mean[:] = 0
        found = 0
        for q in range(k):
            p = member[g, q]
            if p < 0:
                continue
            x, y = cell[q, p] % w, cell[q, p] // w
            xy[g, q, 0], xy[g, q, 1] = _quarter(maps[q], x, y, w, h)
            score[g, q] = value[q, p]
            mean += tag_at[q, p]
            found += 1
        instance[g] = score[g].sum() / k
        mean /= found
        for q in range(k):
            if not fill or member[g, q] >= 0:
                continue
            middle = mean.astype(np.float32)
            x, y = _nearest(maps[q], tags[q], highest[q], middle, cell[q, : count[q]])
            if maps[q, y, x] > 0:
                wide, tall = (min(h, w), min(k, h)) if odd else (w, h)
                xy[g, q, 0], xy[g, q, 1] = _quarter(maps[q], x, y, wide, tall)
                score[g, q] = maps[q, y, x] if np.isnan(filled_score) else filled_score
    return xy, score, instance


@kernel
def _quarter(plane, x, y, w, h):
    """Go from a cell's corner to its centre and a quarter cell on, in a map of w x h."""
    right = plane[y, min(x + 1, w - 1)] > plane[y, max(x - 1, 0)]
    down = plane[min(y + 1, h - 1), x] > plane[max(y - 1, 0), x]
    return x + (0.75 if right else 0.25), y + (0.75 if down else 0.25)


@kernel
def _nearest(plane, tags, highest, tag, peaks):
    """Return the first cell with the highest plane - round(distance of its tag)."""
    worth = np.empty(BLOCK, np.float32)
    best, at_x, at_y = np.float32(-np.inf), 0, 0
    for p in peaks:
        y, x = p // plane.shape[1], p % plane.shape[1]
        d2 = np.float32(0)
        for t in range(len(tag)):
            d2 += (tags[t, y, x] - tag[t]) * (tags[t, y, x] - tag[t])
        # Just below the best peak: most blocks can be skipped, and the first of equals is found.
        best = max(best, plane[y, x] - np.rint(np.sqrt(d2)) - np.float32(1e-5))
    for y in range(len(plane)):
        for b in range(highest.shape[1]):
            if highest[y, b] <= best:
                continue
            low = b * BLOCK
            row = plane[y, low : low + BLOCK]
            part = worth[: row.size]
            part[:] = 0
            for t in range(len(tag)):
                line, middle = tags[t, y, low : low + BLOCK], tag[t]
                for j in range(line.size):
                    part[j] += (line[j] - middle) * (line[j] - middle)
            better = 0
            for j in range(row.size):
                part[j] = row[j] - np.rint(np.sqrt(part[j]))
                better += part[j] > best
            if better:
                for j in range(row.size):
                    if part[j] > best:
                        best, at_x, at_y = part[j], low + j, y
    return at_x, at_y
