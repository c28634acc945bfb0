"""COCO keypoint files: results (a list) and ground truth (an object).

Results: github.com/cocodataset/cocoapi, ``loadRes``; v is unused there, so files hold a score or a
flag in it. A box is written only where the source had one: pycocotools takes the area of detections
from it, which moves APM and APL. COCO-WholeBody's `foot_kpts`, `face_kpts` and so on are read as
one skeleton of 133 joints where every row has them all.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from refine._types import Floats
from refine.exceptions import FormatError, SkeletonError
from refine.formats import _history
from refine.formats._images import image_record, read_images
from refine.formats._keypoints import flat, joints, skeleton_of, triples
from refine.formats._rows import (
    ORDER,
    arrange,
    assemble,
    boxes,
    column,
    describe,
    extras,
    first_keys,
    optional,
    read_rows,
    sizes,
    split,
    tracks,
    write_rows,
)
from refine.formats.base import Document, Format, Holding, Options, Source, Verdict
from refine.poses import Poses
from refine.skeletons import Skeleton, skeleton, skeleton_from_category


def read_results(source: Source, options: Options) -> Poses:
    """Read COCO results; an empty list gives no poses.

    Raises:
        FormatError: not a list of objects with `image_id` and `keypoints`.
        SkeletonError: see `skeleton_of`.
    """
    return read_rows(source, options, "bbox")


def write_results(poses: Poses, precision: int | None, held: Holding) -> Document:
    """Write COCO results; category 1 where the source gave none."""
    del held
    return write_rows(poses, precision, "bbox", {"category_id": 1})


def _are_results(document: Document) -> Verdict:
    given = document == [] or {"image_id", "keypoints"} <= first_keys(document)
    return Verdict.PERHAPS if given else Verdict.NO


def _is_ground_truth(document: Document) -> Verdict:
    given = isinstance(document, dict) and {"images", "annotations"} <= set(document)
    return Verdict.YES if given else Verdict.NO


def _read_ground_truth(source: Source, options: Options) -> Poses:
    return read_ground_truth(source.document, options)


def _write_ground_truth(poses: Poses, precision: int | None, held: Holding) -> Document:
    del held
    return write_ground_truth(poses, precision)


def read_ground_truth(document: Any, options: Options) -> Poses:
    """Read COCO ground truth: every annotation is a pose, its score the flag v.

    Annotations without keypoints are poses without joints; v = 0 is a missing joint wherever the
    file puts it, and v > 0 a present one, also at (0, 0). `area` is NaN where absent.

    Raises:
        FormatError: not such an object, annotations that point nowhere, two images of one id.
        SkeletonError: no category names joints, or another number of them than there are.
    """
    images = read_images(document, options.where)
    annotations, where = _annotations(document, options), options.record("annotation")
    lists, parts = assemble(annotations, options)
    lists = [None if x == [] else x for x in lists]
    body = options.skeleton or _body(document, lists, len(parts) > 1, options)
    values = triples(lists, "keypoints", where)
    if all(x is None for x in lists):
        values = np.zeros((len(lists), len(body), 3))
    if values.shape[1] != len(body):
        at = next(i for i, x in enumerate(lists) if x is not None)
        skeleton_of(values.shape[1], Options(options.where, body), where=where(at))
    flags = np.nan_to_num(values[..., 2])
    values = np.where((flags > 0)[..., None], values, [np.nan, np.nan, 0.0])
    found = joints(values, Options(options.where, zero_is_missing=False), where)
    place = {ref.id: i for i, ref in enumerate(images)}
    track = tracks(annotations)
    own = {*parts, "image_id", "score", "bbox", "area"}
    extra = extras(annotations, own, track)
    for row, x, count in zip(extra, lists, (flags > 0).sum(1).tolist(), strict=True):
        if x is None:
            row["keypoints"] = None
        elif row.get("num_keypoints") == count:
            del row["num_keypoints"]
    return Poses(
        body,
        found.xy,
        np.where(flags > 0, found.score, flags),
        column(annotations, "score", where),
        np.array([_place(a, place, where(i)) for i, a in enumerate(annotations)], np.intp),
        images,
        score_kind="flag",
        box=boxes(annotations, "bbox", where),
        area=optional(column(annotations, "area", where)),
        track=track,
        history=_history.parse(document.get(_history.FIELD), options.where),
        extra=extra,
        meta={
            "parts": len(parts) > 1,
            "counted": any("num_keypoints" in a for a in annotations),
            "document": {k: x for k, x in document.items() if k not in ("images", "annotations")},
        },
    )


def write_ground_truth(poses: Poses, precision: int | None) -> dict[str, Any]:
    """Write COCO ground truth; v is the source's own where that was ground truth, else 2."""
    source = poses.meta.get("document")
    flags = _flags(poses)
    lists = flat(poses.replace(score=flags, meta={}), precision)
    counts = (flags > 0).sum(1).tolist()
    columns = {
        "score": poses.instance_score.tolist(),
        "bbox": sizes(poses.box),
        "area": None if poses.area is None else poses.area.tolist(),
        "track_id": None if poses.track is None else [t if t >= 0 else None for t in poses.track],
    }
    annotations = []
    for i, keypoints in enumerate(lists):
        own = {"id": i + 1, "category_id": 1, "iscrowd": 0} if source is None else {}
        row = {**own, **poses.extra[i], "image_id": poses.images[poses.image[i]].id}
        if counts[i] or row.get("keypoints", keypoints) is not None:
            row |= split(keypoints, bool(poses.meta.get("parts")))
            if poses.meta.get("counted", True):
                row.setdefault("num_keypoints", counts[i])
        else:
            del row["keypoints"]
        for field, values in columns.items():
            value = None if values is None else values[i]
            if value is not None and value == value:
                row[field] = value
        annotations.append(arrange(row, ORDER))
    document = dict(source or {})
    if source is None or not _holds(document, poses.skeleton, bool(poses.meta.get("parts"))):
        document["categories"] = _with_body(document.get("categories"), poses.skeleton)
    if poses.history:
        document[_history.FIELD] = _history.encode(poses.history)
    images = [image_record(ref) for ref in poses.images]
    return {"images": images, "annotations": annotations} | document


def _flags(poses: Poses) -> Floats:
    """Return v (N, K): 0 for missing joints, the flag that a joint came with, else 2."""
    own = poses.score if poses.score_kind == "flag" else np.zeros(poses.score.shape)
    if poses.score_kind != "flag" and "document" in poses.meta:
        for i, row in enumerate(poses.extra):
            # Refined since: the refiner keeps the scores that it replaces.
            if len(scores := row.get("source_scores", ())) == own.shape[1]:
                own[i] = np.array(scores, np.float64)
    return np.where(poses.present, np.where(own > 0, own, 2.0), 0.0)


def _annotations(document: Mapping[str, Any], options: Options) -> list[dict[str, Any]]:
    rows = document.get("annotations")
    if not isinstance(rows, list):
        raise FormatError(
            f"expected an object with a list 'annotations', got {describe(rows)}",
            where=options.where,
        )
    for i, row in enumerate(rows):
        if not isinstance(row, dict):
            raise FormatError(
                f"expected an object, got {describe(row)}", where=f"{options.where}, annotation {i}"
            )
    return rows


def _place(row: Mapping[str, Any], place: Mapping[int | str, int], where: str) -> int:
    value = row.get("image_id")
    at = place.get(value) if isinstance(value, int | str) else None
    if at is None:
        raise FormatError(f"expected the id of one of the images, got {value!r:.40}", where=where)
    return at


def _body(
    document: Mapping[str, Any], lists: Sequence[Any], whole: bool, options: Options
) -> Skeleton:
    """Find the skeleton: the one that the categories name, else by the number of joints."""
    if whole:
        return skeleton("wholebody133")
    named = _named(document.get("categories"))
    if len({tuple(c["keypoints"]) for c in named}) > 1:
        raise SkeletonError(
            "expected one skeleton in 'categories', got several: "
            + ", ".join(repr(c.get("name")) for c in named),
            where=options.where,
            hint="a file for each category",
        )
    if named:
        return skeleton_from_category(named[0], options.where)
    first = next((x for x in lists if isinstance(x, list)), None)
    return skeleton_of(17 if first is None else len(first) // 3, options, "coco17")


def _named(categories: Any) -> list[dict[str, Any]]:
    """Return the categories that name joints (Halpe's do not)."""
    rows = categories if isinstance(categories, list) else []
    return [
        c
        for c in rows
        if isinstance(c, dict)
        and isinstance(c.get("keypoints"), list)
        and c["keypoints"]
        and all(isinstance(joint, str) for joint in c["keypoints"])
    ]


def _holds(document: Mapping[str, Any], body: Skeleton, parts: bool) -> bool:
    """Whether categories name the joints of a skeleton, or none at all."""
    named = _named(document.get("categories"))
    return parts or all(tuple(c["keypoints"]) == body.joints for c in named)


def _with_body(categories: Any, body: Skeleton) -> list[Any]:
    """Give the categories with joints those of another skeleton; make one where there is none."""
    own = {
        "keypoints": list(body.joints),
        "skeleton": [[a + 1, b + 1] for a, b in body.edges],
    }
    if not _named(categories):
        return [{"id": 1, "name": "person"} | own]
    named = _named(categories)
    return [c | own if c in named else c for c in categories]


FORMATS = (
    Format(
        name="coco",
        about="COCO keypoint results: a list with a record per pose",
        tells="'image_id' and 'keypoints' in a list",
        detect=_are_results,
        read=read_results,
        write=write_results,
        holdings=("document", "lines"),
        cannot_hold=(
            "image names",
            "image sizes",
            "frame numbers",
            "images without poses",
            "score kind",
            "skeletons that do not ship",
        ),
    ),
    Format(
        name="coco-gt",
        about="COCO ground truth: images, annotations with flags, categories with joints",
        tells="'images' beside 'annotations'",
        detect=_is_ground_truth,
        read=_read_ground_truth,
        write=_write_ground_truth,
        cannot_hold=("frame numbers", "keypoint scores", "score kind"),
    ),
)
