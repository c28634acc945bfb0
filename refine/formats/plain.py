"""Large COCO files of nothing but numbers, scanned into arrays.

What is read is what `refine.formats.coco` reads, without the fields that it carries along. None is
returned for all that is not plain; coco.py then reads it, or says what is wrong with it.
"""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec
import numpy as np

from refine._types import Floats, Indices
from refine.exceptions import RefineError
from refine.files import parse_json
from refine.formats import _history
from refine.formats._images import read_images
from refine.formats._keypoints import FAR, joints, skeleton_of
from refine.formats._rows import PARTS, optional
from refine.formats._units import in_pixels
from refine.formats.annotations import named_categories, named_skeleton
from refine.formats.base import Options, Source
from refine.formats.known import tell
from refine.formats.scan import Rows, list_length, scan_rows, whole_numbers
from refine.geometry import xywh_to_xyxy
from refine.poses import ImageRef, Poses
from refine.skeletons import Skeleton

ANNOTATIONS = re.compile(rb'"annotations"[ \t\r\n]*:[ \t\r\n]*')

NUMBERS = {"image_id": 0, "category_id": 0, "score": 0, "area": 0, "bbox": 4}
"""Fields of results, beside their keypoints."""


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
    images: tuple[ImageRef, ...]
    skeleton: Skeleton
    keypoints: Floats
    image: Indices
    category: Indices
    id: Indices
    box: Floats
    numbers: Mapping[str, Floats]


def scan_results(data: bytes, options: Options, *, sniff: bool = True) -> Poses | None:
    """Read COCO results; of `extra` they have the category alone.

    Args:
        data: a file of results.
        options: of which all but `default` is as usual.
        sniff: whether data may be of another format.

    Raises:
        FormatError: shares of images whose sizes are not known.
    """
    fields = {**NUMBERS, "keypoints": list_length(data, "keypoints")}
    refused = [_history.FIELD, "file_name", *(part for part in PARTS if part != "keypoints")]
    rows = scan_rows(data, 0, fields, refused) if fields["keypoints"] % 3 == 0 else None
    if rows is None or data[rows.end :].strip() or not len(rows.values["score"]):
        return None
    n, k = len(rows.values["score"]), fields["keypoints"] // 3
    ids = _ids(rows, "image_id")
    told = rows.given["category_id"]
    category = _ids(rows, "category_id") if told.any() else np.zeros(n, np.int64)
    box = _box(rows)
    if not k or not rows.given["keypoints"].all() or ids is None or category is None or box is None:
        return None
    try:
        first = msgspec.json.decode(data[slice(*rows.first)])
        if sniff and tell(Source(options.where, "document", [[first]])).name != "coco":
            return None
        body = skeleton_of(k, options, "coco17")
        found = joints(rows.values["keypoints"].reshape(n, k, 3), options, lambda _: options.where)
    except RefineError:
        return None
    known, at, image = np.unique(ids, return_index=True, return_inverse=True)
    order = np.argsort(at)
    place = np.empty(len(order), np.intp)
    place[order] = np.arange(len(order))
    kinds: dict[int, dict[str, Any]] = {c: {"category_id": c} for c in set(category.tolist())}
    poses = Poses(
        body,
        found.xy,
        found.score,
        _or_nan(rows, "score"),
        place[image],
        tuple(ImageRef(i) for i in known[order].tolist()),
        score_kind=found.kind,
        box=box if rows.given["bbox"].any() else None,
        area=optional(_or_nan(rows, "area")),
        extra=tuple(kinds[c] for c in category.tolist()) if told.any() else (),
        meta={**found.meta, "format": "coco", "held": "document"},
    )
    return in_pixels(poses, options.where)


def scan_ground_truth(data: bytes, where: str) -> Truth | None:
    """Read COCO ground truth whose categories name one skeleton that all annotations have."""
    found = ANNOTATIONS.search(data)
    if found is None or data.count(b'"annotations"') > 1:
        return None
    start, length = found.end(), list_length(data, "keypoints", found.end())
    fields = {"image_id": 0, "category_id": 0, "id": 0, "bbox": 4, "score": 0, "area": 0}
    fields |= {"iscrowd": 0, "num_keypoints": 0, "head_size": 0, "keypoints": length}
    rows = scan_rows(data, start, fields) if length and length % 3 == 0 else None
    if rows is None or not len(rows.values["id"]) or not rows.given["keypoints"].all():
        return None
    try:
        document = parse_json(data[:start] + b"[]" + data[rows.end :], where)
        body = named_skeleton(document, where)
        plain = isinstance(document, dict) and document.get("annotations") == []
        if body is None or not plain or _history.FIELD in document:
            return None
        images = read_images(document, where)
    except RefineError:
        return None
    chosen = [c.get("id") for c in named_categories(document["categories"])]
    image, category, ids = (_ids(rows, name) for name in ("image_id", "category_id", "id"))
    box, n = _box(rows), len(rows.values["id"])
    if image is None or category is None or ids is None or box is None:
        return None
    numbers = {name: _or_nan(rows, name) for name in ("area", "num_keypoints", "head_size")}
    numbers["iscrowd"] = rows.values["iscrowd"]
    keypoints = rows.values["keypoints"].reshape(n, -1, 3)
    far = (keypoints[..., :2] > FAR) | (keypoints[..., :2] < -FAR)
    place = {ref.id: i for i, ref in enumerate(images)}
    at = np.array([place.get(i, -1) for i in image.tolist()], np.intp)
    odd = len(body) * 3 != length or 3 * sum(PARTS.values()) == length or at.min() < 0
    odd = odd or not set(np.unique(category).tolist()) <= set(chosen)
    odd = odd or len(np.unique(ids)) < n or (far & (keypoints[..., 2:] > 0)).any()
    if odd or not np.isin(numbers["iscrowd"], (0, 1)).all():
        return None
    return Truth(document, images, body, keypoints, at, category, ids, box, numbers)


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
