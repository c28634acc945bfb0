"""Numba kernels of this room."""

import numpy as np

from refine._exp import exp
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
def decide(pairs, thresholds, ignored, outside, crowd, real, place, taken, fate):
    """Say at place[i] that detection i matches nobody (0), somebody (1), or does not count (2).

    taken has a bit of each person for every threshold.
    """
    start, person, oks = pairs
    for i in range(len(start) - 1):
        nobody, at = 2 if outside[i] else 0, place[i]
        top = -np.inf
        for p in range(start[i], start[i + 1]):
            # What is no number reaches every threshold.
            top = np.inf if oks[p] != oks[p] else max(top, oks[p])
        for t in range(len(thresholds)):
            if top < thresholds[t]:
                for after in range(t, len(thresholds)):
                    fate[after, at] = nobody
                break
            # A person that does not count is taken only where no other can be.
            best, chosen, least, other = thresholds[t], -1, thresholds[t], -1
            for p in range(start[i], start[i + 1]):
                g, similarity = person[p], oks[p]
                if taken[g] >> t & 1 and not crowd[g]:
                    continue
                if ignored[g]:
                    if not similarity < least:
                        least, other = similarity, g
                elif not similarity < best:
                    best, chosen = similarity, g
            chosen = other if chosen < 0 else chosen
            out = nobody
            if chosen >= 0:
                taken[chosen] |= 1 << t
                if ignored[chosen]:
                    out = 2
                elif real[chosen]:
                    # pycocotools takes a person of id 0 for none.
                    out = 1
            fate[t, at] = out


@kernel
def fill(xy, out, area):
    """Copy joints, missing ones at (0, 0), and give the area of the box around each pose's."""
    for n in range(len(xy)):
        left = top = np.inf
        right = bottom = -np.inf
        for k in range(xy.shape[1]):
            x, y = xy[n, k, 0], xy[n, k, 1]
            if not (abs(x) < np.inf and abs(y) < np.inf):
                x = y = 0.0
            left, right = min(left, x), max(right, x)
            top, bottom = min(top, y), max(bottom, y)
            out[n, k, 0], out[n, k, 1] = x, y
        area[n] = (right - left) * (bottom - top)


@kernel
def best_of_groups(group, score, order, most):
    """Put the best of each group first, keep so many of each, and return how many are left.

    order lists the groups one after another.
    """
    begin, kept = 0, 0
    while begin < len(order):
        end = begin + 1
        while end < len(order) and group[order[end]] == group[order[begin]]:
            row = order[end]
            at = end
            while at > begin and score[order[at - 1]] < score[row]:
                order[at] = order[at - 1]
                at -= 1
            order[at] = row
            end += 1
        for i in range(begin, min(end, begin + most)):
            order[kept] = order[i]
            kept += 1
        begin = end
    return kept


@kernel(fastmath={"contract", "reassoc"})
def near_pairs(found, spans, persons, falloff, thresholds, slack, start, person, oks, doubt):
    """List the pairs whose similarity reaches the least threshold, and those in doubt.

    Doubt is whether rounding may decide that, or whether one of a detection's reaches a threshold
    or another's similarity.
    """
    (xy, rows), (low, high) = found, spans
    to, labelled, joints, limits, area = persons
    number, k = 0, len(falloff)
    x, y = np.empty(k), np.empty(k)
    for i in range(len(rows)):
        first = number
        start[i] = number
        for j in range(k):
            x[j], y[j] = xy[rows[i], j, 0], xy[rows[i], j, 1]
        for g in range(low[i], high[i]):
            size, total = 0.5 / area[g], 0.0
            if joints[g]:
                for j in range(k):
                    u, v = x[j] - to[g, 0, j], y[j] - to[g, 1, j]
                    total += labelled[g, j] * exp(-(u * u + v * v) * falloff[j] * size)
                total /= joints[g]
            else:
                for j in range(k):
                    u = max(limits[g, 0] - x[j], 0.0) + max(x[j] - limits[g, 2], 0.0)
                    v = max(limits[g, 1] - y[j], 0.0) + max(y[j] - limits[g, 3], 0.0)
                    total += exp(-(u * u + v * v) * falloff[j] * size)
                total /= k
            odd = not area[g] > 1e-9
            if total < thresholds[0] - slack and not odd:
                continue
            for t in range(len(thresholds)):
                odd = odd or abs(total - thresholds[t]) < slack
            for p in range(first, number):
                if abs(total - oks[p]) < slack:
                    odd = doubt[p] = True
            person[number], oks[number], doubt[number] = g, total, odd
            number += 1
    start[len(rows)] = number
    return number


@kernel
def accumulate(fate, order, persons, recalls, spacing, precision):
    """Fill in the interpolated precision at recalls, and return how many persons are found."""
    hits, number, seen = np.empty(len(order) + 1), 0, 0
    for i in order:
        # Precision falls from hit to hit, so that what is written between two is written over.
        seen += fate[i] < 2
        hits[number] = (number + 1) / (seen + spacing)
        number += fate[i] == 1
    for i in range(number - 2, -1, -1):
        hits[i] = max(hits[i], hits[i + 1])
    at = 0
    for r in range(len(recalls)):
        while at < number and (at + 1) / persons < recalls[r]:
            at += 1
        precision[r] = hits[at] if at < number else 0.0
    return number


@kernel
def resample(draws, image, fate, persons, recalls, precision, recall):
    """Average precision (R, T) and recall (R, T) with every image as often as it was drawn."""
    reached, sure = np.empty(len(image)), np.empty(len(image))
    for r in range(len(draws)):
        if persons[r] == 0:
            continue
        for t in range(len(fate)):
            seen = true = 0
            hits = 0
            for i in range(len(image)):
                times = draws[r, image[i]]
                if times == 0 or fate[t, i] == 2:
                    continue
                seen += times
                if fate[t, i] == 1:
                    true += times
                    reached[hits], sure[hits] = true / persons[r], true / (seen + 2.0**-52)
                    hits += 1
            total, best, last = 0.0, 0.0, hits - 1
            for q in range(len(recalls) - 1, -1, -1):
                while last >= 0 and reached[last] >= recalls[q]:
                    best = max(best, sure[last])
                    last -= 1
                total += best
            precision[r, t], recall[r, t] = total / len(recalls), true / persons[r]
