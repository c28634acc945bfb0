"""COCO keypoint files: results (a list) and ground truth (an object).

Results: github.com/cocodataset/cocoapi, ``loadRes``; v is unused there, so files hold a score or a
flag in it. A box is written only where the source had one: pycocotools takes the area of detections
from it, which moves APM and APL.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from refine.exceptions import FormatError
from refine.formats import _history
from refine.formats._keypoints import (
    Options,
    flat,
    image_id,
    index_images,
    joints,
    number,
    numbers,
    skeleton_of,
    triples,
)
from refine.geometry import xywh_to_xyxy, xyxy_to_xywh
from refine.poses import ImageRef, Poses
from refine.skeleton import Skeleton, skeleton, skeleton_from_category

OWN = ("image_id", "keypoints", "score", "bbox", "area", "track_id", _history.FIELD)


def read_results(document: Any, options: Options) -> Poses:
    """Read COCO results; an empty list gives no poses.

    Raises:
        FormatError: not a list of objects with `image_id` and `keypoints`.
        SkeletonError: see `skeleton_of`.
    """
    rows = result_rows(document, options)
    return poses_from_rows(rows, refs_of(rows, options), options, "coco17", "bbox")


def poses_from_rows(
    rows: list[dict[str, Any]], refs: list[ImageRef], options: Options, default: str, box: str
) -> Poses:
    """Build poses from rows of the COCO kind, as AlphaPose writes them too.

    Args:
        rows: with `keypoints`, perhaps `score`, `area`, `track_id` and a box xywh.
        refs: the image of each.
        options: see `Options`.
        default: skeleton at its own number of joints.
        box: name of the field that holds the box.
    """
    own = {*OWN, box} - ({"bbox"} if box != "bbox" else set())
    values = triples([r["keypoints"] for r in rows], options)
    found = joints(values, options)
    body = skeleton(default) if not rows else skeleton_of(values.shape[1], options, default)
    if not rows:
        body = options.skeleton or body
    image, images = index_images(refs)
    history = _history.agree(
        [(options.record("record", i), r.get(_history.FIELD)) for i, r in enumerate(rows)]
    )
    n, k = len(rows), len(body)
    boxes = _optional(rows, box, 4, options)
    return Poses(
        body,
        found.xy.reshape(n, k, 2),
        found.score.reshape(n, k),
        np.array(
            [
                number(r.get("score"), "score", options.record("record", i))
                for i, r in enumerate(rows)
            ],
            np.float64,
        ),
        image,
        images,
        score_kind=kind_after(history, found.kind),
        box=None if boxes is None else xywh_to_xyxy(boxes),
        area=_column(_optional(rows, "area", 1, options)),
        track=_tracks(rows, options),
        history=history,
        extra=tuple({key: v for key, v in r.items() if key not in own} for r in rows),
        meta={"missing": found.sentinel},
    )


def kind_after(history: tuple[Any, ...], kind: Any) -> Any:
    """Return the kind of scores: the refiner's where it wrote them."""
    learned = any(step.name in ("complete", "correct") for step in history)
    return "expected_ks" if learned else kind


def write_results(poses: Poses, precision: int | None) -> list[dict[str, Any]]:
    """Write COCO results; category 1 where the source gave none."""
    return rows_from_poses(poses, precision, "bbox", {"category_id": 1})


def rows_from_poses(
    poses: Poses, precision: int | None, box: str, defaults: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Write one row a pose, the counterpart of `poses_from_rows`."""
    steps = _history.encode(poses.history)
    boxes = None if poses.box is None else xyxy_to_xywh(poses.box)
    out = []
    for i, keypoints in enumerate(flat(poses, precision)):
        extra = poses.extra[i]
        row: dict[str, Any] = {"image_id": poses.images[poses.image[i]].id}
        row |= {key: value for key, value in defaults.items() if key not in extra}
        row["keypoints"] = keypoints
        if np.isfinite(poses.instance_score[i]):
            row["score"] = float(poses.instance_score[i])
        if boxes is not None and np.isfinite(boxes[i]).all():
            row[box] = (
                boxes[i].tolist() if precision is None else boxes[i].round(precision).tolist()
            )
        if poses.area is not None and np.isfinite(poses.area[i]):
            row["area"] = float(poses.area[i])
        if poses.track is not None and poses.track[i] >= 0:
            row["track_id"] = int(poses.track[i])
        row |= extra
        if steps:
            row[_history.FIELD] = steps
        out.append(row)
    return out


def read_ground_truth(document: Any, options: Options) -> Poses:
    """Read COCO ground truth: every annotation is a pose, its score the flag v.

    Annotations without keypoints are poses without joints. `area` is NaN where absent.

    Raises:
        FormatError: not such an object, or annotations that point nowhere.
        SkeletonError: no category names joints, or another number of them than there are.
    """
    images, annotations = _tables(document, options)
    body = options.skeleton or _category(document, annotations, options)
    place = {ref.id: i for i, ref in enumerate(images)}
    empty = [0.0] * (3 * len(body))
    rows = [a.get("keypoints") or empty for a in annotations]
    values = triples(rows, options, "annotation") if rows else np.empty((0, len(body), 3))
    if values.shape[1] != len(body):
        skeleton_of(values.shape[1], Options(options.where, body))
    image = np.empty(len(annotations), np.intp)
    for i, a in enumerate(annotations):
        at = place.get(a.get("image_id"))  # type: ignore[arg-type]
        if at is None:
            raise FormatError(
                f"expected the id of one of the images, got {a.get('image_id')!r}",
                where=options.record("annotation", i),
            )
        image[i] = at
    v = values[..., 2]
    boxes = _optional(annotations, "bbox", 4, options)
    areas = _column(_optional(annotations, "area", 1, options))
    own = {"image_id", "keypoints", "bbox", "area", "num_keypoints"}
    return Poses(
        body,
        np.where((v > 0)[..., None], values[..., :2], np.nan),
        v,
        np.full(len(annotations), np.nan),
        image,
        images,
        score_kind="flag",
        box=None if boxes is None else xywh_to_xyxy(boxes),
        area=areas,
        history=_history.parse(document.get(_history.FIELD), options.where),
        extra=tuple({key: x for key, x in a.items() if key not in own} for a in annotations),
        meta={
            "document": {
                key: x for key, x in document.items() if key not in ("images", "annotations")
            }
        },
    )


def read_images(document: Any, options: Options) -> tuple[ImageRef, ...]:
    """Read the images of a COCO file.

    Raises:
        FormatError: not such a file.
    """
    return _tables(
        {"annotations": [], **document} if isinstance(document, dict) else document, options
    )[0]


def write_ground_truth(poses: Poses, precision: int | None) -> dict[str, Any]:
    """Write COCO ground truth; v is 2 for present joints unless scores are flags."""
    flags = np.where(poses.present, poses.score if poses.score_kind == "flag" else 2, 0)
    labelled = poses.replace(score=np.nan_to_num(flags), meta={})
    boxes = None if poses.box is None else xyxy_to_xywh(poses.box)
    annotations = []
    for i, keypoints in enumerate(flat(labelled, precision)):
        row: dict[str, Any] = {
            "id": i + 1,
            "image_id": poses.images[poses.image[i]].id,
            "category_id": 1,
            "keypoints": keypoints,
            "num_keypoints": int((flags[i] > 0).sum()),
            "iscrowd": 0,
        }
        if boxes is not None and np.isfinite(boxes[i]).all():
            row["bbox"] = boxes[i].tolist()
        if poses.area is not None and np.isfinite(poses.area[i]):
            row["area"] = float(poses.area[i])
        annotations.append({**row, **poses.extra[i]})
    body = poses.skeleton
    category = {
        "id": 1,
        "name": "person",
        "keypoints": list(body.joints),
        "skeleton": [[a + 1, b + 1] for a, b in body.edges],
    }
    images = []
    for ref in poses.images:
        known = {"file_name": ref.file_name, "width": ref.width, "height": ref.height}
        images.append(
            {"id": ref.id, **{k: x for k, x in known.items() if x is not None}, **ref.extra}
        )
    document: dict[str, Any] = {"categories": [category]} | dict(poses.meta.get("document", {}))
    if poses.history:
        document[_history.FIELD] = _history.encode(poses.history)
    return {"images": images, "annotations": annotations} | document


def refs_of(rows: list[dict[str, Any]], options: Options) -> list[ImageRef]:
    """Return the image of every row, by `image_id` and perhaps `file_name`."""
    refs = []
    for i, row in enumerate(rows):
        where, name = options.record("record", i), row.get("file_name")
        refs.append(
            ImageRef(image_id(row["image_id"], where), name if isinstance(name, str) else None)
        )
    return refs


def result_rows(document: Any, options: Options) -> list[dict[str, Any]]:
    """Check that a document is a list of objects with `image_id` and `keypoints`.

    Raises:
        FormatError: it is not.
    """
    if not isinstance(document, list):
        raise FormatError(
            f"expected a list of records, got {_kind(document)}",
            where=options.where,
            hint="--from coco-gt, if these are annotations",
        )
    for i, row in enumerate(document):
        lacking = [
            k for k in ("image_id", "keypoints") if not isinstance(row, dict) or k not in row
        ]
        if lacking:
            raise FormatError(
                f"expected an object with {' and '.join(map(repr, lacking))}, got "
                + (", ".join(row) if isinstance(row, dict) else _kind(row)),
                where=options.record("record", i),
            )
    return document


def _tables(document: Any, options: Options) -> tuple[tuple[ImageRef, ...], list[dict[str, Any]]]:
    if not isinstance(document, dict) or not all(
        isinstance(document.get(k), list) for k in ("images", "annotations")
    ):
        raise FormatError(
            f"expected an object with lists 'images' and 'annotations', got {_kind(document)}",
            where=options.where,
        )
    for table in ("images", "annotations"):
        for i, row in enumerate(document[table]):
            if not isinstance(row, dict):
                raise FormatError(
                    f"expected an object, got {_kind(row)}", where=options.record(table[:-1], i)
                )
    own = ("id", "file_name", "width", "height")
    refs = tuple(
        ImageRef(
            image_id(r.get("id"), options.record("image", i)),
            r.get("file_name"),
            r.get("width"),
            r.get("height"),
            extra={key: v for key, v in r.items() if key not in own},
        )
        for i, r in enumerate(document["images"])
    )
    return refs, document["annotations"]


def _category(
    document: Mapping[str, Any], annotations: list[dict[str, Any]], options: Options
) -> Skeleton:
    named = [
        c for c in document.get("categories") or [] if isinstance(c, dict) and c.get("keypoints")
    ]
    if len(named) == 1:
        return skeleton_from_category(named[0], options.where)
    count = next((len(a["keypoints"]) // 3 for a in annotations if a.get("keypoints")), 17)
    return skeleton_of(count, options, "coco17")


def _optional(
    rows: list[dict[str, Any]], field: str, width: int, options: Options
) -> np.ndarray[Any, np.dtype[np.float64]] | None:
    """Collect a field that rows may have: (N, width), NaN where absent; None if nobody has it."""
    if not any(r.get(field) is not None for r in rows):
        return None
    values = []
    for i, r in enumerate(rows):
        value = r.get(field)
        value = [None] * width if value is None else [value] if width == 1 else value
        if not isinstance(value, list) or len(value) != width:
            raise FormatError(
                f"expected {width} numbers in {field!r}, got {value!r:.60}",
                where=options.record("record", i),
            )
        values.append(value)
    return numbers(values, options)


def _column(
    values: np.ndarray[Any, np.dtype[np.float64]] | None,
) -> np.ndarray[Any, np.dtype[np.float64]] | None:
    return None if values is None else values[:, 0]


def _tracks(
    rows: list[dict[str, Any]], options: Options
) -> np.ndarray[Any, np.dtype[np.int64]] | None:
    if not any(type(r.get("track_id")) is int for r in rows):
        return None
    out = np.full(len(rows), -1, np.int64)
    for i, r in enumerate(rows):
        value = r.get("track_id", -1)
        if type(value) is not int:
            raise FormatError(
                f"expected a whole number 'track_id', got {value!r:.40}",
                where=options.record("record", i),
            )
        out[i] = value
    return out


def _kind(value: Any) -> str:
    kinds = {dict: "an object", list: "a list", str: "a string", type(None): "null"}
    return kinds.get(type(value), "a number")
