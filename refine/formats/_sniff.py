"""Which format a document is of, told by its keys; what could be two is an error."""

from typing import Any

from refine.exceptions import FormatError


def sniff_document(document: Any, where: str) -> str:
    """Name the format of what `refine.formats.load` returned.

    Raises:
        FormatError: no format fits, or several.

    >>> sniff_document([{"image_id": 1, "keypoints": [], "category_id": 1}], "a.json")
    'coco'
    """
    if isinstance(document, dict):
        return _object(document, where)
    if isinstance(document, list):
        return _list(document, where)
    raise FormatError(f"expected a list or an object, got {document!r:.40}", where=where)


def _object(document: dict[str, Any], where: str) -> str:
    keys = set(document)
    if keys == {"folder"}:
        first = next(iter(document["folder"].values()))
        if isinstance(first, dict) and "people" in first:
            return "openpose"
        raise FormatError("expected a folder of OpenPose files (with 'people')", where=where)
    if keys == {"lines"}:
        return "ndjson"
    if "people" in keys:
        return "controlnet" if "canvas_width" in keys else "openpose"
    if {"images", "annotations"} <= keys:
        return "coco-gt"
    if "instance_info" in keys:
        return "mmpose"
    if "poses" in keys and "image" in keys:
        return "ndjson"
    values = [v for v in document.values() if isinstance(v, dict)]
    if values and len(values) == len(document):
        if all("bodies" in v for v in values):
            return "alphapose-cmu"
        if all("people" in v for v in values):
            return "alphapose-open"
    raise FormatError(
        f"expected the keys of a known format, got {', '.join(sorted(keys)[:8]) or 'none'}",
        where=where,
        hint="--from FORMAT",
    )


def _list(document: list[Any], where: str) -> str:
    if not document:
        return "coco"
    first = document[0]
    if not isinstance(first, dict):
        raise FormatError(
            f"expected a list of objects, got {first!r:.40}", where=f"{where}, record 0"
        )
    if "people" in first:
        return "controlnet"
    if "image_id" in first and "keypoints" in first:
        if "idx" in first or "box" in first:
            return "alphapose"
        if isinstance(first["image_id"], str) and "bbox" not in first and "track_id" not in first:
            raise FormatError(
                "expected one format, got records that AlphaPose and COCO results both have: "
                f"'image_id' is the string {first['image_id']!r}",
                where=where,
                hint="--from alphapose or --from coco",
            )
        return "coco"
    if "keypoint_scores" in first or {"frame_id", "instances"} <= set(first):
        return "mmpose"
    raise FormatError(
        f"expected the keys of a known format, got {', '.join(sorted(first)[:8]) or 'none'}",
        where=f"{where}, record 0",
        hint="--from FORMAT",
    )
