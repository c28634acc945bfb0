"""Measure a calibration on images that it was not fitted on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from refine._types import Floats
from refine.calibration.curves import folds
from refine.calibration.fit import Sample, fit, unscored
from refine.calibration.model import Calibration
from refine.evaluation.coco import evaluate
from refine.evaluation.ground_truth import GroundTruth
from refine.poses import Poses
from refine.refiner.apply import apply_belief, expected_similarity
from refine.refiner.belief import SupportsBelief
from refine.rescore import SCORE_DECIMALS, blend, expected_oks, own_scores

BINS = 10
"""Equal ones over [0, 1], as usual for the expected calibration error."""


@dataclass(frozen=True, slots=True, eq=False)
class Reliability:
    """What was expected and what came, bin by bin: counts and means, (B,) each."""

    count: Floats
    expected: Floats
    actual: Floats

    @property
    def ece(self) -> float:
        """Expected calibration error: mean distance of the two, weighted by the counts."""
        gap = np.abs(self.expected - self.actual) * self.count
        return float(gap.sum() / max(self.count.sum(), 1))


@dataclass(frozen=True, slots=True, eq=False)
class CalibrationReport:
    """A calibration measured on images that it was not fitted on.

    Attributes:
        images: annotated ones.
        poses: those that count.
        joints: labelled ones of matched poses.
        ap: COCO AP of the source, of `refine.run`, and of the same calibrated.
        similarity: of keypoints, before and after.
        oks: of poses, before and after.
    """

    images: int
    poses: int
    joints: int
    ap: Mapping[str, float]
    similarity: tuple[Reliability, Reliability]
    oks: tuple[Reliability, Reliability]

    def to_dict(self) -> dict[str, Any]:
        """Return plain figures."""
        return {
            "images": self.images,
            "poses": self.poses,
            "joints": self.joints,
            "ap": dict(self.ap),
            "ece_similarity": {"before": self.similarity[0].ece, "after": self.similarity[1].ece},
            "ece_oks": {"before": self.oks[0].ece, "after": self.oks[1].ece},
        }


def measure(
    sample: Sample,
    refiner: SupportsBelief,
    gt: GroundTruth,
    calibration: Calibration | None = None,
    image_ids: Sequence[int | str] | None = None,
) -> CalibrationReport:
    """Measure expectations and AP before and after calibration.

    Args:
        sample: see `read_sample`.
        refiner: whose belief it holds.
        gt: the ground truth that it was read with.
        calibration: measure this one, fitted on other images; by default each of `FOLDS` parts
            of the images is measured with a calibration fitted on the others.
        image_ids: those that the sample was read with.
    """
    n, k = sample.poses.score.shape
    fold = folds(sample.image) if calibration is None else np.zeros(n, np.intp)
    poses, belief = sample.poses, sample.belief
    bare = unscored(poses)
    plain = apply_belief(bare, belief)
    xy, similarity, score = plain.xy.copy(), np.full((n, k), np.nan), np.zeros(n)
    measured = gt.rows_of(image_ids)
    ids = gt.ids
    images = [ids[i] for i in measured]
    chosen = np.isin(sample.image, measured)
    for part in range(int(fold.max(initial=0)) + 1):
        rows = np.flatnonzero((fold == part) & chosen)
        fitted = calibration or fit(sample[(fold != part) & chosen], refiner)
        own = sample[rows]
        honest = fitted.calibrate(own.poses, own.belief)
        after = apply_belief(bare[rows], honest)
        xy[rows], score[rows] = after.xy, fitted.instance_score(own.poses, after, honest)
        similarity[rows] = expected_similarity(own.poses, after, honest)
    calibrated = poses.replace(xy=xy)
    said = expected_similarity(poses, plain, belief)
    generic = blend(expected_oks(said, belief.annotated), own_scores(poses))
    rivals = {
        "source": poses,
        "refined": plain.replace(instance_score=generic.round(SCORE_DECIMALS)),
        "calibrated": calibrated.replace(instance_score=score.round(SCORE_DECIMALS)),
    }
    counts, joints = sample.counts, np.isfinite(sample.came) & sample.counts[:, None]

    def of_joints(expected: Floats, after: Poses) -> Reliability:
        known = joints & np.isfinite(expected) & after.present
        return reliability(expected[known], sample.similarity(after)[known])

    return CalibrationReport(
        images=len(images),
        poses=int(counts.sum()),
        joints=int(joints.sum()),
        ap={
            name: evaluate(gt, result[chosen].replace(box=None), image_ids=images)["AP"]
            for name, result in rivals.items()
        },
        similarity=(of_joints(said, plain), of_joints(similarity, calibrated)),
        oks=(
            reliability(belief.oks[counts], sample.oks(plain)[counts]),
            reliability(score[counts], sample.oks(calibrated)[counts]),
        ),
    )


def reliability(expected: Floats, actual: Floats) -> Reliability:
    """Compare expectations in [0, 1] with what came, in `BINS` equal bins.

    >>> reliability(np.array([0.25, 0.75]), np.array([0.25, 0.5])).ece
    0.125
    """
    at = np.clip((expected * BINS).astype(np.intp), 0, BINS - 1)
    count = np.bincount(at, minlength=BINS).astype(np.float64)
    means = [np.bincount(at, v, BINS) / np.maximum(count, 1) for v in (expected, actual)]
    return Reliability(count, means[0], means[1])
