"""MMPose predictions: inferencer files of images and videos, and demos' ``--save-predictions``.

MMPose 1.x: mmpose/structures/utils.py, split_instances (its `bbox` is nested twice), and
apis/inferencers/base_mmpose_inferencer.py. Boxes are xyxy. The files name no image: an
image is known by its file's name, a frame by `frame_id`.
"""

from pathlib import Path
from typing import Any

import numpy as np

from refine.exceptions import FormatError
from refine.formats import _history
from refine.formats._keypoints import Options, flat, joints, number, numbers, skeleton_of, triples
from refine.formats.coco import kind_after
from refine.poses import ImageRef, Poses
from refine.skeleton import Skeleton, skeleton, skeleton_from_category

OWN = ("keypoints", "keypoint_scores", "bbox", "bbox_score", _history.FIELD)


def read_mmpose(document: Any, options: Options) -> Poses:
    """Read any of the forms.

    Raises:
        FormatError: neither instances nor frames of them.
        SkeletonError: see `skeleton_of`.
    """
    demo = isinstance(document, dict)
    content = document.get("instance_info") if demo else document
    if not isinstance(content, list):
        raise FormatError("expected a list of instances or frames", where=options.where)
    video = bool(content) and isinstance(content[0], dict) and "instances" in content[0]
    frames = content if video else [{"instances": content}]
    refs, rows, image = [], [], []
    for i, frame in enumerate(frames):
        where = options.record("frame", i) if video else options.where
        instances = frame.get("instances") if isinstance(frame, dict) else None
        if not isinstance(instances, list) or (video and type(frame.get("frame_id")) is not int):
            raise FormatError("expected 'frame_id' and a list 'instances'", where=where)
        rows += instances
        image += [i] * len(instances)
        own = ("frame_id", "instances")
        extra = {key: v for key, v in frame.items() if key not in own}
        name = Path(options.where).name.split(".")[0]
        refs.append(
            ImageRef(frame["frame_id"], frame=frame["frame_id"], extra=extra)
            if video
            else ImageRef(name)
        )
    meta = {
        "video": video,
        "demo": {k: v for k, v in document.items() if k != "instance_info"} if demo else None,
    }
    return _poses(rows, image, refs, options, _named(document) if demo else None, meta)


def write_mmpose(poses: Poses, precision: int | None) -> Any:
    """Write instances of one image, or frames where the source had them or there are more images.

    Raises:
        FormatError: several images without whole numbers to call the frames by.
    """
    keypoints = np.array(flat(poses, precision)).reshape(len(poses), -1, 3)
    steps = _history.encode(poses.history)
    frames: list[dict[str, Any]] = []
    for ref, rows in poses.by_image():
        instances = []
        for i in rows:
            row: dict[str, Any] = {
                "keypoints": keypoints[i, :, :2].tolist(),
                "keypoint_scores": keypoints[i, :, 2].tolist(),
            }
            if poses.box is not None and np.isfinite(poses.box[i]).all():
                box = poses.box[i].tolist()
                row["bbox"] = [box] if poses.meta.get("nested", True) else box
            if np.isfinite(poses.instance_score[i]):
                row["bbox_score"] = float(poses.instance_score[i])
            row |= poses.extra[i]
            if steps:
                row[_history.FIELD] = steps
            instances.append(row)
        number_ = ref.frame if ref.frame is not None else ref.id
        frames.append({"frame_id": number_, "instances": instances, **ref.extra})
    video = poses.meta.get("video", len(frames) != 1)
    if video and not all(type(f["frame_id"]) is int for f in frames):
        raise FormatError(
            "expected whole numbers as image ids, which MMPose video files call frames by, got "
            f"{next(f['frame_id'] for f in frames if type(f['frame_id']) is not int)!r}",
            hint="another --to",
        )
    content = frames if video else frames[0]["instances"] if frames else []
    demo = poses.meta.get("demo")
    return content if demo is None else {**demo, "instance_info": content}


def _poses(
    rows: list[Any],
    image: list[int],
    refs: list[ImageRef],
    options: Options,
    named: Skeleton | None,
    meta: dict[str, Any],
) -> Poses:
    flats, boxes, nested = [], [], False
    for i, row in enumerate(rows):
        where = options.record("instance", i)
        points = row.get("keypoints") if isinstance(row, dict) else None
        scores = row.get("keypoint_scores") if isinstance(row, dict) else None
        if (
            not isinstance(points, list)
            or not isinstance(scores, list)
            or len(points) != len(scores)
            or not all(isinstance(p, list) and len(p) == 2 for p in points)
        ):
            raise FormatError(
                "expected 'keypoints' [[x, y], ...] and as many 'keypoint_scores'", where=where
            )
        flats.append([v for p, s in zip(points, scores, strict=True) for v in (*p, s)])
        box = row.get("bbox")
        if isinstance(box, list) and len(box) == 1:
            box, nested = box[0], True
        if box is not None and (not isinstance(box, list) or len(box) != 4):
            raise FormatError(f"expected 'bbox' [[x1, y1, x2, y2]], got {box!r:.60}", where=where)
        boxes.append([None] * 4 if box is None else box)
    values = triples(flats, options, "instance")
    found = joints(values, options, "instance")
    if named is not None and options.skeleton is None:
        options = Options(options.where, named, options.zero_is_missing)
    body = skeleton_of(values.shape[1], options, "coco17") if rows else skeleton("coco17")
    history = _history.agree(
        [(options.record("instance", i), r.get(_history.FIELD)) for i, r in enumerate(rows)]
    )
    n, k = len(rows), len(body)
    score = [
        number(r.get("bbox_score"), "bbox_score", options.record("instance", i))
        for i, r in enumerate(rows)
    ]
    edges = numbers(boxes, options, "instance") if boxes else None
    return Poses(
        body,
        found.xy.reshape(n, k, 2),
        found.score.reshape(n, k),
        np.array(score, np.float64),
        np.array(image, np.intp),
        tuple(refs),
        score_kind=kind_after(history, found.kind),
        box=None if edges is None or np.isnan(edges).all() else edges,
        history=history,
        extra=tuple({key: v for key, v in r.items() if key not in OWN} for r in rows),
        meta={**meta, "missing": found.sentinel, "nested": nested or edges is None},
    )


def _named(document: dict[str, Any]) -> Skeleton | None:
    """Read the skeleton off the demo's `meta_info`, if it names the joints."""
    names = (document.get("meta_info") or {}).get("keypoint_id2name")
    if not isinstance(names, dict) or not all(str(i) in names for i in range(len(names))):
        return None
    ordered = [names[str(i)] for i in range(len(names))]
    return skeleton_from_category({"keypoints": ordered}, "meta_info")
