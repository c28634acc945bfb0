"""Records of the COCO kind, one per pose: COCO results, its annotations, AlphaPose."""

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

import refine.history as _history
from refine._types import Bools, Floats
from refine.exceptions import FormatError
from refine.formats._images import image_id, index_images
from refine.formats._keypoints import (
    FAR,
    NUMBERS,
    flat,
    joints,
    kind_after,
    matrix,
    no_joints,
    number,
    shortest,
    skeleton_of,
    triples,
)
from refine.formats._records import records
from refine.formats._unlabelled import FIELD as UNLABELLED, carry_halves, put_back
from refine.formats.base import Document, Options, Source, Where
from refine.geometry import keypoint_box, xywh_to_xyxy, xyxy_to_xywh
from refine.poses import ImageRef, Poses
from refine.skeletons import skeleton

PARTS = {
    "keypoints": 17,
    "foot_kpts": 6,
    "face_kpts": 68,
    "lefthand_kpts": 21,
    "righthand_kpts": 21,
}
"""COCO-WholeBody's fields and their joints, in the order of its 133 (its data_format.md)."""

ROW = frozenset({*PARTS, "image_id", "category_id", "score", "area", "track_id", _history.FIELD})
"""Names that rows give a meaning to, beside their box."""

ORDER = ("id", "image_id", "category_id", "keypoints", "score", "bbox", "box")


PLAIN = 1.0
"""Score of a pose in a format that demands one, where neither it nor its joints have any."""


def first_keys(document: Document) -> set[str]:
    """Return the keys of the first item of a list, none if it is no object; for detectors."""
    row = document[0] if isinstance(document, list) and document else None
    return set(row) if isinstance(row, dict) else set()


def read_rows(source: Source, options: Options, box: str, track_field: str = "track_id") -> Poses:
    """Build poses from records; keypoints that are null or [] are a pose without joints.

    Args:
        source: rows with `image_id`, `keypoints`, perhaps `score`, `area`, `track_id` and a box.
        options: see `Options`.
        box: name of the field that holds the box, xywh.
        track_field: name of the field that holds the track.

    Raises:
        FormatError: a value of the wrong kind, or rows of different histories.
        SkeletonError: see `skeleton_of`.
    """
    rows, where, named, about = records(source)
    lists, parts = assemble(rows, options)
    values = triples(lists, "keypoints", where)
    found = joints(values, options, where)
    k = found.xy.shape[1]
    empty = options.skeleton or options.default or skeleton("coco17")
    body = skeleton_of(k, options, "coco17") if k else empty
    found = found if k else no_joints(len(rows), len(body))
    score_field = "score" if any("score" in row for row in rows) or not about else "scores"
    refs = [ImageRef(image_id(name, source.path)) for name in named]
    refs = [*refs, *(_ref(row, where(i)) for i, row in enumerate(rows))]
    image, images = index_images(refs)
    history = _history.agree([row.get(_history.FIELD) for row in rows], where)
    track = tracks(rows, track_field)
    own = {*parts, "image_id", score_field, box, "area", _history.FIELD}
    extra = extras(rows, own, track if track_field == "track_id" else None)
    carry_halves(extra, values, body.joints)
    return Poses(
        body,
        found.xy,
        found.score,
        column(rows, score_field, where),
        image[len(named) :],
        images,
        score_kind=kind_after(history, found.kind),
        box=boxes(rows, box, where),
        area=optional(column(rows, "area", where)),
        track=track,
        history=history,
        extra=extra,
        meta={
            **found.meta,
            **about,
            "parts": len(parts) > 1,
            "track_field": track_field,
            "score_field": score_field,
        },
    )


def write_rows(
    poses: Poses,
    precision: int | None,
    box: str,
    defaults: Mapping[str, Any],
    track_field: str = "track_id",
) -> list[dict[str, Any]]:
    """Write one row per pose, the counterpart of `read_rows`.

    Args:
        poses: any.
        precision: see `rounded`.
        box: name of the field for the box, xywh.
        defaults: fields for poses of other formats.
        track_field: name of the field for the track.
    """
    steps = _history.encode(poses.history)
    columns = {
        poses.meta.get("score_field", "score"): poses.instance_score.tolist(),
        box: sizes(poses.box),
        "area": None if poses.area is None else poses.area.tolist(),
    }
    track = np.full(len(poses), -1) if poses.track is None else poses.track
    ids = [ref.id for ref in poses.images]
    out = []
    empty = np.asarray(~poses.present.any(1))
    for i, keypoints in enumerate(flat(poses, precision)):
        row = {**defaults, **poses.extra[i], "image_id": ids[poses.image[i]]}
        put_back(keypoints, row.pop(UNLABELLED, None), poses.skeleton.joints, precision)
        if not (empty[i] and "keypoints" in row):
            row |= split(keypoints, bool(poses.meta.get("parts")))
        for field, values in columns.items():
            value = None if values is None else values[i]
            if value is not None and value == value:
                row[field] = value
        if track[i] >= 0 and only(row.get(track_field)) != track[i]:
            row[track_field] = int(track[i])
        if steps:
            row[_history.FIELD] = steps
        out.append(arrange(row, ORDER))
    return out


def give_scores(poses: Poses) -> tuple[Poses, tuple[str, ...]]:
    """Give poses without a score the mean of their joints', for rows must have one; and say so."""
    bare = np.isnan(poses.instance_score)
    if not bare.any():
        return poses, ()
    scores = np.where(bare, mean_scores(poses), poses.instance_score)
    note = f"score of {bare.sum()} poses without one: the mean of their joints' scores"
    return poses.replace(instance_score=scores), (note,)


def give_boxes(poses: Poses) -> tuple[Poses, tuple[str, ...]]:
    """Give poses without a box that of their joints, and say so."""
    box = np.full((len(poses), 4), np.nan) if poses.box is None else poses.box.copy()
    bare = ~np.isfinite(box).all(1) & poses.present.any(1)
    if not bare.any():
        return poses, ()
    box[bare] = keypoint_box(poses.xy[bare])
    note = f"box of {bare.sum()} poses without one: that of their joints"
    return poses.replace(box=box), (note,)


def mean_scores(poses: Poses) -> Floats:
    """Return the mean score (N,) of the present joints.

    It is 0 without any, and `PLAIN` where none has a score. Flags tell that a joint is labelled,
    not how sure that is: they count as no scores.
    """
    known: Bools = poses.present & np.isfinite(poses.score)
    if poses.score_kind == "flag" and (poses.score > 1).any():
        known = np.zeros_like(known)
    mean = np.where(known, poses.score, 0).sum(1) / known.sum(1).clip(1)
    plain = np.where(poses.present.any(1), PLAIN, 0.0)
    return np.where(known.any(1), np.round(mean, 6), plain)


def assemble(rows: Sequence[Mapping[str, Any]], options: Options) -> tuple[list[Any], set[str]]:
    """Return the keypoints of rows and the fields that hold them.

    Rows of COCO-WholeBody hold them in five fields; where a row lacks one, all but the body stay
    unknown fields that are carried along. Keypoints that are null or [] are None.
    """
    body = options.skeleton or options.default
    whole = body is None or len(body) == sum(PARTS.values())
    some = [row for row in rows if row.get("keypoints") not in (None, [])]
    if some and whole and all(_has_parts(row) for row in some):
        joined = [_has_parts(row) and [v for field in PARTS for v in row[field]] for row in rows]
        return [keypoints or None for keypoints in joined], set(PARTS)
    lists = [row.get("keypoints") for row in rows]
    return [None if keypoints == [] else keypoints for keypoints in lists], {"keypoints"}


def split(keypoints: list[float], parts: bool) -> dict[str, list[float]]:
    """Write keypoints into their fields, the counterpart of `assemble`."""
    if not parts or len(keypoints) != 3 * sum(PARTS.values()):
        return {"keypoints": keypoints}
    ends = np.cumsum([3 * k for k in PARTS.values()]).tolist()
    return {
        field: keypoints[end - 3 * k : end]
        for (field, k), end in zip(PARTS.items(), ends, strict=True)
    }


def column(rows: Sequence[Mapping[str, Any]], field: str, where: Where) -> Floats:
    """Collect a number that rows may have: (N,), NaN where they do not.

    Raises:
        FormatError: a value that is not a finite number.
    """
    values = [row.get(field) for row in rows]
    if set(map(type, values)) <= {*NUMBERS, type(None)}:
        with contextlib.suppress(OverflowError):
            found = np.array(values, np.float64)
            if not np.isinf(found).any():
                return found
    return np.array([number(v, field, where(i)) for i, v in enumerate(values)], np.float64)


def optional(values: Floats) -> Floats | None:
    """Return None for a column in which nothing is known."""
    return None if np.isnan(values).all() else values


def boxes(rows: Sequence[Mapping[str, Any]], field: str, where: Where) -> Floats | None:
    """Collect boxes xywh that rows may have: (N, 4) xyxy, or None.

    Raises:
        FormatError: something else than four numbers in px.
    """
    found = fours([row.get(field) for row in rows], field, where)
    return None if found is None else xywh_to_xyxy(found)


def fours(lists: Sequence[Any], field: str, where: Where) -> Floats | None:
    """Turn N boxes, some of which may be None or [], into (N, 4) with NaN; None if all are.

    Raises:
        FormatError: something else than four numbers in px.
    """
    lists = [None if box == [] else box for box in lists]
    if all(box is None for box in lists):
        return None
    values = matrix(lists, 4, field, where)
    given = np.array([box is not None for box in lists])
    bad = np.flatnonzero(given & ~(np.abs(values) <= FAR).all(1))
    if len(bad):
        i = int(bad[0])
        raise FormatError(
            f"expected four numbers in px in {field!r}, got {lists[i]!r:.60}", where=where(i)
        )
    return values


def sizes(box: Floats | None) -> list[list[float] | None] | None:
    """Write boxes (N, 4) as lists xywh; None where a pose has none."""
    if box is None:
        return None
    xywh = sizes_of(box)
    known = np.asarray(np.isfinite(xywh).all(1))
    return [row if ok else None for row, ok in zip(xywh.tolist(), known, strict=True)]


def sizes_of(box: Floats) -> Floats:
    """Return boxes (N, 4) xyxy as xywh, their sizes without noise."""
    xywh = xyxy_to_xywh(box)
    low, high = box[:, :2], box[:, 2:]
    xywh[:, 2:] = shortest(xywh[:, 2:], lambda size: low + size == high)
    return xywh


def tracks(
    rows: Sequence[Mapping[str, Any]], field: str = "track_id"
) -> npt.NDArray[np.int64] | None:
    """Collect track ids: (N,), -1 where a row has none; None unless all are whole numbers.

    Those of AlphaPose, `idx`, may come in lists of one.
    """
    values = [only(row.get(field)) if field == "idx" else row.get(field) for row in rows]
    known = [v for v in values if v is not None]
    if not all(type(v) in NUMBERS and abs(v) < 2**53 and v % 1 == 0 for v in known):
        return None
    ids = np.array([-1 if v is None else max(int(v), -1) for v in values], np.int64)
    return ids if (ids >= 0).any() else None


def only(value: Any) -> Any:
    """Return what lists of one hold, however deep; others are as they are.

    >>> only([[3.0]]), only(3), only([1, 2])
    (3.0, 3, [1, 2])
    """
    while isinstance(value, list) and len(value) == 1:
        value = value[0]
    return value


def extras(
    rows: Sequence[Mapping[str, Any]], own: set[str], track: npt.NDArray[np.int64] | None
) -> tuple[dict[str, Any], ...]:
    """Collect the fields that are not read otherwise; null, NaN, [] and track -1 are not read."""
    known = own, {*own, "track_id"}
    has = np.zeros(len(rows), np.intp) if track is None else (track >= 0).astype(np.intp)
    return tuple(
        {k: v for k, v in row.items() if k not in known[i] or v is None or v != v or v == []}
        for row, i in zip(rows, has.tolist(), strict=True)
    )


def arrange(row: dict[str, Any], order: Iterable[str]) -> dict[str, Any]:
    """Put some fields first, in their usual order."""
    return {key: row[key] for key in order if key in row} | row


def _ref(row: Mapping[str, Any], where: str) -> ImageRef:
    name = row.get("file_name")
    return ImageRef(image_id(row["image_id"], where), name if isinstance(name, str) else None)


def _has_parts(row: Mapping[str, Any]) -> bool:
    return all(isinstance(row.get(f), list) and len(row[f]) == 3 * k for f, k in PARTS.items())
