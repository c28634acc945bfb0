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
