"""What is wrong with predicted keypoints: good, jitter, inversion, swap, miss or absent.

Ronchi & Perona, "Benchmarking and Error Diagnosis in Multi-Instance Pose Estimation", ICCV 2017,
and the published code matteorr/coco-analyze (pycocotools/cocoanalyze.py); the kind `absent`, for
joints that a prediction leaves out, is ours.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from refine._types import Bools, Floats, Indices
from refine.evaluation.comparison import compare
from refine.evaluation.ground_truth import (
    GroundTruth,
    read_ground_truth,
)
from refine.evaluation.kinds import GOOD, INVERSION, JITTER, KINDS, MISS, SWAP
from refine.evaluation.matching import (
    Pairs,
    best_first,
    match,
    pair_oks,
    pair_similarity,
    same_image,
)
from refine.evaluation.persons import Persons
from refine.evaluation.predictions import finite_scores
from refine.exceptions import ArrayError
from refine.oks import keypoint_similarity, ks_distance
from refine.poses import Poses

ABSENT, UNKNOWN = len(KINDS), -1
ALL_KINDS = (*KINDS, "absent")

GOOD_KS, LEAST_KS = 0.85, 0.5
"""Annotators agree with one another within the first; below the second a joint is a miss."""
MATCH_OKS = 0.1
"""Least OKS of a prediction and its person (`oksLocThrs`)."""
SMALLEST = 32.0**2
"""px^2 below which the published code ignores persons."""


@dataclass(frozen=True, slots=True)
class Matched:
    """Predictions and their persons.

    Attributes:
        truth: the persons.
        rows: (A,) which of the poses these are, image by image, the best scored first.
        xy: (A, K, 2) px in the ground truth's skeleton, NaN where missing.
        image: (A,) as in `truth`.
        score: (A,).
        pairs: of predictions and persons.
        ks: (P, K) similarities of the pairs, see `refine.evaluation.matching.pair_similarity`.
        ignore: (G,) persons that do not count.
        person: (A,) the person that each is matched to, -1 for no person; it may be ignored.
        kind: (A, K), see `classify`; `UNKNOWN` where the person is ignored, too.
        similarity: (A, K), see `classify`.
    """

    truth: Persons
    rows: Indices
    xy: Floats
    image: Indices
    score: Floats
    pairs: Pairs
    ks: Floats
    ignore: Bools
    person: Indices
    kind: npt.NDArray[np.int8]
    similarity: Floats


def classify(
    xy: Floats,
    person: Indices,
    truth_xy: Floats,
    truth_labelled: Bools,
    truth_area: Floats,
    truth_image: Indices,
    *,
    sigmas: Floats,
    mirror: Indices,
    compat: bool = False,
) -> tuple[npt.NDArray[np.int8], Floats]:
    """Tell what is wrong with every joint of matched poses.

    A joint belongs to the place that it is most similar to: its own; that of its left-right
    partner; or either of them on another person of the image. Own place: good above a similarity
    of .85, else jitter; partner's: inversion; another person's, either joint: swap. Below .5
    everywhere it is a miss. Other joints of other persons are not looked at.

    Args:
        xy: (N, K, 2) px, NaN where missing.
        person: (N,) the person that each pose is matched to, -1 for no person.
        truth_xy: (G, K, 2) px.
        truth_labelled: (G, K).
        truth_area: (G,) px^2.
        truth_image: (G,) which image each person is on.
        sigmas: (K,).
        mirror: (K,) left-right partners, see `refine.skeletons.Skeleton.mirror`.
        compat: let a similarity of exactly .85 fall through, as the published code does.

    Returns:
        kind (N, K): `GOOD`, `JITTER`, `INVERSION`, `SWAP`, `MISS`, `ABSENT`, or `UNKNOWN` where
        not labelled or matched to no person; and the similarity (N, K) to the nearest place, 0 if
        there is none.

    >>> one = np.array([[[0.0, 0.0], [50.0, 0.0]]])
    >>> kind, _ = classify(
    ...     one[:, ::-1], np.array([0]), one, np.ones((1, 2), bool), np.array([900.0]),
    ...     np.array([0]), sigmas=np.full(2, 0.1), mirror=np.array([1, 0]))
    >>> [ALL_KINDS[k] for k in kind[0]]
    ['inversion', 'inversion']
    """
    kind = np.full(xy.shape[:2], UNKNOWN, np.int8)
    similarity = np.zeros(xy.shape[:2])
    rows = np.flatnonzero(person >= 0)
    if not len(rows):
        return kind, similarity
    owner, points = person[rows], xy[rows]
    pairs = same_image(truth_image[owner], truth_image)

    def near(joints: Any) -> tuple[Floats, Floats]:
        """Return the similarity (n, K) to these joints of the own person, and of all others."""
        there, shown = truth_xy[:, joints][pairs.b], truth_labelled[:, joints][pairs.b]
        ks = keypoint_similarity(there, points[pairs.a], truth_area[pairs.b], sigmas)
        ks = np.where(shown & np.isfinite(ks), ks, -1.0)
        own = pairs.b == owner[pairs.a]
        others = np.where(own[:, None], -1.0, ks)
        return ks[own], np.maximum.reduceat(others, pairs.start[:-1], axis=0)

    (own, same), (inverse, partner) = near(slice(None)), near(mirror)
    best = np.maximum.reduce([own, same, inverse, partner]).clip(0)
    # Ties go to the first of own, same, inverse, partner: the published arg-max over its rows.
    inverted = (inverse == best) & (same < best)
    of_own = np.where((best > GOOD_KS), GOOD, JITTER)
    if compat:
        of_own = np.where(best == GOOD_KS, UNKNOWN, of_own)
    found = np.where(own == best, of_own, np.where(inverted, INVERSION, SWAP))
    found = np.where(best < LEAST_KS, MISS, found)
    found = np.where(np.isfinite(points).all(-1), found, ABSENT)
    kind[rows] = np.where(truth_labelled[owner], found, UNKNOWN)
    similarity[rows] = best
    return kind, similarity


def corrected(
    kind: npt.NDArray[np.int8],
    similarity: Floats,
    true_xy: Floats,
    area: Floats,
    sigmas: Floats,
    *,
    compat: bool = False,
) -> Floats:
    """Place every wrong joint as near to its true place as the next milder kind of error is.

    Jitter moves to a similarity of .85; misses and absent joints to .5; inversions and swaps keep
    the similarity that they had with the wrong place.

    Args:
        kind: (N, K) of `classify`.
        similarity: (N, K) of `classify`.
        true_xy: (N, K, 2) px of each pose's person.
        area: (N,) px^2 of each pose's person.
        sigmas: (K,).
        compat: take sigma where similarity has 2 sigma, as the published code does: the joints
            come out at similarities of .960 and .841, not .85 and .5.

    Returns:
        (N, K, 2) px, to the right of the true place; the place itself for good joints.
    """
    target = np.ones(kind.shape)
    target = np.where(kind == JITTER, GOOD_KS, target)
    target = np.where((kind == MISS) | (kind == ABSENT), LEAST_KS, target)
    target = np.where((kind == INVERSION) | (kind == SWAP), similarity, target)
    unit = ks_distance(np.exp(-0.5), area, sigmas) * (0.5 if compat else 1.0)
    moved = np.array(true_xy, np.float64)
    moved[..., 0] += unit * np.sqrt(-2 * np.log(target))
    return moved


def match_poses(
    gt: str | Path | Mapping[str, Any] | Poses | GroundTruth,
    poses: Poses,
    *,
    image_ids: Sequence[int | str] | None = None,
    max_dets: int = 20,
    compat: bool = False,
    strict: bool = True,
) -> Matched:
    """Match poses to annotated persons, best scored first, and classify their joints.

    Persons of several categories are told apart as if each category had images of its own.

    Args:
        gt: see `refine.evaluate`.
        poses: the predictions.
        image_ids: look at these images only.
        max_dets: best predictions per image.
        compat: see `diagnose`.
        strict: see `refine.evaluate`.

    Raises:
        FormatError, SkeletonError, ArrayError: see `refine.evaluate`.
    """
    if max_dets < 1:
        raise ArrayError(f"expected max_dets of at least 1, got {max_dets}")
    table = read_ground_truth(gt)
    sigmas = table.skeleton.require_sigmas()
    compared = compare(table, poses, image_ids, strict=strict).by_category()
    truth, image = compared.persons, compared.image
    inside = np.flatnonzero(compared.inside)
    score = finite_scores(poses.instance_score)[inside]
    rows = inside[best_first(image[inside], score, max_dets)]
    xy = table.skeleton.take(poses.xy, poses.skeleton)[rows]
    if compat:
        xy = np.nan_to_num(xy)
    pairs = same_image(image[rows], truth.image)
    ks = pair_similarity(np.nan_to_num(xy), truth, pairs, sigmas)
    ignore = truth.ignore | (compat & (truth.area < SMALLEST))
    person = match(pair_oks(ks, truth, pairs), pairs, truth, ignore, MATCH_OKS)
    counted = np.where(ignore[person], -1, person) if len(truth) else person
    kind, similarity = classify(
        xy,
        counted,
        truth.xy,
        truth.labelled,
        truth.area,
        truth.image,
        sigmas=sigmas,
        mirror=table.skeleton.mirror,
        compat=compat,
    )
    return Matched(
        truth,
        rows,
        xy,
        image[rows],
        poses.instance_score[rows],
        pairs,
        ks,
        ignore,
        person,
        kind,
        similarity,
    )
