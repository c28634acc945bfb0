"""A look at poses before they are suppressed, in one pass: kernels."""

import numpy as np

from refine._kernel import kernel

FEW = 24
"""Poses of an image that are put in order one by one; of more, NumPy's sort is faster, and
compiling one takes seconds."""


@kernel
def inspect(p, score, area, image, best_first, present):
    """Fill which joints are there, and put poses in order.

    Returns:
        Whether all joints are; the first pose without a finite score, and the first without an
        area of 0 or more, -1 where there is none; the poses image by image, in input order, or best
        first where no image has more than `FEW`; where images begin; the most poses of an image.
        Images whose numbers are far apart are not put in order.
    """
    whole, scoreless, sizeless = _look_at(p, score, area, present)
    order, starts = _by_image(image), np.empty(len(p) + 1, np.int64)
    count = largest = 0
    for slot in range(len(order)):
        if slot == 0 or image[order[slot]] != image[order[slot - 1]]:
            starts[count] = slot
            count += 1
        largest = max(largest, slot + 1 - starts[count - 1])
    starts[count] = len(order)
    for g in range(count if best_first and largest <= FEW else 0):
        for slot in range(starts[g] + 1, starts[g + 1]):
            i, at = order[slot], slot
            while at > starts[g] and score[order[at - 1]] < score[i]:
                order[at] = order[at - 1]
                at -= 1
            order[at] = i
    return whole, scoreless, sizeless, order, starts[: count + 1], largest


def _looked_at(p, score, area, present):
    np.isfinite(p).all(2, out=present)
    bad = ~np.isfinite(score), ~(area >= 0)
    scoreless, sizeless = (int(of.argmax()) if of.any() else -1 for of in bad)
    return bool(present.all()), scoreless, sizeless


@kernel(py_func=_looked_at)
def _look_at(p, score, area, present):
    whole, scoreless, sizeless = True, -1, -1
    for i in range(len(p)):
        if scoreless < 0 and not np.isfinite(score[i]):
            scoreless = i
        if sizeless < 0 and not area[i] >= 0:
            sizeless = i
        for q in range(p.shape[1]):
            there = np.isfinite(p[i, q, 0]) and np.isfinite(p[i, q, 1])
            present[i, q] = there
            whole &= there
    return whole, scoreless, sizeless


@kernel
def _by_image(image):
    """Return poses by image, none where images are numbered with wide gaps."""
    n = len(image)
    sorted_already = True
    for i in range(1, n):
        sorted_already = sorted_already and image[i] >= image[i - 1]
    if sorted_already:
        return np.arange(n)
    least, most = image.min(), image.max()
    # The difference of far numbers overflows.
    if not np.float64(most) - np.float64(least) < 4 * n:
        return np.empty(0, np.int64)
    places = np.zeros(most - least + 2, np.int64)
    for i in range(n):
        places[image[i] - least + 1] += 1
    for g in range(1, len(places)):
        places[g] += places[g - 1]
    order = np.empty(n, np.int64)
    for i in range(n):
        order[places[image[i] - least]] = i
        places[image[i] - least] += 1
    return order
