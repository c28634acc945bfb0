"""From poses to the columns of a Parquet table, some rows at a time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np

from refine._types import Floats, Indices
from refine.categories import categories_in
from refine.files import dump_json, jsonable
from refine.formats._images import id_array
from refine.formats._parquet import Coded, coded
from refine.formats._unlabelled import FIELD as UNLABELLED, halves_apart, put_back
from refine.poses import Poses

CATEGORY = "category_id"
SIZES = ("width", "height", "frame")
BLOCK = 1 << 14
"""Poses that are copied and spelled at once: some MB, which fit a processor's cache."""

_lines = msgspec.json.Encoder(enc_hook=jsonable)


@dataclass(frozen=True, slots=True)
class Layout:
    """The rows of a table, and the columns that each block of them takes its part of.

    Attributes:
        image: (R,) index of the image of each row.
        pose: (R,) index of its pose, -1 for an image without poses.
        number: (R,) of the pose in its image.
        of_images: columns of the I images.
        of_poses: columns of the N poses, NaN, -1 or masked where there is nothing.
        halves: what is carried of places that are half told, by pose.
    """

    image: Indices
    pose: Indices
    number: Indices
    of_images: Mapping[str, Any]
    of_poses: Mapping[str, Any]
    halves: Mapping[int, dict[str, Any]]


def lay_out(poses: Poses) -> Layout:
    """Return the rows of poses, image by image.

    Raises:
        FormatError: ids of images that are numbers and texts, or numbers beyond 64 bits.
    """
    n, images = len(poses), poses.images
    bare = np.flatnonzero(np.bincount(poses.image, minlength=len(images)) == 0)
    image = np.concatenate([poses.image, bare])
    order = np.arange(len(image))
    if (image[1:] < image[:-1]).any():
        order = np.argsort(image, kind="stable")
        image = image[order]
    starts = np.searchsorted(image, np.arange(len(images)))
    ids = id_array(images)
    of_images: dict[str, Any] = {"image_id": coded(ids.tolist()) if ids.dtype == object else ids}
    of_images["file_name"] = coded([ref.file_name for ref in images])
    for name in SIZES:
        told = [getattr(ref, name) for ref in images]
        of_images[name] = np.array([-1 if v is None else v for v in told], np.int64)
    of_images["image_extra"] = coded(_texts([ref.extra for ref in images]))
    extra, kinds, halves = _of_extra(poses.extra)
    return Layout(
        image,
        np.where(order < n, order, -1),
        np.arange(len(image)) - starts[image],
        of_images,
        {
            CATEGORY: kinds,
            "track_id": np.full(n, -1) if poses.track is None else poses.track,
            "pose_score": poses.instance_score,
            "area": np.full(n, np.nan) if poses.area is None else poses.area,
            "box": np.full((n, 4), np.nan) if poses.box is None else poses.box,
            "extra": extra,
        },
        halves,
    )


def columns_of(poses: Poses, precision: int | None, layout: Layout, rows: slice) -> dict[str, Any]:
    """Return the columns of some rows of a layout of poses."""
    image, pose, number = layout.image[rows], layout.pose[rows], layout.number[rows]
    columns = {name: _take(values, image) for name, values in layout.of_images.items()}
    columns["pose"] = np.ma.masked_where(pose < 0, number)
    columns |= {name: _take(values, pose) for name, values in layout.of_poses.items()}
    for name in (*SIZES, "track_id"):
        columns[name] = np.ma.masked_less(columns[name], 0)
    if len(image) < len(layout.image):
        columns = {name: _own(values) for name, values in columns.items()}
    extra = columns.pop("extra")
    return columns | {"keypoints": _keypoints(poses, precision, layout, pose), "extra": extra}


def _keypoints(poses: Poses, precision: int | None, layout: Layout, pose: Indices) -> Floats:
    """Return x, y, score of the joints of some poses, (R, 3 K); NaN where the pose is -1."""
    joints = poses.skeleton.joints
    out = np.empty((len(pose), len(joints), 3))
    for start in range(0, len(pose), BLOCK):
        some = slice(start, start + BLOCK)
        xy = _take(poses.xy, pose[some])
        out[some, :, :2] = xy if precision is None else xy.round(precision)
        out[some, :, 2] = _take(poses.score, pose[some])
    values = out.reshape(len(pose), 3 * len(joints))
    if layout.halves:
        for row in np.flatnonzero(np.isin(pose, list(layout.halves))).tolist():
            half = values[row].tolist()
            put_back(half, layout.halves[int(pose[row])], joints, precision)
            values[row] = np.array(half, np.float64)
    return values


def _take(values: Any, rows: Indices) -> Any:
    """Return some rows of a column, copied: nothing where a row is -1."""
    if isinstance(values, Coded):
        return Coded(np.append(values.codes, -1)[rows], values.values)
    if isinstance(values, np.ma.MaskedArray):
        mask = np.append(np.ma.getmaskarray(values), True)[rows]
        return np.ma.masked_array(np.append(values.data, -1)[rows], mask)
    missing = np.nan if values.dtype.kind == "f" else -1
    if not len(values):
        return np.full((len(rows), *values.shape[1:]), missing)
    out = values[rows]
    out[rows < 0] = missing
    return out


def _own(column: Any) -> Any:
    """Return a column with no other values than it uses."""
    if not isinstance(column, Coded):
        return column
    used, places = np.unique(column.codes, return_inverse=True)
    told = used[used >= 0]
    return Coded(places - (len(used) - len(told)), [column.values[i] for i in told.tolist()])


def _of_extra(
    extra: Sequence[Mapping[str, Any]],
) -> tuple[Coded, Any, dict[int, dict[str, Any]]]:
    """Return the fields of poses as JSON, their categories, and halves of places by pose."""
    # One mapping may stand for many poses.
    ids = list(map(id, extra))
    place = {each: i for i, each in enumerate(dict.fromkeys(ids))}
    of = np.fromiter(map(place.__getitem__, ids), np.intp, len(ids))
    rows = list({id(row): row for row in extra}.values())
    found = categories_in(rows)
    types = set(map(type, found))
    plain = types in ({int}, {str}, {int, type(None)}, {str, type(None)})
    plain = plain and all(type(kind) is not int or abs(kind) < 2**63 for kind in found)
    kinds: Any = coded(found if plain else (None,) * len(found))
    if kinds.values and str not in types:
        numbers = np.array([*kinds.values, -1], np.int64)[kinds.codes]
        kinds = np.ma.masked_array(numbers, kinds.codes < 0)[of]
    elif not kinds.values:
        kinds = np.ma.masked_array(np.zeros(len(of), np.int64), True)
    else:
        kinds = Coded(kinds.codes[of], kinds.values)
    texts: list[str | None] = []
    apart: dict[int, dict[str, Any]] = {}
    for start in range(0, len(rows), BLOCK):
        block = rows[start : start + BLOCK]
        for i, row in enumerate(block):
            if (plain and CATEGORY in row) or UNLABELLED in row:
                block[i] = own = dict(row)
                if plain:
                    own.pop(CATEGORY, None)
                if UNLABELLED in own and (halves := halves_apart(own)):
                    apart[start + i] = halves
        texts += _texts(block)
    fields = coded(texts)
    halves_of = np.flatnonzero(np.isin(of, list(apart))).tolist() if apart else []
    return Coded(fields.codes[of], fields.values), kinds, {i: apart[int(of[i])] for i in halves_of}


def _texts(rows: Sequence[Mapping[str, Any]]) -> list[str | None]:
    """Return the fields of rows as JSON, None where there are none."""
    some = [row for row in rows if row]
    try:
        found = iter(_lines.encode_lines(some).decode().split("\n"))
    except UnicodeEncodeError:
        found = iter([dump_json(row).decode() for row in some])
    return [next(found) if row else None for row in rows]
