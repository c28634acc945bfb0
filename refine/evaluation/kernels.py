"""Numba kernels of this room."""

import numpy as np

from refine._kernel import kernel


@kernel
def match(oks, person, start, ignore, crowd, threshold, found):
    taken = np.zeros(len(ignore), np.bool_)
    for a in range(len(found)):
        best, chosen = threshold, -1
        for last in (False, True):
            if chosen >= 0:
                break
            for p in range(start[a], start[a + 1]):
                g = person[p]
                if ignore[g] != last or (taken[g] and not crowd[g]) or oks[p] < best:
                    continue
                best, chosen = oks[p], g
        if chosen >= 0:
            taken[chosen] = True
            found[a] = chosen


@kernel
def neighbours(box, order, first, last, iou, start, index):
    """Count the neighbours of i into start[i + 1]; or, given room for them, list them."""
    for i in range(len(box)):
        found = 0
        for other in order[first[i] : last[i]]:
            width = min(box[i, 2], box[other, 2]) - max(box[i, 0], box[other, 0])
            height = min(box[i, 3], box[other, 3]) - max(box[i, 1], box[other, 1])
            if other == i or width <= 0 or height <= 0:
                continue
            union = (box[i, 2] - box[i, 0]) * (box[i, 3] - box[i, 1]) - width * height
            union += (box[other, 2] - box[other, 0]) * (box[other, 3] - box[other, 1])
            # 1e-5 px^2 as in PoseFix; it keeps empty boxes from dividing by zero.
            if width * height / (union + 1e-5) < iou:
                continue
            if len(index):
                index[start[i] + found] = other
            found += 1
        if not len(index):
            start[i + 1] = found


@kernel
def near_pairs(which, arrays, least, eps, exponent, person, start):
    """List pairs that may reach a similarity, and their exponents; those of i into start[i + 1]."""
    order, low, high, first = which
    xy, places, labelled, area, box, variance = arrays
    k = len(variance)
    weight = 1 / variance
    used, filled = 0, 0
    for i in range(first, len(order)):
        if filled + k * (high[i] - low[i]) > len(exponent):
            return i, used
        at = xy[order[i]]
        for g in range(low[i], high[i]):
            scale = 0.5 / (area[g] + eps)
            goal = places[g]
            seen, joints = 0, 0
            for j in range(k):
                dx = at[j, 0] - goal[j, 0]
                dy = at[j, 1] - goal[j, 1]
                joints += labelled[g, j]
                # Written so that NaN counts as near.
                far = (dx * dx + dy * dy) * weight[j] * scale > 3.001
                seen += labelled[g, j] and not far
            # A far joint adds less than exp(-3) = 0.0498.
            if joints and seen + 0.05 * (joints - seen) < least * joints:
                continue
            for j in range(k):
                if joints == 0:
                    # The distance to the box doubled about its centre.
                    x, y = at[j, 0], at[j, 1]
                    dx = max(0.0, box[g, 0] - box[g, 2] - x)
                    dx += max(0.0, x - (box[g, 0] + box[g, 2] * 2))
                    dy = max(0.0, box[g, 1] - box[g, 3] - y)
                    dy += max(0.0, y - (box[g, 1] + box[g, 3] * 2))
                elif labelled[g, j]:
                    dx = at[j, 0] - goal[j, 0]
                    dy = at[j, 1] - goal[j, 1]
                else:
                    continue
                exponent[filled] = -((dx * dx + dy * dy) / variance[j] / (area[g] + eps) / 2)
                filled += 1
            person[used] = g
            used += 1
            start[i + 1] += 1
    return len(order), used


@kernel
def decide(pairs, thresholds, ignored, outside, crowd, real, fate):
    """Say of each detection whether it matches nobody (0), somebody (1), or does not count (2)."""
    start, person, oks = pairs
    taken = np.full(len(crowd), -1, np.int64)
    number = 0
    for a in range(len(ignored)):
        for t in range(len(thresholds)):
            for i in range(len(start) - 1):
                best, chosen = thresholds[t], -1
                for last in (False, True):
                    if chosen >= 0:
                        break
                    for p in range(start[i], start[i + 1]):
                        g = person[p]
                        if ignored[a, g] != last or oks[p] < best:
                            continue
                        if taken[g] == number and not crowd[g]:
                            continue
                        best, chosen = oks[p], g
                out = 2 if outside[a, i] else 0
                if chosen >= 0:
                    taken[chosen] = number
                    if ignored[a, chosen]:
                        out = 2
                    elif real[chosen]:
                        # pycocotools takes a person of id 0 for none.
                        out = 1
                fate[a, t, i] = out
            number += 1


@kernel
def accumulate(fate, rows, persons, recalls, eps, precision, recall):
    values = np.empty(len(rows))
    index = np.empty(len(recalls), np.int64)
    for a in range(len(persons)):
        if persons[a] == 0:
            continue
        for t in range(fate.shape[1]):
            own = fate[a, t]
            true, false, reached = 0, 0, 0
            for i in range(len(rows)):
                kind = own[rows[i]]
                true += kind == 1
                false += kind == 0
                values[i] = true / (false + true + eps)
                while reached < len(recalls) and true / persons[a] >= recalls[reached]:
                    index[reached] = i
                    reached += 1
            recall[t, a] = true / persons[a]
            highest, r = 0.0, reached - 1
            for i in range(len(rows) - 1, -1, -1):
                highest = max(highest, values[i])
                while r >= 0 and index[r] == i:
                    precision[t, r, a] = highest
                    r -= 1
            for r in range(reached, len(recalls)):
                precision[t, r, a] = 0.0
