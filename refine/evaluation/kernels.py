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
def decide(pairs, thresholds, ignored, outside, crowd, real, place, taken, fate):
    """Say at place[i] that detection i matches nobody (0), somebody (1), or does not count (2)."""
    start, person, oks = pairs
    for t in range(len(thresholds)):
        for i in range(len(start) - 1):
            if start[i] == start[i + 1]:
                fate[t, place[i]] = 2 if outside[i] else 0
                continue
            # A person that does not count is taken only where no other can be.
            best, chosen, least, other = thresholds[t], -1, thresholds[t], -1
            for p in range(start[i], start[i + 1]):
                g, similarity = person[p], oks[p]
                if taken[g] == t and not crowd[g]:
                    continue
                if ignored[g]:
                    if not similarity < least:
                        least, other = similarity, g
                elif not similarity < best:
                    best, chosen = similarity, g
            chosen = other if chosen < 0 else chosen
            out = 2 if outside[i] else 0
            if chosen >= 0:
                taken[chosen] = t
                if ignored[chosen]:
                    out = 2
                elif real[chosen]:
                    # pycocotools takes a person of id 0 for none.
                    out = 1
            fate[t, place[i]] = out


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
