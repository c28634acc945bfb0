"""The compiled steps of part-affinity-field decoding: line integrals, matching, assembly."""

import numpy as np

from refine._kernel import kernel

TWO_ROWS, FIRST_JOINT, FIVE_CASES = 0, 1, 2

ADAPTIVE_LEAST, ADAPTIVE_MOST = 5, 25
"""Samples on a limb, OpenPose src/openpose/net/bodyPartConnectorBase.cpp."""
SHORT = 150.0
"""A limb is short below sqrt(area) / 150, same file."""
FLOOR = 1e-6
"""Lowest affinity that connects, and shortest limb, same file."""


@kernel(inline="always")
def _at(field, row_first, row_weights, first, weights, x, y):
    """Read one cell of a resampled field without resampling the rest."""
    total = 0.0
    for j in range(row_weights.shape[1]):
        part = 0.0
        for i in range(weights.shape[1]):
            part += weights[x, i] * field[row_first[y] + j, first[x] + i]
        total += row_weights[y, j] * part
    return total


@kernel
def _affinity(xa, ya, xb, yb, fx, fy, rows, columns, rules):
    """Integrate a field along a limb; at most 0 where the limb is refused."""
    samples, ends, half_even, above_only, least, threshold, reach, short = rules
    height, width = len(rows[0]), len(columns[0])
    dx, dy = xb - xa, yb - ya
    norm = np.sqrt(dx * dx + dy * dy)
    if not norm > FLOOR:
        return 0.0
    n = samples
    if n == 0:
        longest = max(abs(dx), abs(dy))
        n = min(max(int(np.sqrt(5.0 * longest) + 0.5), ADAPTIVE_LEAST), ADAPTIVE_MOST)
    step = 1.0 / (n - 1 if ends else n)
    ux, uy = dx / norm, dy / norm
    total, count = 0.0, 0
    for i in range(n):
        x, y = xa + i * step * dx, ya + i * step * dy
        if half_even:
            px, py = int(np.rint(x)), int(np.rint(y))
        else:
            px, py = int(np.floor(x + 0.5)), int(np.floor(y + 0.5))
        px, py = min(max(px, 0), width - 1), min(max(py, 0), height - 1)
        s = ux * _at(fx, rows[0], rows[1], columns[0], columns[1], px, py)
        s += uy * _at(fy, rows[0], rows[1], columns[0], columns[1], px, py)
        if s > threshold:
            count += 1
            total += s
        elif not above_only:
            total += s
        if not count + n - 1 - i > least * n:
            break
    if not count > least * n:
        if short > 0 and norm < np.sqrt(height * width) / SHORT:
            return short
        return 0.0
    mean = total / (count if above_only else n)
    return mean + min(reach / norm - 1.0, 0.0) if reach > 0 else mean


@kernel
def candidates(xy, start, pairs, channels, pafs, rows, columns, rules):
    """Score every pair of peaks of every limb.

    Returns:
        limb, first peak, second peak (M,) each, and affinity (M,), of the pairs above 0.
    """
    room = 256
    index = np.empty((room, 3), np.int64)
    score = np.empty(room)
    n = 0
    for limb in range(len(pairs)):
        a, b = pairs[limb]
        fx, fy = pafs[channels[limb, 0]], pafs[channels[limb, 1]]
        for i in range(start[a], start[a + 1]):
            for j in range(start[b], start[b + 1]):
                s = _affinity(
                    xy[i, 0], xy[i, 1], xy[j, 0], xy[j, 1], fx, fy, rows, columns, rules
                )  # fmt: skip
                if not s > FLOOR:
                    continue
                if n == room:
                    room *= 2
                    more_index, more_score = np.empty((room, 3), np.int64), np.empty(room)
                    more_index[:n], more_score[:n] = index, score
                    index, score = more_index, more_score
                index[n, 0], index[n, 1], index[n, 2], score[n] = limb, i, j, s
                n += 1
    return index[:n].copy(), score[:n].copy()


@kernel
def greedy(index, score, limbs, peaks):
    """Take the best pair of each limb whose peaks are both free, again and again.

    Returns:
        rows of `index` (C,), by limb, best first; the first of equals comes first.
    """
    kept = np.empty(len(index), np.int64)
    n = 0
    free_a, free_b = np.empty(peaks, np.bool_), np.empty(peaks, np.bool_)
    low = 0
    for limb in range(limbs):
        high = low
        while high < len(index) and index[high, 0] == limb:
            high += 1
        order = np.argsort(-score[low:high], kind="mergesort")
        for c in order:
            free_a[index[low + c, 1]] = True
            free_b[index[low + c, 2]] = True
        for c in order:
            a, b = index[low + c, 1], index[low + c, 2]
            if free_a[a] and free_b[b]:
                free_a[a] = free_b[b] = False
                kept[n] = low + c
                n += 1
        low = high
    return kept[:n].copy()


@kernel
def suppress_close(xy, start, distance, inclusive):
    """Drop peaks near an earlier one of their map, in the order column by column.

    Returns:
        the kept peaks (P,), in that order, and their starts (K + 1,).
    """
    kept = np.empty(len(xy), np.int64)
    begin = np.zeros_like(start)
    n = 0
    for k in range(len(start) - 1):
        low, high = start[k], start[k + 1]
        # Peaks come row by row, so a stable sort by column orders each column by row.
        order = np.argsort(xy[low:high, 0], kind="mergesort") + low
        gone = np.zeros(high - low, np.bool_)
        for i in range(high - low):
            if gone[i]:
                continue
            p = order[i]
            kept[n] = p
            n += 1
            for j in range(i + 1, high - low):
                q = order[j]
                d = np.sqrt((xy[p, 0] - xy[q, 0]) ** 2 + (xy[p, 1] - xy[q, 1]) ** 2)
                if d < distance or (inclusive and d == distance):
                    gone[j] = True
        begin[k + 1] = n
    return kept[:n].copy(), begin


@kernel
def assemble(kind, index, affinity, pairs, fill, score, start, singles, ignores_first):
    """Join connections to people.

    Args:
        kind: TWO_ROWS, FIRST_JOINT or FIVE_CASES.
        index: (C, 3) limb, first and second peak, in the order in which they are joined.
        affinity: (C,).
        pairs: (L, 2) joints.
        fill: (L,) limbs that never begin a person.
        score: (P,) of the peaks.
        start: (K + 1,) of the peaks of each joint.
        singles: whether peaks of a limb whose other joint has none begin a person.
        ignores_first: whether the very first peak passes for a missing one when rows merge.

    Returns:
        peaks (N, K) with -1 where there is none, total scores (N,), counts (N,).
    """
    joints = len(start) - 1
    room = len(index) + (len(score) if singles else 0)
    part = np.full((room, joints), -1)
    total, count = np.zeros(room), np.zeros(room, np.int64)
    alive = np.zeros(room, np.bool_)
    n = c = 0
    if kind == FIVE_CASES:
        n = _five_cases(index, affinity, pairs, score, part, total, count, alive)
    for limb in range(len(pairs) if kind != FIVE_CASES else 0):
        ja, jb = pairs[limb]
        empty_a, empty_b = start[ja] == start[ja + 1], start[jb] == start[jb + 1]
        if singles and empty_a != empty_b:
            j = jb if empty_a else ja
            for p in range(start[j], start[j + 1]):
                if not (part[:n, j] == p).any():
                    part[n, j], total[n], count[n], alive[n] = p, score[p], 1, True
                    n += 1
        while c < len(index) and index[c, 0] == limb:
            a, b, s = index[c, 1], index[c, 2], affinity[c]
            c += 1
            found, one, two = 0, -1, -1
            for r in range(n):
                if kind == FIRST_JOINT and fill[limb]:
                    if part[r, ja] == a and part[r, jb] == -1:
                        part[r, jb] = b
                    elif part[r, jb] == b and part[r, ja] == -1:
                        part[r, ja] = a
                elif kind == FIRST_JOINT:
                    if part[r, ja] == a:
                        part[r, jb] = b
                        count[r] += 1
                        total[r] += score[b] + s
                        found += 1
                elif alive[r] and (part[r, ja] == a or part[r, jb] == b):
                    if found == 0:
                        one = r
                    elif found == 1:
                        two = r
                    found += 1
            if found == 0:
                if not fill[limb]:
                    part[n, ja], part[n, jb] = a, b
                    total[n], count[n], alive[n] = score[a] + score[b] + s, 2, True
                    n += 1
            elif kind == TWO_ROWS and found == 1:
                if part[one, jb] != b:
                    part[one, jb] = b
                    count[one] += 1
                    total[one] += score[b] + s
            elif kind == TWO_ROWS:
                least = 1 if ignores_first else 0
                if ((part[one] >= least) & (part[two] >= least)).any():
                    part[one, jb] = b
                    count[one] += 1
                    total[one] += score[b] + s
                else:
                    # A sum, so that a first peak that was overlooked yields the wrong one.
                    part[one] += part[two] + 1
                    count[one] += count[two]
                    total[one] += total[two] + s
                    alive[two] = False
                    part[two] = -1
    keep = np.flatnonzero(alive[:n])
    return part[keep], total[keep], count[keep]


@kernel
def _five_cases(index, affinity, pairs, score, part, total, count, alive):
    """Join connections of all limbs, best first, so that no joint is ever taken away again."""
    n = 0
    owner = np.full(len(score), -1)
    for c in range(len(index)):
        limb, a, b = index[c]
        ja, jb = pairs[limb]
        s = affinity[c]
        one, two = owner[a], owner[b]
        if one < 0 and two < 0:
            part[n, ja], part[n, jb] = a, b
            total[n], count[n], alive[n] = score[a] + score[b] + s, 2, True
            owner[a] = owner[b] = n
            n += 1
        elif one < 0 or two < 0:
            row, joint, peak = (one, jb, b) if two < 0 else (two, ja, a)
            if part[row, joint] < 0:
                part[row, joint] = peak
                total[row] += score[peak] + s
                count[row] += 1
                owner[peak] = row
        elif one == two:
            total[one] += s
        elif not ((part[one] >= 0) & (part[two] >= 0)).any():
            for j in range(part.shape[1]):
                if part[two, j] >= 0:
                    part[one, j] = part[two, j]
                    owner[part[two, j]] = one
            total[one] += total[two] + s
            count[one] += count[two]
            alive[two] = False
    return n
