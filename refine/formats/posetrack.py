"""PoseTrack18 and 21: COCO's annotations with videos, frames and tracks; results have `scores`.

Images have `vid_id` and mostly `frame_id`. Ids of both kinds of PoseTrack's own are a 1, six digits
of the video and four of the frame; other tools write the number of the frame alone. Annotations
have `track_id`, and in results `scores`, one per joint. Two of the 17 joints, the ears, are never
labelled: they are missing. poseval/evaluateAP wants a file per video.
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from refine.formats._ground_truth import visibility, write_ground_truth
from refine.formats._images import FIELDS, whole
from refine.formats._keypoints import kind_after, matrix
from refine.formats._person import one_person
from refine.formats._rows import ROW, give_boxes
from refine.formats._unlabelled import FIELD as UNLABELLED
from refine.formats.base import Document, Format, Holding, Options, Source, Verdict
from refine.formats.coco import read_ground_truth
from refine.poses import ImageRef, Poses
from refine.skeletons import skeleton

VIDEO, FRAME, SCORES = "vid_id", "frame_id", "scores"
FLAGS = "keypoint_flags"
"""In `Poses.extra`: v of the joints of results, whose scores stand elsewhere."""

BODY = "posetrack18"

CODED = range(10**10, 2 * 10**10)
"""Ids of PoseTrack's own: a 1, the video, the frame."""
FRAMES = 10**4
"""Numbers of frames that they have room for."""


def read_posetrack(source: Source, options: Options) -> Poses:
    """Read annotations or results; joints of results are there where they have a place.

    Raises:
        FormatError: see `read_ground_truth`; or scores that are no numbers, or another number.
        SkeletonError: see `read_ground_truth`.
    """
    document: Any = source.document
    rows = document.get("annotations") if isinstance(document, Mapping) else None
    if isinstance(rows, list):
        document = {**document, "annotations": [_placed(row) for row in rows]}
    usual = options.default or skeleton(BODY)  # Where no category names its joints.
    poses = read_ground_truth(document, replace(options, default=usual))
    told = [row.get(SCORES) for row in poses.extra]
    refs = tuple(_framed(ref, f"{source.path}, image {i}") for i, ref in enumerate(poses.images))
    poses = poses.replace(images=refs)
    if not any(told):
        return poses
    lists = [scores or None for scores in told]
    found = matrix(lists, len(poses.skeleton), SCORES, lambda i: f"{source.path}, annotation {i}")
    rest = tuple(
        {k: v for k, v in row.items() if k != SCORES} | {FLAGS: flags} if scores else row
        for row, scores, flags in zip(poses.extra, lists, poses.score.tolist(), strict=True)
    )
    score = np.where(np.isnan(found), np.where(poses.present, np.nan, 0), found)
    return poses.replace(score=score, score_kind=kind_after(poses.history, "unknown"), extra=rest)


def write_posetrack(poses: Poses, precision: int | None, held: Holding) -> Document:
    """Write annotations; with `scores` of joints unless these are flags."""
    del held
    flags, extra = visibility(poses), [dict(row) for row in poses.extra]
    for i, row in enumerate(extra):
        own = np.array(row.pop(FLAGS, ()), np.float64)
        if own.shape == flags[i].shape:
            flags[i] = np.where((own > 0) & poses.present[i], own, flags[i])
    if poses.score_kind != "flag":
        told = np.where(poses.present, poses.score, np.nan_to_num(poses.score))
        for row, scores in zip(extra, told.tolist(), strict=True):
            row[SCORES] = scores
    images = tuple(map(_coded, poses.images))
    plain = poses.replace(score=flags, score_kind="flag", extra=tuple(extra), images=images)
    return write_ground_truth(plain, precision)


def _placed(row: Any) -> Any:
    """Give joints of results that have a score and a place, but v = 0, a v that says so."""
    if not isinstance(row, dict) or not row.get(SCORES) or not isinstance(row[SCORES], list):
        return row
    values, scores = row.get("keypoints"), row[SCORES]
    if not isinstance(values, list) or len(values) != 3 * len(scores) or any(values[2::3]):
        return row
    flags = [1 if x or y else 0 for x, y in zip(values[::3], values[1::3], strict=True)]
    points = zip(values[::3], values[1::3], flags, strict=True)
    return {**row, "keypoints": [value for point in points for value in point]}


def _framed(ref: ImageRef, where: str) -> ImageRef:
    told = ref.extra.get(FRAME, ref.id if VIDEO in ref.extra and _is_coded(ref.id) else None)
    number = whole(told, FRAME, where)
    if number is None:
        return ref
    if _is_coded(number):
        return replace(ref, frame=number % FRAMES)
    extra = {k: v for k, v in ref.extra.items() if k != FRAME}
    return replace(ref, frame=number, extra=extra)


def _coded(ref: ImageRef) -> ImageRef:
    name = ref.file_name or str(ref.id)
    own: dict[str, Any] = {VIDEO: Path(name).parent.name}
    if ref.frame is not None and not (VIDEO in ref.extra and _is_coded(ref.id)):
        own[FRAME] = ref.frame
    return replace(ref, extra={**own, **ref.extra})


def _is_coded(number: int | str) -> bool:
    return isinstance(number, int) and number in CODED


def _is_posetrack(document: Document) -> Verdict:
    held: Any = document if isinstance(document, dict) else {}
    images, rows = held.get("images"), held.get("annotations")
    if not isinstance(images, list) or not isinstance(rows, list):
        return Verdict.NO
    first = images[0] if images and isinstance(images[0], dict) else {}
    return Verdict.YES if VIDEO in first else Verdict.NO


_FIELDS = frozenset({SCORES, "bbox", "id", "iscrowd", "num_keypoints", UNLABELLED, *FIELDS})

FORMATS = (
    Format(
        name="posetrack",
        about="PoseTrack18 and 21: COCO's annotations with frames of videos, tracks and scores",
        tells="'vid_id' in 'images', beside 'annotations'",
        detect=_is_posetrack,
        read=read_posetrack,
        write=write_posetrack,
        fields=ROW | _FIELDS | {VIDEO, FRAME},
        private=frozenset({"keypoints", "bbox", "score", "area", UNLABELLED, FLAGS, VIDEO, FRAME}),
        complete=give_boxes,
        example=partial(one_person, BODY),
        cannot_hold=(
            "score kind",
            "frames per second",
        ),
    ),
)
