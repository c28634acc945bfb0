"""Files read as they are: what `refine.read` mends or refuses stays to be seen."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from shlex import quote
from typing import Any

import numpy as np

from refine._types import Bools, Indices
from refine.checks.finding import Subject
from refine.checks.pictures import look_at_pictures
from refine.evaluation.ground_truth import GroundTruth
from refine.exceptions import FormatError
from refine.files import STDIO
from refine.formats import read
from refine.formats._encodings import TABLE, cell_number
from refine.formats.containers import load
from refine.formats.known import endings
from refine.poses import ImageRef

FLAGS = {
    "format": "--from",
    "skeleton": "--skeleton",
    "images": "--sizes",
    "category": "--category",
}
"""Options of `refine.read` on the command line."""


def read_subject(
    path: str | Path,
    truth: GroundTruth | None = None,
    pictures: str | Path | None = None,
    **options: Any,
) -> Subject:
    """Read poses for the checks.

    Args:
        path: of the poses.
        truth: annotated persons, or None.
        pictures: folder, or None.
        options: of `refine.read`.

    Raises:
        FormatError, SkeletonError: see `refine.read`.
    """
    default = truth.skeleton if truth else None
    poses = read(path, zero_is_missing=False, normalised=False, default=default, **options)
    zero: Bools = np.asarray((poses.xy == 0).all(-1))
    poses = poses.replace(xy=np.where(zero[..., None], np.nan, poses.xy))
    sizes = poses.image_sizes
    known = np.full(len(poses.images), -1)
    if truth is not None:
        known = _rows(truth, poses.images)
        theirs = np.array([(r.width or np.nan, r.height or np.nan) for r in truth.images])
        fill = np.isnan(sizes).any(1) & (known >= 0)
        sizes[fill] = theirs.reshape(-1, 2)[known[fill]]
    turned = np.zeros(len(sizes), np.bool_)
    if pictures is not None:
        seen = look_at_pictures(Path(pictures), poses.images)
        there = np.isfinite(seen.sizes).all(1)
        sizes[there], turned = seen.sizes[there], seen.orientation > 2
    flags = zero & (poses.score > 0)
    folder = "DIR" if pictures is None else quote(str(pictures))
    told = [f"{FLAGS[name]} {quote(str(value))}" for name, value in options.items() if value]
    where, empty = " ".join([quote(str(path)), *told]), tuple(_nulls(path))
    return Subject(poses, where, flags, empty, truth, known, sizes, turned, folder)


def _rows(truth: GroundTruth, refs: tuple[ImageRef, ...]) -> Indices:
    """Find images one by one: one that is two by id and by name is not found."""
    out = []
    try:
        rows, _ = truth.find(refs)
        out = [rows.get(i, -1) for i in range(len(refs))]
    except FormatError:
        for ref in refs:
            try:
                out.append(truth.find([ref])[0].get(0, -1))
            except FormatError:
                out.append(-1)
    return np.array(out, np.intp)


def _nulls(path: str | Path) -> Iterator[str]:
    """Name records with a joint without a place, null, whose score is above 0."""
    if str(path) == STDIO:
        return
    source = load(path, endings())
    for i, document in enumerate(source.documents):
        place = "" if source.held == "document" else source.where(i).removeprefix(source.path)[2:]
        for at, values in _keypoints(document, ""):
            joints = zip(values[0::3], values[1::3], values[2::3], strict=False)
            if any(map(_is_null, joints)):
                yield ", ".join(filter(None, (place, f"record {at or 0}")))
        for row in _cells(document):
            yield f"row {row}"


def _is_null(joint: tuple[Any, Any, Any]) -> bool:
    x, y, score = joint
    gone = x is None or x != x or y is None or y != y
    return gone and isinstance(score, int | float) and score > 0


def _cells(document: Any) -> Iterator[int]:
    """Yield the rows of a table that give a joint a score and no place."""
    rows = document.get(TABLE) if isinstance(document, dict) else None
    if not isinstance(rows, list) or not rows:
        return
    names = [str(name).strip().lower() for name in rows[0]]
    if not {"joint", "x", "y", "score"} <= set(names):
        return
    at = [names.index(name) for name in ("x", "y", "score")]
    for i, row in enumerate(rows[1:], 2):
        x, y, score = (cell_number(row[j], "score", f"row {i}") for j in at)
        if _is_null((x, y, score)):
            yield i


def _keypoints(value: Any, at: str) -> Iterator[tuple[str, list[Any]]]:
    """Yield all lists of numbers that are called keypoints, and where they stand."""
    items: Iterable[tuple[Any, Any]] = value.items() if isinstance(value, dict) else ()
    if isinstance(value, list) and value and isinstance(value[0], dict | list):
        items = enumerate(value)
    for key, below in items:
        flat = isinstance(below, list) and below and not isinstance(below[0], dict | list)
        if flat and "keypoints" in str(key):
            yield at, below
        elif isinstance(below, dict | list):
            yield from _keypoints(below, f"{at}.{key}".lstrip("."))
