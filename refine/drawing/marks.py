"""How sure poses are of their joints: opacities of marks, and ellipses of uncertainty."""

import numpy as np

from refine._types import Floats
from refine.oks import ks_distance, pose_area
from refine.poses import Poses
from refine.skeletons import borrow_sigmas

FAINT = 0.25
"""Opacity of a joint that the source gives no confidence at all: it is still seen."""
HIDDEN = 0.6
"""Confidence that stands for the flag 1: labelled, not visible."""
LEAST_KS = 1e-3
"""Expected similarities are no lower where they become distances, which grow without end."""


def opacities(poses: Poses) -> Floats:
    """Return how opaque each joint is drawn, (N, K) in [`FAINT`, 1], from its confidence.

    Probabilities, peaks and expected similarities are taken as they are, logits as probabilities,
    scores beyond 1 as shares of the highest; joints without a score are opaque.

    >>> one = Poses.from_arrays("coco17", np.zeros((1, 17, 2)), [[0.0] * 16 + [1.0]])
    >>> opacities(one)[0, -2:].tolist()
    [0.25, 1.0]
    """
    score = poses.score
    if poses.score_kind == "flag":
        value = np.select([score >= 2, score >= 1], [1.0, HIDDEN], 0.0)
    elif poses.score_kind == "logit":
        value = 1 / (1 + np.exp(-score.clip(-50, 50)))
    else:
        most = np.max(score, where=np.isfinite(score), initial=1.0)
        value = (score / most).clip(0, 1)
    value = np.where(np.isnan(score) | (poses.score_kind == "none"), 1.0, value)
    return np.asarray(FAINT + (1 - FAINT) * value)


def ellipses(poses: Poses) -> Floats:
    """Return how uncertain joints are, (N, K, 2, 2) covariances in px^2; NaN where it is not told.

    Scores of refined poses are expected keypoint similarities; the standard deviation is the
    distance at which a joint has the similarity that is expected of it.

    >>> one = Poses.from_arrays("coco17", np.zeros((1, 17, 2)), np.full((1, 17), 0.5))
    >>> bool(np.isnan(ellipses(one)).all())
    True
    """
    out = np.full((*poses.score.shape, 2, 2), np.nan)
    if poses.score_kind == "expected_ks":
        area = pose_area(poses.xy, "keypoints")
        if poses.area is not None:
            area = np.where(np.isfinite(poses.area), poses.area, area)
        ks = np.where(poses.score > 0, poses.score.clip(LEAST_KS, 1), np.nan)
        one = ks_distance(1 / np.e, area, borrow_sigmas(poses.skeleton)) * np.sqrt(-np.log(ks))
        out[..., 0, 0] = out[..., 1, 1] = one**2
        out[..., 0, 1] = out[..., 1, 0] = 0
    return np.where(poses.present[..., None, None], out, np.nan)
