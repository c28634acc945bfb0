"""The project's own table for corpora, in Parquet: a row per pose.

Rows stand image by image, in groups that can be read one by one. Columns: `image_id` (int64, or
strings by dictionary), `file_name`, `width`, `height`, `frame`; `pose`, the number of the pose in
its image, null in the one row of an image without poses; `category_id`, `track_id`, `pose_score`,
`area`; `box`, four values xyxy, px; `keypoints`, 3 K values x, y, score, NaN where there is none;
`extra` and `image_extra`, the JSON of other fields. In the metadata of the schema stands under
`refine` the JSON of `version`, `skeleton` (a name, or a table of one that does not ship),
`score_kind`, perhaps `fps` of the video, and the history.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

import refine.history as _history
from refine._types import Indices
from refine.exceptions import FormatError
from refine.formats._keypoints import skeleton_of
from refine.formats._parquet import (
    COLUMNS,
    GROUP,
    METADATA,
    PARQUET,
    Coded,
    Lists,
    dump_tables,
    from_table,
    to_table,
)
from refine.formats._parquet_read import (
    categories_of,
    check_alike,
    extra_of,
    fields_of,
    first_rows,
    images_of,
    joints_of,
    lists_of,
    numbers_of,
    or_none,
    texts_of,
    whole_numbers,
    with_halves,
)
from refine.formats._parquet_write import SIZES, columns_of, lay_out
from refine.formats._records import describe
from refine.formats._rows import optional
from refine.formats._told import FPS, kind_told, rate_told, skeleton_told, tell_skeleton
from refine.formats.base import Document, Format, Holding, Options, Source, Verdict
from refine.poses import ImageRef, Poses
from refine.skeletons import Skeleton, skeleton

VERSION = 1
"""Of the columns; a later one is refused."""

WHOLE = (*SIZES, "track_id", "pose")
TEXTS = ("file_name", "image_extra", "extra")
NEEDED = ("image_id", "keypoints")


def read_parquet(source: Source, options: Options) -> Poses:
    """Read a table.

    Raises:
        FormatError: a column that is missing, of another length or kind, or rows of one image that
            tell different things of it.
        SkeletonError: a skeleton that is not known, or another number of joints than it has.
    """
    columns, about = _content(source)
    n = len(columns["image_id"]) if hasattr(columns["image_id"], "__len__") else 0

    def where(i: int) -> str:
        return f"{source.path}, row {i}"

    for name, values in columns.items():
        if not hasattr(values, "__len__") or len(values) != n:
            raise FormatError(f"expected {n} values in column {name!r:.40}", where=source.path)
    told = {name: whole_numbers(numbers_of(columns, name, n, where), name, where) for name in WHOLE}
    ids, of = images_of(columns["image_id"], where)
    first = first_rows(of, len(ids))
    names, about_images, texts = (texts_of(columns, name, n, where) for name in TEXTS)
    alike: dict[str, Coded | Indices] = {
        "file_name": names,
        **{name: told[name] for name in SIZES},
        "image_extra": about_images,
    }
    for name, column in alike.items():
        check_alike(column, first[of], name, where)
    refs = map(
        ImageRef,
        ids,
        names.at(first),
        *(or_none(told[name][first]) for name in SIZES),
        fields_of(about_images, first, where),
    )
    shown = told["pose"] >= 0 if "pose" in columns else np.ones(n, np.bool_)
    rows = np.flatnonzero(shown)
    body = _skeleton(about, columns["keypoints"], options, source.path)
    keypoints = lists_of(columns["keypoints"], 3 * len(body), "keypoints", where)
    xy, score, halves = joints_of(keypoints, shown, where)
    extra = extra_of(texts, categories_of(columns, n, where), rows, where)
    if len(halves[0]):
        extra = with_halves(extra, halves, body.joints)
    box = np.concatenate(lists_of(columns.get("box", [None] * n), 4, "box", where).parts)[rows]
    track = told["track_id"][rows]
    return Poses(
        body,
        xy,
        score,
        numbers_of(columns, "pose_score", n, where)[rows],
        of[rows],
        tuple(refs),
        score_kind=kind_told(about.get("score_kind"), source.path),
        box=box if np.isfinite(box).any() else None,
        area=optional(numbers_of(columns, "area", n, where)[rows]),
        track=track if (track >= 0).any() else None,
        history=_history.parse(about.get(_history.FIELD), source.path),
        extra=extra,
        meta=rate_told([about.get(FPS)]),
    )


def write_parquet(poses: Poses, precision: int | None, held: Holding) -> Document:
    """Write a table, image by image.

    Raises:
        FormatError: ids of images that are numbers and texts, or numbers beyond 64 bits.
    """
    del held
    return _document(poses, columns_of(poses, precision, lay_out(poses), slice(None)))


def spell_parquet(poses: Poses, precision: int | None) -> Iterator[bytes]:
    """Write a file, part after part: what `write_parquet` gives, a group of rows at a time.

    Raises:
        FormatError: no pyarrow, or as for `write_parquet`.
    """
    layout = lay_out(poses)
    starts = range(0, max(len(layout.image), 1), GROUP)
    groups = (columns_of(poses, precision, layout, slice(i, i + GROUP)) for i in starts)
    return dump_tables(to_table(_document(poses, columns)) for columns in groups)


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
    listed = keypoints.parts[0] if isinstance(keypoints, Lists) else keypoints
    listed = keypoints.values if isinstance(keypoints, Coded) else listed
    width = next((len(each) for each in listed if hasattr(each, "__len__")), 0)
    if width % 3:
        raise FormatError(f"expected 3 K values in 'keypoints', got {width}", where=where)
    body = options.default or skeleton("coco17")
    return skeleton_of(width // 3, options, "coco17") if width else body


def _document(poses: Poses, columns: Mapping[str, Any]) -> Document:
    about = {"version": VERSION, "skeleton": tell_skeleton(poses.skeleton)}
    about |= {"score_kind": poses.score_kind}
    about |= {FPS: poses.meta[FPS]} if FPS in poses.meta else {}
    about |= {_history.FIELD: _history.encode(poses.history)} if poses.history else {}
    return {PARQUET: {COLUMNS: dict(columns), METADATA: about}}


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
