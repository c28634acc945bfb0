"""Fit the calibration of one source on annotated images."""

from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from refine._types import Bools, Floats, Indices
from refine.calibration.curves import Curve, fit_curve, fit_logistic, folds
from refine.calibration.model import GENERIC, Calibration, deviates, rank_in
from refine.evaluation.comparison import compare
from refine.evaluation.ground_truth import GroundTruth, read_ground_truth
from refine.evaluation.matching import (
    match,
    pair_oks,
    pair_similarity,
    same_image,
)
from refine.evaluation.taxonomy import MATCH_OKS
from refine.exceptions import RefineError
from refine.numerics import SURE, sigmoid
from refine.oks import keypoint_similarity, pose_area
from refine.poses import Poses
from refine.refiner.apply import apply_belief, complete
from refine.refiner.belief import Belief, SupportsBelief

QUANTILES = 101
"""Of the source's own scores and sizes; ranks taken in them do not depend on the file at hand."""
LEAST_IMAGES = 10
"""With fewer annotated images nothing is fitted."""
STRENGTHS = (10.0, 40.0, 160.0, 640.0)
"""Ridges that hold the score at the generic one, in poses; cross-validation chooses."""
MARGINS = (0.0, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5)


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """Poses of one source and what became of them.

    Attributes:
        poses: N poses as they came.
        belief: the refiner's, not calibrated.
        image: (N,) index in the ground truth.
        counts: (N,) poses on the annotated images, but those on crowds and unlabelled persons.
        came: (N, K) true similarity of the joints as they came, NaN where not labelled.
        reach: (N, K) the same of the joints as the refiner puts them.
        labels: (N,) labelled joints of the pose's person, 0 without a person.
    """

    poses: Poses
    belief: Belief
    image: Indices
    counts: Bools
    came: Floats
    reach: Floats
    labels: npt.NDArray[np.int64]

    def __getitem__(self, rows: npt.NDArray[Any]) -> "Sample":
        return Sample(**{f.name: getattr(self, f.name)[rows] for f in fields(self)})

    def similarity(self, after: Poses) -> Floats:
        """Return the true similarity (N, K) of refined joints, NaN where not labelled."""
        changed = after.present & (after.xy != self.poses.xy).any(-1)
        there = np.where(changed, self.reach, self.came)
        return np.where(after.present | np.isnan(there), there, 0.0)

    def oks(self, after: Poses) -> Floats:
        """Return the true OKS (N,) of refined poses; 0 without a person of their own."""
        total = np.nan_to_num(self.similarity(after)).sum(1)
        return np.asarray(total / np.maximum(self.labels, 1))


def calibrate(sample: Sample, refiner: SupportsBelief) -> Calibration:
    """Fit the calibration of a source.

    Curves put expected keypoint similarities right; their form is the one with the least
    cross-validated loss. The margin is that whose moves gained most, by a standard error more than
    nothing; joints stay where no margin does. The instance score is a logistic regression on the
    columns of `Calibration.columns`, held at the generic score.

    Args:
        sample: see `read_sample`.
        refiner: whose belief it holds.

    Raises:
        RefineError: too few images.
    """
    images = len(set(sample.image[sample.counts].tolist()))
    if images < LEAST_IMAGES:
        raise RefineError(
            f"expected poses on at least {LEAST_IMAGES} annotated images, got {images}",
            hint="more annotated images, or `refine run` without a calibration",
        )
    return fit(sample, refiner)


def fit(sample: Sample, refiner: SupportsBelief) -> Calibration:
    """Do what `calibrate` does on any number of images."""
    used = sample[sample.counts]
    poses, present = used.poses, used.poses.present
    start = Calibration(
        skeleton=poses.skeleton.name,
        weights=refiner.weights,
        keep=Curve(),
        move=Curve(),
        fill=Curve(),
        margin=1.0,
        score=GENERIC,
        intercept=0.0,
        joint_scores=_quantiles(poses.score[present]),
        instance_scores=_quantiles(poses.instance_score),
        sizes=_quantiles(pose_area(poses.xy, "keypoints")),
    )
    score = deviates(poses, start.joint_scores)
    size = rank_in(start.sizes, pose_area(poses.xy, "keypoints")) - 0.5
    free = ~poses.skeleton.is_derived
    belief = used.belief

    def curve(expected: Floats, truth: Floats, rows: Bools, score: Floats) -> Curve:
        return fit_curve(expected, truth, score, size, rows & free, used.image, poses.skeleton)

    found = replace(
        start,
        keep=curve(belief.keep, used.came, present, score),
        move=curve(belief.move, used.reach, present, score),
        fill=curve(belief.move, used.reach, ~present, np.zeros_like(score)),
    )
    honest = found.calibrate(poses, belief)
    found = replace(found, margin=_margin(used, honest))
    after = apply_belief(unscored(poses), honest, margin=found.margin)
    weights, intercept = fit_score(found.columns(poses, after, honest), used.oks(after), used.image)
    return replace(found, score=weights, intercept=intercept)


def unscored(poses: Poses) -> Poses:
    """Return poses of which refining keeps no copies of the source's scores."""
    return poses.replace(score_kind="expected_ks")


def read_sample(
    gt: str | Path | GroundTruth,
    poses: Poses,
    refiner: SupportsBelief,
    *,
    image_ids: Any = None,
    strict: bool = True,
) -> Sample:
    """Let the refiner look at poses and compare them with the truth.

    Args:
        gt: ground truth.
        poses: predictions of one source, not refined.
        refiner: with the weights that are to be calibrated.
        image_ids: look at these images only.
        strict: refuse poses on unknown images.

    Raises:
        FormatError, SkeletonError, WeightsError: see `refine.evaluate` and `Refiner.believe`.
        RefineError: poses that were refined before.
    """
    if any(step.weights for step in poses.history):
        raise RefineError(
            "expected poses as the source gave them, got refined ones",
            hint="the original predictions",
        )
    truth = read_ground_truth(gt)
    sigmas = truth.skeleton.require_sigmas()
    compared = compare(truth, poses, image_ids, strict=strict)
    grouped = compared.by_category()
    persons, image = grouped.persons, grouped.image
    belief = refiner.believe(poses)
    inside = np.flatnonzero(compared.inside)
    shown = truth.skeleton.take(complete(poses, belief).xy, poses.skeleton)[inside]
    rough = same_image(image[inside], persons.image)
    ks = pair_similarity(np.nan_to_num(shown), persons, rough, sigmas)
    best = np.zeros(len(inside))
    np.maximum.at(best, rough.a, pair_oks(ks, persons, rough))
    # The best go first, so that a person belongs to the pose that fits it best.
    order = np.argsort(-best, kind="stable")
    pairs = same_image(image[inside][order], persons.image)
    ks = pair_similarity(np.nan_to_num(shown[order]), persons, pairs, sigmas)
    found = match(pair_oks(ks, persons, pairs), pairs, persons, persons.ignore, MATCH_OKS)
    n, k = poses.score.shape
    person = np.full(n, -1)
    person[inside[order]] = found
    owned = np.flatnonzero(person >= 0)
    ignored = np.zeros(n, np.bool_)
    ignored[owned] = persons.ignore[person[owned]]
    owned = owned[~ignored[owned]]
    of = person[owned]
    came, reach = np.full((n, k), np.nan), np.full((n, k), np.nan)
    index = truth.skeleton.map_from(poses.skeleton)[0]
    fed = index >= 0
    labelled = persons.labelled[of]
    for xy, out in ((poses.xy, came), (belief.xy, reach)):
        there = xy[owned][:, index[fed]]
        similarity = keypoint_similarity(
            persons.xy[of][:, fed], there, persons.area[of], sigmas[fed]
        )
        values = np.where(labelled[:, fed], np.nan_to_num(similarity), np.nan)
        out[np.ix_(owned, index[fed])] = values
    labels = np.zeros(n, np.int64)
    labels[owned] = labelled.sum(1)
    counts = compared.inside & ~ignored
    return Sample(poses, belief, compared.image, counts, came, reach, labels)


def fit_score(
    columns: dict[str, Floats], truth: Floats, image: Indices
) -> tuple[dict[str, float], float]:
    """Fit the weights of `Calibration.score` and the intercept.

    The generic score may be made steeper or flatter at no cost, which is what calibration is;
    what changes the ranking is held by a ridge, the one with the least cross-validated loss.

    Args:
        columns: (N,) each, named as in `GENERIC`.
        truth: (N,) what the score is to be.
        image: (N,) whose poses are left out together.
    """
    generic = np.array([GENERIC[name] for name in columns])
    own = np.stack(list(columns.values()), 1)
    matrix = np.column_stack([own @ generic, own])
    prior = np.zeros(matrix.shape[1])
    prior[0] = 1.0
    fold = folds(image)

    def fit(rows: Bools, strength: float, near: Any = None) -> tuple[Floats, float]:
        ridge = np.full(len(prior), strength)
        ridge[0] = 0.0
        return fit_logistic(matrix[rows], truth[rows], prior, ridge, near)

    every = np.full(len(truth), True)
    whole = {strength: fit(every, strength) for strength in STRENGTHS}

    def loss(strength: float) -> float:
        total = 0.0
        for part in np.unique(fold):
            weights, intercept = fit(fold != part, strength, whole[strength])
            p = sigmoid(matrix[fold == part] @ weights + intercept).clip(SURE, 1 - SURE)
            y = truth[fold == part]
            total -= float((y * np.log(p) + (1 - y) * np.log(1 - p)).sum())
        return total

    weights, intercept = whole[min(STRENGTHS, key=loss)]
    return dict(zip(columns, (weights[0] * generic + weights[1:]).tolist(), strict=True)), intercept


def _margin(sample: Sample, belief: Belief) -> float:
    """Choose the margin whose moves gained most, a standard error over images taken off."""
    best, chosen = 0.0, 1.0
    movable = sample.poses.present & ~sample.poses.skeleton.is_derived & np.isfinite(sample.came)
    place = np.unique(sample.image, return_inverse=True)[1]
    for margin in MARGINS:
        moved = movable & (belief.move > belief.keep + margin)
        gain = np.where(moved, sample.reach - sample.came, 0.0).sum(1)
        by_image = np.bincount(place, gain)
        sure = float(by_image.sum() - np.sqrt((by_image**2).sum()))
        if sure > best:
            best, chosen = sure, margin
    return chosen


def _quantiles(values: Floats) -> tuple[float, ...]:
    known = values[np.isfinite(values)]
    if not len(known) or np.ptp(known) == 0:
        return ()
    return tuple(np.quantile(known, np.linspace(0, 1, QUANTILES)).tolist())
