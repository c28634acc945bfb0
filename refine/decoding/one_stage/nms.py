"""Duplicate removal as one-stage decoders publish it: by boxes, and by joints that lie close.

OKS-NMS is in `refine.suppress`.
"""

import numba as nb
import numpy as np
import numpy.typing as npt

from refine._types import Indices
from refine.exceptions import ArrayError

NEARBY_DISTANCE, NEARBY_PEOPLE = 0.05, 30
"""Of the diagonal, and poses at most: DEKR lib/config NMS_THRE, DATASET.MAX_NUM_PEOPLE."""


def box_nms(
    box: npt.ArrayLike, score: npt.ArrayLike, threshold: float = 0.7, *, most: int | None = None
) -> Indices:
    """Keep the best of every group of boxes that overlap.

    Args:
        box: (N, 4) xyxy.
        score: (N,); equal scores keep the input order.
        threshold: boxes whose IoU with a better one exceeds it go. 0.7 in Ultralytics.
        most: keep no more than these.

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
    kept = _box_nms(corners[order], threshold, len(order) if most is None else most)
    return np.asarray(order[kept])


def nearby_joints_nms(
    xy: npt.ArrayLike,
    score: npt.ArrayLike,
    distance: float = NEARBY_DISTANCE,
    joints: int | None = None,
    *,
    most: int = NEARBY_PEOPLE,
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
        most: keep no more than these, the best.
        by_score: visit the poses from the best on (mmpose `nearby_joints_nms`); otherwise as they
            come (DEKR lib/core/nms.py).

    Returns:
        Kept indices in the order of their visit; by score where there were more than `most`.

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
        _nearby(points, distance, k // 2 if joints is None else joints, near)
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
    if len(kept) > most:
        kept = sorted(kept, key=lambda j: -scores[j])[:most]
    return np.array(kept, np.intp)


@nb.njit(cache=True, nogil=True, error_model="numpy")
def _box_nms(box, threshold, most):  # type: ignore[no-untyped-def]
    kept = np.empty(min(most, len(box)), np.intp)
    count = 0
    for j in range(len(box)):
        if count == len(kept):
            break
        x1, y1, x2, y2 = box[j]
        area = (x2 - x1) * (y2 - y1)
        alike = False
        for c in range(count):
            b = box[kept[c]]
            w = min(x2, b[2]) - max(x1, b[0])
            h = min(y2, b[3]) - max(y1, b[1])
            if w > 0 and h > 0:
                inner = w * h
                union = area + (b[2] - b[0]) * (b[3] - b[1]) - inner
                if inner > threshold * union:
                    alike = True
                    break
        if not alike:
            kept[count] = j
            count += 1
    return kept[:count]


@nb.njit(cache=True, nogil=True, error_model="numpy")
def _nearby(xy, distance, joints, near):  # type: ignore[no-untyped-def]
    n, k, _ = xy.shape
    for i in range(n):
        left = top = np.inf
        right = bottom = -np.inf
        for q in range(k):
            # Comparisons with NaN are false, so missing joints do not count.
            if xy[i, q, 0] < left:
                left = xy[i, q, 0]
            if xy[i, q, 0] > right:
                right = xy[i, q, 0]
            if xy[i, q, 1] < top:
                top = xy[i, q, 1]
            if xy[i, q, 1] > bottom:
                bottom = xy[i, q, 1]
        reach = distance * np.hypot(right - left, bottom - top)
        near[i, i] = True
        for j in range(n):
            close = 0
            for q in range(k):
                close += np.hypot(xy[i, q, 0] - xy[j, q, 0], xy[i, q, 1] - xy[j, q, 1]) < reach
            if close > joints:
                near[i, j] = True
