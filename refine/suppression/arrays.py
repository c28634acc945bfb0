"""Remove duplicate poses: OKS-NMS and soft OKS-NMS.

G-RMI (Papandreou et al. 2017, sec. 2.4) as SimpleBaseline and HRNet published it
(``lib/nms/nms.py``) and MMPose kept it (``mmpose/evaluation/functional/nms.py``).
"""

from collections.abc import Callable
from itertools import pairwise
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from refine._threads import in_threads
from refine._types import Bools, Floats, Indices
from refine.exceptions import ArrayError
from refine.suppression.kernels import hard_kernel, soft_kernel

_Arrays = tuple[npt.NDArray[Any], ...]
PART = 20_000
"""Poses that a thread takes at a time, some 10 ms."""


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
    batch = _validate(xy, score, area, sigmas, threshold, image, joint_visible, max_poses, compat)
    order = np.lexsort((-batch.score, batch.image))
    keep = np.empty(len(order), np.bool_)

    def thin(rows: slice, arrays: _Arrays) -> None:
        keep[rows] = hard_kernel(*arrays, threshold, batch.most)

    _in_parts(thin, batch.sorted(order))
    return np.asarray(order[keep])


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
    batch = _validate(xy, score, area, sigmas, threshold, image, joint_visible, max_poses, compat)
    if (batch.score < 0).any():
        raise ArrayError(
            f"expected scores of at least 0 for soft suppression, got {batch.score.min()}",
            hint="method 'nms'",
        )
    # In input order within an image, so that equal scores keep it.
    order = np.argsort(batch.image, kind="stable")
    decayed = batch.score[order]
    linear = kind == "linear"
    rank = np.empty(len(order), np.intp)

    def decay(rows: slice, arrays: _Arrays) -> None:
        rank[rows] = soft_kernel(*arrays, decayed[rows], threshold, linear, batch.most, score_floor)

    _in_parts(decay, batch.sorted(order))
    picked = np.lexsort((rank, batch.image[order]))
    picked = picked[rank[picked] >= 0]
    return order[picked], decayed[picked]


def _in_parts(work: Callable[[slice, _Arrays], None], arrays: _Arrays) -> None:
    """Do some images at a time.

    Args:
        work: called with rows and their arrays, as the kernels take them.
        arrays: of `_Batch.sorted`.
    """
    p, area, weight, better, worse, starts = arrays
    if len(p) <= PART:
        work(slice(len(p)), arrays)
        return
    cuts = np.searchsorted(starts, np.arange(0, starts[-1], PART))
    images = np.unique(np.append(cuts, len(starts) - 1)).tolist()

    def do(part: tuple[int, int]) -> None:
        first, last = part
        bounds = starts[first : last + 1]
        rows = slice(bounds[0], bounds[-1])
        of = p[rows], area[rows], weight, better[rows], worse[rows], bounds - bounds[0]
        work(rows, of)

    in_threads(do, list(pairwise(images)))


class _Batch(NamedTuple):
    """Validated arguments of both kinds of suppression."""

    xy: Floats
    score: Floats
    area: Floats
    weight: Floats
    better: Bools
    worse: Bools
    image: Indices
    most: int

    def sorted(self, order: Indices) -> tuple[npt.NDArray[Any], ...]:
        """Return what the kernels walk over, grouped by image: pose arrays and group starts."""
        image = self.image[order]
        first = np.flatnonzero(np.diff(image, prepend=image[:1] - 1))
        return (
            self.xy[order],
            self.area[order],
            self.weight,
            self.better[order],
            self.worse[order],
            np.append(first, len(order)),
        )


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
) -> _Batch:
    points, s = np.asarray(xy, np.float64), np.asarray(sigmas, np.float64)
    scores, sizes = np.asarray(score, np.float64), np.asarray(area, np.float64)
    n = len(points)
    where = np.zeros(n, np.intp) if image is None else np.asarray(image, np.intp)
    if points.ndim != 3 or points.shape[2:] != (2,) or s.shape != points.shape[1:2]:
        raise ArrayError(f"expected xy (N, K, 2) and sigmas (K,), got {points.shape}, {s.shape}")
    for name, array in (("score", scores), ("area", sizes), ("image", where)):
        if array.shape != (n,):
            raise ArrayError(f"expected {name} ({n},), got {array.shape}")
    for name, fine in (
        ("a finite score", np.isfinite(scores)),
        ("an area of 0 or more", sizes >= 0),
    ):
        if not fine.all():
            raise ArrayError(f"expected {name} for every pose", where=f"pose {fine.argmin()}")
    present = np.asarray(np.isfinite(points).all(-1))
    visible = None if visible is None else np.asarray(visible).astype(np.bool_)
    if visible is not None and visible.shape != present.shape:
        raise ArrayError(f"expected joint_visible {present.shape}, got {visible.shape}")
    if not 0 < threshold <= 1:
        raise ArrayError(f"expected a threshold in (0, 1], got {threshold}")
    if max_poses is not None and max_poses < 1:
        raise ArrayError(f"expected max_poses of at least 1, got {max_poses}")
    worse = np.asarray(present if visible is None else present & visible)
    return _Batch(
        points,
        scores,
        sizes,
        1 / (2 * s) ** 2,
        present if compat else worse,
        worse,
        where,
        n if max_poses is None else min(n, max_poses),
    )
