"""Duplicate removal as one-stage decoders publish it: by boxes, and by joints that lie close.

OKS-NMS is in `refine.suppression`.
"""

import numpy as np
import numpy.typing as npt

from refine._types import Indices
from refine.decoding.one_stage import kernels
from refine.exceptions import ArrayError

NEARBY_DISTANCE, NEARBY_PEOPLE = 0.05, 30
"""Of the diagonal, and poses at most: DEKR lib/config NMS_THRE, DATASET.MAX_NUM_PEOPLE."""


def box_nms(
    box: npt.ArrayLike,
    score: npt.ArrayLike,
    threshold: float = 0.7,
    *,
    max_poses: int | None = None,
) -> Indices:
    """Keep the best of every group of boxes that overlap.

    Args:
        box: (N, 4) xyxy.
        score: (N,); equal scores keep the input order.
        threshold: boxes whose IoU with a better one exceeds it go. 0.7 in Ultralytics.
        max_poses: keep no more than these.

    Returns:
        Kept indices, best first. A box without area overlaps none.

    Raises:
        ArrayError: shapes that do not agree, or a value that is not finite.

    >>> box = [[0, 0, 10, 10], [1, 0, 11, 10], [20, 0, 30, 10]]
    >>> box_nms(box, [0.5, 0.9, 0.1]).tolist()
    [1, 2]
    """
    corners, scores = np.asarray(box, np.float64), np.asarray(score, np.float64)
    if corners.shape != (len(scores), 4) or scores.ndim != 1:
        raise ArrayError(
            f"expected boxes (N, 4) and scores (N,), got {corners.shape}, {scores.shape}"
        )
    if not (np.isfinite(corners).all() and np.isfinite(scores).all()):
        raise ArrayError("expected finite boxes and scores")
    if not 0 <= threshold <= 1:
        raise ArrayError(f"expected a threshold in [0, 1], got {threshold}")
    order = np.argsort(-scores, kind="stable")
    most = len(order) if max_poses is None else max_poses
    kept = kernels.box_nms(corners[order], threshold, most)
    return np.asarray(order[kept])


def nearby_joints_nms(
    xy: npt.ArrayLike,
    score: npt.ArrayLike,
    distance: float = NEARBY_DISTANCE,
    joints: int | None = None,
    *,
    max_poses: int = NEARBY_PEOPLE,
    by_score: bool = True,
) -> Indices:
    """Keep the best of the poses that have many joints close to those of another.

    Pose j is near pose i if more than `joints` of its joints lie within `distance` times the
    diagonal of pose i; this is not symmetric. Pose by pose, the best of those near it is kept,
    unless that was near an earlier one.

    Args:
        xy: (N, K, 2) px; a missing joint (NaN) is close to none.
        score: (N,).
        distance: fraction of the diagonal of the tight box of the joints.
        joints: half of them, rounded down, by default (mmpose); 8 in DEKR, the same for COCO.
        max_poses: keep no more than these, the best.
        by_score: visit the poses from the best on (mmpose `nearby_joints_nms`); otherwise as they
            come (DEKR lib/core/nms.py).

    Returns:
        Kept indices in the order of their visit; by score where there were more than `max_poses`.

    Raises:
        ArrayError: shapes that do not agree, or a score that is not finite.

    >>> xy = np.array([[[0.0, 0], [50, 80]], [[1, 0], [50, 81]], [[90, 0], [99, 80]]])
    >>> nearby_joints_nms(xy, [0.5, 0.8, 0.1]).tolist()
    [1, 2]
    """
    points, scores = np.asarray(xy, np.float64), np.asarray(score, np.float64)
    if points.ndim != 3 or points.shape[2] != 2 or scores.shape != points.shape[:1]:
        raise ArrayError(
            f"expected xy (N, K, 2) and score (N,), got {points.shape}, {scores.shape}"
        )
    if not np.isfinite(scores).all():
        raise ArrayError("expected finite scores")
    n, k, _ = points.shape
    near = np.zeros((n, n), np.bool_)
    if n:
        kernels.nearby(points, distance, k // 2 if joints is None else joints, near)
    gone = np.zeros(n, np.bool_)
    kept: list[int] = []
    for i in np.argsort(-scores, kind="stable") if by_score else range(n):
        if gone[i]:
            continue
        group = np.flatnonzero(near[i])
        best = group[scores[group].argmax()]
        if not gone[best]:
            kept.append(int(best))
            gone |= near[i]
    if len(kept) > max_poses:
        kept = sorted(kept, key=lambda j: -scores[j])[:max_poses]
    return np.array(kept, np.intp)
