"""Ultralytics pose results to poses and back; their package is only read, never imported.

Switch with one line:
    model.add_callback("on_predict_postprocess_end", refined())
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from refine.adapters._arrays import (
    as_skeleton,
    as_type_of,
    frames_of,
    joined,
    to_array,
    zero_missing,
)
from refine.categories import category_of_class
from refine.exceptions import ArrayError
from refine.pipeline import Config, run
from refine.poses import ImageRef, Poses
from refine.skeletons import Skeleton

ROW = "row"
"""Key in `Poses.extra`: which detection of its image a pose was."""
ONLINE = Config(steps=("complete", "correct", "suppress"))
"""Without "rescore": trackers hold the confidence of boxes against thresholds of its own scale."""


def to_poses(results: Any, skeleton: str | Skeleton = "coco17") -> Poses:
    """Turn `Results` into poses.

    Joints at (0, 0) are missing: Ultralytics zeroed those below a confidence of 0.5 from 2023 to
    2025. Boxes, their confidence and track ids come along; classes
    become categories, see `refine.categories.category_of_class`.

    Args:
        results: one `Results`, a sequence or a generator (`stream=True`), one per image; a
            generator is used up, and `from_poses` needs them again.
        skeleton: of the K joints.

    Returns:
        poses with `score_kind` "probability"; networks of two values per joint give no scores.

    Raises:
        ArrayError: results without keypoints, or with another number of joints.

    >>> from types import SimpleNamespace
    >>> keypoints = SimpleNamespace(data=np.ones((2, 17, 3)))
    >>> result = SimpleNamespace(keypoints=keypoints, boxes=None, orig_shape=(480, 640), path="a")
    >>> to_poses(result).images[0].width
    640
    """
    joints = as_skeleton(skeleton)
    frames = frames_of(results, "keypoints")
    return joined([_frame(r, i, joints) for i, r in enumerate(frames)], joints, "probability")


def _frame(result: Any, index: int, joints: Skeleton) -> Poses:
    if result.keypoints is None:
        raise ArrayError(
            "expected results with keypoints, got none",
            where=f"image {index}",
            hint="a -pose model",
        )
    data = to_array(result.keypoints.data).astype(np.float64)
    # Frames without anybody come in several shapes, (1, 0, 51) among them.
    data = data if data.size else np.empty((0, len(joints), 3))
    if data.shape[1:] not in {(len(joints), 2), (len(joints), 3)}:
        raise ArrayError(
            f"expected keypoints (N, {len(joints)}, 2 or 3) for {joints.name!r}, got {data.shape}",
            where=f"image {index}",
            hint="to_poses(results, skeleton) with their skeleton",
        )
    xy = data[..., :2]
    boxes = None if result.boxes is None else to_array(result.boxes.data).astype(np.float64)
    height, width = result.orig_shape
    poses = Poses.from_arrays(
        joints,
        np.where((xy == 0).all(-1, keepdims=True), np.nan, xy),
        data[..., 2] if data.shape[-1] == 3 else np.full(data.shape[:2], np.nan),
        # Columns: x1, y1, x2, y2, maybe the track id, confidence, class.
        instance_score=None if boxes is None else boxes[:, -2],
        images=[ImageRef(index, str(result.path), int(width), int(height))],
        score_kind="probability",
        box=None if boxes is None else boxes[:, :4],
    )
    if boxes is None:
        return poses.replace(extra=tuple({ROW: i} for i in range(len(poses))))
    labels = boxes[:, -1].astype(np.int64).tolist()
    return poses.replace(
        track=boxes[:, 4].astype(np.int64) if boxes.shape[1] == 7 else None,
        extra=tuple({ROW: i, "category_id": category_of_class(c)} for i, c in enumerate(labels)),
    )


def from_poses(poses: Poses, results: Any) -> list[Any]:
    """Write poses into copies of the results that they come from.

    Missing joints become (0, 0) with confidence 0; detections whose poses are gone are left out;
    instance scores become the boxes' confidence.

    Args:
        poses: from `to_poses`, with any steps since.
        results: what `to_poses` was given. Not modified.

    Raises:
        ArrayError: poses that do not come from these results.
    """
    frames = list(frames_of(results, "keypoints"))
    if len(frames) != len(poses.images) or any(ROW not in e for e in poses.extra):
        raise ArrayError(
            f"expected poses of `to_poses` on {len(frames)} images, got {len(poses.images)} images",
            hint="keeping the results in a list, for a generator is used up",
        )
    xy, score = zero_missing(poses)
    data = np.concatenate([xy, score[..., None]], -1)
    out = []
    for result, (_, rows) in zip(frames, poses.by_image(), strict=True):
        kept = np.array([poses.extra[i][ROW] for i in rows], np.intp)
        new = result[kept]
        wide = 2 if tuple(result.keypoints.data.shape)[-1] == 2 else 3
        changes = {"keypoints": as_type_of(data[rows][..., :wide], result.keypoints.data)}
        if result.boxes is not None:
            boxes = to_array(new.boxes.data).copy()
            known = np.isfinite(poses.instance_score[rows])
            boxes[known, -2] = poses.instance_score[rows][known]
            changes["boxes"] = as_type_of(boxes, result.boxes.data)
        new.update(**changes)
        out.append(new)
    return out


def refined(
    config: Config = ONLINE,
    skeleton: str | Skeleton = "coco17",
) -> Callable[[Any], None]:
    """Return a callback for "on_predict_postprocess_end" that refines every result.

    Args:
        config: see `refine.run`.
        skeleton: of the K joints.
    """

    def refine_results(predictor: Any) -> None:
        poses = run(to_poses(predictor.results, skeleton), config)
        predictor.results = from_poses(poses, predictor.results)

    return refine_results
