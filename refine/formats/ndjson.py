"""The project's own form: one image per line, made to be streamed, cut and joined by line.

A line holds ``image_id``, perhaps ``file_name``, ``width``, ``height``, ``frame``; ``skeleton`` (a
name, or a table of one that does not ship); ``score_kind``; perhaps ``fps``, frames per second of
the video; and ``poses``: objects with
``keypoints`` (x, y, score of every joint, null where there is none) and perhaps ``score``, ``box``
(xyxy), ``area``, ``track_id``. Fields of other formats are carried along.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import msgspec
import numpy as np

import refine.history as _history
from refine._types import Floats
from refine.exceptions import FormatError, RefineError
from refine.files import dump_json
from refine.formats._images import FIELDS, image_record, image_ref, whole
from refine.formats._keypoints import matrix, places, rounded
from refine.formats._records import describe, list_in
from refine.formats._rows import column, extras, fours, optional, tracks
from refine.formats._told import FPS, kind_told, rate_told, skeleton_told, tell_skeleton
from refine.formats._unlabelled import FIELD as UNLABELLED, carry_halves, halves_apart, put_back
from refine.formats.base import Document, Format, Holding, Options, Source, Verdict
from refine.formats.spelling.results import ROWS, spell_lists
from refine.poses import ImageRef, Poses

LINE = ("skeleton", "score_kind", FPS, "poses", _history.FIELD)
POSE = {"keypoints", "score", "box", "area"}
COMMON = ("skeleton", "score_kind", FPS, _history.FIELD)
BYTES = 1 << 24
"""Of lines that are read at once: some 50,000 poses."""

_decoder = msgspec.json.Decoder()


def read_ndjson(source: Source, options: Options) -> Poses:
    """Read lines, files, or one object.

    Raises:
        FormatError: a line of another form, or of another skeleton, kind of score or history than
            the first.
    """
    lines: list[Any] = list(source.documents)
    refs: dict[int | str, ImageRef] = {}
    place: dict[int | str, int] = {}
    again = 0
    rows: list[dict[str, Any]] = []
    image: list[int] = []
    wheres: list[str] = []
    for i, line in enumerate(lines):
        where = source.where(i)
        people = list_in(line, "poses", where)
        for key in ("skeleton", "score_kind", FPS):
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
            if not isinstance(row, dict) or "keypoints" not in row:
                raise FormatError(
                    f"expected an object with 'keypoints', got {describe(row)}",
                    where=f"{where}, pose {q}",
                )
        wheres += [f"{where}, pose {q}" for q in range(len(people))]
        rows += people
        frame = whole(line.get("frame"), "frame", where)
        own = LINE if frame is None else (*LINE, "frame")
        ref = image_ref(line, where, key="image_id", own=own)
        ref = ref if frame is None else replace(ref, frame=frame)
        again += ref.id in refs
        refs[ref.id] = _join(refs[ref.id], ref, where) if ref.id in refs else ref
        image += [place.setdefault(ref.id, len(place))] * len(people)
    body = options.skeleton
    if body is None:
        body = skeleton_told(lines[0].get("skeleton") if lines else "coco17", source.where(0))
    kind = kind_told(lines[0].get("score_kind") if lines else None, source.where(0))
    told = lines[0].get(FPS) if lines else None
    rate = rate_told([told])
    if told is not None and not rate:
        raise FormatError(
            f"expected frames per second above 0 in {FPS!r}, got {told!r:.40}",
            where=source.where(0),
        )
    n, k, where_row = len(rows), len(body), wheres.__getitem__
    lists = [row.get("keypoints") or None for row in rows]
    values = matrix(lists, 3 * k, "keypoints", where_row).reshape(n, k, 3)
    values[[row is None for row in lists], :, 2] = 0.0
    xy = places(values, where_row)
    track = tracks(rows)
    extra = extras(rows, POSE, track)
    carry_halves(extra, values, body.joints)
    return Poses(
        body,
        xy,
        values[..., 2],
        column(rows, "score", where_row),
        np.array(image, np.intp),
        tuple(refs.values()),
        score_kind=kind,
        box=fours([row.get("box") for row in rows], "box", where_row),
        area=optional(column(rows, "area", where_row)),
        track=track,
        history=_history.agree([line.get(_history.FIELD) for line in lines], source.where),
        extra=extra,
        meta=rate
        | (
            {"notes": (f"{again} lines tell of an image of an earlier line: one image",)}
            if again
            else {}
        ),
    )


def scan_ndjson(data: bytes, options: Options) -> Poses | None:
    """Read lines of a large file some at a time, so that few are held as objects at once.

    Returns:
        What `read_ndjson` reads; None of lines that need to be seen together, or are at fault.
    """
    parts: list[Poses] = []
    heads: list[list[Any]] = []
    seen: set[int | str] = set()
    start = 0
    while start < len(data):
        stop = data.find(b"\n", start + BYTES) + 1 or len(data)
        try:
            lines = _decoder.decode_lines(data[start:stop])
            part = read_ndjson(Source(options.where, "lines", lines), options)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, RefineError):
            return None
        start = stop
        if not lines:
            continue
        parts.append(part)
        heads.append([lines[0].get(key) for key in COMMON])
        ids = {ref.id for ref in part.images}
        alike = heads[-1] == heads[0] and part.meta == parts[0].meta
        if not alike or "notes" in part.meta or not seen.isdisjoint(ids):
            return None
        seen |= ids
    tracked = any(part.track is not None for part in parts)
    if not parts or (tracked and any("track_id" in row for p in parts for row in p.extra)):
        return None
    return Poses.concat(parts)


def write_ndjson(poses: Poses, precision: int | None, held: Holding) -> Document:
    """Write one line per image; missing joints and unknown scores are null."""
    if not poses.images:
        return [] if held == "folder" else [{**_common(poses), "poses": []}]
    lines = _lines(poses, precision, np.ndarray.tolist)
    return lines[0] if held == "document" and len(lines) == 1 else lines


def spell_ndjson(poses: Poses, precision: int | None) -> Iterator[bytes]:
    """Write a file of some images, part after part: the lines that `write_ndjson` gives."""
    order = np.argsort(poses.image, kind="stable")
    ends = np.searchsorted(poses.image[order], np.arange(1, len(poses.images) + 1))
    cuts = np.flatnonzero(np.diff(ends // ROWS, append=-1)) + 1
    for first, last in pairwise([0, *cuts.tolist()]):
        rows = order[ends[first - 1] if first else 0 : ends[last - 1]]
        images = poses.images[first:last]
        part = poses[rows].replace(images=images, image=poses.image[rows] - first)
        lines = _lines(part, precision, spell_lists)
        yield b"".join(dump_json(line) + b"\n" for line in lines)


def _common(poses: Poses) -> dict[str, Any]:
    told = {"skeleton": tell_skeleton(poses.skeleton), "score_kind": poses.score_kind}
    told |= {FPS: poses.meta[FPS]} if FPS in poses.meta else {}
    return told | ({_history.FIELD: _history.encode(poses.history)} if poses.history else {})


def _lines(
    poses: Poses, precision: int | None, spell: Callable[[Floats], Sequence[Any]]
) -> list[dict[str, Any]]:
    """Return a line per image, of whose keypoints (N, 3 K) `spell` makes lists for JSON."""
    values = np.concatenate([rounded(poses, precision), poses.score[..., None]], -1)
    values = values.reshape(len(poses), 3 * len(poses.skeleton))
    lists, common = spell(values), _common(poses)
    columns: dict[str, list[Any]] = {"score": poses.instance_score.tolist()}
    if poses.area is not None:
        columns["area"] = poses.area.tolist()
    if (box := poses.box) is not None:
        known = np.asarray(np.isfinite(box).all(1))
        columns["box"] = [row if ok else None for row, ok in zip(box.tolist(), known, strict=True)]
    if poses.track is not None:
        columns["track_id"] = [track if track >= 0 else None for track in poses.track.tolist()]
    lines, empty = [], np.asarray(~poses.present.any(1))
    for ref, rows in poses.by_image():
        people = []
        for i in rows.tolist():
            row, keypoints = dict(poses.extra[i]), lists[i]
            if UNLABELLED in row:
                keypoints = values[i].tolist()
                put_back(keypoints, halves_apart(row), poses.skeleton.joints, precision)
            if not (empty[i] and "keypoints" in row):
                row["keypoints"] = keypoints
            for field, column_ in columns.items():
                value = column_[i]
                if value is not None and value == value:
                    row[field] = value
            people.append(row)
        frame = {} if ref.frame is None else {"frame": ref.frame}
        lines.append({**image_record(ref, "image_id"), **frame, **common, "poses": people})
    return lines


def _join(one: ImageRef, other: ImageRef, where: str) -> ImageRef:
    """Make one image of two lines that tell of it; what the first lacks is the other's.

    Unknown fields in which they differ are the first's.

    Raises:
        FormatError: they tell different things.
    """
    about: dict[str, Any] = {}
    for field in (*FIELDS, "frame"):
        first, second = getattr(one, field), getattr(other, field)
        if None not in (first, second) and first != second:
            raise FormatError(
                f"expected one {field!r} for image {one.id!r}, got {second!r} after {first!r}",
                where=where,
                hint="other ids for other images",
            )
        about[field] = second if first is None else first
    extra = {**other.extra, **one.extra}
    return replace(one, **about, extra={k: v for k, v in extra.items() if about.get(k) is None})


def _is_ndjson(document: Document) -> Verdict:
    return Verdict.YES if isinstance(document, dict) and "poses" in document else Verdict.NO


FORMATS = (
    Format(
        name="ndjson",
        about="The project's own: a line per image, which holds all that `Poses` does",
        tells="'poses'",
        detect=_is_ndjson,
        read=read_ndjson,
        write=write_ndjson,
        holdings=("lines", "folder", "document"),
        fields=frozenset({*LINE, *POSE, *FIELDS, "image_id", "frame", "track_id", UNLABELLED}),
        private=frozenset({*LINE, *POSE, *FIELDS, "frame", UNLABELLED}),
    ),
)
