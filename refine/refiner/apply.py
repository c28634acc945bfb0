"""What follows from a belief: fill what is missing, move what is believed wrong."""

import numpy as np

from refine._types import Floats
from refine.poses import Poses
from refine.refiner.belief import Belief
from refine.rescore import SCORE_DECIMALS

XY_DECIMALS = 3
"""New coordinates are right to a few px; what the source measured keeps all its digits."""


def apply_belief(
    poses: Poses,
    belief: Belief,
    weights: str | None = None,
    margin: float | Floats | None = None,
) -> Poses:
    """Fill the missing joints of poses and move those believed wrong: `complete`, then `correct`.

    The arguments are those of `correct`.
    """
    return correct(complete(poses, belief, weights), belief, weights, margin)


def complete(poses: Poses, belief: Belief, weights: str | None = None) -> Poses:
    """Fill missing joints with where the refiner believes them.

    Keypoint scores become expected keypoint similarities in [0, 1]; the source's own are kept
    in ``extra["source_scores"]``. Poses without a single joint stay as they are.

    Args:
        poses: N poses.
        belief: of the same poses.
        weights: hash of the refiner's weights, for the history.
    """
    fill = ~poses.present & np.isfinite(belief.xy).all(-1) & ~poses.skeleton.is_derived
    xy = np.where(fill[..., None], belief.xy.round(XY_DECIMALS), poses.xy)
    done = _with_scores(poses, xy, np.where(fill, belief.move, belief.keep))
    return done.done("complete", weights, joints=int(fill.sum()))


def correct(
    poses: Poses,
    belief: Belief,
    weights: str | None = None,
    margin: float | Floats | None = None,
) -> Poses:
    """Move joints where that is expected to gain keypoint similarity, and leave all others alone.

    Args:
        poses: N poses, completed or not.
        belief: of the poses as they came.
        weights: hash of the refiner's weights, for the history.
        margin: least gain in expected similarity, in [0, 1]; 1 moves nothing. One, or (N, 1); by
            default the belief's own.
    """
    margin = belief.margin if margin is None else margin
    move = poses.present & (belief.keep > 0) & (belief.move > belief.keep + margin)
    move &= ~poses.skeleton.is_derived
    xy = np.where(move[..., None], belief.xy.round(XY_DECIMALS), poses.xy)
    filled = poses.present & (belief.keep == 0)
    done = _with_scores(poses, xy, np.where(move | filled, belief.move, belief.keep))
    margins = float(margin) if np.ndim(margin) == 0 else np.unique(margin).tolist()
    return done.done("correct", weights, joints=int(move.sum()), margin=margins)


def expected_similarity(before: Poses, after: Poses, belief: Belief) -> Floats:
    """Say what keypoint similarity is expected of every joint after filling and moving.

    Args:
        before: N poses as the refiner saw them.
        after: the same poses; joints that have changed are where the refiner put them.
        belief: of `before`.

    Returns:
        (N, K) in [0, 1]; 0 where missing, NaN where the refiner does not know the joint.
    """
    changed = after.present & (after.xy != before.xy).any(-1)
    return np.where(changed, belief.move, np.where(after.present, belief.keep, 0 * belief.keep))


def _with_scores(poses: Poses, xy: Floats, expected: Floats) -> Poses:
    xy = recompute_derived(poses, xy)
    # Joints that the weights do not know keep what they had.
    known = np.isfinite(expected) & np.isfinite(xy).all(-1)
    score = np.where(known, expected.round(SCORE_DECIMALS), poses.score)
    if poses.score_kind == "expected_ks":
        return poses.replace(xy=xy, score=score)
    own: list[list[float | None]] = poses.score.tolist()
    for i, j in np.argwhere(np.isnan(poses.score)).tolist():
        own[i][j] = None
    extra = tuple({**e, "source_scores": row} for e, row in zip(poses.extra, own, strict=True))
    return poses.replace(xy=xy, score=score, score_kind="expected_ks", extra=extra)


def recompute_derived(poses: Poses, xy: Floats) -> Floats:
    """Put derived joints (neck, mid-hip) back on the mean of their sources where those changed."""
    xy = xy.copy()
    for joint, sources in poses.skeleton.derived.items():
        of = [poses.skeleton.index(s) for s in sources]
        known = np.isfinite(xy[:, of]).all((1, 2))
        changed = known & (xy[:, of] != poses.xy[:, of]).any((1, 2))
        xy[changed, poses.skeleton.index(joint)] = xy[changed][:, of].mean(1).round(XY_DECIMALS)
    return xy
