"""Ultralytics results as JSON: `Results.to_json()` and `Results.summary()`, one list per image.

ultralytics/engine/results.py, summary(). `visible` is the confidence of a joint; models whose
`kpt_shape` is [K, 2] have none. The records name no image and tell no size: an image is known by
its file's name, or by its place in a list of such lists. With ``normalize=True`` they are shares.
"""

from typing import Any

import numpy as np

import refine.history as _history
from refine._types import Floats
from refine.categories import category_of, category_of_class
from refine.exceptions import FormatError
from refine.formats._instances import (
    Facts,
    Instances,
    hold_instances,
    instances_of,
    poses_of,
    rows_of,
)
from refine.formats._keypoints import matrix
from refine.formats._records import describe
from refine.formats._rows import column, first_keys, fours
from refine.formats._unlabelled import FIELD as HALVES
from refine.formats.base import Document, Format, Holding, Options, Source, Verdict
from refine.poses import Poses

CORNERS = ("x1", "y1", "x2", "y2")
AXES = ("x", "y", "visible")
OWN = frozenset({"keypoints", "confidence", "box", "track_id"})


def read_ultralytics(source: Source, options: Options) -> Poses:
    """Read the records of one image, of a list of images, or of a folder with a file per image.

    Raises:
        FormatError: a record without keypoints, or some joints with confidences and some without.
        SkeletonError: see `skeleton_of`.
    """
    found = instances_of(source)
    lists = [_corners(row.get("box")) for row in found.rows]
    facts = Facts(
        OWN,
        column(found.rows, "confidence", found.where),
        fours(lists, "box", found.where),
    )
    poses = poses_of(found, _values(found), options, facts)
    extra = []
    for row in poses.extra:
        label: Any = row.get("class")
        whole = type(label) is int and 0 <= label < 2**31 and "category_id" not in row
        extra.append({**row, "category_id": category_of_class(label)} if whole else row)
    return poses.replace(extra=tuple(extra))


def write_ultralytics(poses: Poses, precision: int | None, held: Holding) -> Document:
    """Write records of one image, or lists of them where there are more."""
    axes = AXES[:2] if poses.meta.get("bare") else AXES

    def write(i: int, values: list[float]) -> dict[str, Any]:
        row: dict[str, Any] = {}
        told = category_of(poses.extra[i])
        if "class" not in poses.extra[i]:
            label = told - 1 if type(told) is int and told > 0 else 0
            row = {"name": "person" if label == 0 else str(label), "class": label}
        score = float(poses.instance_score[i])
        if score == score:
            row["confidence"] = score
        if poses.box is not None and np.isfinite(poses.box[i]).all():
            row["box"] = dict(zip(CORNERS, poses.box[i].tolist(), strict=True))
        row["keypoints"] = {axis: values[at::3] for at, axis in enumerate(axes)}
        return row

    rows = rows_of(poses, precision, "keypoints", write)
    rows = [{k: v for k, v in row.items() if k != "category_id"} for row in rows]
    return hold_instances(rows, poses, held)


def _corners(box: Any) -> Any:
    return [box.get(corner) for corner in CORNERS] if isinstance(box, dict) else box


def _values(found: Instances) -> Floats:
    """Return x, y, confidence (N, K, 3); NaN for confidences that the model does not give."""
    points = []
    for i, row in enumerate(found.rows):
        of = row.get("keypoints")
        if not isinstance(of, dict) or not all(isinstance(of.get(a), list) for a in AXES[:2]):
            got = describe(of) if "keypoints" in row else "a record without"
            raise FormatError(
                f"expected 'keypoints' with lists 'x' and 'y', got {got}",
                where=found.where(i),
                hint="a pose model's results" if "keypoints" not in row else None,
            )
        points.append(of)
    k = next((len(of["x"]) for of in points if of["x"]), 0)
    scored = next((of.get("visible") is not None for of in points if of["x"]), True)
    for i, of in enumerate(points):
        if of["x"] and (of.get("visible") is not None) != scored:
            raise FormatError(
                "expected 'visible' with all keypoints or with none, got some", where=found.where(i)
            )
    blank = [[None] * k if not of["x"] and not of["y"] else None for of in points]
    named = {
        axis: [b or of.get(axis) for b, of in zip(blank, points, strict=True)] for axis in AXES
    }
    axes = [matrix(named[axis], k, f"keypoints.{axis}", found.where) for axis in AXES]
    values = np.stack(axes, -1)
    values[[b is not None for b in blank], :, 2] = 0.0
    return values


def _is_ultralytics(document: Document) -> Verdict:
    if isinstance(document, list):
        document = next((d for d in document if d), None) if _nested(document) else document
    keys = first_keys(document)
    row: Any = document[0] if isinstance(document, list) and document else {}
    if "keypoints" not in keys or not isinstance(row["keypoints"], dict):
        return Verdict.NO
    return Verdict.YES if {"x", "y"} <= row["keypoints"].keys() else Verdict.NO


def _nested(document: list[Any]) -> bool:
    return bool(document) and all(isinstance(each, list) for each in document)


_FIELDS = frozenset({*OWN, "name", "class", "category_id", _history.FIELD})

FORMATS = (
    Format(
        name="ultralytics",
        about="Ultralytics Results.to_json(): a folder with a list of poses per image",
        tells="'keypoints' with 'x' and 'y'",
        detect=_is_ultralytics,
        read=read_ultralytics,
        write=write_ultralytics,
        holdings=("folder", "document", "lines"),
        fields=_FIELDS,
        private=_FIELDS - {"category_id"} | {HALVES},
        cannot_hold=(
            "image ids",
            "image sizes",
            "frame numbers",
            "score kind",
            "areas",
            "skeletons that do not ship",
            "frames per second",
        ),
    ),
)
