"""Results that MMPose's ``tools/test.py`` dumps: ``--dump`` of 1.x, ``--out`` of 0.x.

1.x (mmengine, DumpResults): data samples as objects, what was predicted under `pred_instances`; a
pickle, which this project does not load, so that they come from memory. 0.x (apis/test.py): what
the networks return, `preds` beside `image_paths`.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from refine.exceptions import FormatError
from refine.formats._images import image_id
from refine.formats._records import describe
from refine.formats.base import Document, Where
from refine.poses import ImageRef

NEW, OLD = "pred_instances", "preds"


def are_tests(document: Document) -> bool:
    """Whether a document is of such results."""
    first = document[0] if isinstance(document, list) and document else None
    return isinstance(first, dict) and (NEW in first or {OLD, "image_paths"} <= first.keys())


def read_tests(results: Sequence[Any], where: Where) -> list[tuple[ImageRef, list[Any]]]:
    """Return images, and the instances of each as the inferencer writes them.

    Boxes of 0.x are those of its crops, and stay behind; so does what is no prediction.

    Raises:
        FormatError: lists of different lengths, or something that is no list.
    """
    images: dict[int | str, tuple[ImageRef, list[Any]]] = {}
    for i, result in enumerate(results):
        if not isinstance(result, dict):
            raise FormatError(f"expected an object, got {describe(result)}", where=where(i))
        found = _of_sample(result, where(i)) if NEW in result else _of_batch(result, where(i))
        for ref, instances in found:
            images.setdefault(ref.id, (ref, []))[1].extend(instances)
    return list(images.values())


def _of_sample(sample: Mapping[str, Any], where: str) -> list[tuple[ImageRef, list[Any]]]:
    path = sample.get("img_path")
    name = path if isinstance(path, str) else None
    number = sample.get("img_id", None if name is None else _number(name))
    size = sample.get("ori_shape")
    height, width = size[:2] if isinstance(size, list) and len(size) > 1 else (None, None)
    ref = ImageRef(image_id(number, where), name, width, height)
    fields = sample[NEW] if isinstance(sample[NEW], dict) else {}
    names = {"keypoints": "keypoints", "keypoint_scores": "keypoint_scores"}
    names |= {"bboxes": "bbox", "bbox_scores": "bbox_score"}
    columns = {new: _list(fields, old, where) for old, new in names.items() if old in fields}
    rows = _rows({"keypoints": [], **columns}, where)
    kept = {key: sample[key] for key in ("category_id", "id") if type(sample.get(key)) is int}
    return [(ref, [row | kept for row in rows])]


def _of_batch(batch: Mapping[str, Any], where: str) -> list[tuple[ImageRef, list[Any]]]:
    preds, paths = _list(batch, OLD, where), _list(batch, "image_paths", where)
    if len(paths) == 1:
        paths = paths * len(preds) if preds else paths  # Bottom-up: all are on one image.
    columns: dict[str, list[Any]] = {
        "keypoints": [[p[:3] if isinstance(p, list) else p for p in pose] for pose in preds]
    }
    if batch.get("boxes"):
        columns["bbox_score"] = [
            box[5] if isinstance(box, list) and len(box) > 5 else None for box in batch["boxes"]
        ]
    elif batch.get("scores"):
        columns["bbox_score"] = _list(batch, "scores", where)
    rows = _rows(columns, where)
    if rows and len(paths) != len(rows):
        raise FormatError(
            f"expected as many 'image_paths' as 'preds', got {len(paths)} and {len(rows)}",
            where=where,
        )
    for path in paths:
        if not isinstance(path, str):
            raise FormatError(f"expected names in 'image_paths', got {path!r:.40}", where=where)
    refs = [ImageRef(_number(path), path) for path in paths]
    groups: list[list[Any]] = [[row] for row in rows] if rows else [[] for _ in refs]
    return list(zip(refs, groups, strict=True))


def _number(path: str) -> int | str:
    """Return the number that an image is called by, as COCO's are, else its path."""
    stem = Path(path).stem
    return int(stem) if stem.isascii() and stem.isdecimal() and len(stem) < len("9" * 16) else path


def _list(fields: Mapping[str, Any], name: str, where: str) -> list[Any]:
    values = fields.get(name)
    if not isinstance(values, list):
        raise FormatError(f"expected a list {name!r}, got {describe(values)}", where=where)
    return values


def _rows(columns: Mapping[str, list[Any]], where: str) -> list[dict[str, Any]]:
    counts = {name: len(values) for name, values in columns.items()}
    if len(set(counts.values())) > 1:
        told = ", ".join(f"{count} {name!r}" for name, count in counts.items())
        raise FormatError(f"expected as many of each, got {told}", where=where)
    return [
        dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)
    ]
