"""The figures of a file against annotations: those of `refine eval`, `diagnose`, `calibrate`."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from refine._types import Floats
from refine.calibration.fit import LEAST_IMAGES, read_sample
from refine.calibration.measure import CalibrationReport, Reliability, measure, reliability
from refine.evaluation.coco import Evaluation, evaluate_counted
from refine.evaluation.diagnosis import Diagnosis, diagnose
from refine.evaluation.ground_truth import GroundTruth
from refine.evaluation.matching import pair_oks
from refine.evaluation.parts import Options
from refine.evaluation.resampling import Paired, paired_intervals
from refine.evaluation.taxonomy import Matched, match_poses
from refine.exceptions import RefineError
from refine.oks import keypoint_similarity, ks_distance
from refine.poses import Poses
from refine.refiner.pose.refiner import Refiner
from refine.skeletons import skeleton

ONE_SIGMA = float(np.exp(-0.125))
"""Keypoint similarity at the distance of one sigma: exp(-d^2 / (2 (2 sigma)^2)), of COCO's."""


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """What annotations say of the poses of one file.

    Attributes:
        evaluation: of `refine eval`.
        paired: its figures and what they gain over the first file's, with intervals.
        diagnosis: of `refine diagnose`.
        matched: A poses and their persons.
        oks: (A,) of each with its person, 0 without one.
        similarity: (A, K) of joints with their true places, NaN where there is none.
        off: (A, K) distance from the true places in units of the sigmas, NaN likewise.
        of_joints: keypoint scores against similarities, None if scores are no probabilities.
        of_poses: instance scores against OKS, likewise.
    """

    evaluation: Evaluation
    paired: Paired
    diagnosis: Diagnosis
    matched: Matched
    oks: Floats
    similarity: Floats
    off: Floats
    of_joints: Reliability | None
    of_poses: Reliability | None


@dataclass(frozen=True, slots=True, eq=False)
class Calibrated:
    """What `refine calibrate` finds for the first file, or why it finds nothing."""

    report: CalibrationReport | None
    reason: str = ""


def measure_files(truth: GroundTruth, files: Sequence[Poses], options: Options) -> list[Measured]:
    """Measure poses of several files on the same images.

    Args:
        truth: annotated persons.
        files: the first is what the others are compared with.
        options: of `refine.evaluate`.

    Raises:
        FormatError, SkeletonError, ArrayError: see `refine.evaluate`.
    """
    evaluations = [evaluate_counted(truth, poses, options) for poses in files]
    known = with_chosen_sigmas(truth, options)
    return [
        _measured(known, poses, options, evaluation, paired)
        for poses, evaluation, paired in zip(
            files, evaluations, paired_intervals(evaluations), strict=True
        )
    ]


def with_chosen_sigmas(truth: GroundTruth, options: Options) -> GroundTruth:
    """Return the truth with the sigmas that options ask for."""
    chosen = options.sigmas
    if chosen is None:
        return truth
    return truth.with_sigmas(skeleton(chosen) if isinstance(chosen, str | Path) else chosen)


def _measured(
    truth: GroundTruth, poses: Poses, options: Options, evaluation: Evaluation, paired: Paired
) -> Measured:
    which: dict[str, Any] = {
        "image_ids": options.image_ids,
        "max_dets": options.max_dets,
        "strict": options.strict,
    }
    m = match_poses(truth, poses, **which)
    sigmas = truth.skeleton.require_sigmas()
    own = m.person[m.pairs.a] == m.pairs.b
    oks = np.zeros(len(m.rows))
    oks[m.pairs.a[own]] = pair_oks(m.ks, m.truth, m.pairs)[own]
    of = np.maximum(m.person, 0)
    similarity, off = np.full(m.kind.shape, np.nan), np.full(m.kind.shape, np.nan)
    counts = m.person < 0
    if len(m.truth):
        labelled = (m.person >= 0)[:, None] & m.truth.labelled[of]
        counts = counts | ~m.ignore[of]
        area = m.truth.area[of]
        ks = keypoint_similarity(m.truth.xy[of], m.xy, area, sigmas)
        similarity = np.where(labelled & counts[:, None], ks, np.nan)
        away = np.linalg.norm(m.truth.xy[of] - m.xy, axis=-1)
        unit = ks_distance(ONE_SIGMA, np.maximum(area, 1.0), sigmas)
        off = np.where(np.isfinite(similarity), away / unit, np.nan)
    score = truth.skeleton.take(poses.score, poses.skeleton)[m.rows]
    there = np.isfinite(similarity) & np.isfinite(score)
    return Measured(
        evaluation,
        paired,
        diagnose(truth, poses, **which),
        m,
        oks,
        similarity,
        off,
        _reliability(score[there], similarity[there]),
        _reliability(m.score[counts], oks[counts]),
    )


def _reliability(expected: Floats, came: Floats) -> Reliability | None:
    """Compare scores with what came; None where they are no probabilities or tell nothing apart."""
    if not len(expected) or expected.min() < 0 or expected.max() > 1 or np.ptp(expected) == 0:
        return None
    return reliability(expected, came)


def calibrated(truth: GroundTruth, poses: Poses, options: Options) -> Calibrated:
    """Measure what `refine calibrate` would make of a file, on images not learned from."""
    known = with_chosen_sigmas(truth, options)
    try:
        refiner = Refiner.load("coco17")
        sample = read_sample(
            known, poses, refiner, image_ids=options.image_ids, strict=options.strict
        )
        images = len(set(sample.image[sample.counts].tolist()))
        if images < LEAST_IMAGES:
            return Calibrated(None, f"it takes {LEAST_IMAGES} annotated images, there are {images}")
        return Calibrated(measure(sample, refiner, known, image_ids=options.image_ids))
    except RefineError as error:
        return Calibrated(None, error.message)
