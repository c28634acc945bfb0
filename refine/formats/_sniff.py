"""Which format a document is of, told by its keys; what could be two is an error."""

from typing import Any

from refine.exceptions import FormatError
from refine.formats._load import Folder, Lines
from refine.formats._rows import describe


def sniff_document(document: Any, where: str) -> str:
    """Name the format of what `load` returned.

    Raises:
        FormatError: no format fits, or several.

    >>> sniff_document([{"image_id": 1, "keypoints": [], "category_id": 1}], "a.json")
    'coco'
    """
    if isinstance(document, Folder):
        name, first = next(iter(document.files.items()))
        if isinstance(first, dict) and "people" in first:
            return "openpose"
        raise _unknown(first, f"{where}, {name}")
    if isinstance(document, Lines):
        head = document.values[0] if document.values else {}
        if isinstance(head, dict) and "poses" in head:
            return "ndjson"
        raise _unknown(head, f"{where}, line 1")
    if isinstance(document, dict):
        return _object(document, where)
    if isinstance(document, list):
        return _list(document, where)
    raise FormatError(f"expected a list or an object, got {describe(document)}", where=where)


def _object(document: dict[str, Any], where: str) -> str:
    keys = set(document)
    if "people" in keys:
        if "canvas_width" in keys:
            return "controlnet"
        if "version" in keys:
            return "openpose"
        raise FormatError(
            "expected 'people' beside the 'version' of openpose or the 'canvas_width' of "
            "controlnet, got neither",
            where=where,
            hint="--from openpose or --from controlnet",
        )
    if {"images", "annotations"} <= keys:
        return "coco-gt"
    if "instance_info" in keys:
        return "mmpose"
    if "poses" in keys:
        return "ndjson"
    values = list(document.values())
    if values and all(isinstance(v, dict) for v in values):
        for key, found in (("bodies", "alphapose-cmu"), ("people", "alphapose-open")):
            if all(key in v for v in values):
                return found
    raise _unknown(document, where)


def _list(document: list[Any], where: str) -> str:
    if not document:
        return "coco"
    first = document[0]
    keys = set(first) if isinstance(first, dict) else set()
    if "people" in keys:
        return "controlnet"
    if {"image_id", "keypoints"} <= keys:
        if keys & {"idx", "box"}:
            return "alphapose"
        # Ultralytics and others name images too, but they write a box, track or file name.
        named = isinstance(first["image_id"], str)
        return "alphapose" if named and not keys & {"bbox", "track_id", "file_name"} else "coco"
    points = first.get("keypoints") if keys else None
    in_pairs = isinstance(points, list) and points and isinstance(points[0], list)
    if "keypoint_scores" in keys or "instances" in keys or (in_pairs and "bbox" in keys):
        return "mmpose"
    raise _unknown(first, f"{where}, record 0")


def _unknown(value: Any, where: str) -> FormatError:
    if not isinstance(value, dict):
        return FormatError(f"expected an object, got {describe(value)}", where=where)
    return FormatError(
        "expected the keys of a known format, got "
        + (", ".join(sorted(map(str, value))[:8]) or "none"),
        where=where,
        hint="--from FORMAT",
    )
