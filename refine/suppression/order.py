"""A look at poses before they are suppressed, in one pass: kernels."""

import numpy as np

from refine._kernel import kernel

FEW = 24
"""Poses of an image that are put in order one by one; of more, a merge sort is faster."""


@kernel
def inspect(p, score, area, image, best_first, present):
    """Fill which joints are there, and put poses in order.

    Returns:
        Whether all joints are; the first pose without a finite score, and the first without an
        area of 0 or more, -1 where there is none; the poses image by image, in input order or best
        first; where images begin.
    """
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
    order, starts = _by_image(image), np.empty(len(p) + 1, np.int64)
    count = 0
    for slot in range(len(p)):
        if slot == 0 or image[order[slot]] != image[order[slot - 1]]:
            starts[count] = slot
            count += 1
    starts[count] = len(p)
    for g in range(count if best_first else 0):
        _best_first(order[starts[g] : starts[g + 1]], score)
    return whole, scoreless, sizeless, order, starts[: count + 1]


@kernel
def _best_first(part, score):
    """Put some poses in order of their scores; equal ones stay as they are."""
    if part.size > FEW:
        part[:] = part[np.argsort(-score[part], kind="mergesort")]
        return
    for slot in range(1, part.size):
        i, at = part[slot], slot
        while at > 0 and score[part[at - 1]] < score[i]:
            part[at] = part[at - 1]
            at -= 1
        part[at] = i


@kernel
def _by_image(image):
    n = len(image)
    sorted_already = True
    for i in range(1, n):
        sorted_already = sorted_already and image[i] >= image[i - 1]
    if sorted_already:
        return np.arange(n)
    least, most = image.min(), image.max()
    # The difference of far numbers overflows.
    if not np.float64(most) - np.float64(least) < 4 * n:
        return np.argsort(image, kind="mergesort")
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
