"""Predictions matched to persons, and average precision, exactly as COCOeval has them.

Whatever a diagnosis cures, only the similarities of pairs change. So they are kept joint by joint,
and hundreds of what-ifs take the time that pycocotools takes for one; the tests compare the two.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from refine._types import Bools, Floats, Indices
from refine.evaluation import kernels
from refine.evaluation.persons import Persons
from refine.exceptions import ArrayError
from refine.oks import EPS, keypoint_similarity

THRESHOLDS = np.linspace(0.5, 0.95, 10)
RECALLS = np.linspace(0, 1, 101)
"""pycocotools.cocoeval.Params.setKpParams."""


FEW = 2000
"""Predictions up to which they are sorted without compiled code: loading it takes longer."""

MANY = 500
"""Predictions on an image up to which the compiled code is faster, which is quadratic in them."""


class Neighbours(NamedTuple):
    """Overlapping persons: rows (M,) of them, and where each person's begin, start (N + 1,)."""

    rows: Indices
    start: Indices


class Pairs(NamedTuple):
    """All a with all b of their images: indices (P,) of both, and where each a's begin (A + 1,)."""

    a: Indices
    b: Indices
    start: Indices


def same_image(a: Indices, b: Indices) -> Pairs:
    """Pair every a with every b of the same image, b in their order.

    >>> [part.tolist() for part in same_image(np.array([7, 9, 7]), np.array([7, 8, 7]))]
    [[0, 0, 2, 2], [0, 2, 0, 2], [0, 2, 2, 4]]
    """
    order = np.argsort(b, kind="stable")
    first = np.searchsorted(b[order], a)
    counts = np.searchsorted(b[order], a, "right") - first
    start = np.zeros(len(a) + 1, np.intp)
    np.cumsum(counts, out=start[1:])
    left = np.repeat(np.arange(len(a)), counts)
    right = order[np.arange(start[-1]) - np.repeat(start[:-1] - first, counts)]
    return Pairs(left, right, start)


def best_first(image: Indices, score: Floats, max_dets: int) -> Indices:
    """Order predictions image by image, the best `max_dets` of each, equal ones as given."""
    order = np.argsort(image, kind="stable")
    first = np.flatnonzero(np.diff(image[order], prepend=-1))
    if len(order) > FEW and np.diff(first, append=len(order)).max() <= MANY:
        return np.asarray(order[: kernels.best_of_groups(image, score, order, max_dets)])
    order = np.lexsort((-score, image))
    rank = np.arange(len(order)) - np.searchsorted(image[order], image[order])
    return np.asarray(order[rank < max_dets])


def pair_similarity(xy: Floats, truth: Persons, pairs: Pairs, sigmas: Floats) -> Floats:
    """Return the similarity of the joints of every pair, (P, K); 0 where not labelled.

    To an annotation without labelled joints it is that to its box doubled about its centre.

    Args:
        xy: (A, K, 2) px, not NaN: COCOeval takes missing joints as predicted at (0, 0).
        truth: the persons.
        pairs: of predictions and persons.
        sigmas: (K,).
    """
    ks = keypoint_similarity(truth.xy[pairs.b], xy[pairs.a], truth.area[pairs.b], sigmas)
    labelled = truth.labelled[pairs.b]
    ks = np.where(labelled, ks, 0.0)
    bare = np.flatnonzero(~labelled.any(1))
    box = truth.box[pairs.b[bare], None]
    size = box[..., 2:] - box[..., :2]
    at = xy[pairs.a[bare]]
    away = np.maximum(0, box[..., :2] - size - at) + np.maximum(0, at - box[..., 2:] - size)
    variance = (2 * sigmas) ** 2
    area = truth.area[pairs.b[bare], None]
    ks[bare] = np.exp(-(away**2).sum(-1) / variance / (area + EPS) / 2)
    return np.asarray(ks)


def pair_oks(ks: Floats, truth: Persons, pairs: Pairs) -> Floats:
    """Average similarities (P, K) over the labelled joints of each pair's person, (P,)."""
    return np.asarray(ks.sum(1) / joints_compared(truth)[pairs.b])


def joints_compared(truth: Persons) -> Indices:
    """Return how many joints (G,) of each person are compared: all of one without labels."""
    counts = np.count_nonzero(truth.visible > 0, 1)
    return np.asarray(np.where(counts, counts, truth.visible.shape[1]))


def match(oks: Floats, pairs: Pairs, truth: Persons, ignore: Bools, threshold: float) -> Indices:
    """Give every prediction, best first, the person that it agrees with best, as COCOeval does.

    Args:
        oks: (P,).
        pairs: of predictions in the order of `best_first`, and persons.
        truth: the persons.
        ignore: (G,) persons that are matched only where no other can be.
        threshold: least OKS.

    Returns:
        (A,) index of the person, -1 for none.
    """
    found = np.full(len(pairs.start) - 1, -1)
    kernels.match(oks, pairs.b, pairs.start, ignore, truth.crowd, min(threshold, 1 - 1e-10), found)
    return found


def average_precision(
    oks: Floats,
    pairs: Pairs,
    score: Floats,
    truth: Persons,
    *,
    ignore: Bools | None = None,
    outside: Bools | None = None,
    forgive: str = "",
    order: Indices | None = None,
) -> Floats:
    """Return the average precision at each of `THRESHOLDS`, (T,); NaN without persons.

    Args:
        oks: (P,).
        pairs: see `match`.
        score: (A,) of the predictions.
        truth: the persons.
        ignore: (G,) persons to ignore, `truth.ignore` among them.
        outside: (A,) predictions of a size that does not count when they match no person.
        forgive: "background" leaves out predictions that match no person; "all" also the persons
            that no prediction matches.
        order: (A,) the predictions best first, where the caller knows.
    """
    skip = truth.ignore if ignore is None else ignore
    if order is None:
        order = np.argsort(-score, kind="stable")
    place = np.empty(len(order), np.intp)
    place[order] = np.arange(len(order))
    fits = ~(oks < THRESHOLDS[0])
    near, before = np.flatnonzero(fits), np.append(0, np.cumsum(fits))
    fate = np.empty((len(THRESHOLDS), len(score)), np.uint8)
    kernels.decide(
        (before[pairs.start], pairs.b[near], oks[near]),
        np.minimum(THRESHOLDS, 1 - 1e-10),
        skip,
        np.full(len(score), bool(forgive)) if outside is None or forgive else outside,
        truth.crowd,
        np.ones(len(truth), np.bool_),
        place,
        np.zeros(len(truth), np.intp),
        fate,
    )
    out, at = np.full(len(THRESHOLDS), np.nan), np.empty(len(RECALLS))
    every, counted = np.arange(len(score)), int((~skip).sum())
    for t, kind in enumerate(fate):
        persons = np.count_nonzero(kind == 1) if forgive == "all" else counted
        if persons:
            kernels.accumulate(kind, every, persons, RECALLS, EPS, at)
            out[t] = at.mean()
        elif forgive == "all" and not skip.all():
            out[t] = 1.0
    return out


def precision_at_recalls(hits: Bools, persons: int) -> Floats:
    """Return the interpolated precision at `RECALLS`, (R,).

    Args:
        hits: (A,) whether each prediction matches a person, best first.
        persons: that count, at least one.

    >>> precision_at_recalls(np.array([False, True]), 1).round(2).tolist()[::50]
    [0.5, 0.5, 0.5]
    """
    # Precision falls from hit to hit, so that nothing between two of them matters.
    at = np.flatnonzero(hits)
    number = np.arange(1, len(at) + 1)
    precision = number / (at + 1 + EPS)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    reached = np.searchsorted(number / persons, RECALLS)
    return np.append(envelope, 0.0)[reached]


def neighbours(box_xyxy: Floats, image: npt.NDArray[np.integer], *, iou: float = 0.1) -> Neighbours:
    """Find for every person the others of its image whose boxes overlap with its own.

    Args:
        box_xyxy: (N, 4) px.
        image: (N,) which image each is in.
        iou: least intersection over union, 0.1 in PoseFix (data/COCO/dataset.py).

    Returns:
        index (M,), the neighbours of person 0 in rising order, then those of person 1, ..., and
        start (N + 1,): those of person i are ``index[start[i]:start[i + 1]]``.

    Raises:
        ArrayError: shapes that do not agree, or a box that is not finite.

    >>> boxes = np.array([[0.0, 0, 10, 10], [0, 5, 10, 15], [0, 5, 10, 15]])
    >>> [a.tolist() for a in neighbours(boxes, np.array([7, 7, 8]))]
    [[1, 0], [0, 1, 2, 2]]
    """
    box = np.ascontiguousarray(box_xyxy, np.float64)
    group = np.asarray(image)
    if box.ndim != 2 or box.shape[1] != 4 or group.shape != (len(box),):
        raise ArrayError(f"expected (N, 4) and (N,), got {box.shape} and {group.shape}")
    for i in np.flatnonzero(~np.isfinite(box).all(1)):
        raise ArrayError(f"expected a finite box, got {box[i].tolist()}", where=f"person {i}")
    order = np.argsort(group, kind="stable")
    first = np.searchsorted(group[order], group)
    last = np.searchsorted(group[order], group, "right")
    start = np.zeros(len(box) + 1, np.intp)
    empty = np.empty(0, np.intp)
    kernels.neighbours(box, order, first, last, iou, start, empty)
    np.cumsum(start, out=start)
    index = np.empty(start[-1], np.intp)
    kernels.neighbours(box, order, first, last, iou, start, index)
    return Neighbours(index, start)
