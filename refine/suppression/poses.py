"""Remove duplicates from poses."""

from typing import Any, Literal, get_args

import numpy as np

from refine._types import AreaRule, Floats, Indices
from refine.categories import groups_of
from refine.exceptions import ArrayError
from refine.oks import pose_area
from refine.poses import Poses
from refine.skeletons import Skeleton, borrow_sigmas
from refine.suppression.arrays import oks_nms, soft_oks_nms
from refine.suppression.merge import assign_duplicates, merge_joints

Method = Literal["nms", "soft-gaussian", "soft-linear"]


METHODS: tuple[Method, ...] = get_args(Method)


_KINDS: dict[Method, Literal["gaussian", "linear"]] = {
    "soft-gaussian": "gaussian",
    "soft-linear": "linear",
}


PEER = 0.6
"""Share of the better pose's own score from which a pose is no echo of it: .5 to .8 do the same to
PoseNet and YOLO11n, whose duplicates score lower, and to ground truth, whose neighbours do not."""


SAME_PLACE = 0.98
"""OKS above which poses are of one person, whatever they score."""


MERGED_DECIMALS = 3
"""px; means of coordinates have endless digits, which no source is right to."""


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
    own: Floats | None = None,
    compat: bool = False,
) -> Poses:
    """Remove the duplicates of each category on every image; those that stay keep their order.

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
        max_poses: keep no more than these of an image and category.
        merge: with "nms", put every joint that stays at the mean of what the kept pose and its
            duplicates say, weighted by keypoint score and OKS, and take over joints it lacks.
        own: (N,) scores of the source, NaN where there are none. With "nms", poses that it is about
            as sure of as of the better one, `PEER`, are persons side by side and stay, unless they
            are alike beyond `SAME_PLACE`.
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
    for name, value in (("score", score_threshold), ("visible", visible_threshold)):
        if value is not None and not np.isfinite(value):
            raise ArrayError(f"expected a finite number as {name}_threshold, got {value}")
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
        "image": groups_of(poses),
        "joint_visible": visible,
        "max_poses": max_poses,
        "compat": compat,
    }
    if method == "nms":
        kept = oks_nms(*arrays, **options)
        if own is not None:
            kept = np.append(kept, _peers(arrays, options["image"], kept, own))
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


def _peers(arrays: tuple[Any, ...], image: Indices, kept: Indices, own: Floats) -> Indices:
    """Find the poses that would go, but that their source was about as sure of."""
    xy, _, size, sigmas, _ = arrays
    winner, alike = assign_duplicates(xy, size, sigmas, image, kept)
    peer = (own >= PEER * own[winner]) & (own[winner] > 0) & (alike <= SAME_PLACE)
    peer[kept] = False
    return np.flatnonzero(peer & (winner >= 0))


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
    winner, alike = assign_duplicates(poses.xy[:, joints], area, sigmas, groups_of(poses), kept)
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

    >>> from refine.skeletons.registry import skeleton
    >>> joints, sigmas = nms_sigmas(skeleton("openpose18"))
    >>> len(joints), float(sigmas[1])
    (17, 0.079)
    """
    sigmas = borrow_sigmas(table)
    joints = np.flatnonzero(np.isfinite(sigmas) & ~table.is_derived)
    if not len(joints):
        table.require_sigmas()
    return joints, sigmas[joints]
