"""Remove duplicate poses: OKS-NMS and soft OKS-NMS.

G-RMI (Papandreou et al. 2017, sec. 2.4) as SimpleBaseline and HRNet published it
(``lib/nms/nms.py``) and MMPose kept it (``mmpose/evaluation/functional/nms.py``).
"""

from collections.abc import Callable
from itertools import pairwise
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from refine._threads import in_threads
from refine._types import Bools, Floats, Indices
from refine.exceptions import ArrayError
from refine.suppression.kernels import hard_kernel, soft_kernel
from refine.suppression.order import FEW, inspect

MANY = 1024
"""Poses of an image from which on a grid finds those that are near; fewer are all looked at."""
PART = 20_000
"""Poses that a thread takes at a time, 2 to 10 ms."""


def oks_nms(
    xy: Floats,
    score: Floats,
    area: Floats,
    sigmas: Floats,
    threshold: float = 0.9,
    *,
    image: Indices | None = None,
    joint_visible: npt.ArrayLike | None = None,
    max_poses: int | None = None,
    compat: bool = False,
) -> Indices:
    """Keep the best of every group of poses on one image that are alike.

    Two poses are alike if their OKS, with the mean of their areas, exceeds the threshold. Joints
    that either lacks are skipped. A pose of area 0 is alike to one with the same joints at the
    same places, and to no other: nothing says how far apart its joints may be.

    Args:
        xy: (N, K, 2) px, NaN where missing.
        score: (N,); equal scores keep the input order.
        area: (N,) px^2, see `refine.oks.pose_area`.
        sigmas: (K,).
        threshold: 0.9 in HRNet, PoseFix and MMPose.
        image: (N,) which image a pose is on; by default all are on one.
        joint_visible: (N, K), joints that count; a joint must count in both poses.
        max_poses: keep no more than these an image.
        compat: let `joint_visible` of the worse pose alone decide, as ``list and list`` does in
            ``oks_iou`` of HRNet, AlphaPose and PoseFix.

    Returns:
        Kept indices, image by image, best first.

    Raises:
        ArrayError: shapes that do not agree, or a value that is not finite.

    >>> xy = np.array([[[0.0, 0], [50, 80]], [[1, 0], [50, 81]], [[90, 0], [99, 80]]])
    >>> score, area = np.array([0.5, 0.8, 0.1]), np.full(3, 4000.0)
    >>> oks_nms(xy, score, area, np.array([0.1, 0.1])).tolist()
    [1, 2]
    """
    batch = _validate(
        xy, score, area, sigmas, threshold, image, joint_visible, max_poses, compat, best_first=True
    )

    def thin(starts: Indices) -> Indices:
        kept = hard_kernel(
            batch.xy, batch.area, batch.sigmas, batch.better, batch.worse, batch.whole,
            batch.order, starts, threshold, batch.most, MANY,
        )  # fmt: skip
        return np.asarray(kept)

    return _in_parts(thin, batch.starts)


def soft_oks_nms(
    xy: Floats,
    score: Floats,
    area: Floats,
    sigmas: Floats,
    threshold: float = 0.9,
    *,
    kind: Literal["gaussian", "linear"] = "gaussian",
    image: Indices | None = None,
    joint_visible: npt.ArrayLike | None = None,
    max_poses: int | None = None,
    score_floor: float = 0.0,
    compat: bool = False,
) -> tuple[Indices, Floats]:
    """Lower the scores of poses by how alike they are to better ones on the same image.

    The best pose is picked, the scores of the others decay, and so on: "gaussian" by
    exp(-oks^2 / threshold), "linear" by (1 - oks) where oks >= threshold. The published code
    uses the decayed scores only to pick its first 20 (``max_poses=20``) and drops nothing else.

    Args:
        xy: (N, K, 2) px, NaN where missing.
        score: (N,), none negative.
        area: (N,) px^2.
        sigmas: (K,).
        threshold: 0.9 in HRNet and MMPose.
        kind: of decay.
        image: see `oks_nms`.
        joint_visible: see `oks_nms`.
        max_poses: stop after these on every image.
        score_floor: stop at the first decayed score below it; 0 drops nothing.
        compat: see `oks_nms`.

    Returns:
        Indices, image by image in the order of decayed scores, and these scores.

    Raises:
        ArrayError: as `oks_nms`, or a negative score.

    >>> xy = np.zeros((2, 1, 2))
    >>> index, decayed = soft_oks_nms(xy, np.array([0.5, 0.8]), np.ones(2), np.array([0.1]))
    >>> index.tolist(), decayed.round(4).tolist()
    ([1, 0], [0.8, 0.1646])
    """
    if kind not in ("gaussian", "linear"):
        raise ArrayError(f"expected kind 'gaussian' or 'linear', got {kind!r}")
    # In input order within an image, so that equal scores keep it.
    batch = _validate(
        xy,
        score,
        area,
        sigmas,
        threshold,
        image,
        joint_visible,
        max_poses,
        compat,
        best_first=False,
    )
    if batch.score.size and batch.score.min() < 0:
        raise ArrayError(
            f"expected scores of at least 0 for soft suppression, got {batch.score.min()}",
            hint="method 'nms'",
        )
    decayed = batch.score.copy()

    def decay(starts: Indices) -> Indices:
        picked = soft_kernel(
            batch.xy, batch.area, batch.sigmas, batch.better, batch.worse, batch.order, starts,
            decayed, threshold, kind == "linear", batch.most, score_floor,
        )  # fmt: skip
        return np.asarray(picked)

    found = _in_parts(decay, batch.starts)
    return found, decayed[found]


def _in_parts(work: Callable[[Indices], Indices], starts: Indices) -> Indices:
    """Do some images at a time, and return the poses that are found, image by image.

    Args:
        work: from where images begin, and the last one ends, to poses.
        starts: of all images.
    """
    if starts[-1] <= PART:
        return work(starts)
    cuts = np.searchsorted(starts, np.arange(0, starts[-1], PART))
    images = np.unique(np.append(cuts, len(starts) - 1)).tolist()
    parts = [starts[first : last + 1] for first, last in pairwise(images)]
    found: dict[int, Indices] = {}

    def do(part: int) -> None:
        found[part] = work(parts[part])

    in_threads(do, range(len(parts)))
    return np.concatenate([found[part] for part in range(len(parts))])


class _Batch(NamedTuple):
    """Validated arguments of both kinds of suppression."""

    xy: Floats
    score: Floats
    area: Floats
    sigmas: Floats
    better: Bools
    worse: Bools
    whole: bool
    order: Indices
    starts: Indices
    most: int


def _validate(
    xy: Floats,
    score: Floats,
    area: Floats,
    sigmas: Floats,
    threshold: float,
    image: Indices | None,
    visible: npt.ArrayLike | None,
    max_poses: int | None,
    compat: bool,
    *,
    best_first: bool,
) -> _Batch:
    points, s = np.ascontiguousarray(xy, np.float64), np.ascontiguousarray(sigmas, np.float64)
    scores, sizes = np.ascontiguousarray(score, np.float64), np.ascontiguousarray(area, np.float64)
    n = len(points)
    where = np.zeros(n, np.intp) if image is None else np.ascontiguousarray(image, np.intp)
    if points.ndim != 3 or points.shape[2:] != (2,) or s.shape != points.shape[1:2]:
        raise ArrayError(f"expected xy (N, K, 2) and sigmas (K,), got {points.shape}, {s.shape}")
    for name, array in (("score", scores), ("area", sizes), ("image", where)):
        if array.shape != (n,):
            raise ArrayError(f"expected {name} ({n},), got {array.shape}")
    present = np.empty(points.shape[:2], np.bool_)
    whole, scoreless, sizeless, order, starts, largest = inspect(
        points, scores, sizes, where, best_first, present
    )
    for name, pose in (("a finite score", scoreless), ("an area of 0 or more", sizeless)):
        if pose >= 0:
            raise ArrayError(f"expected {name} for every pose", where=f"pose {pose}")
    if best_first and (len(order) < n or largest > FEW):
        order = np.lexsort((-scores, where))
    elif len(order) < n:
        order = np.argsort(where, kind="stable")
    if starts[-1] < n:
        first = where[order[1:]] != where[order[:-1]]
        starts = np.concatenate([[0], np.flatnonzero(first) + 1, [n]])
    visible = None if visible is None else np.asarray(visible).astype(np.bool_)
    if visible is not None and visible.shape != present.shape:
        raise ArrayError(f"expected joint_visible {present.shape}, got {visible.shape}")
    if not 0 < threshold <= 1:
        raise ArrayError(f"expected a threshold in (0, 1], got {threshold}")
    if max_poses is not None and max_poses < 1:
        raise ArrayError(f"expected max_poses of at least 1, got {max_poses}")
    worse = present if visible is None else present & visible
    return _Batch(
        points,
        scores,
        sizes,
        s,
        present if compat else worse,
        worse,
        whole and visible is None,
        order,
        starts,
        n if max_poses is None else min(n, max_poses),
    )
