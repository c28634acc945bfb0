"""Files read as they are: what `refine.read` mends or refuses stays to be seen."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from refine._types import Bools, Floats, Indices
from refine.checks.finding import Subject
from refine.evaluation.ground_truth import GroundTruth
from refine.exceptions import FormatError, RefineError
from refine.files import parse_json, read_bytes
from refine.formats import read
from refine.images import find_images
from refine.poses import ImageRef, Poses

ORIENTATION = 0x0112
"""Tag of EXIF: 1 as stored, 3 to 8 turned (EXIF 2.32, 4.6.4)."""
SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"})


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
    found = None if pictures is None else _look(Path(pictures), poses, sizes, turned)
    nulls = tuple(_nulls(path))
    flags = zero & (poses.score > 0)
    return Subject(poses, str(path), flags, nulls, truth, known, sizes, turned, found)


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


def _look(folder: Path, poses: Poses, sizes: Floats, turned: Bools) -> int:
    """Read sizes, of upright pictures, and which are turned, into the two arrays."""
    if not folder.is_dir():
        raise FormatError("expected a folder of pictures, got none", where=str(folder))
    files = sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES)
    names = [p.relative_to(folder).as_posix() for p in files]
    rows = find_images(poses.images, names, where=str(folder))
    for i, row in enumerate(rows):
        if row is None:
            continue
        try:
            with Image.open(files[row]) as picture:
                width, height = picture.size
                way = picture.getexif().get(ORIENTATION, 1)
        except OSError as error:
            raise FormatError(f"expected a picture, got: {error}", where=str(files[row])) from None
        turned[i] = way > 2
        sizes[i] = (height, width) if way >= 5 else (width, height)
    return sum(row is not None for row in rows)


def _nulls(path: str | Path) -> Iterator[str]:
    """Name rows with a joint without a place, null, whose score is above 0."""
    if not Path(path).is_file():
        return
    try:
        document = parse_json(read_bytes(path), str(path))
    except RefineError:
        return  # No JSON, or by the line: what is read of it was read above.
    for at, values in _keypoints(document, ""):
        joints = zip(values[0::3], values[1::3], values[2::3], strict=False)
        if any(
            (x is None or x != x or y is None or y != y)
            and isinstance(score, int | float)
            and score > 0
            for x, y, score in joints
        ):
            yield f"record {at}"


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
