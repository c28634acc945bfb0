"""COCO keypoint files: results (a list) and ground truth (an object).

Results: github.com/cocodataset/cocoapi, ``loadRes``; v is unused there, so files hold a score or a
flag in it. A box is written only where the source had one: pycocotools takes the area of detections
from it, which moves APM and APL. COCO-WholeBody's `foot_kpts`, `face_kpts` and so on are read as
one skeleton of 133 joints where every row has them all.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

import refine.history as _history
from refine._types import Floats
from refine.categories import category_of
from refine.exceptions import FormatError
from refine.formats._ground_truth import (
    ABSENT,
    annotate,
    visibility as visibility,
    write_ground_truth as write_ground_truth,
)
from refine.formats._images import FIELDS, read_images
from refine.formats._keypoints import joints, matrix, skeleton_of
from refine.formats._records import describe, hold, is_flat, is_stream
from refine.formats._rows import (
    ROW,
    assemble,
    column,
    extras,
    first_keys,
    fours,
    give_scores,
    optional,
    read_rows,
    tracks,
    write_rows,
)
from refine.formats._told import FPS, rate_told
from refine.formats._unlabelled import FIELD as UNLABELLED, unlabelled_places
from refine.formats.annotations import (
    find_category,
    listed_categories_of,
    named_categories,
    named_skeleton,
)
from refine.formats.base import Document, Format, Holding, Options, Source, Verdict, Where
from refine.geometry import xywh_to_xyxy
from refine.poses import Poses
from refine.skeletons import Skeleton, skeleton


def read_results(source: Source, options: Options) -> Poses:
    """Read COCO results; an empty list gives no poses.

    Raises:
        FormatError: not a list of objects with `image_id` and `keypoints`.
        SkeletonError: see `skeleton_of`.
    """
    return read_rows(source, options, "bbox")


def write_results(poses: Poses, precision: int | None, held: Holding) -> Document:
    """Write COCO results; category 1 where the source gave none."""
    return hold(write_rows(poses, precision, "bbox", {"category_id": 1}), poses, held)


def _are_results(document: Document) -> Verdict:
    if is_stream(document):
        return Verdict.YES
    keys = first_keys(document)
    given = document == [] or {"image_id", "keypoints"} <= keys
    if not given and isinstance(document, list) and keys & {"score", "bbox", "category_id"}:
        # OpenPifPaf's, a file per image: only its name tells which.
        given = is_flat(document[0].get("keypoints"))
    return Verdict.PERHAPS if given else Verdict.NO


def _is_ground_truth(document: Document) -> Verdict:
    given = isinstance(document, dict) and {"images", "annotations"} <= set(document)
    # What others put beside these is theirs.
    return Verdict.PERHAPS if given else Verdict.NO


def _read_ground_truth(source: Source, options: Options) -> Poses:
    return read_ground_truth(source.document, options)


def _write_ground_truth(poses: Poses, precision: int | None, held: Holding) -> Document:
    del held
    return write_ground_truth(poses, precision)


def read_ground_truth(document: Any, options: Options) -> Poses:
    """Read COCO ground truth: every annotated person is a pose, its score the flag v.

    Persons are the annotations of the categories that name joints; where none does, those of the
    categories whose annotations have keypoints. Other annotations are carried in
    ``meta["others"]`` and written back. Annotations without keypoints are poses without joints;
    v = 0 is a missing joint wherever the file puts it, and v > 0 a present one, also at (0, 0); the
    places of the missing ones are carried in ``extra["unlabelled_places"]`` and written back.
    `area` is NaN where absent.

    Raises:
        FormatError: not such an object, a record with a value of another kind, a labelled joint
            without a place or beyond `FAR`, annotations that point nowhere, an id twice.
        SkeletonError: several skeletons are named, or none is and the number of joints fits none
            or several.
    """
    _check_document(document, options.where)
    images = read_images(document, options.where)
    annotations, numbers, others = _split_annotations(document, options)

    def where(row: int) -> str:
        return f"{options.where}, annotation {numbers[row]}"

    lists, parts = assemble(annotations, options)
    named = skeleton("wholebody133") if len(parts) > 1 else None
    body = options.skeleton or named or named_skeleton(document, options.where, options.category)
    body = _fitting(body, lists, options, where)
    values = matrix(lists, 3 * len(body), "keypoints", where).reshape(-1, len(body), 3)
    flags = np.nan_to_num(values[..., 2])
    _check_labelled(values, flags, where)
    aside = unlabelled_places(values, lists, body.joints)
    values = np.where((flags > 0)[..., None], values, [np.nan, np.nan, 0.0])
    found = joints(values, Options(options.where, zero_is_missing=False), where)
    _check_ids(annotations, where)
    for field in ("num_keypoints", "head_size"):
        if any(field in a for a in annotations):
            column(annotations, field, where)
    place = {ref.id: i for i, ref in enumerate(images)}
    track = tracks(annotations)
    own = {*parts, "image_id", "score", "bbox", "area"}
    extra = extras(annotations, own, track)
    counts = (flags > 0).sum(1).tolist()
    for row, x, count, places in zip(extra, lists, counts, aside, strict=True):
        if places:
            row[UNLABELLED] = places
        if x is None:
            row.setdefault("keypoints", ABSENT)
        elif row.get("num_keypoints") == count:
            del row["num_keypoints"]
    box = fours([a.get("bbox") for a in annotations], "bbox", where)
    return Poses(
        body,
        found.xy,
        np.where(flags > 0, found.score, flags),
        column(annotations, "score", where),
        np.array([_place(a, place, where(i)) for i, a in enumerate(annotations)], np.intp),
        images,
        score_kind="flag",
        box=None if box is None else xywh_to_xyxy(box),
        area=optional(column(annotations, "area", where)),
        track=track,
        history=_history.parse(document.get(_history.FIELD), options.where),
        extra=extra,
        meta={
            "parts": len(parts) > 1,
            "counted": any("num_keypoints" in a for a in annotations),
            "document": {k: x for k, x in document.items() if k not in ("images", "annotations")},
            "others": others,
            "category": None
            if options.category is None
            else find_category(document, options.category, options.where).get("id"),
            **rate_told(video.get(FPS) for video in _videos(document)),
            "notes": _notes(len(others), len(document["annotations"])),
        },
    )


def _videos(document: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the records of videos that some tools put beside those of images."""
    held = document.get("videos")
    return [v for v in held if isinstance(v, dict)] if isinstance(held, list) else []


def _check_document(document: Any, where: str) -> None:
    if not isinstance(document, Mapping):
        raise FormatError(
            "expected COCO annotations, an object with lists 'images' and 'annotations', "
            f"got {describe(document)}",
            where=where,
            hint="predictions as A.json and annotations as --gt"
            if isinstance(document, list)
            else None,
        )
    for field in ("images", "annotations"):
        if not isinstance(document.get(field), list):
            raise FormatError(
                f"expected COCO annotations with a list {field!r}, "
                f"got {describe(document.get(field))}",
                where=where,
            )


def _split_annotations(
    document: Mapping[str, Any], options: Options
) -> tuple[list[dict[str, Any]], list[int], tuple[tuple[int, Any], ...]]:
    """Tell persons from other annotations: persons, their numbers, and (number, other)."""
    rows = document["annotations"]
    for i, row in enumerate(rows):
        wrong = None if isinstance(row, dict) else f"an object, got {describe(row)}"
        if wrong is None and isinstance(row.get("category_id"), list | dict):
            wrong = f"a category id, got {describe(row['category_id'])}"
        if wrong:
            raise FormatError(f"expected {wrong}", where=f"{options.where}, annotation {i}")
    named = named_categories(document.get("categories"))
    if options.skeleton is not None and len({len(c["keypoints"]) for c in named}) > 1:
        named = [c for c in named if len(c["keypoints"]) == len(options.skeleton)]
    known = listed_categories_of(document)
    if options.category is not None:
        chosen = [find_category(document, options.category, options.where).get("id")]
    elif named:
        chosen = [c.get("id") for c in named]
    else:
        chosen = list({category_of(row) for row in rows if row.get("keypoints")})
        chosen = [c for c in chosen if c in known] if known else chosen
    if not chosen and len(known) > 1:
        # Boxes alone: those of the category that bears the name, or nobody's.
        chosen = [c for c, name in known.items() if name.lower() == "person"]
    every = not chosen and len(known) <= 1
    ours = [every or category_of(row) in chosen for row in rows]
    posed = [row for row in rows if row.get("keypoints")]
    if posed and known and not any(category_of(row) in known for row in posed):
        raise FormatError(
            f"expected annotations of a category of the file ({', '.join(map(repr, known))}), "
            f"got 'category_id' {posed[0].get('category_id')!r:.40}, and none of those in the "
            "others",
            where=f"{options.where}, annotation {rows.index(posed[0])}",
        )
    numbers = [i for i, own in enumerate(ours) if own]
    others = tuple((i, row) for i, row in enumerate(rows) if not ours[i])
    return [rows[i] for i in numbers], numbers, others


def _notes(others: int, total: int) -> tuple[str, ...]:
    return (f"{others} of {total} annotations are no persons: carried along",) if others else ()


def _fitting(
    body: Skeleton | None, lists: Sequence[Any], options: Options, where: Where
) -> Skeleton:
    """Return the skeleton; without one, that of the number of joints that most records have."""
    widths = Counter(len(x) for x in lists if isinstance(x, list))
    usual = widths.most_common(1)[0][0] if widths else 3 * (17 if body is None else len(body))
    first = next((i for i, x in enumerate(lists) if isinstance(x, list) and len(x) == usual), None)
    at = options.where if first is None else where(first)
    if usual % 3:
        expected = "a list x1, y1, v1, x2, ..." if body is None else f"{3 * len(body)} numbers"
        raise FormatError(f"expected {expected} in 'keypoints', got {usual} values", where=at)
    default = "coco17" if body is None else None
    return skeleton_of(usual // 3, replace(options, skeleton=body), default, where=at)


def _check_labelled(values: Floats, flags: Floats, where: Where) -> None:
    for i, j in np.argwhere((flags > 0) & np.isnan(values[..., :2]).any(-1)).tolist():
        raise FormatError(
            f"expected the place of a labelled joint, got null for joint {j}", where=where(i)
        )


def _check_ids(rows: Sequence[Mapping[str, Any]], where: Where) -> None:
    ids = [row.get("id") for row in rows]
    if set(map(type, ids)) <= {int, str} and len(set(ids)) == len(ids):
        return
    seen = set()
    for i, value in enumerate(ids):
        if value is None:
            continue
        if not isinstance(value, int | float | str):
            raise FormatError(
                f"expected an annotation id, a whole number or a string, got {value!r:.40}",
                where=where(i),
            )
        if value in seen:
            raise FormatError(f"expected annotation ids once, got {value!r} twice", where=where(i))
        seen.add(value)


def _place(row: Mapping[str, Any], place: Mapping[int | str, int], where: str) -> int:
    value = row.get("image_id")
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    at = place.get(value) if isinstance(value, int | str) else None
    if at is None:
        raise FormatError(f"expected the id of one of the images, got {value!r:.40}", where=where)
    return at


FORMATS = (
    Format(
        name="coco",
        about="COCO keypoint results: a list with a record per pose",
        tells="'image_id' and 'keypoints' in a list",
        detect=_are_results,
        read=read_results,
        write=write_results,
        holdings=("document", "lines", "folder"),
        fields=ROW | {"bbox"},
        private=frozenset({"keypoints", "bbox", "score", "area", UNLABELLED}),
        complete=give_scores,
        cannot_hold=(
            "image names",
            "image sizes",
            "frame numbers",
            "images without poses",
            "score kind",
            "skeletons that do not ship",
            "frames per second",
        ),
    ),
    Format(
        name="coco-gt",
        about="COCO ground truth: images, annotations with flags, categories with joints",
        tells="'images' beside 'annotations'",
        detect=_is_ground_truth,
        read=_read_ground_truth,
        write=_write_ground_truth,
        fields=ROW | {"bbox", "id", "iscrowd", "num_keypoints", *FIELDS, UNLABELLED},
        private=frozenset({"keypoints", "bbox", "score", "area", UNLABELLED}),
        complete=annotate,
        cannot_hold=(
            "frame numbers",
            "keypoint scores",
            "score kind",
            "frames per second",
        ),
    ),
)
