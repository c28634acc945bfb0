"""Precision and recall of keypoints as `pycocotools.cocoeval.COCOeval` counts them, in arrays.

Exponentials and sums are NumPy's, in the order of COCOeval, so that every similarity has the very
bits that pycocotools gives it; all else is comparisons. Pairs that cannot reach the least threshold
are dropped before that, and what is left is linear in images.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from refine._types import Bools, Floats, Indices
from refine.evaluation import kernels
from refine.evaluation.matching import RECALLS, THRESHOLDS
from refine.evaluation.persons import Persons
from refine.geometry import xyxy_to_xywh
from refine.oks import EPS

AREAS = np.array([[0, 1e10], [32**2, 96**2], [96**2, 1e10]], np.float64)
"""px^2: all, medium and large; pycocotools.cocoeval.Params.setKpParams."""

BLOCK = 1 << 16
"""Joints of pairs whose similarities are computed at once: 512 KiB, which caches hold."""

SMALL = 2000
"""Predictions and pairs up to which kernels run uncompiled: loading compiled ones takes longer."""


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
        accumulate = _compiled_from(len(self.score), kernels.accumulate)
        for c in range(shape[2]):
            own = slice(self.person_first[c], self.person_first[c + 1])
            persons = (~self.ignored[:, own] & counted[own]).sum(1)
            rows = np.arange(self.first[c], self.first[c + 1])
            rows = rows[inside[rows]]
            rows = rows[np.argsort(-self.score[rows], kind="stable")]
            accumulate(self.fate, rows, persons, RECALLS, EPS, precision[:, :, c], recall[:, c])
        return Tables(precision, recall)


def count(persons: Persons, found: Detections, sigmas: Floats, max_dets: int) -> Counts:
    """Match predictions with persons, image by image and category by category.

    Args:
        persons: of any images.
        found: predictions.
        sigmas: (K,).
        max_dets: best predictions per image and category that count.
    """
    categories = int(persons.category.max(initial=0)) + 1
    images = 1 + max(int(persons.image.max(initial=0)), int(found.image.max(initial=0)))
    key = found.category * images + found.image
    order = np.lexsort((-found.score, key))
    key = key[order]
    kept = np.arange(len(key)) - np.searchsorted(key, key) < max_dets
    order, key = order[kept], key[kept]
    whose = persons.category * images + persons.image
    if (np.diff(whose) < 0).any():
        by_key = np.argsort(whose, kind="stable")
        persons, whose = persons[by_key], whose[by_key]
    low, high = np.searchsorted(whose, key), np.searchsorted(whose, key, "right")
    area, limits = persons.area, AREAS[:, :, None]
    ignored = persons.ignore | (area < limits[:, 0]) | (area > limits[:, 1])
    size = found.area[order]
    outside = (size < limits[:, 0]) | (size > limits[:, 1])
    pair_start, pair_person, oks = _pairs(persons, found.xy, order, low, high, sigmas)
    fate = np.empty((len(AREAS), len(THRESHOLDS), len(order)), np.uint8)
    first = np.searchsorted(key, np.arange(categories + 1) * images)
    _compiled_from(len(order) + len(oks), kernels.decide)(
        (pair_start, pair_person, oks),
        np.minimum(THRESHOLDS, 1 - 1e-10),
        ignored,
        outside,
        persons.crowd,
        persons.id != 0,
        fate,
    )
    ends = np.searchsorted(whose, np.arange(categories + 1) * images)
    return Counts(found.score[order], found.image[order], first, fate, persons.image, ends, ignored)


def _pairs(
    persons: Persons, xy: Floats, order: Indices, low: Indices, high: Indices, sigmas: Floats
) -> tuple[Indices, Indices, Floats]:
    """Find the persons that each prediction may match, and their OKS.

    Returns:
        where those of each prediction begin (D + 1,), persons (P,) and OKS (P,).
    """
    k = len(sigmas)
    labelled = persons.labelled
    joints = labelled.sum(1)
    bare = np.flatnonzero(joints == 0)
    # Nine decimals undo x + width - x.
    box = np.zeros((len(persons), 4))
    box[bare] = np.round(xyxy_to_xywh(persons.box[bare]), 9)
    places = np.ascontiguousarray(np.nan_to_num(persons.xy))
    joints = np.where(joints, joints, k)
    most = int((high - low).sum())
    near = _compiled_from(most, kernels.near_pairs)
    exponent = np.empty(max(BLOCK, k * int((high - low).max(initial=0))))
    start = np.zeros(len(order) + 1, np.intp)
    person, similarity, done = [], [], 0
    while done < len(order):
        room = np.empty(len(exponent), np.intp)
        # Areas of 0 or less, which nothing is like, or all.
        with np.errstate(all="ignore"):
            stop, used = near(
                (order, low, high, done),
                (xy, places, labelled, persons.area, box, (2 * sigmas) ** 2),
                THRESHOLDS[0],
                EPS,
                exponent,
                room,
                start,
            )
            chosen = room[:used]
            similarity.append(_means(exponent, joints[chosen]))
        person.append(chosen)
        done = stop
    np.cumsum(start, out=start)
    empty = np.zeros(0, np.intp)
    return start, np.concatenate([empty, *person]), np.concatenate([np.zeros(0), *similarity])


def _means(exponent: Floats, joints: Indices) -> Floats:
    """Average exp(exponent) over runs of so many joints, each summed as `np.sum` sums one row."""
    ends = np.cumsum(joints)
    values = np.exp(exponent[: ends[-1] if len(ends) else 0])
    out = np.empty(len(joints))
    for width in np.unique(joints):
        rows = np.flatnonzero(joints == width)
        runs = values[(ends[rows] - width)[:, None] + np.arange(width)]
        out[rows] = runs.sum(1) / width
    return out


def _among(image: Indices, images: Sequence[int]) -> Bools:
    """Return which of some images are among others."""
    known = np.zeros(1 + max(int(image.max(initial=0)), max(images, default=0)), np.bool_)
    known[list(images)] = True
    return known[image]


def _compiled_from(size: int, function: Any) -> Any:
    """Return a kernel, uncompiled where there is little to do."""
    return function if size > SMALL else function.py_func
