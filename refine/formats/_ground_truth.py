"""The writer of COCO ground truth, the counterpart of `coco.read_ground_truth`."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import count, islice
from typing import Any

import numpy as np

import refine.history as _history
from refine._types import Bools, Floats
from refine.categories import category_of
from refine.exceptions import FormatError
from refine.formats._images import image_record
from refine.formats._keypoints import flat
from refine.formats._records import describe
from refine.formats._rows import ORDER, arrange, sizes, split
from refine.formats._unlabelled import FIELD as UNLABELLED, halves_apart, put_back
from refine.formats.annotations import categories_with, with_body, without_body
from refine.geometry import keypoint_box
from refine.oks import BOX_FRACTION
from refine.poses import ImageRef, Poses

ABSENT = "absent"
"""What `extra` holds as the keypoints of an annotation that has no such field."""


VISIBLE = 0.3
"""Score above which v is 2: what MMPose's demos draw (`--kpt-thr`, topdown_demo_with_mmdet.py)."""


def write_ground_truth(poses: Poses, precision: int | None) -> dict[str, Any]:
    """Write COCO ground truth; v is the source's own where that was ground truth."""
    source = poses.meta.get("document")
    flags = visibility(poses)
    lists = flat(poses.replace(score=flags, meta={}), precision)
    counts = (flags > 0).sum(1).tolist()
    columns = {
        "score": poses.instance_score.tolist(),
        "bbox": sizes(poses.box),
        "area": None if poses.area is None else poses.area.tolist(),
        "track_id": None if poses.track is None else [t if t >= 0 else None for t in poses.track],
    }
    annotations = []
    new, free = added(poses), _free_id(poses)
    for i, keypoints in enumerate(lists):
        own = {"id": i + 1, "category_id": 1, "iscrowd": 0} if source is None else {}
        if new[i]:
            own = {"id": next(free), "iscrowd": 0}
        row = {**own, **poses.extra[i], "image_id": poses.images[poses.image[i]].id}
        if source is None:
            row["category_id"] = _category(row, i)
        halves_apart(row)  # of results: a labelled joint has both coordinates
        put_back(keypoints, row.pop(UNLABELLED, None), poses.skeleton.joints, precision)
        if counts[i] or "keypoints" not in row:
            row |= split(keypoints, bool(poses.meta.get("parts")))
            if poses.meta.get("counted", True):
                row.setdefault("num_keypoints", counts[i])
        elif row["keypoints"] == ABSENT:
            del row["keypoints"]
        for field, values in columns.items():
            value = None if values is None else values[i]
            if value is not None and value == value:
                row[field] = value
        annotations.append(arrange(row, ORDER))
    document = dict(source or {})
    listed, only = document.get("categories"), poses.meta.get("category")
    others = without_body(listed, poses.skeleton, only)
    if source is None:
        ids = dict.fromkeys(row["category_id"] for row in annotations)
        document["categories"] = categories_with(poses.skeleton, ids or [1])
    elif others and not poses.meta.get("parts"):
        document["categories"] = with_body(listed, poses.skeleton, only)
    if poses.history:
        document[_history.FIELD] = _history.encode(poses.history)
    images = [image_record(ref if source else _named(ref)) for ref in poses.images]
    annotations = _merge(annotations, poses.meta.get("others", ()))
    return {"images": images, "annotations": annotations} | document


def visibility(poses: Poses, above: float = VISIBLE) -> Floats:
    """Return the flag v (N, K) of joints.

    0 for missing joints; the flag that a joint came with; else 2 for a score above `above` and 1
    for others, also where there is none: nobody has said that it is seen.
    """
    own = poses.score if poses.score_kind == "flag" else np.zeros(poses.score.shape)
    if poses.score_kind != "flag" and "document" in poses.meta:
        for i, row in enumerate(poses.extra):
            # Refined since: the refiner keeps the scores that it replaces.
            if len(scores := row.get("source_scores", ())) == own.shape[1]:
                own[i] = np.array(scores, np.float64)
    seen = np.where(poses.score > above, 2.0, 1.0)
    return np.where(poses.present, np.where(own > 0, own, seen), 0.0)


def added(poses: Poses) -> Bools:
    """Tell the poses (N,) that a file of ground truth did not have: others have an id there."""
    without = np.array(["id" not in row for row in poses.extra], np.bool_)
    return without & ("document" in poses.meta and not without.all())


def _free_id(poses: Poses) -> Iterator[int]:
    """Return ids beyond those that annotations have, one after the other."""
    rows = (*poses.extra, *(row for _, row in poses.meta.get("others", ())))
    taken = [row.get("id") for row in rows if isinstance(row, Mapping)]
    return count(max((i for i in taken if isinstance(i, int)), default=0) + 1)


def annotate(poses: Poses) -> tuple[Poses, tuple[str, ...]]:
    """Give poses of other formats what annotations must have, and say what that was.

    That is the box of their joints and `BOX_FRACTION` of its area where they have none, and v, see
    `visibility`.
    """
    new = added(poses) if "document" in poses.meta else np.ones(len(poses), np.bool_)
    if not new.any():
        return poses, ()
    notes = []
    found = np.where(new[:, None], keypoint_box(poses.xy), np.nan)
    own, given = poses.box, poses.area
    boxes = found if own is None else np.where(np.isfinite(own), own, found)
    guess = (BOX_FRACTION * (boxes[:, 2:] - boxes[:, :2]).prod(1)).round(4)
    guess = np.where(new, guess, np.nan)
    area = guess if given is None else np.where(np.isfinite(given), given, guess)
    for what, old, now in (
        ("bbox", own, boxes),
        (f"area, {BOX_FRACTION} of that of the box,", given, area),
    ):
        before = np.full_like(now, np.nan) if old is None else old
        differs = (before != now) & ~np.isnan(now)
        number = int(differs.reshape(len(now), -1).any(1).sum())
        notes += [f"{what} of {number} poses without one: from their joints"] if number else []
    if poses.score_kind != "flag" and "document" not in poses.meta:
        seen = int((visibility(poses) == 2).sum())
        notes.append(f"v: 2 for the {seen} joints with a score above {VISIBLE}, 1 for the others")
    return poses.replace(box=boxes, area=area), tuple(notes)


def _category(row: dict[str, Any], number: int) -> int | float | str:
    """Return the category of a row that was none of annotations, 1 where it has none."""
    found = category_of(row)
    if not isinstance(found, int | float | str | None):
        raise FormatError(
            f"expected a category id for annotations, got {describe(found)}",
            where=f"pose {number}",
            hint="whole numbers in 'category_id' of the source",
        )
    return 1 if found is None else found


def _named(ref: ImageRef) -> ImageRef:
    named = ref.file_name is None and isinstance(ref.id, str)
    return replace(ref, file_name=str(ref.id)) if named else ref


def _merge(persons: list[dict[str, Any]], others: Sequence[tuple[int, Any]]) -> list[Any]:
    """Put other annotations back where they stood among the persons."""
    out: list[Any] = []
    left = iter(persons)
    for number, other in others:
        out.extend(islice(left, max(0, number - len(out))))
        out.append(other)
    return [*out, *left]
