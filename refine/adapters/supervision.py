"""supervision's `KeyPoints` to poses and back.

Switch with one line:
    [key_points] = from_poses(refine.run(to_poses(key_points)))
"""

import inspect
from collections.abc import Sequence
from importlib import import_module
from typing import Any

import numpy as np

from refine.adapters._arrays import as_skeleton, frames_of, joined, zero_missing
from refine.categories import category_of_class
from refine.exceptions import ArrayError
from refine.poses import ImageRef, Poses
from refine.skeletons import Skeleton


def to_poses(
    key_points: Any,
    skeleton: str | Skeleton = "coco17",
    images: Sequence[ImageRef] | None = None,
) -> Poses:
    """Turn `KeyPoints` into poses.

    Joints at (0, 0) are missing, as supervision's annotators have it. `visible` is a filter for
    drawing and not read. `class_id` and `data` are carried along; the class is the
    category, see `refine.categories.category_of_class`.

    Args:
        key_points: one `KeyPoints`, a sequence or a generator, one per image.
        skeleton: of the K joints.
        images: one for every image; by default numbered from 0.

    Raises:
        ArrayError: another number of joints or images.

    >>> from types import SimpleNamespace
    >>> one = SimpleNamespace(xy=np.ones((2, 17, 2)), keypoint_confidence=np.ones((2, 17)))
    >>> to_poses(one).score.shape
    (2, 17)
    """
    joints = as_skeleton(skeleton)
    frames = list(frames_of(key_points, "xy"))
    refs = [ImageRef(i) for i in range(len(frames))] if images is None else images
    if len(refs) != len(frames):
        raise ArrayError(f"expected {len(frames)} images, got {len(refs)}")
    parts = [_frame(f, r, joints) for f, r in zip(frames, refs, strict=True)]
    return joined(parts, joints, "unknown")


def _frame(frame: Any, ref: ImageRef, joints: Skeleton) -> Poses:
    xy = np.asarray(frame.xy, np.float64) if np.size(frame.xy) else np.empty((0, len(joints), 2))
    # Called `confidence` before 0.29.
    name = "keypoint_confidence" if hasattr(frame, "keypoint_confidence") else "confidence"
    confidence = getattr(frame, name, None)
    classes, data = getattr(frame, "class_id", None), getattr(frame, "data", None) or {}
    poses = Poses.from_arrays(
        joints,
        np.where((xy == 0).all(-1, keepdims=True), np.nan, xy),
        confidence if len(xy) else np.empty((0, len(joints))),
        instance_score=getattr(frame, "detection_confidence", None) if len(xy) else None,
        images=[ref],
    )
    extra = [
        {
            **({} if classes is None else _category(int(classes[i]))),
            "data": {key: values[i] for key, values in data.items()},
        }
        for i in range(len(poses))
    ]
    return poses.replace(extra=tuple(extra), score_kind="unknown")


def _category(label: int) -> dict[str, int]:
    return {"class_id": label, "category_id": category_of_class(label)}


def from_poses(poses: Poses) -> list[Any]:
    """Turn poses into one `KeyPoints` an image.

    Missing joints become (0, 0) with confidence 0 and are not `visible`.

    Raises:
        ImportError: supervision is not installed.
    """
    kind = import_module("supervision").KeyPoints
    known = inspect.signature(kind).parameters
    xy, score = zero_missing(poses)
    frames = []
    for _, rows in poses.by_image():
        extra = [poses.extra[i] for i in rows]
        keys = extra[0].get("data", {}) if extra else {}
        columns = {
            "xy": xy[rows],
            "keypoint_confidence" if "keypoint_confidence" in known else "confidence": (
                score[rows] if np.isfinite(poses.score).any() else None
            ),
            "class_id": np.array([e.get("class_id", 0) for e in extra], int),
            "detection_confidence": (
                poses.instance_score[rows].astype(np.float32)
                if np.isfinite(poses.instance_score[rows]).all()
                else None
            ),
            "visible": poses.present[rows],
            "data": {key: np.array([e["data"][key] for e in extra]) for key in keys},
        }
        frames.append(kind(**{k: v for k, v in columns.items() if k in known}))
    return frames
