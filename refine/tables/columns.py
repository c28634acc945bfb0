"""Poses as columns: a row per joint, as in the project's own CSV."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from refine._types import Indices
from refine.exceptions import ArrayError
from refine.history import FIELD as HISTORY
from refine.skeletons import Skeleton
from refine.tables.text import (
    dump_fields,
    dump_skeleton,
    dump_steps,
    find_skeleton as find_body,
    parse_fields,
    parse_steps,
)

IMAGE = ("image_id", "file_name", "width", "height", "frame")
BOX = ("x1", "y1", "x2", "y2")
POSE = ("pose", "category_id", "track_id", "pose_score", *BOX, "area")
JOINT = ("joint", "x", "y", "score")
FILE = ("skeleton", "score_kind", HISTORY)
NEEDED = ("image_id", "joint", "x", "y")
CATEGORIES = frozenset({"joint", *FILE})
"""Columns of few different texts."""
KNOWN = frozenset({*IMAGE, *POSE, *JOINT, *FILE, "extra", "image_extra"})
"""Columns that are read."""

Table = Mapping[str, Sequence[Any]]
"""Columns by name; None or NaN where a row has nothing."""


def to_columns(poses: Any) -> dict[str, npt.NDArray[Any]]:
    """Write poses as columns, a row per joint of each, image by image.

    `pose` is the number of the pose among all. An image without poses has a row without a joint;
    where there is no image at all, a table has no row, and tells nothing.

    Args:
        poses: a `Poses`.

    Returns:
        arrays by name, masked where whole numbers are missing, None where other things are. Unknown
        fields of poses and images are JSON in the columns `extra` and `image_extra`, where there
        are some.
    """
    body, image, images = poses.skeleton, poses.image, poses.images
    n, k = poses.score.shape
    bare = np.setdiff1d(np.arange(len(images)), image)
    where = np.r_[np.repeat(image, k), bare]
    order = np.argsort(where, kind="stable")
    none = np.full(len(bare), -1)
    who = np.r_[np.repeat(np.arange(n), k), none][order]
    joint = np.r_[np.tile(np.arange(k), n), none][order]
    where = where[order]
    box = np.full((n, 4), np.nan) if poses.box is None else poses.box
    area = np.full(n, np.nan) if poses.area is None else poses.area
    track = np.full(n, -1) if poses.track is None else poses.track
    fields = [dict(row) for row in poses.extra]
    kinds = [_take_category(row) for row in fields]
    out: dict[str, npt.NDArray[Any]] = {"image_id": _labels([r.id for r in images])[where]}
    out["file_name"] = _objects([ref.file_name for ref in images])[where]
    for name in IMAGE[2:]:
        values = [getattr(ref, name) for ref in images]
        out[name] = _masked([-1 if v is None else v for v in values], where)
    out["pose"] = _masked(np.arange(n), who)
    out["category_id"] = _labels([*kinds, None])[who]
    out["track_id"] = _masked(track, who)
    for name, values in zip(POSE[3:], (poses.instance_score, *box.T, area), strict=True):
        out[name] = np.r_[values, np.nan][who]
    out["joint"] = _objects([*body.joints, None])[joint]
    rows = np.where(joint < 0, n * k, who * k + joint)
    for name, values in zip(JOINT[1:], (*poses.xy.reshape(-1, 2).T, poses.score), strict=True):
        out[name] = np.r_[values.ravel(), np.nan][rows]
    texts = (dump_skeleton(body), poses.score_kind, dump_steps(poses.history))
    for name, text in zip(FILE, texts, strict=True):
        if text:
            out[name] = _objects([text])[np.zeros(len(where), np.intp)]
    if any(fields):
        out["extra"] = _objects([*map(dump_fields, fields), None])[who]
    if any(ref.extra for ref in images):
        out["image_extra"] = _objects([dump_fields(ref.extra) for ref in images])[where]
    return out


def from_columns(table: Table, skeleton: Skeleton | str | Path | None = None) -> dict[str, Any]:
    """Read poses from columns, as `to_columns` writes them or as far as they are there.

    `image_id`, `joint`, `x` and `y` must be there. Rows may be left out or stand in another order:
    joints without a row are missing. Without `pose` an image has one pose, or one per track; where
    the numbers in `pose` are of one pose each, they are the order of the poses.

    Args:
        table: columns by name; others than those of `to_columns` are left alone.
        skeleton: of the joints, where the columns do not tell: joints without a `skeleton` are one
            of their own unless a shipped one has them all.

    Returns:
        attributes of `Poses`, the images as mappings.

    Raises:
        ArrayError: a column that is missing, a joint twice in a pose, or rows of one image or pose
            that differ in what they tell of it.
        SkeletonError: joints that the skeleton lacks.
    """
    if lacking := [name for name in NEEDED if name not in table]:
        raise ArrayError(
            f"expected columns {', '.join(NEEDED)}, got none {lacking[0]!r}",
            hint="what `to_pandas` writes has them all",
        )
    count = len(table["image_id"])
    ids, joints = _plain(table["image_id"]), _plain(table["joint"])
    images = _Groups(((i,) for i in ids), range(count))
    some = [i for i, joint in enumerate(joints) if joint is not None]
    names = [_plain(table[n]) if n in table else [None] * count for n in ("pose", "track_id")]
    keys = zip(ids, names[0], [None] * count if "pose" in table else names[1], strict=True)
    whole = list(keys)
    poses = _Groups((whole[i] for i in some), some)
    told = {n: _one(table, n) for n in FILE}
    body = find_body(told["skeleton"], [joints[i] for i in some], skeleton)
    n, k = len(poses.first), len(body)
    order = _order(names[0], poses)
    place = {joint: j for j, joint in enumerate(body.joints)}
    slot = order[poses.of] * k + np.array([place.get(joints[i], -1) for i in some], np.intp)
    _check_slots(slot, [joints[i] for i in some], some, place)
    first = np.empty(n, np.intp)
    first[order] = poses.first

    def marks(name: str) -> npt.NDArray[np.float64]:
        values = np.full(n * k, np.nan)
        if name in table:
            values[slot] = _numbers(table, name)[some]
        return values

    def column(name: str) -> npt.NDArray[np.float64]:
        values = _numbers(table, name) if name in table else np.full(count, np.nan)
        poses.check(values, name)
        return values[first]

    refs = [{"id": ids[i]} for i in images.first]
    for name, key in zip((*IMAGE[1:], "image_extra"), (*IMAGE[1:], "extra"), strict=True):
        values = _plain(table.get(name, [None] * count))
        images.check(values, name)
        for ref, i in zip(refs, images.first.tolist(), strict=True):
            ref[key] = parse_fields(values[i], i) if key == "extra" else _whole(values[i])
    fields = _plain(table.get("extra", [None] * count))
    kinds = _plain(table.get("category_id", [None] * count))
    poses.check(fields, "extra")
    poses.check(kinds, "category_id")
    box = np.stack([column(name) for name in BOX], 1)
    track, area = column("track_id"), column("area")
    return {
        "skeleton": body,
        "xy": np.stack([marks("x"), marks("y")], 1).reshape(n, k, 2),
        "score": marks("score").reshape(n, k),
        "instance_score": column("pose_score"),
        "image": images.of[first],
        "images": tuple(refs),
        "score_kind": told["score_kind"] or ("unknown" if count and "score" in table else "none"),
        "box": box if np.isfinite(box).any() else None,
        "area": area if np.isfinite(area).any() else None,
        "track": None if np.isnan(track).all() else np.nan_to_num(track, nan=-1).astype(np.int64),
        "history": parse_steps(told[HISTORY]),
        "extra": tuple(
            parse_fields(fields[i], i)
            | ({} if kinds[i] is None else {"category_id": _whole(kinds[i])})
            for i in first.tolist()
        ),
    }


class _Groups:
    """Rows by a key: of which group each is, and the first of each."""

    def __init__(self, keys: Iterable[Any], rows: Sequence[int]) -> None:
        place: dict[Any, int] = {}
        first: list[int] = []
        of = []
        for key, row in zip(keys, rows, strict=True):
            if key not in place:
                place[key] = len(place)
                first.append(row)
            of.append(place[key])
        self.rows = np.array(rows, np.intp)
        self.of: Indices = np.array(of, np.intp)
        self.first: Indices = np.array(first, np.intp)

    def check(self, values: Any, name: str) -> None:
        """Refuse rows of one group that tell different things."""
        held = np.asarray(values) if isinstance(values, np.ndarray) else _objects(values)
        mine, theirs = held[self.rows], held[self.first[self.of]]
        differ = (mine != theirs) & ~((mine != mine) & (theirs != theirs))
        if differ.any():
            at = int(np.flatnonzero(differ)[0])
            raise ArrayError(
                f"expected one {name!r} for all rows of an image or pose, got {mine[at]!r:.40} "
                f"after {theirs[at]!r:.40}",
                where=f"row {self.rows[at]}",
            )


def _order(numbers: list[Any], poses: _Groups) -> Indices:
    """Return the place of each pose: by its number where each has its own, else as they come."""
    found = [numbers[i] for i in poses.first]
    if None in found or len(set(found)) < len(found):
        return np.arange(len(found))
    place = np.empty(len(found), np.intp)
    place[np.argsort(np.array(found), kind="stable")] = np.arange(len(found))
    return place


def _check_slots(
    slot: Indices, joints: list[Any], rows: list[int], place: Mapping[Any, int]
) -> None:
    strange = [i for i, joint in enumerate(joints) if joint not in place]
    _, again = np.unique(slot, return_index=True)
    twice = np.setdiff1d(np.arange(len(slot)), again)
    if strange or len(twice):
        at = int(strange[0] if strange else twice[0])
        got = f"{joints[at]!r}" + ("" if strange else " twice")
        raise ArrayError(
            f"expected each joint of {', '.join(place)} once in a pose, got {got}"[:300],
            where=f"row {rows[at]}",
            hint=None if strange else "a column 'pose' with the number of the pose",
        )


def _one(table: Table, name: str) -> str | None:
    found = {v for v in _plain(table[name]) if v is not None} if name in table else set()
    if len(found) > 1:
        raise ArrayError(f"expected one {name!r} in a table, got {len(found)}", hint="one for each")
    return next(iter(found), None)


def _numbers(table: Table, name: str) -> npt.NDArray[np.float64]:
    values: Any = table[name]
    held = values if _is_numeric(values) else _plain(values)
    try:
        return np.array(held, np.float64)
    except (TypeError, ValueError) as error:
        raise ArrayError(f"expected numbers in {name!r}, got: {error}") from None


def _is_numeric(values: Any) -> bool:
    return isinstance(values, np.ndarray) and values.dtype.kind in "iuf"


def _plain(values: Any) -> list[Any]:
    """Return values as Python has them, None for NaN."""
    listed: list[Any] = values.tolist() if isinstance(values, np.ndarray) else values
    if _is_numeric(values) and values.dtype.kind != "f":
        return listed
    return [None if v is None or v != v else v for v in listed]


def _whole(value: Any) -> Any:
    """Return a whole float as the number that it was before a column had gaps."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _take_category(row: dict[str, Any]) -> Any:
    """Take the category out of unknown fields, if a column can hold it."""
    return row.pop("category_id") if type(row.get("category_id")) in (int, str) else None


def _labels(values: list[Any]) -> npt.NDArray[Any]:
    """Return ids as whole numbers, masked where there is none, or as what they are."""
    if {type(v) for v in values} <= {int, type(None)}:
        held = [0 if v is None else v for v in values]
        return np.ma.masked_array(held, [v is None for v in values], np.int64)
    return _objects(values)


def _objects(values: Sequence[Any]) -> npt.NDArray[Any]:
    out = np.empty(len(values), object)
    out[:] = values
    return out


def _masked(values: Any, rows: Indices) -> npt.NDArray[Any]:
    """Return whole numbers of rows, masked where they or the row are -1."""
    held = np.r_[np.asarray(values, np.int64), np.int64(-1)][rows]
    return np.ma.masked_array(held, held < 0)
