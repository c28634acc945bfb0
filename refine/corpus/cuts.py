"""Where files may be cut: between lines or rows of different images."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from refine._types import Indices
from refine.corpus.rows import parquet_file, read_rows
from refine.corpus.storage import opened, read_range, read_whole
from refine.exceptions import FormatError
from refine.files import parse_json
from refine.formats._images import image_id
from refine.formats._parquet import load_pyarrow
from refine.formats._records import describe

ID = "image_id"
KEYPOINTS = b'"keypoints"'
"""What a line of NDJSON has once per pose."""

Hashes = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Cut:
    """A part of a file that holds whole images.

    Attributes:
        source: the file.
        start: byte of its first line, or number of its first row.
        stop: where it ends.
        before: lines that come before.
        size: poses.
        images: a number for each image, sorted; different images seldom have the same.
        rows: whether it is a part of a table.
    """

    source: str
    start: int
    stop: int | None
    before: int
    size: int
    images: Hashes
    rows: bool = False


class _Line(msgspec.Struct):
    """What is looked at of a line."""

    image_id: Any = None


_decode = msgspec.json.Decoder(_Line).decode


def cut_lines(place: str, size: int, *, lenient: bool = False) -> list[Cut]:
    """Cut a file of NDJSON into parts of at least so many poses; gzip stays whole.

    Args:
        place: of the file.
        size: least number of poses.
        lenient: take lines that are no JSON for some without an image.

    Raises:
        FormatError: a file that cannot be read, or a line that is no object.
    """
    cuts: list[Cut] = []
    images: set[int] = set()
    start = end = poses = number = before = 0
    last: Any = None

    def close() -> None:
        hashes = np.sort(np.fromiter(images, np.int64, len(images)))
        cuts.append(Cut(place, start, end, before, poses, hashes))

    for number, line in enumerate(_lines(place)):
        try:
            image = _image_of(line, place, number)
        except FormatError:
            if not lenient:
                raise
            image = None
        if poses >= size and image != last:
            close()
            images.clear()
            start, before, poses = end, number, 0
        end += len(line)
        last = image
        if image is not None:
            images.add(hash(image))
        poses += max(line.count(KEYPOINTS), 1)
    close()
    if place.endswith(".gz"):
        every = np.unique(np.concatenate([cut.images for cut in cuts]))
        return [Cut(place, 0, None, 0, sum(cut.size for cut in cuts), every)]
    return cuts


def _lines(place: str) -> Iterator[bytes]:
    if place.endswith(".gz"):
        yield from read_whole(place).splitlines(keepends=True)
        return
    empty = True
    with opened(place) as file:
        for line in file:
            empty &= line.isspace()
            yield line
    if empty:
        raise FormatError("expected data, got an empty file", where=place)


def _image_of(line: bytes, place: str, number: int) -> Any:
    try:
        return _sound(_decode(line).image_id, f"{place}, line {number + 1}")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    if line.isspace():
        return None
    where = f"{place}, line {number + 1}"
    record = parse_json(line, where)
    if not isinstance(record, dict):
        raise FormatError(f"expected an object, got {describe(record)}", where=where)
    return _sound(record.get(ID), where)


def _sound(image: Any, where: str) -> int | str | None:
    return None if image is None else image_id(image, where)


def cut_rows(place: str, size: int) -> list[Cut]:
    """Cut a Parquet file into parts of at least so many rows.

    Raises:
        FormatError: a damaged file, or one without ids of images.
    """
    with parquet_file(place) as file:
        total = file.metadata.num_rows
        if ID not in file.schema_arrow.names:
            raise FormatError(
                f"expected a column {ID!r}, got {', '.join(file.schema_arrow.names)}"[:300],
                where=place,
            )
        parts = [np.empty(0, np.int64)]
        for group in range(file.num_row_groups):
            table = file.read_row_group(group, columns=[ID], use_threads=False)
            parts.append(_hashes(table.column(0)))
    images = np.concatenate(parts)
    borders = np.r_[0, np.flatnonzero(np.diff(images)) + 1] if total else np.zeros(1, np.intp)
    at = [0]
    while (next_ := int(np.searchsorted(borders, at[-1] + size))) < len(borders):
        at.append(int(borders[next_]))
    return [
        Cut(place, low, high, 0, high - low, np.unique(images[low:high]), rows=True)
        for low, high in zip(at, [*at[1:], total], strict=True)
    ]


def _hashes(column: Any) -> Hashes:
    """Return a number for each id: of whole numbers themselves."""
    pyarrow = load_pyarrow("a table")
    parts = []
    for chunk in column.chunks:
        if pyarrow.types.is_integer(chunk.type) and not chunk.null_count:
            parts.append(chunk.to_numpy(zero_copy_only=False).astype(np.int64))
            continue
        coded = chunk if pyarrow.types.is_dictionary(chunk.type) else chunk.dictionary_encode()
        values = [hash(value) for value in [*coded.dictionary.to_pylist(), None]]
        codes: Indices = coded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
        parts.append(np.array(values, np.int64)[codes])
    return np.concatenate(parts) if parts else np.empty(0, np.int64)


def check_distinct(cuts: Iterable[Cut]) -> None:
    """Check that no image lies in two parts.

    Raises:
        FormatError: one does.
    """
    parts = list(cuts)
    images = np.concatenate([part.images for part in parts]) if parts else np.empty(0, np.int64)
    images.sort()
    for number in np.unique(images[1:][np.diff(images) == 0]).tolist():
        holding = [part for part in parts if number in part.images]
        first: dict[Any, Cut] = {}
        for part in holding:
            for image in _ids_in(part):
                if (other := first.setdefault(image, part)) is not part:
                    raise twice(image, _name(other), _name(part))


def twice(image: Any, one: str, other: str) -> FormatError:
    """Say that an image lies in two shards."""
    return FormatError(
        f"expected the poses of an image in one place, got image {image!r} in {one} and {other}",
        hint="sorting by image, other ids for other images, or a run for each file",
    )


def _ids_in(cut: Cut) -> set[Any]:
    if cut.rows:
        table = read_rows(cut.source, cut.start, cut.stop)
        return set(table.column(ID).to_pylist())
    data = (
        read_whole(cut.source) if cut.stop is None else read_range(cut.source, cut.start, cut.stop)
    )
    lines = data.splitlines()
    return {_image_of(line, cut.source, cut.before + i) for i, line in enumerate(lines)} - {None}


def _name(cut: Cut) -> str:
    unit = f"row {cut.start}" if cut.rows else f"line {cut.before + 1}"
    return f"{cut.source} (from {unit})"
