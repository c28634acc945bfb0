"""DeepLabCut predictions and labels: a row per frame, columns under three or four header rows.

The header is scorer, individuals (of several animals), bodyparts, coords: x, y, and likelihood in
predictions (pose_estimation_pytorch/apis/videos.py). In .h5 the same table is a frame of pandas.
The first column is the number of the frame, or the name of the image, which may take three columns
(labeled-data, video, image). An individual without joints in a row is not in that frame; body
parts that only the individual `single` has are unique ones. The order of poses in an image is that
of the individuals. Poses without tracks are individuals `pose1`, `pose2`, ...
"""

import re
from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from refine._types import Floats
from refine.exceptions import FormatError
from refine.formats import _individuals
from refine.formats._encodings import TABLE, cell_number, number_text, table_in
from refine.formats._frames import LABELS, LAST, index_width
from refine.formats._grids import poses_of, values_of
from refine.formats._images import LARGEST
from refine.formats._keypoints import matrix, named_joints
from refine.formats._unlabelled import FIELD as HALVES
from refine.formats.base import Document, Format, Holding, Options, Source, Verdict
from refine.poses import ImageRef, Poses

AXES = ("x", "y", "likelihood")
PREFIX = "individual"
SINGLE = "single"
"""The individual that has the unique body parts."""

SCORER = "refine"
"""Who scored poses that came from elsewhere."""

EXTRACTED = re.compile(r"img0*(\d{1,15})\.\w+")
"""Names that DeepLabCut gives to frames which it takes out of a video."""


class Header(NamedTuple):
    """Columns of a table.

    Attributes:
        scorer: who or what found the joints.
        levels: columns that name the image.
        individuals: one, "", where there is no such row.
        bodyparts: of all individuals, in order of appearance.
        place: of each column behind `levels`: individual, body part, axis.
    """

    scorer: str
    levels: int
    individuals: list[str]
    bodyparts: list[str]
    place: list[tuple[int, int, int]]


def read_deeplabcut(source: Source, options: Options) -> Poses:
    """Read a table of predictions or labels.

    Raises:
        FormatError: no such header, columns or rows twice, cells that are no numbers.
        SkeletonError: a skeleton was asked for that lacks a body part.
    """
    rows = table_in(source.document, source.path)
    depth = _depth(rows)
    if not depth:
        raise FormatError(
            "expected rows 'scorer', 'bodyparts', 'coords' on top, with 'individuals' perhaps",
            where=source.path,
        )
    header = _header(rows[:depth], source.path)
    body, order = named_joints(header.bodyparts, options, "deeplabcut")
    lines = rows[depth:]
    refs = _refs([row[: header.levels] for row in lines], source.path, depth)
    cells = _cells(lines, header, source.path, depth)
    grid = np.full((len(lines), len(header.individuals), len(body), 3), np.nan)
    for c, (w, part, axis) in enumerate(header.place):
        grid[:, w, order[part], axis] = cells[:, c]
    poses = poses_of(
        grid,
        header.individuals,
        PREFIX,
        refs,
        body,
        options,
        lambda i: _row(source.path, i + depth),
    )
    about = {
        "scorer": header.scorer,
        "levels": header.levels,
        "individuals": header.individuals,
        "unique": _unique(header, body.joints, order),
    }
    return poses.replace(meta={**poses.meta, **about})


def write_deeplabcut(poses: Poses, precision: int | None, held: Holding) -> Document:
    """Write a table; of several animals where there are tracks, or several poses in an image.

    Raises:
        FormatError: images of one name.
    """
    del held
    levels, scorer = poses.meta.get("levels", 1), poses.meta.get("scorer", SCORER)
    named = _individuals.individuals_of(poses, PREFIX)
    # One animal: nobody is tracked, and none is the second in its image.
    alone = poses.meta.get("individuals", [""]) == [""] and set(named) <= {f"{_individuals.SLOT}1"}
    names = list(dict.fromkeys([*poses.meta.get("individuals", ()), *named]))
    names = [""] if alone else [name for name in names if name]
    place = {name: w for w, name in enumerate(names)}
    k, unique = len(poses.skeleton), set(poses.meta.get("unique", ()))
    values = values_of(poses, precision)
    scored = bool(np.isfinite(values[..., 2]).any())
    columns = [
        (w, j, axis)
        for w, name in enumerate(names)
        for j, joint in enumerate(poses.skeleton.joints)
        if not unique or (joint in unique) == (name == SINGLE)
        for axis in range(3 if scored else 2)
    ]
    told = {
        "scorer": [scorer] * len(columns),
        "individuals": [names[w] for w, _, _ in columns],
        "bodyparts": [poses.skeleton.joints[j] for _, j, _ in columns],
        LAST: [AXES[axis] for _, _, axis in columns],
    }
    labels = LABELS[3 if names == [""] else 4]
    table: list[Any] = [[label, *[""] * (levels - 1), *told[label]] for label in labels]
    at = tuple(np.array(columns, np.intp).reshape(-1, 3).T)
    indices = _indices(poses, levels)
    for index, (_, rows) in zip(indices, poses.by_image(), strict=True):
        grid = np.full((len(names), k, 3), np.nan)
        for i in rows.tolist():
            grid[0 if alone else place[named[i]]] = values[i]
        table.append([*index, *map(number_text, grid[at].tolist())])
    return {TABLE: table}


def _depth(rows: Sequence[Sequence[Any]]) -> int:
    """Return the number of rows of the header, 0 for none."""
    labels = [str(row[0]).strip().lower() if row else "" for row in rows[:4]]
    return next((n for n, known in LABELS.items() if labels[:n] == list(known)), 0)


def _header(rows: list[list[str]], path: str) -> Header:
    levels = index_width(rows[-1])
    scorers = list(dict.fromkeys(rows[0][levels:]))
    if len(scorers) != 1:
        got = ", ".join(map(repr, scorers)) or "none"
        raise FormatError(
            f"expected one scorer, got {got:.200}", where=path, hint="a file for each of them"
        )
    several = len(rows) == 4
    who = rows[1][levels:] if several else [""] * (len(rows[0]) - levels)
    parts, axes = rows[-2][levels:], rows[-1][levels:]
    individuals, bodyparts = list(dict.fromkeys(who)), list(dict.fromkeys(parts))
    seen: dict[tuple[str, str], set[str]] = {}
    for name, part, axis in zip(who, parts, axes, strict=True):
        known = seen.setdefault((name, part), set())
        if axis not in AXES or axis in known or (several and not name):
            raise FormatError(
                f"expected {', '.join(AXES)} of {part!r:.40} once each for a named individual, "
                f"got {axis!r:.40} of {name!r:.40}",
                where=path,
            )
        known.add(axis)
    for (_, part), known in seen.items():
        if not {*AXES[:2]} <= known:
            raise FormatError(f"expected columns x and y of {part!r:.40}", where=path)
    place = [
        (individuals.index(name), bodyparts.index(part), AXES.index(axis))
        for name, part, axis in zip(who, parts, axes, strict=True)
    ]
    return Header(scorers[0], levels, individuals, bodyparts, place)


def _refs(index: list[list[str]], path: str, depth: int) -> tuple[ImageRef, ...]:
    names = ["/".join(filter(None, parts)).replace("\\", "/") for parts in index]
    seen: dict[str, int] = {}
    for i, name in enumerate(names):
        if not name or seen.setdefault(name, i) != i:
            got = f"{name!r:.60} twice" if name else "none"
            raise FormatError(
                f"expected a frame or image once, got {got}", where=_row(path, i + depth)
            )
    if all(map(_is_frame, names)):
        return tuple(ImageRef(int(name), frame=int(name)) for name in names)
    numbers = [EXTRACTED.fullmatch(name.rpartition("/")[2]) for name in names]
    return tuple(
        ImageRef(name, name, frame=None if number is None else int(number[1]))
        for name, number in zip(names, numbers, strict=True)
    )


def _is_frame(name: str) -> bool:
    plain = name.isascii() and name.isdecimal() and len(name) < 17
    return plain and str(int(name)) == name and int(name) <= LARGEST


def _cells(lines: list[list[str]], header: Header, path: str, depth: int) -> Floats:
    width = len(header.place)
    texts = [row[header.levels :] for row in lines]
    try:
        numbers: list[Any] = [[float(text or "nan") for text in row] for row in texts]
    except ValueError:
        numbers = [
            [cell_number(text, "x, y, likelihood", _row(path, i + depth)) for text in row]
            for i, row in enumerate(texts)
        ]
    return matrix(numbers, width, "x, y, likelihood", lambda i: _row(path, i + depth))


def _unique(header: Header, joints: Sequence[str], order: Sequence[int]) -> list[str]:
    """Return the body parts that `single` alone has."""
    if SINGLE not in header.individuals:
        return []
    single = header.individuals.index(SINGLE)
    own = {part for who, part, _ in header.place if who == single}
    others = {part for who, part, _ in header.place if who != single}
    return [] if own & others else [joints[order[part]] for part in sorted(own)]


def _indices(poses: Poses, levels: int) -> list[list[str]]:
    """Name the images: by frame where each has one of its own and no name was there, else by it."""
    frames = [ref.frame for ref in poses.images]
    named = "levels" in poses.meta and any(ref.file_name for ref in poses.images)
    if None not in frames and len(set(frames)) == len(frames) and not named:
        return [[str(frame), *[""] * (levels - 1)] for frame in frames]
    names = [str(ref.id if ref.file_name is None else ref.file_name) for ref in poses.images]
    if len({*map(str.strip, names)} - {""}) < len(names):
        raise FormatError("expected images of different names, got two of one, or none")
    parts = [name.split("/", levels - 1) for name in names]
    return [[*[""] * (levels - len(part)), *part] for part in parts]


def _row(path: str, i: int) -> str:
    return f"{path}, row {i + 1}"


def _is_deeplabcut(document: Document) -> Verdict:
    rows: Any = document.get(TABLE) if isinstance(document, dict) else None
    good = isinstance(rows, list) and all(isinstance(row, list) for row in rows[:4])
    return Verdict.YES if good and _depth(rows) else Verdict.NO


FORMATS = (
    Format(
        name="deeplabcut",
        about="DeepLabCut predictions or labels, of one animal or several, in .csv or .h5",
        tells="rows scorer, bodyparts, coords on top",
        detect=_is_deeplabcut,
        read=read_deeplabcut,
        write=write_deeplabcut,
        ending=".csv",
        endings=(".h5",),
        private=frozenset({HALVES}),
        complete=partial(_individuals.note_repeats, prefix=PREFIX),
        cannot_hold=(
            "image names",
            "image sizes",
            "score kind",
            "instance scores",
            "boxes",
            "areas",
            "unknown fields",
            "history",
            "frames per second",
        ),
    ),
)
