"""FiftyOne's `Keypoints` to poses and back.

Switch with one line:
    labels = from_poses(refine.run(to_poses(labels, sizes)))
"""

from collections.abc import Sequence
from importlib import import_module
from typing import Any

import numpy as np
import numpy.typing as npt

from refine.adapters._arrays import as_skeleton, frames_of, joined
from refine.exceptions import ArrayError
from refine.poses import ImageRef, Poses
from refine.skeletons import Skeleton

LABEL = "person"
"""Of poses that had none."""
SCORE = "score"
"""Attribute of a `Keypoint` for the score of its pose, which has no field."""


def to_poses(labels: Any, images: Sequence[ImageRef], skeleton: str | Skeleton = "coco17") -> Poses:
    """Turn `Keypoints` labels into poses.

    Points are shares of the image, those of NaN missing, and so are those at (0, 0). `index`
    becomes the track; `label` and the attribute `score` come along.

    Args:
        labels: one `Keypoints` per image, a sequence or a generator; None is an image without.
        images: with their sizes in px, one for every label.
        skeleton: of the K joints.

    Raises:
        ArrayError: another number of joints or images, or an image without a size.

    >>> from types import SimpleNamespace
    >>> one = SimpleNamespace(label="person", points=[(0.5, 0.25)] * 17, confidence=[0.9] * 17)
    >>> frame = SimpleNamespace(keypoints=[one])
    >>> to_poses([frame], [ImageRef(1, width=640, height=480)]).xy[0, 0].tolist()
    [320.0, 120.0]
    """
    joints = as_skeleton(skeleton)
    frames = list(frames_of(labels, "keypoints"))
    if len(frames) != len(images):
        raise ArrayError(f"expected {len(frames)} images, got {len(images)}")
    parts = [_frame(f, ref, joints) for f, ref in zip(frames, images, strict=True)]
    return joined(parts, joints, "unknown")


def _frame(frame: Any, ref: ImageRef, joints: Skeleton) -> Poses:
    people = [] if frame is None else list(frame.keypoints)
    if ref.width is None or ref.height is None:
        raise ArrayError(
            f"expected the size of image {ref.id!r}, of which points are shares, got none",
            hint="ImageRef(id, file_name, width, height)",
        )
    size, k = (ref.width, ref.height), len(joints)
    xy = np.full((len(people), k, 2), np.nan)
    score = np.full((len(people), k), np.nan)
    for i, person in enumerate(people):
        if len(person.points) != k:
            raise ArrayError(
                f"expected {k} points for {joints.name!r}, got {len(person.points)}",
                where=f"image {ref.id!r}, keypoint {i}",
                hint="to_poses(labels, images, skeleton) with their skeleton",
            )
        points = np.asarray(person.points, np.float64)
        xy[i] = np.where((points == 0).all(1, keepdims=True), np.nan, points * size)
        if (confidence := getattr(person, "confidence", None)) is not None:
            score[i] = np.broadcast_to(np.asarray(confidence, np.float64), k)
    poses = Poses.from_arrays(
        joints,
        xy,
        score,
        instance_score=[_number(getattr(person, SCORE, None), np.nan) for person in people],
        images=[ref],
    )
    track = np.array([_number(getattr(p, "index", None), -1) for p in people], np.int64)
    named = [getattr(person, "label", None) for person in people]
    return poses.replace(
        score_kind="unknown",
        track=track if (track >= 0).any() else None,
        extra=tuple({} if name is None else {"label": name} for name in named),
    )


def _number(value: Any, missing: float) -> float:
    return missing if value is None else float(value)


def from_poses(poses: Poses) -> list[Any]:
    """Turn poses into one `Keypoints` an image, in shares; missing joints are NaN.

    Raises:
        ArrayError: an image without a size.
        ImportError: fiftyone is not installed.
    """
    fiftyone = import_module("fiftyone")
    out = []
    for ref, rows in poses.by_image():
        if len(rows) and (ref.width is None or ref.height is None):
            raise ArrayError(f"expected the size of image {ref.id!r}, got none")
        people = [_keypoint(fiftyone, poses, i, ref) for i in rows.tolist()]
        out.append(fiftyone.Keypoints(keypoints=people))
    return out


def _keypoint(fiftyone: Any, poses: Poses, i: int, ref: ImageRef) -> Any:
    shares: npt.NDArray[np.float64] = poses.xy[i] / (ref.width, ref.height)
    told = float(poses.instance_score[i])
    track = -1 if poses.track is None else int(poses.track[i])
    more = {SCORE: told} if told == told else {}
    return fiftyone.Keypoint(
        label=poses.extra[i].get("label", LABEL),
        points=[(float(x), float(y)) for x, y in shares],
        confidence=poses.score[i].tolist() if np.isfinite(poses.score[i]).any() else None,
        index=track if track >= 0 else None,
        **more,
    )
