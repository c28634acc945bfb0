"""What each kind of error costs: average precision gained by curing it.

Source of the procedure and of every constant: Ronchi & Perona, ICCV 2017, and the published code
matteorr/coco-analyze.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from refine._types import Bools, Floats, Indices
from refine.evaluation.ground_truth import GroundTruth, read_ground_truth
from refine.evaluation.kinds import GOOD
from refine.evaluation.matching import (
    THRESHOLDS,
    Pairs,
    average_precision,
    best_first,
    joints_compared,
    neighbours,
    pair_oks,
    pair_similarity,
    same_image,
)
from refine.evaluation.taxonomy import ALL_KINDS, Matched, corrected, match_poses
from refine.oks import pose_area
from refine.poses import Poses
from refine.skeletons import Skeleton
from refine.suppression import soft_oks_nms

Counts = npt.NDArray[np.int64]

CURES = (
    "absent",
    "miss",
    "swap",
    "inversion",
    "jitter",
    "score",
    "false_positive",
    "false_negative",
)
"""In the published order. Absent joints come first: the published code takes them for misses.
The last two are predictions that match no person, and persons that no prediction matches."""
OF_JOINTS = CURES[:5]

SLACK = 1e-9
"""Of OKS, for the rounding of sums."""

SCORING_OKS = 0.5
"""Least OKS of predictions that compete for a person (scoringErrors.py)."""
DECAY = 0.5
"""Of the soft suppression of optimal scores, exp(-oks^2 / 0.5) (cocoeval.py)."""
AREAS = (32, 64, 96, 128)
"""px, squared the limits of the areas (sizeSensitivity.py)."""
VISIBLE, VISIBLE_OF, OVERLAP = (5, 10, 15), 17, (0, 2)
"""Last count of every band but the open last one, out of that many joints
(occlusionAndCrowdingSensitivity.py)."""


@dataclass(frozen=True, slots=True)
class Bin:
    """Persons of one size, number of labelled joints or crowding.

    Attributes:
        name: e.g. "6-10".
        persons: that count.
        counts: (6,) joints of every kind, `ALL_KINDS`.
        ap: average precision with all other persons ignored; NaN without persons.
        gain: (5,) average precision gained by curing one kind, `OF_JOINTS`.
    """

    name: str
    persons: int
    counts: Counts
    ap: float
    gain: Floats


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What is wrong with predictions.

    Attributes:
        joints: K names.
        counts: (K, 6) labelled joints of matched persons by kind, `ALL_KINDS`.
        ap: (T,) average precision at every OKS of `thresholds`.
        alone: cure -> (T,) average precision with that kind of error alone cured, see
            `refine.evaluation.taxonomy.corrected`; false negatives only with false positives.
        exact: kind of joint error -> (T,) with these joints at their true places.
        progressive: cure -> (T,) with it and all before it cured, in the order of `CURES`.
        gain: (K, 5) mean average precision gained by curing one kind in one joint, `OF_JOINTS`.
        bins: "area", "visible", "overlap" and "visible, overlap" -> bins.
        poses: predictions that were looked at.
        persons: that count.
        matched: predictions matched to one of them at OKS 0.1.
        background: false positives: predictions matched to no person at OKS 0.1.
        contested: persons with two or more predictions of OKS 0.5 or more.
        scoring_errors: of these, the ones whose best prediction is not the best scored.
        compat: see `diagnose`.
        thresholds: of OKS.
    """

    joints: tuple[str, ...]
    counts: Counts
    ap: Floats
    alone: Mapping[str, Floats]
    exact: Mapping[str, Floats]
    progressive: Mapping[str, Floats]
    gain: Floats
    bins: Mapping[str, tuple[Bin, ...]]
    poses: int
    persons: int
    matched: int
    background: int
    contested: int
    scoring_errors: int
    compat: bool
    thresholds: tuple[float, ...] = tuple(THRESHOLDS.round(2).tolist())

    @property
    def shares(self) -> Floats:
        """Return the share of every kind over all joints, (6,)."""
        total = self.counts.sum(0)
        return np.asarray(total / max(int(total.sum()), 1))

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""

        def named(row: npt.NDArray[Any], names: Sequence[str]) -> dict[str, Any]:
            return dict(zip(names, row.tolist(), strict=True))

        def by_joint(rows: npt.NDArray[Any], names: Sequence[str]) -> dict[str, Any]:
            return {j: named(row, names) for j, row in zip(self.joints, rows, strict=True)}

        def by_bin(bins: Sequence[Bin]) -> list[dict[str, Any]]:
            return [
                {
                    "name": b.name,
                    "persons": b.persons,
                    "counts": named(b.counts, ALL_KINDS),
                    "ap": b.ap,
                    "gain": named(b.gain, OF_JOINTS),
                }
                for b in bins
            ]

        return {name: getattr(self, name) for name in self.__dataclass_fields__} | {
            "shares": named(self.shares, ALL_KINDS),
            "counts": by_joint(self.counts, ALL_KINDS),
            "gain": by_joint(self.gain, OF_JOINTS),
            "bins": {name: by_bin(bins) for name, bins in self.bins.items()},
        }


def diagnose(
    gt: str | Path | Mapping[str, Any] | Poses | GroundTruth,
    poses: Poses,
    *,
    image_ids: Sequence[int | str] | None = None,
    max_dets: int = 20,
    compat: bool = False,
    strict: bool = True,
) -> Diagnosis:
    """Tell what is wrong with predictions, and what it costs.

    Optimal scores are those of the `max_dets` best predictions of each image.

    Args:
        gt: COCO keypoint annotations (file or parsed), `Poses` with flags, or `GroundTruth`.
        poses: the predictions.
        image_ids: look at these images only.
        max_dets: best predictions per image.
        compat: do as the published code does: absent joints are misses at (0, 0), persons below
            32^2 px^2 are ignored, a similarity of exactly .85 falls through, and corrected
            joints are nearer than they should be, see `refine.evaluation.taxonomy.corrected`.
        strict: refuse predictions on images that the ground truth lacks.

    Raises:
        FormatError, SkeletonError, ArrayError: see `refine.evaluate`.

    >>> import refine
    >>> body = refine.skeleton("coco17")
    >>> xy = np.random.default_rng(0).uniform(0, 99, (1, 17, 2))
    >>> truth = Poses.from_arrays(body, xy, area=[5000.0], box=[[0, 0, 99, 99]])
    >>> xy[0, 9] = np.nan
    >>> found = diagnose(truth, Poses.from_arrays(body, xy, instance_score=[1]))
    >>> dict(zip(ALL_KINDS, found.counts.sum(0).tolist()))
    {'good': 16, 'jitter': 0, 'inversion': 0, 'swap': 0, 'miss': 0, 'absent': 1}
    """
    table = read_ground_truth(gt)
    options: dict[str, Any] = {"image_ids": image_ids, "max_dets": max_dets, "strict": strict}
    m = match_poses(table, poses, compat=compat, **options)
    body, sigmas = table.skeleton, table.skeleton.require_sigmas()
    truth = m.truth
    wrong = m.kind > GOOD
    owner = truth.xy[m.person] if len(truth) else m.xy
    area = truth.area[m.person] if len(truth) else np.zeros(len(m.rows))
    cured_xy = corrected(m.kind, m.similarity, owner, area, sigmas, compat=compat)
    given = np.nan_to_num(m.xy)

    def moved_to(xy: Floats) -> Floats:
        return pair_similarity(np.where(wrong[..., None], xy, given), truth, m.pairs, sigmas)

    cured, right = moved_to(cured_xy), moved_to(owner)

    # Whatever joints are cured, other pairs are below every threshold.
    most = pair_oks(np.maximum.reduce([m.ks, cured, right]), truth, m.pairs)
    near = np.flatnonzero(~(most < THRESHOLDS[0] - SLACK))
    pairs = Pairs(m.pairs.a[near], m.pairs.b[near], np.searchsorted(near, m.pairs.start))
    own, better, exact = m.ks[near], cured[near], right[near]
    order = np.argsort(-m.score, kind="stable")
    counts = joints_compared(truth)[pairs.b]
    as_given = own.sum(1) / counts

    def ap(ks: Floats, joints: Bools | None = None, **options: Any) -> Floats:
        """Average precision with the similarities of these joints (A, K) taken from `ks`."""
        oks = as_given
        if joints is not None:
            changed = np.zeros(len(joints), np.bool_)
            changed[np.flatnonzero(joints) // joints.shape[1]] = True
            rows = np.flatnonzero(changed[pairs.a])
            now = np.where(joints[pairs.a[rows]], ks[rows], own[rows])
            oks = oks.copy()
            oks[rows] = now.sum(1) / counts[rows]
        options.setdefault("ignore", m.ignore)
        return average_precision(oks, pairs, m.score, truth, order=order, **options)

    def rescored(ks: Floats, xy: Floats, **options: Any) -> Floats:
        return _ap_of_optimal_scores(m, pair_oks(ks, truth, m.pairs), xy, sigmas, **options)

    base = ap(own)
    of_kind = {name: m.kind == ALL_KINDS.index(name) for name in OF_JOINTS}
    healed = np.where(wrong[..., None], cured_xy, m.xy)
    alone = {name: ap(better, joints) for name, joints in of_kind.items()} | {
        "score": rescored(m.ks, m.xy),
        "false_positive": ap(own, forgive="background"),
        "false_negative": ap(own, forgive="all"),
    }
    progressive = {
        name: ap(better, np.any([of_kind[n] for n in OF_JOINTS[: i + 1]], axis=0))
        for i, name in enumerate(OF_JOINTS)
    } | {
        "score": rescored(cured, healed),
        "false_positive": rescored(cured, healed, forgive="background"),
        "false_negative": rescored(cured, healed, forgive="all"),
    }

    def gained(joints: Bools, before: float, **options: Any) -> float:
        """Gain of mean average precision; exactly 0 where there is nothing to cure."""
        return _mean(ap(better, joints, **options)) - before if joints.any() else 0.0

    gain = np.zeros((len(body), len(OF_JOINTS)))
    for j in range(len(body)):
        only = np.arange(len(body)) == j
        gain[j] = [gained(joints & only, _mean(base)) for joints in of_kind.values()]

    bins: dict[str, tuple[Bin, ...]] = {}
    for title, (names, band, size) in _benchmarks(m, body, _prediction_area(poses)).items():
        found = []
        for i, name in enumerate(names):
            persons = band == i
            chosen: dict[str, Any] = {"ignore": m.ignore | ~persons}
            if size is not None:
                chosen["outside"] = size != i
            theirs = (m.person >= 0) & (band[m.person] == i if len(band) else False)
            before = _mean(ap(own, **chosen))
            gains = [
                gained(joints & theirs[:, None], before, **chosen) for joints in of_kind.values()
            ]
            number = int((persons & ~m.ignore).sum())
            found.append(Bin(name, number, _count(m.kind[theirs]), before, np.array(gains)))
        bins[title] = tuple(found)

    contested, misjudged = _scoring_errors(m)
    counted = (m.person >= 0) & ~m.ignore[m.person] if len(truth) else m.person >= 0
    return Diagnosis(
        joints=body.joints,
        counts=np.array([_count(column) for column in m.kind.T]),
        ap=base,
        alone=alone,
        exact={name: ap(exact, joints) for name, joints in of_kind.items()},
        progressive=progressive,
        gain=gain,
        bins=bins,
        poses=len(m.rows),
        persons=int((~m.ignore).sum()),
        matched=int(counted.sum()),
        background=int((m.person < 0).sum()),
        contested=contested,
        scoring_errors=misjudged,
        compat=compat,
    )


def _mean(ap: Floats) -> float:
    return float(ap.mean())


def _count(kind: npt.NDArray[np.int8]) -> Counts:
    return np.bincount(kind[kind >= 0], minlength=len(ALL_KINDS)).astype(np.int64)


def _prediction_area(poses: Poses) -> Floats:
    """As pycocotools: of the boxes where there are any, else of the keypoints."""
    if poses.box is not None and np.isfinite(poses.box).all():
        return pose_area(poses.xy, "box", poses.box)
    return pose_area(poses.xy, "keypoints")


def _ap_of_optimal_scores(
    m: Matched, oks: Floats, xy: Floats, sigmas: Floats, **options: Any
) -> Floats:
    """Score every prediction by its best OKS, duplicates softly suppressed, and rank anew."""
    best = np.zeros(len(m.rows))
    np.maximum.at(best, m.pairs.a, np.where(m.ignore[m.pairs.b], 0.0, oks))
    tight = pose_area(xy, "keypoints")
    index, decayed = soft_oks_nms(xy, best, tight, sigmas, DECAY, image=m.image)
    best[index] = decayed
    order = best_first(m.image, best, len(best))
    pairs = same_image(m.image[order], m.truth.image)
    start = m.pairs.start
    moved = np.repeat(start[:-1][order] - pairs.start[:-1], np.diff(pairs.start))
    oks = oks[np.arange(len(oks)) + moved]
    ignore = m.ignore
    return average_precision(oks, pairs, best[order], m.truth, ignore=ignore, **options)


def _scoring_errors(m: Matched) -> tuple[int, int]:
    """Count persons that several predictions fit, and those where the wrong one is on top."""
    oks = pair_oks(m.ks, m.truth, m.pairs)
    fits = np.flatnonzero((oks >= SCORING_OKS) & ~m.ignore[m.pairs.b])
    rivals: dict[int, list[int]] = {}
    # Persons in the order of their best prediction, which no other can claim any more.
    for p in fits[np.argsort(-oks[fits], kind="stable")].tolist():
        rivals.setdefault(int(m.pairs.b[p]), []).append(p)
    used: set[int] = set()
    contested = misjudged = 0
    for members in rivals.values():
        free = [p for p in members if int(m.pairs.a[p]) not in used]
        if free:
            used.add(int(m.pairs.a[free[0]]))
        if len(free) > 1:
            contested += 1
            score = m.score[m.pairs.a[free]]
            misjudged += bool(score[0] < score.max())
    return contested, misjudged


def _benchmarks(
    m: Matched, body: Skeleton, size: Floats
) -> dict[str, tuple[list[str], Indices, Indices | None]]:
    """Return by title the names of the bins, the bin of every person and that of predictions."""
    truth, k = m.truth, len(body)
    edges = np.array(AREAS) ** 2.0
    names = [f"<={AREAS[0]}²", *(f"{a}²-{b}²" for a, b in pairwise(AREAS)), f">{AREAS[-1]}²"]
    area = np.searchsorted(edges, truth.area), np.searchsorted(edges, size[m.rows])
    limits = [limit * k // VISIBLE_OF for limit in VISIBLE]
    visible = np.searchsorted(np.array(limits), truth.labelled.sum(1))
    few = [f"{a + 1}-{b}" for a, b in pairwise([0, *limits, k])]
    crowded = np.zeros(len(truth), np.intp)
    single = np.flatnonzero(~truth.crowd)
    crowded[single] = np.diff(neighbours(truth.box[single], truth.image[single])[1])
    overlap = np.searchsorted(np.array(OVERLAP), crowded)
    alone = ["0", f"1-{OVERLAP[1]}", f"{OVERLAP[1] + 1}+"]
    return {
        "area": (names, *area),
        "visible": (few, visible, None),
        "overlap": (alone, overlap, None),
        "visible, overlap": (
            [f"{v}, {o}" for v in few for o in alone],
            visible * len(alone) + overlap,
            None,
        ),
    }
