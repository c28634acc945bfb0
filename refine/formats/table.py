"""Poses as one long table: a row per joint, in CSV.

Columns: `image_id`, `file_name`, `width`, `height`, `frame`; `pose`, the number of the pose in its
image; `category_id`, `track_id`, `pose_score`, `x1`, `y1`, `x2`, `y2` (its box, px) and `area`;
`joint`, `x`, `y` (px) and `score`. `image_id`, `joint`, `x` and `y` must be there; without `pose`
an image has one pose, or one per track. Every pose has a row for each joint that any has, with
nothing in x and y where it is missing; an image without poses has a row without a joint. Other
columns are left out.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

import refine.history as _history
from refine._types import Floats
from refine.categories import categories_of
from refine.exceptions import FormatError
from refine.formats._encodings import TABLE, cell_number, number_text, table_in
from refine.formats._images import whole
from refine.formats._keypoints import joints, kind_after, matrix, rounded
from refine.formats.base import Document, Format, Holding, Options, Source, Verdict
from refine.poses import ImageRef, Poses
from refine.skeletons import Skeleton, skeleton, skeleton_from_category
from refine.tables.columns import BOX, IMAGE, JOINT, NEEDED, POSE

COLUMNS = (*IMAGE, *POSE, *JOINT)


def read_table(source: Source, options: Options) -> Poses:
    """Read a table.

    Raises:
        FormatError: a column that is missing or there twice, a joint twice in a pose, or cells that
            are no numbers.
        SkeletonError: joints that the skeleton asked for lacks.
    """
    header, *lines = table_in(source.document, source.path)
    names = [name.lower() for name in header]
    twice = {name for name in names if name in COLUMNS and names.count(name) > 1}
    lacking = [name for name in NEEDED if name not in names]
    if twice or lacking:
        raise FormatError(
            f"expected one column {min(twice or lacking)!r}, got {'two' if twice else 'none'}",
            where=source.path,
        )
    rows = [dict(zip(names, line, strict=True)) for line in lines]
    refs: dict[str, ImageRef] = {}
    members: dict[tuple[str, str], list[int]] = {}
    for i, row in enumerate(rows):
        ref = _ref(row, _row(source, i))
        known = refs.setdefault(row["image_id"], ref)
        if known != ref:
            raise FormatError(
                f"expected one name, size and frame for image {ref.id!r}, got others than before",
                where=_row(source, i),
            )
        if row["joint"]:
            pose = row.get("pose") or f"track {row.get('track_id', '')}"
            members.setdefault((row["image_id"], pose), []).append(i)
    body = _skeleton([row["joint"] for row in rows if row["joint"]], options)
    firsts = [of[0] for of in members.values()]

    def where(i: int) -> str:
        return _row(source, firsts[i])

    def column(name: str) -> list[float | None]:
        return [cell_number(rows[i].get(name, ""), name, _row(source, i)) for i in firsts]

    values = _values(rows, list(members.values()), body, source)
    bare = not any(row.get("score") for row in rows)
    told = joints(values, options, where)
    history = _history.agree(_histories(rows, firsts, source), where)
    place = {name: i for i, name in enumerate(refs)}
    box = np.array([column(name) for name in BOX], np.float64).T.reshape(-1, 4)
    area, track = np.array(column("area"), np.float64), column("track_id")
    ids = [-1 if t is None else whole(max(t, 0), "track_id", where(i)) for i, t in enumerate(track)]
    kinds = [rows[i].get("category_id", "") for i in firsts]
    return Poses(
        body,
        told.xy,
        told.score,
        np.array(column("pose_score"), np.float64),
        np.array([place[image] for image, _ in members], np.intp),
        tuple(refs.values()),
        score_kind=kind_after(history, "none" if bare and len(firsts) else told.kind),
        box=box if np.isfinite(box).any() else None,
        area=area if np.isfinite(area).any() else None,
        track=np.array(ids, np.int64) if any(t is not None for t in track) else None,
        history=history,
        extra=tuple({"category_id": _id(kind)} if kind else {} for kind in kinds),
    )


def write_table(poses: Poses, precision: int | None, held: Holding) -> Document:
    """Write a table.

    Raises:
        FormatError: ids of images that are one text.
    """
    header = [*COLUMNS, *([_history.FIELD] if poses.history else [])]
    texts = [str(ref.id) for ref in poses.images]
    if len(set(texts)) < len(texts) or "" in map(str.strip, texts):
        raise FormatError("expected images of different ids, got two of one text, or an empty one")
    kinds, xy = categories_of(poses), rounded(poses, precision)
    steps = [_dump_steps(poses)] if poses.history else []
    rows: list[Any] = [header]
    for ref, of in poses.by_image():
        about = [str(ref.id), ref.file_name or "", *map(_cell, (ref.width, ref.height, ref.frame))]
        if not len(of):
            rows.append([*about, *[""] * (len(header) - len(about))])
        for q, i in enumerate(of.tolist()):
            box = [None] * 4 if poses.box is None else poses.box[i].tolist()
            track = -1 if poses.track is None else int(poses.track[i])
            kind = kinds[i] if type(kinds[i]) in (int, str) else ""
            pose = [str(q), str(kind), _cell(track if track >= 0 else None)]
            pose += map(number_text, (float(poses.instance_score[i]), *box))
            pose.append("" if poses.area is None else number_text(float(poses.area[i])))
            for j, joint in enumerate(poses.skeleton.joints):
                mark = [*map(number_text, (*xy[i, j].tolist(), float(poses.score[i, j])))]
                rows.append([*about, *pose, joint, *mark, *steps])
    return {TABLE: rows}


def _values(
    rows: list[dict[str, str]], members: list[list[int]], body: Skeleton, source: Source
) -> Floats:
    place = {joint: j for j, joint in enumerate(body.joints)}
    lists: list[list[Any]] = []
    for of in members:
        values: list[Any] = [None, None, 0.0] * len(body)
        seen = set()
        for i in of:
            row, where = rows[i], _row(source, i)
            joint = row["joint"]
            if joint in seen or joint not in place:
                got = f"{joint!r} twice" if joint in seen else f"{joint!r}"
                raise FormatError(
                    f"expected each joint of {body.name!r} once in a pose, got {got:.60}",
                    where=where,
                    hint="a column 'pose' with the number of the pose" if joint in seen else None,
                )
            seen.add(joint)
            at = 3 * place[joint]
            values[at : at + 3] = [cell_number(row.get(n, ""), n, where) for n in JOINT[1:]]
        lists.append(values)
    return matrix(
        lists, 3 * len(body), "x, y, score", lambda i: _row(source, members[i][0])
    ).reshape(len(members), len(body), 3)


def _skeleton(names: list[str], options: Options) -> Skeleton:
    if options.skeleton is not None:
        return options.skeleton
    order = list(dict.fromkeys(names))
    if not order:
        return options.default or skeleton("coco17")
    return skeleton_from_category({"keypoints": order}, "table")


def _ref(row: Mapping[str, str], where: str) -> ImageRef:
    width, height, frame = (
        whole(cell_number(row.get(name, ""), name, where), name, where) for name in IMAGE[2:]
    )
    return ImageRef(_id(row["image_id"]), row.get("file_name") or None, width, height, frame)


def _id(text: str) -> int | str:
    """Return a number where the text is one as Python writes it, so that "007" stays a name."""
    plain = text.isascii() and text.removeprefix("-").isdecimal() and len(text) < 17
    return int(text) if plain and str(int(text)) == text else text


def _histories(rows: list[dict[str, str]], firsts: list[int], source: Source) -> list[Any]:
    lines = [rows[i].get(_history.FIELD, "") for i in firsts]
    return [line.split("\n") if line else None for line in lines]


def _dump_steps(poses: Poses) -> str:
    return "\n".join(_history.encode(poses.history))


def _cell(value: int | None) -> str:
    return "" if value is None else str(value)


def _row(source: Source, i: int) -> str:
    return f"{source.path}, row {i + 2}"


def _is_table(document: Document) -> Verdict:
    rows = document.get(TABLE) if isinstance(document, dict) else None
    header = rows[0] if isinstance(rows, list) and rows else None
    names = (
        {c.strip().lower() for c in header if isinstance(c, str)}
        if isinstance(header, list)
        else ()
    )
    return Verdict.YES if {*NEEDED} <= {*names} else Verdict.NO


FORMATS = (
    Format(
        name="csv",
        about="The project's own table: a row per joint",
        tells="columns image_id, joint, x, y",
        detect=_is_table,
        read=read_table,
        write=write_table,
        ending=".csv",
        cannot_hold=(
            "score kind",
            "unknown fields",
            "frames per second",
        ),
    ),
)
