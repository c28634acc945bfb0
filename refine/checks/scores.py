"""Scores: their range and kind, and joints whose score and place contradict one another."""

import numpy as np

from refine.checks.finding import OUT, Finding, Subject, named
from refine.exceptions import SkeletonError

RANGE = (-0.25, 2.0)
"""Scores that count as probabilities or peaks of heatmaps: those of two networks go to 1.9,
sums over joints and per cent go far beyond."""
FEW = 5
"""Poses below which equal scores tell nothing."""


def joint_number(s: Subject) -> list[Finding]:
    """Skeletons that are not the truth's."""
    if s.truth is None or s.poses.skeleton == s.truth.skeleton:
        return []
    mine, theirs = s.poses.skeleton, s.truth.skeleton
    if set(mine.joints) == set(theirs.joints) and mine.joints == theirs.joints:
        return []
    try:
        shared = int((theirs.map_from(mine)[0] >= 0).sum())
    except SkeletonError:
        shared = 0
    return [
        Finding(
            "joints",
            f"poses have {len(mine)} joints, {mine.name}, {s.gt} has {len(theirs)}, "
            f"{theirs.name}; {shared} of these are shared by name",
            "a network of another data set, or the wrong --skeleton",
            f"--skeleton {theirs.name} on all verbs, where the poses are of the truth's joints",
            (f"refine convert {s.where} --to-skeleton {theirs.name} -o {OUT}",) if shared else (),
        )
    ]


def zeros(s: Subject) -> list[Finding]:
    """Joints at (0, 0) with a score."""
    n = int(s.zeros.sum())
    if not n:
        return []
    return [
        Finding(
            "zero-with-confidence",
            f"{n} of {s.zeros.size} joints lie at (0, 0) with a score above 0",
            "the tool writes (0, 0) for joints that it does not see and leaves their score",
            "our own verbs take (0, 0) for missing; averages and filters of other tools do not",
            s.mending("missing-scores"),
            **s.at(s.zeros.any(1)),
        )
    ]


def nulls(s: Subject) -> list[Finding]:
    """Joints without a place that have a score."""
    if not s.nulls:
        return []
    return [
        Finding(
            "nan-with-likelihood",
            f"{len(s.nulls)} rows give joints without a place (NaN, null) a score above 0",
            "smoothing or filtering that emptied places and left the likelihood, as DeepLabCut "
            "and its filters do",
            "",
            s.mending("missing-scores"),
            **named(s.nulls),
        )
    ]


def score_range(s: Subject) -> list[Finding]:
    """Scores that are no probabilities."""
    out = []
    joints = np.where(s.poses.present, s.poses.score, np.nan)
    flags = s.poses.score_kind == "flag"
    for what, values in (("instance", s.poses.instance_score[:, None]), ("joint", joints)):
        bad = (values < RANGE[0]) | (values > RANGE[1])
        if not bad.any() or (flags and what == "joint"):
            continue
        low, high = np.nanmin(values), np.nanmax(values)
        kind, cause = "logits", "scores before the sigmoid"
        if low >= 0:
            kind = "per cent" if 20 < high <= 100 else "sums or energies"
            cause = "per cent" if kind == "per cent" else "sums over joints, or energies"
        out.append(
            Finding(
                f"{what}-score-range",
                f"{what} scores go from {low:.4g} to {high:.4g}, {bad.any(1).sum()} of {len(bad)} "
                f"poses beyond [0, 1]: {kind}?",
                f"{cause}; ranks are right, thresholds and averages with others are not",
                "",
                (
                    f"refine calibrate {s.where} {s.gt} -o C.json",
                    f"refine run {s.where} --calibration C.json -o {OUT}",
                ),
                **s.at(bad.any(1)),
                figures={"least": float(low), "most": float(high)},
            )
        )
    return out


def equal_scores(s: Subject) -> list[Finding]:
    """Scores that rank nothing."""
    values = s.poses.instance_score
    bare = np.isnan(values)
    format_ = str(s.poses.meta.get("format", ""))
    if len(values) < FEW or format_ == "coco-gt" or (bare.all() and format_ != "coco"):
        return []
    if bare.any():
        what, rows = f"{bare.sum()} of {len(bare)} poses have no instance score", bare
    elif len(set(values.tolist())) == 1:
        what, rows = f"all {len(values)} instance scores are {values[0]:.4g}", ~bare
    else:
        return []
    return [
        Finding(
            "equal-scores",
            f"{what}; average precision ranks by it",
            "a converter that filled in a constant, or a top-down network on given boxes",
            "--steps rescore --scores mean for the mean of the joint scores",
            (f"refine run {s.where} -o {OUT}",),
            **s.at(rows),
        )
    ]
