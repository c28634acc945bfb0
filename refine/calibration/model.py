"""What is learned about one source on a few annotated images: honest similarities and scores.

The refiner was trained on imaginary estimators. How far its expectations hold for a given network
is told by a handful of numbers that `refine.calibration.fit` finds and these functions apply.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np

from refine._types import Floats
from refine.calibration.curves import Curve
from refine.exceptions import RefineError
from refine.files import dump_json, parse_json, read_bytes, write_bytes
from refine.numerics import logit, sigmoid
from refine.oks import pairwise_oks, pose_area
from refine.poses import Poses
from refine.refiner.apply import expected_similarity
from refine.refiner.belief import Belief
from refine.rescore import expected_oks
from refine.suppression import nms_sigmas

FORMAT: Literal["refine-calibration-1"] = "refine-calibration-1"
GENERIC = {
    "expected_oks": 0.7,
    "rank": 2.5,
    "oks": 0.0,
    "least": 0.0,
    "given": 0.0,
    "size": 0.0,
    "rival": 0.0,
}
"""Columns of the score and their weights before anything is learned: what is learned on all sources
but one ranks the poses of that one alike, see `tests/benchmarks/calibrate_ap.py`."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """What is known of one source.

    Attributes:
        skeleton: name of the source's skeleton.
        weights: hash of the refiner's weights whose expectations these are.
        keep: curve of joints as they came.
        move: of joints that came, as the refiner would put them.
        fill: of joints that were missing, as the refiner puts them.
        margin: expected gain from which a joint is moved; 1 moves nothing.
        score: weight of every column of `columns` in the logit of the instance score.
        intercept: of the same.
        joint_scores: quantiles of the source's keypoint scores, none where it has none.
        instance_scores: of its instance scores.
        sizes: of the areas of its poses, px^2.
        facts: what it was fitted on, and how well.
        format: of the file.
    """

    skeleton: str
    weights: str
    keep: Curve
    move: Curve
    fill: Curve
    margin: float
    score: Mapping[str, float]
    intercept: float
    joint_scores: tuple[float, ...]
    instance_scores: tuple[float, ...]
    sizes: tuple[float, ...]
    facts: Mapping[str, Any] = field(default_factory=dict)
    format: Literal["refine-calibration-1"] = FORMAT

    def check(self, poses: Poses, weights: str) -> None:
        """Make sure that this calibration was made for such poses and these weights.

        Raises:
            RefineError: it was not.
        """
        for what, mine, theirs in (
            ("the skeleton", self.skeleton, poses.skeleton.name),
            ("the weights", self.weights, weights),
        ):
            if mine != theirs:
                raise RefineError(
                    f"expected a calibration made with {what} {theirs!r}, got one of {mine!r}",
                    hint="`refine calibrate` to make it again",
                )
        for curve in (self.keep, self.move, self.fill):
            if len(curve.joints) not in (0, len(poses.skeleton)):
                raise RefineError(
                    f"expected offsets of {len(poses.skeleton)} joints, got {len(curve.joints)}",
                    hint="`refine calibrate` to make it again",
                )

    def calibrate(self, poses: Poses, belief: Belief) -> Belief:
        """Return the belief with honest expected similarities and the margin that fits them."""
        score = deviates(poses, self.joint_scores)
        size = rank_in(self.sizes, pose_area(poses.xy, "keypoints")) - 0.5
        move = self.move(belief.move, score, size)
        fill = self.fill(belief.move, np.zeros_like(score), size)
        return replace(
            belief,
            keep=np.where(belief.keep > 0, self.keep(belief.keep, score, size), belief.keep),
            move=np.where(poses.present, move, fill),
            margin=self.margin,
        )

    def instance_score(self, before: Poses, after: Poses, belief: Belief) -> Floats:
        """Score poses: the OKS to be expected of each, 0 for a false positive or a duplicate.

        Args:
            before: N poses as they came.
            after: the same, refined.
            belief: of `before`, calibrated.

        Returns:
            (N,) in [0, 1].
        """
        columns = self.columns(before, after, belief)
        total = sum((self.score[name] * columns[name] for name in self.score), np.zeros(len(after)))
        known = np.isfinite(expected_similarity(before, after, belief)) & after.present
        return np.where(known.any(1), sigmoid(total + self.intercept), 0.0)

    def columns(self, before: Poses, after: Poses, belief: Belief) -> dict[str, Floats]:
        """Return what instance scores are made of, (N,) each; the names are those of `GENERIC`.

        "expected_oks": logit of that of the refined pose; "oks": logit of the refiner's own
        guess; "rank" of the source's instance score, minus 1/2; "least": lowest expected
        similarity of a joint; "given": share of joints that the source gave, minus 1/2; "size":
        rank of the area, minus 1/2; "rival": squared OKS with the pose of the same image that
        is most like it and that the source ranks higher.
        """
        similarity = expected_similarity(before, after, belief)
        own = rank_in(self.instance_scores, before.instance_score)
        least = np.where(np.isfinite(similarity), similarity, 1.0).min(1, initial=1.0)
        return {
            "expected_oks": logit(expected_oks(similarity, belief.annotated)),
            "rank": own - 0.5,
            "oks": logit(belief.oks),
            "least": least,
            "given": before.present.mean(1) - 0.5,
            "size": rank_in(self.sizes, pose_area(before.xy, "keypoints")) - 0.5,
            "rival": rivalry(after, own) ** 2,
        }


def rank_in(quantiles: Sequence[float], values: Floats) -> Floats:
    """Rank values among quantiles, within (0, 1); 1/2 where a value or the quantiles are unknown.

    >>> rank_in((0.0, 1.0, 1.0, 2.0), np.array([-1.0, 1.0, np.nan])).tolist()
    [0.125, 0.5, 0.5]
    """
    table = np.asarray(quantiles, np.float64)
    if not len(table):
        return np.full(np.shape(values), 0.5)
    filled = np.nan_to_num(values, nan=table[len(table) // 2])
    middle = np.searchsorted(table, filled) + np.searchsorted(table, filled, "right")
    rank = np.clip(middle / 2 / len(table), 0.5 / len(table), 1 - 0.5 / len(table))
    return np.where(np.isfinite(values), rank, 0.5)


def deviates(poses: Poses, quantiles: Sequence[float]) -> Floats:
    """Return keypoint scores (N, K) as normal deviates of their rank; 0 where unknown."""
    from scipy.special import ndtri

    known = poses.present & np.isfinite(poses.score)
    return np.where(known, ndtri(rank_in(quantiles, poses.score)), 0.0)


def rivalry(poses: Poses, rank: Floats) -> Floats:
    """Return the OKS (N,) of every pose with that of its image which ranks higher and is nearest.

    Args:
        poses: N poses.
        rank: (N,).
    """
    joints, sigmas = nms_sigmas(poses.skeleton)
    area = np.maximum(pose_area(poses.xy, "keypoints"), 1.0)
    out = np.zeros(len(poses))
    for _, rows in poses.by_image():
        if len(rows) < 2:
            continue
        xy, size = poses.xy[rows][:, joints], area[rows]
        oks = pairwise_oks(xy, xy, (size[:, None] + size) / 2, sigmas)
        out[rows] = np.where(rank[rows] > rank[rows][:, None], oks, 0.0).max(1)
    return out


def read_calibration(path: str | Path) -> Calibration:
    """Read what `refine calibrate` wrote.

    Raises:
        FormatError: not readable, or not JSON.
        RefineError: not a calibration.
    """
    table = parse_json(read_bytes(path), str(path))
    try:
        found = msgspec.convert(table, Calibration)
        if unknown := set(found.score) - set(GENERIC):
            raise ValueError(f"unknown column {min(unknown)!r}")
        tables = (found.joint_scores, found.instance_scores, found.sizes)
        numbers = (found.margin, found.intercept, *found.score.values())
        if not all(np.isfinite(t).all() for t in (numbers, *tables)):
            raise ValueError("numbers that are not finite")
        if any((np.diff(t) < 0).any() for t in tables):
            raise ValueError("quantiles that fall")
    except (msgspec.ValidationError, ValueError, OverflowError) as error:
        raise RefineError(
            f"expected a calibration ({FORMAT}), got: {error}",
            where=str(path),
            hint="`refine calibrate` to make it",
        ) from None
    return found


def write_calibration(calibration: Calibration, path: str | Path) -> None:
    """Write a calibration as JSON, whole or not at all.

    Raises:
        FormatError: the target cannot be written.
    """
    write_bytes(path, dump_json(asdict(calibration)) + b"\n")
