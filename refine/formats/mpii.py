"""MPII as HRNet and MMPose keep it: a list with a record per person, 16 joints, pixels from 1.

HRNet takes 1 from joints and centre when it reads (lib/dataset/mpii.py); so does this. `scale` is
the size of the person in `SIDE` px. `joints_vis` is 0 for joints that nobody labelled, whatever
their place; (-1, -1) and (0, 0) are none.
"""

from functools import partial
from typing import Any

import numpy as np

import refine.history as _history
from refine._types import Floats
from refine.exceptions import FormatError
from refine.formats._images import index_images
from refine.formats._keypoints import FAR, matrix, rounded, shortest
from refine.formats._person import one_person
from refine.formats._records import describe
from refine.formats._rows import first_keys
from refine.formats._unlabelled import FIELD as UNLABELLED
from refine.formats.base import Document, Format, Holding, Options, Source, Verdict
from refine.geometry import keypoint_box
from refine.poses import ImageRef, Poses
from refine.skeletons import skeleton

BODY = "mpii16"
IMAGE, POINTS, SEEN, CENTRE, SCALE = "image", "joints", "joints_vis", "center", "scale"
OWN = frozenset({IMAGE, POINTS, SEEN, _history.FIELD})

ORIGIN = 1.0
"""px; number of the first row and column, as in MATLAB, in which the data set was made."""

SIDE = 200.0
"""px; side of a person of scale 1: `pixel_std` of HRNet, lib/dataset/JointsDataset.py."""

NOWHERE = {"minus-one": -1.0, "zero": 0.0}
"""Coordinates of joints without a place."""


def read_mpii(source: Source, options: Options) -> Poses:
    """Read persons; those without `joints`, as in the test set, are poses without joints.

    Raises:
        FormatError: no list of objects with `image`, values that are no numbers, a visible joint
            without a place.
    """
    rows, where, body = source.document, source.record("person"), skeleton(BODY)
    if not isinstance(rows, list):
        raise FormatError(f"expected a list of persons, got {describe(rows)}", where=source.path)
    for i, row in enumerate(rows):
        name = row.get(IMAGE) if isinstance(row, dict) else None
        if not isinstance(name, str):
            raise FormatError(
                f"expected a person with the name of an {IMAGE!r}, got {row!r:.60}", where=where(i)
            )
    k = len(body)
    lists = [_flat_points(row.get(POINTS), where(i)) for i, row in enumerate(rows)]
    points = matrix(lists, 2 * k, POINTS, where).reshape(-1, k, 2)
    seen = np.nan_to_num(matrix([row.get(SEEN) for row in rows], k, SEEN, where))
    nowhere = np.isnan(points).any(2)
    for value in NOWHERE.values():
        nowhere |= (points == value).all(2)
    far = (np.abs(points) > FAR).any(2)
    for i, j in np.argwhere((seen > 0) & (nowhere | far)).tolist():
        raise FormatError(
            f"expected the place of a visible joint in px, got {points[i, j].tolist()} for "
            f"{body.joints[j]!r}",
            where=where(i),
        )
    there = seen > 0
    image, refs = index_images([ImageRef(row[IMAGE], row[IMAGE]) for row in rows])
    extra = [{key: v for key, v in row.items() if key not in OWN} for row in rows]
    for i, j in np.argwhere(~there & ~nowhere).tolist():
        extra[i].setdefault(UNLABELLED, {})[body.joints[j]] = _moved(points[i, j], -1).tolist()
    minus = int((points == NOWHERE["minus-one"]).all(2).sum())
    usual = "minus-one" if 2 * minus >= int((nowhere & ~np.isnan(points).any(2)).sum()) else "zero"
    return Poses(
        body,
        np.where(there[..., None], _moved(points, -1), np.nan),
        seen,
        np.full(len(rows), np.nan),
        image,
        refs,
        score_kind="flag",
        history=_history.agree([row.get(_history.FIELD) for row in rows], where),
        extra=tuple(extra),
        meta={"nowhere": usual, "bare": not any(POINTS in row for row in rows)},
    )


def write_mpii(poses: Poses, precision: int | None, held: Holding) -> Document:
    """Write persons; `joints_vis` is 1 for the joints that are there."""
    del held
    nowhere = NOWHERE[poses.meta.get("nowhere", "minus-one")]
    points = np.where(poses.present[..., None], _moved(rounded(poses, precision), 1), nowhere)
    flags = poses.score_kind == "flag"
    steps = {_history.FIELD: _history.encode(poses.history)} if poses.history else {}
    bare = poses.meta.get("bare") and not poses.present.any()
    out = []
    for i, (joints, present) in enumerate(zip(points.tolist(), poses.present, strict=True)):
        row = dict(poses.extra[i])
        ref = poses.images[poses.image[i]]
        for joint, place in (row.pop(UNLABELLED, None) or {}).items():
            j = poses.skeleton.joints.index(joint) if joint in poses.skeleton.joints else -1
            if j >= 0 and not present[j] and _is_place(place):
                joints[j] = _moved(np.array(place[:2], np.float64), 1).tolist()
        own = poses.score[i] if flags else np.ones(len(present))
        seen = np.where(present, np.where(own > 0, own, 1), 0).tolist()
        name = ref.file_name or str(ref.id)
        told = {} if bare else {SEEN: seen, POINTS: joints}
        out.append({IMAGE: name, **told, **row, **steps})
    return out


def give_places(poses: Poses) -> tuple[Poses, tuple[str, ...]]:
    """Give poses of other formats the centre and scale of their box, or of their joints."""
    box = keypoint_box(poses.xy)
    if poses.box is not None:
        box = np.where(np.isfinite(poses.box), poses.box, box)
    bare = [i for i, row in enumerate(poses.extra) if CENTRE not in row and SCALE not in row]
    bare = [i for i in bare if np.isfinite(box[i]).all()]
    extra = list(poses.extra)
    for i in bare:
        low, high = box[i, :2], box[i, 2:]
        centre = ((low + high) / 2 + ORIGIN).round(4).tolist()
        extra[i] = {CENTRE: centre, SCALE: round(float((high - low).max()) / SIDE, 6), **extra[i]}
    note = f"{CENTRE} and {SCALE} of {len(bare)} poses without: from their boxes or joints"
    return poses.replace(extra=tuple(extra)), (note,) if bare else ()


def _moved(xy: Floats, by: int) -> Floats:
    """Move places from pixels that count from `ORIGIN` to those from 0, or back."""
    return shortest(xy + by * ORIGIN, lambda short: short - by * ORIGIN == xy)


def _flat_points(points: Any, where: str) -> list[Any] | None:
    if points is None or points == []:
        return None
    pairs = isinstance(points, list) and all(isinstance(p, list) and len(p) == 2 for p in points)
    if not pairs:
        raise FormatError(f"expected pairs x, y in {POINTS!r}, got {points!r:.60}", where=where)
    return [value for point in points for value in point]


def _is_place(place: Any) -> bool:
    good = isinstance(place, list) and len(place) >= 2
    return good and all(type(value) in (int, float) for value in place[:2])


def _is_mpii(document: Document) -> Verdict:
    keys = first_keys(document)
    told = {POINTS, SEEN} <= keys or {IMAGE, CENTRE, SCALE} <= keys
    return Verdict.YES if told else Verdict.NO


_FIELDS = OWN | {CENTRE, SCALE}

FORMATS = (
    Format(
        name="mpii",
        about="MPII of HRNet and MMPose: a list with a record per person, pixels from 1",
        tells="'joints' and 'joints_vis' in a list",
        detect=_is_mpii,
        read=read_mpii,
        write=write_mpii,
        fields=_FIELDS,
        private=_FIELDS | {UNLABELLED},
        skeletons=(BODY,),
        complete=give_places,
        example=partial(one_person, BODY),
        cannot_hold=(
            "image ids",
            "image sizes",
            "frame numbers",
            "images without poses",
            "keypoint scores",
            "score kind",
            "instance scores",
            "boxes",
            "areas",
            "tracks",
            "skeletons that do not ship",
            "frames per second",
        ),
    ),
)
