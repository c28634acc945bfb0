"""The project's own form: one image a line, made to be streamed, cut and joined by line."""

from typing import Any

import numpy as np

from refine.exceptions import FormatError
from refine.formats import _history
from refine.formats._keypoints import Options, image_id, joints, number, numbers, triples
from refine.poses import ImageRef, Poses
from refine.skeleton import Skeleton, skeleton, skeleton_from_table, skeleton_names

IMAGE = ("id", "file_name", "width", "height", "frame")
POSE = ("keypoints", "score", "box", "area", "track_id")


def read_ndjson(document: Any, options: Options) -> Poses:
    """Read lines ``{"image": {...}, "skeleton": ..., "score_kind": ..., "poses": [...]}``.

    Raises:
        FormatError: a line of another form, or of another skeleton or kind of score than the first.
    """
    lines = document["lines"] if isinstance(document, dict) and "lines" in document else [document]
    refs, rows, image, histories = [], [], [], []
    for i, line in enumerate(lines):
        where = options.record("line", i + 1)
        if not isinstance(line, dict) or not isinstance(line.get("poses"), list):
            raise FormatError("expected an object with 'image' and a list 'poses'", where=where)
        for key in ("skeleton", "score_kind"):
            if line.get(key) != lines[0].get(key):
                raise FormatError(
                    f"expected one {key} in a file, got {line.get(key)!r:.60} after "
                    f"{lines[0].get(key)!r:.60}",
                    where=where,
                    hint="a file for each",
                )
        about = line.get("image")
        if not isinstance(about, dict):
            raise FormatError(f"expected an object 'image', got {about!r:.40}", where=where)
        extra = {key: v for key, v in about.items() if key not in IMAGE}
        known = {key: about.get(key) for key in IMAGE[1:]}
        refs.append(ImageRef(image_id(about.get("id"), where), extra=extra, **known))
        rows += [(r, f"{where}, pose {q}") for q, r in enumerate(line["poses"])]
        image += [i] * len(line["poses"])
        histories.append((where, line.get(_history.FIELD)))
    body = _skeleton(lines[0], options)
    for row, where in rows:
        if not isinstance(row, dict) or not isinstance(row.get("keypoints"), list):
            raise FormatError("expected an object with 'keypoints'", where=where)
        if len(row["keypoints"]) != 3 * len(body):
            raise FormatError(
                f"expected {3 * len(body)} values in 'keypoints' for {body.name!r}, got "
                f"{len(row['keypoints'])}",
                where=where,
            )
    n, k = len(rows), len(body)
    values = triples([r["keypoints"] for r, _ in rows], options, "pose")
    found = joints(values, Options(options.where, zero_is_missing=False), "pose")
    score = values[..., 2].reshape(n, k)
    boxes = (
        numbers([r.get("box") or [None] * 4 for r, _ in rows], options, "pose") if rows else None
    )
    area = np.array([number(r.get("area"), "area", w) for r, w in rows])
    tracks = [r.get("track_id", -1) for r, _ in rows]
    return Poses(
        body,
        found.xy.reshape(n, k, 2),
        score,
        np.array([number(r.get("score"), "score", w) for r, w in rows], np.float64),
        np.array(image, np.intp),
        tuple(refs),
        score_kind=lines[0].get("score_kind", "unknown"),
        box=None if boxes is None or np.isnan(boxes).all() else boxes,
        area=None if not n or np.isnan(area).all() else area,
        track=np.array(tracks, np.int64) if any(t != -1 for t in tracks) else None,
        history=_history.agree(histories),
        extra=tuple({key: v for key, v in r.items() if key not in POSE} for r, _ in rows),
    )


def write_ndjson(poses: Poses, precision: int | None) -> list[dict[str, Any]]:
    """Write one line an image; missing joints and unknown scores are null."""
    xy = poses.xy if precision is None else poses.xy.round(precision)
    values = np.concatenate([xy, poses.score[..., None]], -1).reshape(len(poses), -1)
    body: Any = poses.skeleton.name
    if body not in skeleton_names() or skeleton(body).joints != poses.skeleton.joints:
        body = _table(poses.skeleton)
    steps = {_history.FIELD: _history.encode(poses.history)} if poses.history else {}
    lines = []
    for ref, rows in poses.by_image():
        about = {key: getattr(ref, key) for key in IMAGE}
        people = []
        for i in rows:
            # JSON has no NaN: null, by `dump_json`.
            row: dict[str, Any] = {"keypoints": values[i].tolist()}
            if np.isfinite(poses.instance_score[i]):
                row["score"] = float(poses.instance_score[i])
            if poses.box is not None and np.isfinite(poses.box[i]).all():
                row["box"] = poses.box[i].tolist()
            if poses.area is not None and np.isfinite(poses.area[i]):
                row["area"] = float(poses.area[i])
            if poses.track is not None and poses.track[i] >= 0:
                row["track_id"] = int(poses.track[i])
            people.append({**row, **poses.extra[i]})
        lines.append(
            {
                "image": {**{k: v for k, v in about.items() if v is not None}, **ref.extra},
                "skeleton": body,
                "score_kind": poses.score_kind,
                "poses": people,
                **steps,
            }
        )
    return lines


def _skeleton(line: dict[str, Any], options: Options) -> Skeleton:
    if options.skeleton is not None:
        return options.skeleton
    body = line.get("skeleton")
    if isinstance(body, dict):
        return skeleton_from_table(body, "inline")
    if body not in skeleton_names():
        raise FormatError(
            f"expected a 'skeleton' that ships or a table of one, got {body!r:.60}",
            where=options.record("line", 1),
            hint=f"one of {', '.join(skeleton_names())}, or --skeleton",
        )
    return skeleton(body)


def _table(body: Skeleton) -> dict[str, Any]:
    names = body.joints
    table: dict[str, Any] = {
        "name": body.name,
        "joints": list(names),
        "edges": [[names[a], names[b]] for a, b in body.edges],
        "derived": {joint: list(of) for joint, of in body.derived.items()},
    }
    if body.sigmas is not None:
        known = zip(names, body.sigmas.tolist(), strict=True)
        table["sigmas"] = {joint: s for joint, s in known if s == s}
    return table
