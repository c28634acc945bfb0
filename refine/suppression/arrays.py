"""Remove duplicate poses: OKS-NMS and soft OKS-NMS.

G-RMI (Papandreou et al. 2017, sec. 2.4) as SimpleBaseline and HRNet published it
(``lib/nms/nms.py``) and MMPose kept it (``mmpose/evaluation/functional/nms.py``).
"""

from typing import Any, Literal, NamedTuple, get_args

import numpy as np
import numpy.typing as npt

from refine.exceptions import ArrayError
from refine.oks import AreaRule, Floats, pose_area
from refine.poses import Poses
from refine.skeletons.registry import Skeleton, skeleton
from refine.suppression.kernels import hard_kernel, soft_kernel
from refine.suppression.merge import assign_duplicates, merge_joints

Indices = npt.NDArray[np.intp]
Bools = npt.NDArray[np.bool_]
Method = Literal["nms", "soft-gaussian", "soft-linear"]
METHODS: tuple[Method, ...] = get_args(Method)
_KINDS: dict[Method, Literal["gaussian", "linear"]] = {
    "soft-gaussian": "gaussian",
    "soft-linear": "linear",
}

MERGED_DECIMALS = 3
"""px; means of coordinates have endless digits, which no source is right to."""


def oks_nms(
    xy: Floats,
    score: Floats,
    area: Floats,
    sigmas: Floats,
    threshold: float = 0.9,
    *,
    image: Indices | None = None,
    joint_visible: Bools | None = None,
    max_poses: int | None = None,
    compat: bool = False,
) -> Indices:
    """Keep the best of every group of poses on one image that are alike.

    Two poses are alike if their OKS, with the mean of their areas, exceeds the threshold. Joints
    that either lacks are skipped. A pose of area 0 is alike to none: nothing says how far apart
    its joints may be.

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
    pile = _pile(xy, score, area, sigmas, threshold, image, joint_visible, max_poses, compat)
    order = np.lexsort((-pile.score, pile.image))
    p, a, w, better, worse, starts = pile.sorted(order)
    keep = hard_kernel(p, a, w, better, worse, starts, threshold, pile.most)
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
    joint_visible: Bools | None = None,
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
    pile = _pile(xy, score, area, sigmas, threshold, image, joint_visible, max_poses, compat)
    if (pile.score < 0).any():
        raise ArrayError(
            f"expected scores of at least 0 for soft suppression, got {pile.score.min()}",
            hint="method 'nms'",
        )
    # In input order within an image, so that equal scores keep it.
    order = np.argsort(pile.image, kind="stable")
    decayed = pile.score[order]
    p, a, w, better, worse, starts = pile.sorted(order)
    linear = kind == "linear"
    rank = soft_kernel(
        p, a, w, better, worse, starts, decayed, threshold, linear, pile.most, score_floor
    )
    picked = np.lexsort((rank, pile.image[order]))
    picked = picked[rank[picked] >= 0]
    return order[picked], decayed[picked]


def suppress(
    poses: Poses,
    method: Method = "nms",
    threshold: float = 0.9,
    *,
    area: AreaRule = "keypoints",
    score_threshold: float | None = None,
    visible_threshold: float | None = None,
    max_poses: int | None = None,
    merge: bool = False,
    compat: bool = False,
) -> Poses:
    """Remove the duplicates on every image; those that stay keep their order.

    Poses are ranked by instance score; where that is NaN, by the mean score of their present
    joints, and last where these have none either. Derived joints and joints without a sigma take
    no part; a skeleton without sigmas borrows COCO's by joint name.

    Args:
        poses: of any number of images.
        method: "nms" removes; "soft-gaussian" and "soft-linear" write the decayed scores to
            `instance_score` and remove nothing unless the next arguments ask for it.
        threshold: OKS, in (0, 1]; see `oks_nms` and `soft_oks_nms`.
        area: what stands for the size of a pose. HRNet takes its crop, 1.25 times the box, which
            removes more than "keypoints".
        score_threshold: remove poses with a lower (decayed) score.
        visible_threshold: count only joints with a higher score in both poses.
        max_poses: keep no more than these an image.
        merge: with "nms", put every joint that stays at the mean of what the kept pose and its
            duplicates say, weighted by keypoint score and OKS, and take over joints it lacks.
        compat: see `oks_nms`.

    Raises:
        ArrayError: an option out of range, or one that needs what the poses lack.
        SkeletonError: no joint has a sigma.

    >>> from refine.skeletons.registry import skeleton
    >>> xy = np.random.default_rng(0).uniform(0, 100, (1, 17, 2)).repeat(2, 0)
    >>> twins = Poses.from_arrays(skeleton("coco17"), xy, instance_score=[0.1, 0.9])
    >>> suppress(twins).instance_score.tolist()
    [0.9]
    """
    if method not in METHODS:
        raise ArrayError(f"expected a method out of {', '.join(METHODS)}, got {method!r}")
    if merge and method != "nms":
        raise ArrayError(f"expected method 'nms' for merging, got {method!r}")
    if visible_threshold is not None and len(poses) and np.isnan(poses.score).all():
        raise ArrayError(
            "expected keypoint scores for a visibility threshold, got none",
            hint="leaving the visibility threshold out",
        )
    joints, sigmas = nms_sigmas(poses.skeleton)
    score, rank_by = poses.instance_score.copy(), ranking_score(poses)
    visible = None if visible_threshold is None else poses.score[:, joints] > visible_threshold
    size = pose_area(poses.xy, area, poses.box, poses.area)
    arrays = (poses.xy[:, joints], rank_by, size, sigmas, threshold)
    options: dict[str, Any] = {
        "image": poses.image,
        "joint_visible": visible,
        "max_poses": max_poses,
        "compat": compat,
    }
    if method == "nms":
        kept = oks_nms(*arrays, **options)
        if merge:
            poses = _merge(poses, joints, sigmas, size, kept)
    else:
        kept, decayed = soft_oks_nms(*arrays, kind=_KINDS[method], **options)
        score[kept] = rank_by[kept] = decayed
    if score_threshold is not None:
        kept = kept[rank_by[kept] >= score_threshold]
    parameters = {
        "method": method,
        "threshold": threshold,
        "area": area,
        "score_threshold": score_threshold,
        "visible_threshold": visible_threshold,
        "max_poses": max_poses,
        "merge": merge or None,
        "removed": len(poses) - len(kept),
    }
    told = {key: value for key, value in parameters.items() if value is not None}
    return poses.replace(instance_score=score)[np.sort(kept)].done("suppress", None, **told)


def _merge(poses: Poses, joints: Indices, sigmas: Floats, area: Floats, kept: Indices) -> Poses:
    """Merge poses into the kept ones that they are duplicates of."""
    score = np.where(np.isfinite(poses.score), poses.score, ranking_score(poses)[:, None])
    if (score[poses.present] < 0).any():
        raise ArrayError(
            f"expected scores of at least 0 for merging, got {score[poses.present].min()}",
            hint="no merging, or scores of another kind (`refine run` writes such)",
        )
    # Joints of a pose without any scores weigh the same.
    weight = np.where((score * poses.present).sum(1, keepdims=True) > 0, score, 1.0)
    winner, alike = assign_duplicates(poses.xy[:, joints], area, sigmas, poses.image, kept)
    merged, gained = merge_joints(poses.xy, weight, winner, alike)
    same = (merged == poses.xy) | ~np.isfinite(merged)
    xy = np.where(same, poses.xy, merged.round(MERGED_DECIMALS))
    best = np.full(score.shape, -np.inf)
    given = np.where(poses.present & np.isfinite(poses.score), poses.score, -np.inf)
    np.maximum.at(best, winner[winner >= 0], given[winner >= 0])
    taken = gained & np.isfinite(best)
    return poses.replace(xy=xy, score=np.where(taken, best, poses.score))


def ranking_score(poses: Poses) -> Floats:
    """Return the scores (N,) that rank poses: instance score, else the mean joint score, else 0.

    >>> from refine.skeletons.registry import skeleton
    >>> ranking_score(Poses.from_arrays(skeleton("coco17"), np.zeros((1, 17, 2)))).tolist()
    [0.0]
    """
    known = poses.present & np.isfinite(poses.score)
    total = np.where(known, poses.score, 0.0).sum(1)
    mean = total / np.maximum(known.sum(1), 1)
    return np.where(np.isfinite(poses.instance_score), poses.instance_score, mean)


def nms_sigmas(table: Skeleton) -> tuple[Indices, Floats]:
    """Return the joints that count in suppression and their sigmas.

    Raises:
        SkeletonError: neither the skeleton nor COCO has a sigma for any of its joints.

    >>> joints, sigmas = nms_sigmas(skeleton("openpose18"))
    >>> len(joints), float(sigmas[1])
    (17, 0.079)
    """
    sigmas = table.sigmas
    if sigmas is None:
        coco = skeleton("coco17")
        index = table.map_from(coco)[0]
        sigmas = np.where(index >= 0, coco.require_sigmas()[index], np.nan)
    joints = np.flatnonzero(np.isfinite(sigmas) & ~table.is_derived)
    if not len(joints):
        table.require_sigmas()
    return joints, sigmas[joints]


class _Pile(NamedTuple):
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
        _, first = np.unique(self.image[order], return_index=True)
        return (
            self.xy[order],
            self.area[order],
            self.weight,
            self.better[order],
            self.worse[order],
            np.append(first, len(order)),
        )


def _pile(
    xy: Floats,
    score: Floats,
    area: Floats,
    sigmas: Floats,
    threshold: float,
    image: Indices | None,
    visible: Bools | None,
    max_poses: int | None,
    compat: bool,
) -> _Pile:
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
    if visible is not None and visible.shape != present.shape:
        raise ArrayError(f"expected joint_visible {present.shape}, got {visible.shape}")
    if not 0 < threshold <= 1:
        raise ArrayError(f"expected a threshold in (0, 1], got {threshold}")
    if max_poses is not None and max_poses < 1:
        raise ArrayError(f"expected max_poses of at least 1, got {max_poses}")
    worse = np.asarray(present if visible is None else present & visible)
    return _Pile(
        points,
        scores,
        sizes,
        1 / (2 * s) ** 2,
        present if compat else worse,
        worse,
        where,
        n if max_poses is None else max_poses,
    )
