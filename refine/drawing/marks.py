"""How sure poses are of their joints: opacities of marks, and ellipses of uncertainty."""

import numpy as np

from refine._types import Floats
from refine.evaluation.pairing import likeness_sigmas
from refine.exceptions import ArrayError
from refine.oks import ks_distance, pose_area
from refine.poses import Poses

FAINT = 0.25
"""Opacity of a joint that the source gives no confidence at all: it is still seen."""
COVARIANCE = "covariance"
"""Name in `Poses.extra` of (K, 2, 2) px^2."""
LEAST_KS = 1e-3
"""Expected similarities are no lower where they become distances, which grow without end."""


def opacities(poses: Poses) -> Floats:
    """Return how opaque each joint is drawn, (N, K) in [`FAINT`, 1], from its confidence.

    Scores up to 1 are taken as they are, others and flags as shares of the highest, logits as
    probabilities; joints without a score are opaque.

    >>> one = Poses.from_arrays("coco17", np.zeros((1, 17, 2)), [[0.0] * 16 + [1.0]])
    >>> opacities(one)[0, -2:].tolist()
    [0.25, 1.0]
    """
    score = poses.score
    if poses.score_kind == "logit":
        value = 1 / (1 + np.exp(-score.clip(-50, 50)))
    else:
        value = (score / highest(poses)).clip(0, 1)
    value = np.where(np.isnan(score) | (poses.score_kind == "none"), 1.0, value)
    # Peaks of good joints are often about .5: the root tells them from bad ones as well.
    return np.asarray(FAINT + (1 - FAINT) * np.sqrt(value))


def highest(poses: Poses) -> float:
    """Return the highest keypoint score, at least 1."""
    return float(np.max(poses.score, where=np.isfinite(poses.score), initial=1.0))


def ellipses(poses: Poses) -> Floats:
    """Return how uncertain joints are, (N, K, 2, 2) covariances in px^2; NaN where it is not told.

    A pose may carry them as `COVARIANCE` in its `extra`. Scores of refined poses are expected
    keypoint similarities: the standard deviation is then the distance at which a joint has the
    similarity that is expected of it.

    Raises:
        ArrayError: covariances of another shape.

    >>> one = Poses.from_arrays("coco17", np.zeros((1, 17, 2)), np.full((1, 17), 0.5))
    >>> bool(np.isnan(ellipses(one)).all())
    True
    """
    n, k = poses.score.shape
    out = np.full((n, k, 2, 2), np.nan)
    if poses.score_kind == "expected_ks":
        ks = np.where(poses.score > 0, poses.score.clip(LEAST_KS, 1), np.nan)
        one = ks_distance(1 / np.e, _area(poses), likeness_sigmas(poses.skeleton))
        out[..., 0, 0] = out[..., 1, 1] = one**2 * -np.log(ks)
        out[..., 0, 1] = out[..., 1, 0] = 0
    for i, extra in enumerate(poses.extra):
        if COVARIANCE in extra:
            try:
                out[i] = np.asarray(extra[COVARIANCE], np.float64).reshape(k, 2, 2)
            except (TypeError, ValueError):
                raise ArrayError(
                    f"expected {COVARIANCE} ({k}, 2, 2) of pose {i}, got something else"
                ) from None
    return np.where(poses.present[..., None, None], out, np.nan)


def _area(poses: Poses) -> Floats:
    area = pose_area(poses.xy, "keypoints")
    return area if poses.area is None else np.where(np.isfinite(poses.area), poses.area, area)
