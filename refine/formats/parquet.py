"""The project's own table for corpora, in Parquet: a row per pose.

Columns: `image_id` (int64, or strings by dictionary), `file_name`, `width`, `height`, `frame`;
`pose`, the number of the pose in its image, null in the one row of an image without poses;
`category_id`, `track_id`, `pose_score`, `area`; `box`, four values xyxy, px; `keypoints`, 3 K
values x, y, score, NaN where there is none; `extra` and `image_extra`, the JSON of other fields. In
the metadata of the schema stands under `refine` the JSON of `version`, `skeleton` (a name, or a
table of one that does not ship), `score_kind`, perhaps `fps` of the video, and the history.
"""

from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np

import refine.history as _history
from refine._types import Floats, Indices
from refine.categories import categories_of
from refine.exceptions import FormatError
from refine.files import dump_json
from refine.formats._images import LARGEST, id_array, image_id
from refine.formats._keypoints import matrix, places, rounded, skeleton_of
from refine.formats._parquet import COLUMNS, METADATA, PARQUET, from_table, to_table
from refine.formats._records import describe
from refine.formats._rows import optional
from refine.formats._told import FPS, kind_told, rate_told, skeleton_told, tell_skeleton
from refine.formats._unlabelled import carry_halves, halves_apart, put_back
from refine.formats.base import Document, Format, Holding, Options, Source, Verdict, Where
from refine.poses import ImageRef, Poses
from refine.skeletons import Skeleton, skeleton

VERSION = 1
"""Of the columns; a later one is refused."""

WHOLE = ("width", "height", "frame", "track_id", "pose")
IMAGE = ("file_name", "width", "height", "frame", "image_extra")
NEEDED = ("image_id", "keypoints")
ANY_CATEGORY = frozenset({int, str, type(None)})


def read_parquet(source: Source, options: Options) -> Poses:
    """Read a table.

    Raises:
        FormatError: a column that is missing, of another length or kind, or rows of one image that
            tell different things of it.
        SkeletonError: a skeleton that is not known, or another number of joints than it has.
    """
    columns, about = _content(source)
    ids = _listed(columns["image_id"])
    n = len(ids)

    def where(i: int) -> str:
        return f"{source.path}, row {i}"

    for name, values in columns.items():
        if not hasattr(values, "__len__") or len(values) != n:
            raise FormatError(f"expected {n} values in column {name!r:.40}", where=source.path)
    numbers = {name: _numbers(columns, name, n, where) for name in (*WHOLE, "pose_score", "area")}
    told = {name: _whole(numbers[name], name, where) for name in WHOLE}
    place: dict[Any, int] = {}
    of = np.array(
        [place.setdefault(image_id(each, where(i)), len(place)) for i, each in enumerate(ids)]
    )
    of = of.astype(np.intp)
    first = np.full(len(place), n)
    np.minimum.at(first, of, np.arange(n))
    texts = {
        name: _texts(columns, name, n, where) for name in ("file_name", "extra", "image_extra")
    }
    for name in IMAGE:
        _check_alike(texts[name] if name in texts else told[name], first[of], name, where)
    refs = [
        ImageRef(
            each,
            texts["file_name"][i],
            _or_none(told["width"][i]),
            _or_none(told["height"][i]),
            _or_none(told["frame"][i]),
            _fields(texts["image_extra"][i], where(i)),
        )
        for each, i in zip(place, first.tolist(), strict=True)
    ]
    rows = np.flatnonzero(told["pose"] >= 0) if "pose" in columns else np.arange(n)
    body = _skeleton(about, columns["keypoints"], options, source.path)
    values = _matrix(columns["keypoints"], 3 * len(body), "keypoints", where)[rows]
    values = values.reshape(len(rows), len(body), 3)
    shown = rows.tolist()
    kinds = _listed(columns.get("category_id", [None] * n))
    extra = [_fields(texts["extra"][i], where(i)) for i in shown]
    for row, i in zip(extra, shown, strict=True):
        if type(kinds[i]) not in ANY_CATEGORY:
            raise FormatError(f"expected a category, got {kinds[i]!r:.40}", where=where(i))
        row |= {} if kinds[i] is None else {"category_id": kinds[i]}
    # Scores of missing joints are in `score`; a place that is half there has no other home.
    gone = np.isnan(values[..., :2]).all(-1, keepdims=True)
    halves = np.where(gone, [np.nan, np.nan, 0.0], values)
    carry_halves(extra, halves, body.joints)
    track = told["track_id"][rows]
    box = _matrix(columns.get("box", [None] * n), 4, "box", where)[rows]
    return Poses(
        body,
        places(values, lambda i: where(shown[i])),
        values[..., 2].copy(),
        numbers["pose_score"][rows],
        of[rows],
        tuple(refs),
        score_kind=kind_told(about.get("score_kind"), source.path),
        box=box if np.isfinite(box).any() else None,
        area=optional(numbers["area"][rows]),
        track=track if (track >= 0).any() else None,
        history=_history.parse(about.get(_history.FIELD), source.path),
        extra=tuple(extra),
        meta=rate_told([about.get(FPS)]),
    )


def write_parquet(poses: Poses, precision: int | None, held: Holding) -> Document:
    """Write a table, image by image.

    Raises:
        FormatError: ids of images that are numbers and texts, or numbers beyond 64 bits.
    """
    del held
    n, images = len(poses), poses.images
    bare = np.setdiff1d(np.arange(len(images)), poses.image)
    image = np.r_[poses.image, bare]
    order = np.argsort(image, kind="stable")
    image = image[order]
    pose = np.where(order < n, order, -1)
    starts = np.searchsorted(image, np.arange(len(images)))
    box = np.full((n, 4), np.nan) if poses.box is None else poses.box
    area = np.full(n, np.nan) if poses.area is None else poses.area
    track = np.full(n, -1) if poses.track is None else poses.track
    values = np.concatenate([rounded(poses, precision), poses.score[..., None]], -1)
    values = values.reshape(n, 3 * len(poses.skeleton))
    rows = [dict(row) for row in poses.extra]
    for i, row in enumerate(rows):
        if halves := halves_apart(row):
            half = values[i].tolist()
            put_back(half, halves, poses.skeleton.joints, precision)
            values[i] = np.array(half, np.float64)
    kinds = categories_of(poses)
    plain = {type(kind) for kind in kinds} in ({int}, {str}, {int, type(None)}, {str, type(None)})
    plain = plain and all(type(kind) is not int or abs(kind) < 2**63 for kind in kinds)
    if plain:
        rows = [{k: v for k, v in row.items() if k != "category_id"} for row in rows]
    columns: dict[str, Any] = {"image_id": id_array(images)[image]}
    columns["file_name"] = _objects([ref.file_name for ref in images])[image]
    for name in WHOLE[:3]:
        held_ = [getattr(ref, name) for ref in images]
        columns[name] = _masked(np.array([-1 if v is None else v for v in held_], np.int64), image)
    columns["image_extra"] = _objects([_dump(ref.extra) for ref in images])[image]
    columns["pose"] = np.ma.masked_where(pose < 0, np.arange(len(image)) - starts[image])
    some = kinds if plain else (None,) * n
    texts = any(isinstance(kind, str) for kind in some)
    whole = np.array([-1 if kind is None or texts else kind for kind in some], np.int64)
    known = np.array([kind is not None for kind in some], np.bool_)
    columns["category_id"] = _objects([*some, None])[pose] if texts else _masked(whole, pose, known)
    columns["track_id"] = _masked(track, pose)
    columns["pose_score"] = np.r_[poses.instance_score, np.nan][pose]
    columns["area"] = np.r_[area, np.nan][pose]
    columns["box"] = np.r_[box, np.full((1, 4), np.nan)][pose]
    columns["keypoints"] = np.r_[values, np.full((1, values.shape[1]), np.nan)][pose]
    columns["extra"] = _objects([*map(_dump, rows), None])[pose]
    about = {"version": VERSION, "skeleton": tell_skeleton(poses.skeleton)}
    about |= {"score_kind": poses.score_kind}
    about |= {FPS: poses.meta[FPS]} if FPS in poses.meta else {}
    about |= {_history.FIELD: _history.encode(poses.history)} if poses.history else {}
    return {PARQUET: {COLUMNS: columns, METADATA: about}}


def to_arrow(poses: Poses) -> Any:
    """Return poses as an Arrow table, the content of a Parquet file.

    Raises:
        FormatError: no pyarrow, or as for `write_parquet`.
    """
    return to_table(write_parquet(poses, None, "document"))


def from_arrow(table: Any, options: Options | None = None) -> Poses:
    """Return the poses of an Arrow table, the counterpart of `to_arrow`.

    Raises:
        FormatError: as for `read_parquet`.
        SkeletonError: as for `read_parquet`.
    """
    where = "an Arrow table"
    source = Source(where, "document", [from_table(table, where)])
    return read_parquet(source, options or Options(where))


def _content(source: Source) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    document = source.document
    content = document.get(PARQUET) if isinstance(document, dict) else None
    columns, about = (
        content.get(key) if isinstance(content, dict) else None for key in (COLUMNS, METADATA)
    )
    if not isinstance(columns, dict) or not isinstance(about, dict):
        got = describe(columns if isinstance(about, dict) else about)
        raise FormatError(f"expected columns and metadata, got {got}", where=source.path)
    lacking = [name for name in NEEDED if name not in columns]
    if lacking:
        raise FormatError(
            f"expected a column {lacking[0]!r}, got {', '.join(columns)}"[:300], where=source.path
        )
    if about.get("version", VERSION) != VERSION:
        raise FormatError(
            f"expected version {VERSION} of the columns, got {about['version']!r:.40}",
            where=source.path,
            hint="a newer refine",
        )
    return columns, about


def _skeleton(about: Mapping[str, Any], keypoints: Any, options: Options, where: str) -> Skeleton:
    if options.skeleton is not None:
        return options.skeleton
    if about.get("skeleton") is not None:
        return skeleton_told(about["skeleton"], where)
    width = next((len(each) for each in keypoints if hasattr(each, "__len__")), 0)
    if width % 3:
        raise FormatError(f"expected 3 K values in 'keypoints', got {width}", where=where)
    body = options.default or skeleton("coco17")
    return skeleton_of(width // 3, options, "coco17") if width else body


def _matrix(values: Any, width: int, field: str, where: Where) -> Floats:
    """Return lists of numbers as (N, width), NaN for those that are null."""
    if isinstance(values, np.ndarray) and values.ndim == 2 and values.shape[1] == width:
        bad = np.flatnonzero(np.isinf(values).any(1))
        if not len(bad):
            return np.asarray(values, np.float64)
    return matrix(_listed(values), width, field, where)


def _numbers(columns: Mapping[str, Any], name: str, n: int, where: Where) -> Floats:
    """Return a column of numbers (N,), NaN where there is none."""
    values = columns.get(name)
    if values is None:
        return np.full(n, np.nan)
    if isinstance(values, np.ndarray) and values.dtype.kind in "iuf":
        values = values[:, None]
    return _matrix(values if hasattr(values, "ndim") else [[v] for v in values], 1, name, where)[
        :, 0
    ]


def _whole(values: Floats, name: str, where: Where) -> Indices:
    """Return whole numbers (N,), -1 where there is none."""
    wrong = (values % 1 != 0) | (values < 0) | (values > LARGEST)
    bad = np.flatnonzero(wrong & np.isfinite(values))
    if len(bad):
        i = int(bad[0])
        raise FormatError(f"expected a whole number {name!r}, got {values[i]}", where=where(i))
    return np.nan_to_num(values, nan=-1).astype(np.int64)


def _or_none(number: Any) -> int | None:
    return None if number < 0 else int(number)


def _texts(columns: Mapping[str, Any], name: str, n: int, where: Where) -> list[str | None]:
    values = _listed(columns.get(name, [None] * n))
    for i, value in enumerate(values):
        if value is not None and not isinstance(value, str):
            raise FormatError(f"expected text in {name!r}, got {value!r:.40}", where=where(i))
    return values


def _check_alike(values: Any, first: Indices, name: str, where: Where) -> None:
    held = values if isinstance(values, np.ndarray) else _objects(values)
    bad = np.flatnonzero(held != held[first])
    if len(bad):
        i = int(bad[0])
        raise FormatError(
            f"expected one {name!r} for all rows of an image, got {held.tolist()[i]!r:.40} "
            f"after {held.tolist()[first[i]]!r:.40}",
            where=where(i),
        )


def _fields(text: str | None, where: str) -> dict[str, Any]:
    try:
        found = {} if text is None else msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise FormatError(f"expected a JSON object in 'extra', got {text!r:.60}", where=where)
    return found


def _dump(fields: Mapping[str, Any]) -> str | None:
    return dump_json(fields).decode() if fields else None


def _listed(values: Any) -> list[Any]:
    listed: list[Any] = values.tolist() if isinstance(values, np.ndarray) else values
    return listed if isinstance(listed, list) else []


def _objects(values: Any) -> Any:
    out = np.empty(len(values), object)
    out[:] = values
    return out


def _masked(values: Any, rows: Indices, known: Any = None) -> Any:
    """Return whole numbers of rows, masked where they are not known or the row is -1."""
    known = values >= 0 if known is None else known
    return np.ma.masked_array(np.r_[values, -1][rows], ~np.r_[known, False][rows])


def _is_parquet(document: Document) -> Verdict:
    told = isinstance(document, dict) and isinstance(document.get(PARQUET), dict)
    return Verdict.YES if told else Verdict.NO


FORMATS = (
    Format(
        name="parquet",
        about="The project's own table for corpora, in Parquet: a row per pose",
        tells="a Parquet file",
        detect=_is_parquet,
        read=read_parquet,
        write=write_parquet,
        ending=".parquet",
    ),
)
