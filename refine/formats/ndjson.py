"""The project's own form: one image a line, made to be streamed, cut and joined by line.

A line holds ``image_id``, perhaps ``file_name``, ``width``, ``height``, ``frame``; ``skeleton`` (a
name, or a table of one that does not ship); ``score_kind``; and ``poses``: objects with
``keypoints`` (x, y, score of every joint, null where there is none) and perhaps ``score``, ``box``
(xyxy), ``area``, ``track_id``. Fields of other formats are carried along.
"""

from typing import Any, get_args

import numpy as np

from refine.exceptions import FormatError, SkeletonError
from refine.formats import _history
from refine.formats._images import image_record, image_ref, whole
from refine.formats._keypoints import Options, matrix, places, rounded
from refine.formats._load import Lines
from refine.formats._rows import column, describe, extras, fours, optional, tracks
from refine.poses import ImageRef, Poses, ScoreKind
from refine.skeletons import (
    Skeleton,
    skeleton,
    skeleton_from_table,
    skeleton_names,
    skeleton_to_table,
)

LINE = ("skeleton", "score_kind", "poses", _history.FIELD)
POSE = {"keypoints", "score", "box", "area"}


def read_ndjson(document: Any, options: Options) -> Poses:
    """Read lines, or one object.

    Raises:
        FormatError: a line of another form, or of another skeleton, kind of score or history than
            the first.
    """
    lines = document.values if isinstance(document, Lines) else [document]
    name_line = options.record("line")
    refs: list[ImageRef] = []
    rows: list[dict[str, Any]] = []
    image: list[int] = []
    wheres: list[str] = []
    for i, line in enumerate(lines):
        where = name_line(i + 1)
        people = line.get("poses") if isinstance(line, dict) else None
        if not isinstance(people, list):
            raise FormatError(
                f"expected an object with a list 'poses', got {describe(line)}", where=where
            )
        for key in ("skeleton", "score_kind"):
            if line.get(key) != lines[0].get(key):
                raise FormatError(
                    f"expected one {key} in a file, got {line.get(key)!r:.60} after "
                    f"{lines[0].get(key)!r:.60}",
                    where=where,
                    hint="a file for each",
                )
        if "image_id" not in line and not people:
            continue  # A file without images: only what holds for all of them.
        for q, row in enumerate(people):
            if not isinstance(row, dict):
                raise FormatError(
                    f"expected an object, got {describe(row)}", where=f"{where}, pose {q}"
                )
        wheres += [f"{where}, pose {q}" for q in range(len(people))]
        image += [len(refs)] * len(people)
        rows += people
        frame = whole(line.get("frame"), "frame", where)
        own = LINE if frame is None else (*LINE, "frame")
        ref = image_ref(line, where, key="image_id", own=own)
        refs.append(ImageRef(ref.id, ref.file_name, ref.width, ref.height, frame, extra=ref.extra))
    body, kind = _skeleton(lines, options), _score_kind(lines, options)
    n, k, where_row = len(rows), len(body), wheres.__getitem__
    lists = [row.get("keypoints") or [] for row in rows]
    values = matrix(lists, 3 * k, "keypoints", where_row).reshape(n, k, 3)
    xy = places(values, where_row)
    track = tracks(rows)
    return Poses(
        body,
        xy,
        values[..., 2],
        column(rows, "score", where_row),
        np.array(image, np.intp),
        tuple(refs),
        score_kind=kind,
        box=fours([row.get("box") for row in rows], "box", where_row),
        area=optional(column(rows, "area", where_row)),
        track=track,
        history=_history.agree(
            [line.get(_history.FIELD) for line in lines], lambda i: name_line(i + 1)
        ),
        extra=extras(rows, POSE, track),
    )


def write_ndjson(poses: Poses, precision: int | None) -> list[dict[str, Any]]:
    """Write one line an image; missing joints and unknown scores are null."""
    values = np.concatenate([rounded(poses, precision), poses.score[..., None]], -1)
    lists = values.reshape(len(poses), 3 * len(poses.skeleton)).tolist()
    body: Any = poses.skeleton.name
    if body not in skeleton_names() or skeleton(body) != poses.skeleton:
        body = skeleton_to_table(poses.skeleton)
    common: dict[str, Any] = {"skeleton": body, "score_kind": poses.score_kind}
    if poses.history:
        common[_history.FIELD] = _history.encode(poses.history)
    if not poses.images:
        return [{**common, "poses": []}]
    columns = {
        "score": poses.instance_score.tolist(),
        "area": None if poses.area is None else poses.area.tolist(),
    }
    lines = []
    for ref, rows in poses.by_image():
        people = []
        for i in rows.tolist():
            row = {**poses.extra[i], "keypoints": lists[i]}
            for field, column_ in columns.items():
                value = None if column_ is None else column_[i]
                if value is not None and value == value:
                    row[field] = value
            if poses.box is not None and np.isfinite(poses.box[i]).all():
                row["box"] = poses.box[i].tolist()
            if poses.track is not None and poses.track[i] >= 0:
                row["track_id"] = int(poses.track[i])
            people.append(row)
        frame = {} if ref.frame is None else {"frame": ref.frame}
        lines.append({**image_record(ref, "image_id"), **frame, **common, "poses": people})
    return lines


def _skeleton(lines: list[Any], options: Options) -> Skeleton:
    if options.skeleton is not None:
        return options.skeleton
    body = lines[0].get("skeleton") if lines else "coco17"
    where = options.record("line")(1)
    if isinstance(body, dict):
        try:
            return skeleton_from_table(body, "inline")
        except (TypeError, ValueError, AttributeError) as error:
            raise SkeletonError(f"expected a skeleton table, got {error}", where=where) from None
    if not isinstance(body, str) or body not in skeleton_names():
        raise SkeletonError(
            f"expected a 'skeleton' that ships or a table of one, got {body!r:.60}",
            where=where,
            hint=f"--skeleton, or one of {', '.join(skeleton_names())}",
        )
    return skeleton(body)


def _score_kind(lines: list[Any], options: Options) -> ScoreKind:
    kind: ScoreKind | None = lines[0].get("score_kind") if lines else None
    if kind is None:
        return "unknown"
    if kind not in get_args(ScoreKind):
        raise FormatError(
            f"expected a 'score_kind', got {kind!r:.40}",
            where=options.record("line")(1),
            hint=f"one of {', '.join(get_args(ScoreKind))}",
        )
    return kind
