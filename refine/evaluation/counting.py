"""Precision and recall of keypoints as `pycocotools.cocoeval.COCOeval` counts them, in arrays.

Where rounding may decide, exponentials and sums are NumPy's, in the order of COCOeval, so that a
similarity has the very bits that pycocotools gives it; all else is comparisons. Pairs that cannot
reach the least threshold are dropped before that, and what is left is linear in images.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from refine._types import Bools, Floats, Indices
from refine.evaluation import kernels
from refine.evaluation.matching import RECALLS, THRESHOLDS, best_first, precision_at_recalls
from refine.evaluation.persons import Persons
from refine.geometry import keypoint_box, xyxy_to_xywh
from refine.oks import EPS

AREAS = np.array([[0, 1e10], [32**2, 96**2], [96**2, 1e10]], np.float64)
"""px^2: all, medium and large; pycocotools.cocoeval.Params.setKpParams."""

BLOCK = 1 << 16
"""Joints of pairs whose similarities are computed at once: 512 KiB, which caches hold."""

REACHED = np.minimum(THRESHOLDS, 1 - 1e-10)
"""What a similarity must not be below; pycocotools.cocoeval.COCOeval.evaluateImg."""

SMALL = 2000
"""Predictions up to which nothing compiled runs: loading it takes longer."""

SLACK = 1e-11
"""Of similarities that compiled code computes: a hundred times their rounding."""

NEAR = 3.001
"""Exponent from which a joint counts as far: exp(-3) is below 0.05, and rounding is allowed for."""


class Detections(NamedTuple):
    """D predictions: xy (D, K, 2) px without NaN, and (D,) each of the others."""

    xy: Floats
    score: Floats
    area: Floats
    image: Indices
    category: Indices


class Tables(NamedTuple):
    """Precision (T, R, C, A) and recall (T, C, A), -1 without persons.

    T thresholds of OKS, R of recall, C categories, A `AREAS`.
    """

    precision: Floats
    recall: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Counts:
    """What became of predictions, those of a category next to one another, image by image.

    Attributes:
        score: (D,) of the best of each image.
        image: (D,) of them.
        first: (C + 1,) where those of each category begin.
        fate: (A, T, D) 0 where a prediction matches nobody, 1 somebody, 2 where it does not count.
        person_image: (G,) of the persons, by category as well.
        person_first: (C + 1,) where those of each category begin.
        ignored: (A, G) persons that do not count.
    """

    score: Floats
    image: Indices
    first: Indices
    fate: npt.NDArray[np.uint8]
    person_image: Indices
    person_first: Indices
    ignored: Bools

    def tables(self, images: Sequence[int]) -> Tables:
        """Accumulate over some images."""
        shape = len(THRESHOLDS), len(RECALLS), len(self.first) - 1, len(AREAS)
        precision, recall = np.full(shape, -1.0), np.full((shape[0], *shape[2:]), -1.0)
        inside, counted = _among(self.image, images), _among(self.person_image, images)
        for c in range(shape[2]):
            own = slice(self.person_first[c], self.person_first[c + 1])
            persons = (~self.ignored[:, own] & counted[own]).sum(1).tolist()
            rows = np.arange(self.first[c], self.first[c + 1])[
                inside[self.first[c] : self.first[c + 1]]
            ]
            rows = rows[np.argsort(-self.score[rows], kind="stable")]
            for a in np.flatnonzero(persons).tolist():
                for t, fate in enumerate(self.fate[a]):
                    if len(self.score) > SMALL:
                        at = np.empty(len(RECALLS))
                        found = kernels.accumulate(fate, rows, persons[a], RECALLS, EPS, at)
                    else:
                        kind = fate[rows]
                        hits = kind[kind < 2] == 1
                        at, found = precision_at_recalls(hits, persons[a]), np.count_nonzero(hits)
                    precision[t, :, c, a] = at
                    recall[t, c, a] = found / persons[a]
        return Tables(precision, recall)


class Matches(NamedTuple):
    """What became of the best predictions of each image and category.

    rows (D,) of them, image by image, and fate (A, T, D) as in `Counts`.
    """

    rows: Indices
    fate: npt.NDArray[np.uint8]


def count(persons: Persons, found: Detections, sigmas: Floats, max_dets: int) -> Counts:
    """Match predictions with persons, image by image and category by category.

    Args:
        persons: of any images.
        found: predictions.
        sigmas: (K,).
        max_dets: best predictions per image and category that count.
    """
    rows, fate = match(persons, found, sigmas, max_dets)
    return collect(persons, found.score[rows], found.image[rows], found.category[rows], fate)


def match(persons: Persons, found: Detections, sigmas: Floats, max_dets: int) -> Matches:
    """Match predictions with persons, see `count`; those of one image need those of no other."""
    persons, whose, key, _ = _by_key(persons, found.image, found.category)
    order = best_first(key, found.score, max_dets)
    key = key[order]
    spans = np.searchsorted(whose, key), np.searchsorted(whose, key, "right")
    ignored = _ignored(persons)
    size, limits = found.area[order], AREAS[:, :, None]
    outside = (size < limits[:, 0]) | (size > limits[:, 1])
    pairing = _pairs if len(order) <= SMALL else _near_pairs
    pairs = pairing(persons, found.xy, order, *spans, sigmas)
    fate = np.empty((len(AREAS), len(THRESHOLDS), len(order)), np.uint8)
    shared = [*pairs, REACHED, persons.crowd, persons.id != 0, np.arange(len(order))]
    kernel: Any = kernels.decide
    if len(order) <= SMALL:
        kernel, shared = kernel.py_func, [array.tolist() for array in shared]
    for a in range(len(AREAS)):
        taken = np.zeros(len(persons), np.intp)
        own = [ignored[a], outside[a]]
        kernel(tuple(shared[:3]), shared[3], *own, *shared[4:], taken, fate[a])
    return Matches(order, fate)


def collect(
    persons: Persons,
    score: Floats,
    image: Indices,
    category: Indices,
    fate: npt.NDArray[np.uint8],
) -> Counts:
    """Put matched predictions in the order in which figures are accumulated.

    Args:
        persons: all that count.
        score: (D,) of predictions, the best first on their image.
        image: (D,).
        category: (D,).
        fate: (A, T, D), see `Counts`.
    """
    persons, whose, key, images = _by_key(persons, image, category)
    if (np.diff(key) < 0).any():
        order = np.argsort(key, kind="stable")
        key, score, image, fate = key[order], score[order], image[order], fate[..., order]
    bounds = np.arange(int(persons.category.max(initial=0)) + 2) * images
    first, ends = np.searchsorted(key, bounds), np.searchsorted(whose, bounds)
    return Counts(score, image, first, fate, persons.image, ends, _ignored(persons))


def _by_key(
    persons: Persons, image: Indices, category: Indices
) -> tuple[Persons, Indices, Indices, int]:
    """Number images by category: of persons, sorted by it, and of predictions.

    Returns:
        persons, the numbers (G,) of theirs and (D,) of predictions', and how many images there are.
    """
    images = 1 + max(int(persons.image.max(initial=0)), int(image.max(initial=0)))
    whose = persons.category * images + persons.image
    if (np.diff(whose) < 0).any():
        order = np.argsort(whose, kind="stable")
        persons, whose = persons[order], whose[order]
    return persons, whose, category * images + image, images


def _ignored(persons: Persons) -> Bools:
    """Return which persons do not count, at each of `AREAS`, (A, G)."""
    limits = AREAS[:, :, None]
    return np.asarray(
        persons.ignore | (persons.area < limits[:, 0]) | (persons.area > limits[:, 1])
    )


def without_gaps(xy: Floats) -> tuple[Floats, Floats]:
    """Return joints (N, K, 2) with missing ones at (0, 0), and the area (N,) of their box."""
    if len(xy) > SMALL:
        out, area = np.empty(xy.shape), np.empty(len(xy))
        kernels.fill(np.ascontiguousarray(xy), out, area)
        return out, area
    known = np.isfinite(xy)
    out = np.where(known[..., :1] & known[..., 1:], xy, 0.0)
    corners = keypoint_box(out)
    return out, (corners[:, 2] - corners[:, 0]) * (corners[:, 3] - corners[:, 1])


def _near_pairs(
    persons: Persons, xy: Floats, order: Indices, low: Indices, high: Indices, sigmas: Floats
) -> tuple[Indices, Indices, Floats]:
    """Do what `_pairs` does with compiled code, and leave to it what rounding may decide."""
    most = int((high - low).sum())
    start, person = np.empty(len(order) + 1, np.intp), np.empty(most, np.intp)
    oks, doubt = np.empty(most), np.empty(most, np.bool_)
    labelled = persons.labelled
    number = kernels.near_pairs(
        (np.ascontiguousarray(xy), order),
        (low, high),
        (
            np.where(labelled[:, None], np.ascontiguousarray(persons.xy.transpose(0, 2, 1)), 0.0),
            labelled.astype(np.float64),
            labelled.sum(1),
            _doubled(persons.box),
            persons.area + EPS,
        ),
        1 / (2 * sigmas) ** 2,
        REACHED,
        SLACK,
        start,
        person,
        oks,
        doubt,
    )
    person, oks = person[:number].copy(), oks[:number].copy()
    unsure = np.flatnonzero(doubt[:number])
    if len(unsure):
        row = np.searchsorted(start, unsure, "right") - 1
        b = person[unsure]
        # As many detections as pairs, each with one person.
        at, _, exact = _pairs(persons, xy, order[row], b, b + 1, sigmas)
        oks[unsure] = 0.0
        oks[unsure[np.diff(at) > 0]] = exact
    return start, person, oks


def _pairs(
    persons: Persons, xy: Floats, order: Indices, low: Indices, high: Indices, sigmas: Floats
) -> tuple[Indices, Indices, Floats]:
    """Find the persons that each prediction may match, and their OKS.

    Args:
        persons: G of them.
        xy: (N, K, 2) px.
        order: (D,) rows of these, the predictions.
        low: (D,) the first person of each prediction's image.
        high: (D,) the one after the last.
        sigmas: (K,).

    Returns:
        where those of each prediction begin (D + 1,), persons (P,) and OKS (P,).
    """
    ends = np.cumsum(high - low)
    shift = low - ends + (high - low)
    # Joints first: what is the same for all pairs of a block is then in one row.
    both = [
        [np.ascontiguousarray(each[..., axis].T) for axis in (0, 1)] for each in (xy, persons.xy)
    ]
    labelled = np.ascontiguousarray(persons.labelled.T)
    joints = labelled.sum(0)
    size = max(1, BLOCK // len(sigmas))
    parts: list[tuple[Indices, Indices, Floats]] = []
    for first in range(0, int(ends[-1]) if len(ends) else 0, size):
        number = np.arange(first, min(first + size, int(ends[-1])))
        a = np.searchsorted(ends, number, "right")
        b = number + shift[a]
        rows = order[a]
        dx, dy = (np.take(of, rows, 1) - np.take(to, b, 1) for of, to in zip(*both, strict=True))
        d2 = dx**2 + dy**2
        seen = np.take(labelled, b, 1)
        bare = np.flatnonzero(joints[b] == 0)
        if len(bare):
            d2[:, bare] = _beyond(persons.box[b[bare]], xy[rows[bare]]).T
            seen[:, bare] = True
        near, oks = _similar(d2, seen, persons.area[b] + EPS, (2 * sigmas[:, None]) ** 2)
        parts.append((a[near], b[near], oks))
    parts = parts or [(np.zeros(0, np.intp), np.zeros(0, np.intp), np.zeros(0))]
    found, person, similarity = map(np.concatenate, zip(*parts, strict=True))
    return np.searchsorted(found, np.arange(len(order) + 1)), person, similarity


def _similar(d2: Floats, seen: Bools, area: Floats, variance: Floats) -> tuple[Indices, Floats]:
    """Return which pairs may reach the least threshold, and the OKS of these.

    Args:
        d2: (K, P) px^2.
        seen: (K, P) joints that count, at least one each.
        area: (P,) px^2.
        variance: (K, 1).
    """
    # Areas of 0 or less, which nothing is like, or all.
    with np.errstate(all="ignore"):
        reach = np.where(area < 0, np.inf, 2 * NEAR * area)
        close = _column_sums(seen & ~(d2 * (1 / variance) > reach))
        joints = _column_sums(seen)
        # A far joint adds less than exp(-3) < 0.05.
        near = np.flatnonzero(close + 0.05 * (joints - close) >= THRESHOLDS[0] * joints)
        joints = joints[near].astype(np.intp)
        similarity = np.exp(-(d2[:, near] / variance / area[near] / 2)).T
        kept, oks = seen[:, near].T, np.empty(len(near))
        for width in np.unique(joints):
            rows = np.flatnonzero(joints == width)
            oks[rows] = similarity[rows][kept[rows]].reshape(-1, width).sum(1) / width
    return near, oks


def _column_sums(mask: Bools) -> npt.NDArray[np.integer]:
    # As bytes, which add up without being widened one by one.
    whole = np.uint8 if len(mask) < 256 else np.intp
    return np.asarray(np.add.reduce(mask.view(np.uint8), 0, dtype=whole))


def _doubled(box: Floats) -> Floats:
    """Return boxes (P, 4) doubled about their centre."""
    # Nine decimals undo x + width - x.
    box = np.round(xyxy_to_xywh(box), 9)
    return np.concatenate([box[:, :2] - box[:, 2:], box[:, :2] + box[:, 2:] * 2], 1)


def _beyond(box: Floats, xy: Floats) -> Floats:
    """Return how far (P, K) joints lie outside boxes doubled about their centre, in px^2."""
    box = _doubled(box)[:, None]
    away = np.maximum(0, box[..., :2] - xy) + np.maximum(0, xy - box[..., 2:])
    return np.asarray(away[..., 0] ** 2 + away[..., 1] ** 2)


def _among(image: Indices, images: Sequence[int]) -> Bools:
    """Return which of some images are among others."""
    known = np.zeros(1 + max(int(image.max(initial=0)), max(images, default=0)), np.bool_)
    known[list(images)] = True
    return np.asarray(known[image])
