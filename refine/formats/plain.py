"""Large COCO files of nothing but numbers, and lists like them, scanned into arrays.

What is read is what `refine.formats.coco` reads, without the fields that it carries along. None is
returned for all that is not plain; coco.py then reads it, or says what is wrong with it.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np

import refine.history as _history
from refine._types import Floats, Indices
from refine.exceptions import RefineError
from refine.files import parse_json
from refine.formats import kernels
from refine.formats._images import Images, scan_images
from refine.formats._keypoints import FAR, skeleton_of
from refine.formats._rows import PARTS, optional
from refine.formats._units import EITHER, MOST
from refine.formats.annotations import named_categories, named_skeleton
from refine.formats.base import Options, Source
from refine.formats.known import tell
from refine.formats.scan import Rows, list_length, scan_objects, scan_rows, whole_numbers
from refine.geometry import xywh_to_xyxy
from refine.poses import Poses, ScoreKind
from refine.skeletons import Skeleton

ANNOTATIONS = re.compile(rb'"annotations"[ \t\r\n]*:[ \t\r\n]*')

NUMBERS = {"image_id": 0, "category_id": 0, "id": 0, "score": 0, "area": 0, "bbox": 4}
"""Fields of results, beside their keypoints."""

REFUSED = (_history.FIELD, "file_name", *(part for part in PARTS if part != "keypoints"))
"""Fields that say more of results than numbers do."""

ANNOTATED = {
    "image_id": 0,
    "category_id": 0,
    "id": 0,
    "bbox": 4,
    "score": 0,
    "area": 0,
    "iscrowd": 0,
    "num_keypoints": 0,
    "head_size": 0,
}
"""Fields of annotations, beside their keypoints."""


class Truth(NamedTuple):
    """Annotations of COCO ground truth, N of them.

    Attributes:
        document: the file without them.
        images: of the file.
        skeleton: the K joints.
        keypoints: (N, K, 3) px and flags.
        image: (N,) index into `images`.
        category: (N,) ids.
        id: (N,) ids.
        box: (N, 4) xyxy px, NaN where there is none.
        numbers: area, iscrowd, num_keypoints and head_size, (N,) each, NaN where there is none.
    """

    document: Mapping[str, Any]
    images: Images
    skeleton: Skeleton
    keypoints: Floats
    image: Indices
    category: Indices
    id: Indices
    box: Floats
    numbers: Mapping[str, Floats]


class Results(NamedTuple):
    """COCO results, N of them; see `Poses` for what is not told here.

    Attributes:
        skeleton: the K joints.
        xy: (N, K, 2) px.
        score: (N, K).
        score_kind: what that is.
        instance_score: (N,).
        image: (N,) ids.
        category: (N,) ids, or None.
        id: (N,) ids, or None.
        box: (N, 4) or None.
        area: (N,) or None.
        meta: how missing joints are written.
        small: whether coordinates may be shares of the images.
        others: whether rows had fields that are not told here.
    """

    skeleton: Skeleton
    xy: Floats
    score: Floats
    score_kind: ScoreKind
    instance_score: Floats
    image: Indices
    category: Indices | None
    id: Indices | None
    box: Floats | None
    area: Floats | None
    meta: Mapping[str, Any]
    small: bool
    others: bool

    def poses(self) -> Poses:
        """Return them as poses, whose `extra` has category and id."""
        images, image = Images(self.image).once()
        return Poses(
            self.skeleton,
            self.xy,
            self.score,
            self.instance_score,
            image,
            tuple(images),
            score_kind=self.score_kind,
            box=self.box,
            area=self.area,
            extra=self._extra(),
            meta={
                **self.meta,
                "parts": False,
                "track_field": "track_id",
                "score_field": "score",
            },
        )

    def _extra(self) -> tuple[Mapping[str, Any], ...]:
        named = {"id": self.id, "category_id": self.category}
        told = {name: column for name, column in named.items() if column is not None}
        if set(told) != {"category_id"}:
            columns = [column.tolist() for column in told.values()]
            return tuple(dict(zip(told, row, strict=True)) for row in zip(*columns, strict=True))
        kinds = {c: {"category_id": c} for c in np.unique(told["category_id"]).tolist()}
        return tuple(map(kinds.__getitem__, told["category_id"].tolist()))


def scan_results(data: bytes, options: Options) -> Results | None:
    """Read COCO results from JSON.

    Args:
        data: a file that may be of another format.
        options: of which all but `default` is as usual.
    """
    fields = {**NUMBERS, "keypoints": list_length(data, "keypoints")}
    rows = scan_rows(data, 0, fields, REFUSED) if fields["keypoints"] % 3 == 0 else None
    if rows is None or data[rows.end :].strip() or not len(rows.values["score"]):
        return None
    try:
        first = msgspec.json.decode(data[slice(*rows.first)])
        if tell(Source(options.where, "document", [[first]])).name != "coco":
            return None
    except RefineError:
        return None
    del data
    return _results(rows, options)


def scan_result_rows(found: Sequence[Any], options: Options) -> Results | None:
    """Read COCO results that are parsed already, if there are many."""
    width = _width(found)
    rows = scan_objects(found, {**NUMBERS, "keypoints": width}, REFUSED) if width else None
    return None if rows is None else _results(rows, options)


def _results(rows: Rows, options: Options) -> Results | None:
    keypoints = rows.values["keypoints"]
    n, k = len(keypoints), keypoints.shape[1] // 3
    ids, told, box = _ids(rows, "image_id"), rows.given["category_id"], _box(rows)
    category = _ids(rows, "category_id") if told.any() else np.zeros(n, np.intp)
    numbered = _ids(rows, "id")
    if rows.given["id"].any() and numbered is None:
        return None
    if not k or not rows.given["keypoints"].all() or ids is None or category is None or box is None:
        return None
    try:
        body = skeleton_of(k, options, "coco17")
    except RefineError:
        return None
    xy, score = np.empty((n, k, 2)), np.empty((n, k))
    zeros, minuses, beyond, small, flags = kernels.split_joints(
        keypoints, options.zero_is_missing, FAR, EITHER, xy, score
    )
    if beyond:
        return None
    usual = "minus-one" if minuses > zeros else "zero"
    usual = usual if zeros or minuses or options.zero_is_missing else "null"
    return Results(
        body,
        xy,
        score,
        "flag" if flags else "unknown",
        _or_nan(rows, "score"),
        ids,
        category if told.any() else None,
        numbered,
        box if rows.given["bbox"].any() else None,
        optional(_or_nan(rows, "area")),
        {"missing": usual, "null_scores": False},
        small >= MOST * 2 * (n * k - zeros - minuses),
        rows.others > 0,
    )


def scan_ground_truth(data: bytes, where: str) -> Truth | None:
    """Read COCO ground truth whose categories name one skeleton that all annotations have."""
    found = ANNOTATIONS.search(data)
    if found is None or data.count(b'"annotations"') > 1:
        return None
    start, length = found.end(), list_length(data, "keypoints", found.end())
    fields = {**ANNOTATED, "keypoints": length}
    rows = scan_rows(data, start, fields) if length and length % 3 == 0 else None
    if rows is None:
        return None
    try:
        document = parse_json(data[:start] + b"[]" + data[rows.end :], where)
    except RefineError:
        return None
    plain = isinstance(document, dict) and document.get("annotations") == []
    return _truth(rows, document, where) if plain else None


def scan_annotations(document: Mapping[str, Any], where: str) -> Truth | None:
    """Do what `scan_ground_truth` does with a parsed file, if there are many annotations."""
    annotations, images = document.get("annotations"), document.get("images")
    width = _width(annotations)
    if annotations is None or not width:
        return None
    if not isinstance(images, list) or set(map(type, images)) != {dict}:
        return None
    rows = scan_objects(annotations, {**ANNOTATED, "keypoints": width})
    # Records may change after this: the images that are made of them later must not.
    rest = {**document, "annotations": [], "images": list(map(dict, images))}
    return None if rows is None else _truth(rows, rest, where)


def _truth(rows: Rows, document: Mapping[str, Any], where: str) -> Truth | None:
    """Put annotations and the rest of their file together; None if they are not plain."""
    try:
        body = named_skeleton(document, where)
    except RefineError:
        return None
    images = scan_images(document.get("images"))
    image, category, ids = (_ids(rows, name) for name in ("image_id", "category_id", "id"))
    box, keypoints, n = _box(rows), rows.values["keypoints"], len(rows.values["id"])
    if body is None or images is None or _history.FIELD in document or not n:
        return None
    if image is None or category is None or ids is None or box is None:
        return None
    chosen = [c.get("id") for c in named_categories(document["categories"])]
    numbers = {name: _or_nan(rows, name) for name in ("area", "num_keypoints", "head_size")}
    numbers["iscrowd"] = rows.values["iscrowd"]
    width = keypoints.shape[1]
    at = images.places(image)
    odd = len(body) * 3 != width or 3 * sum(PARTS.values()) == width or at.min() < 0
    odd = odd or not rows.given["keypoints"].all() or not np.isin(numbers["iscrowd"], (0, 1)).all()
    odd = odd or not set(np.unique(category).tolist()) <= set(chosen) or not _once(ids)
    keypoints = keypoints.reshape(n, -1, 3)
    if odd or _far(keypoints):
        return None
    return Truth(document, images, body, keypoints, at, category, ids, box, numbers)


def _width(rows: Any) -> int:
    """Return how many numbers are in the keypoints of the first of parsed rows; 0 if in doubt."""
    first = rows[0] if isinstance(rows, list) and rows else None
    keypoints = first.get("keypoints") if isinstance(first, dict) else None
    return len(keypoints) if isinstance(keypoints, list) and len(keypoints) % 3 == 0 else 0


def _far(keypoints: Floats) -> bool:
    """Whether labelled joints (N, K, 3) are out of all pictures."""
    if (keypoints <= FAR).all() and (keypoints >= -FAR).all():
        return False
    far = (keypoints[..., :2] > FAR) | (keypoints[..., :2] < -FAR)
    return bool((far & (keypoints[..., 2:] > 0)).any())


def _once(ids: Indices) -> bool:
    """Whether no id is there twice."""
    return bool((np.diff(ids) > 0).all()) or len(np.unique(ids)) == len(ids)


def _ids(rows: Rows, field: str) -> Indices | None:
    """Return ids, None where not every row has a whole number."""
    plain = rows.given[field].all() and rows.whole[field]
    return whole_numbers(rows.values[field]) if plain else None


def _or_nan(rows: Rows, field: str) -> Floats:
    return np.where(rows.given[field], rows.values[field], np.nan)


def _box(rows: Rows) -> Floats | None:
    """Return boxes (N, 4) xyxy, NaN where a row has none; None if one is out of all pictures."""
    xywh = rows.values["bbox"]
    if (np.abs(xywh) > FAR).any():
        return None
    return xywh_to_xyxy(np.where(rows.given["bbox"][:, None], xywh, np.nan))
