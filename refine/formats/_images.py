"""Images in files: their ids, names and sizes, and the file that tells what others lack."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, overload

import numpy as np
import numpy.typing as npt

from refine._types import Floats, Indices
from refine.exceptions import FormatError
from refine.files import parse_json, read_bytes
from refine.images import find_images
from refine.poses import ImageRef, Poses

FIELDS = ("file_name", "width", "height")
LARGEST = 2**53
"""px and frames; whole numbers above are no longer told apart as floats."""


def image_id(value: Any, where: str) -> int | str:
    """Return an image id.

    Raises:
        FormatError: neither a whole number nor a string.
    """
    if type(value) is int or isinstance(value, str):
        return value
    if type(value) is float and value.is_integer():
        return int(value)
    raise FormatError(
        f"expected an image id, a whole number or a string, got {value!r:.40}", where=where
    )


def image_ref(
    record: Mapping[str, Any], where: str, *, key: str = "id", own: Iterable[str] = ()
) -> ImageRef:
    """Read an image record; fields that are null count as unknown and are carried through.

    Args:
        record: with the id under `key` and perhaps `FIELDS`.
        where: the record, for messages.
        key: field of the id.
        own: further fields that are not unknown ones.

    Raises:
        FormatError: an id, name or size of another kind.
    """
    name = record.get("file_name")
    if name is not None and not isinstance(name, str):
        raise FormatError(f"expected a string 'file_name', got {name!r:.40}", where=where)
    extra = dict(record)
    for field in (key, *own, *(f for f in FIELDS if extra.get(f) is not None)):
        extra.pop(field, None)
    return ImageRef(
        image_id(record.get(key), where),
        name,
        whole(record.get("width"), "width", where),
        whole(record.get("height"), "height", where),
        extra=extra,
    )


def image_record(ref: ImageRef, key: str = "id") -> dict[str, Any]:
    """Write an image record, the counterpart of `image_ref`."""
    known = {field: getattr(ref, field) for field in FIELDS}
    return {key: ref.id} | dict(ref.extra) | {k: v for k, v in known.items() if v is not None}


def whole(value: Any, field: str, where: str) -> int | None:
    """Return a whole number that is not negative, or None.

    Raises:
        FormatError: anything else.
    """
    if value is None:
        return None
    if type(value) not in (int, float) or not 0 <= value <= LARGEST or value % 1:
        raise FormatError(f"expected a whole number {field!r}, got {value!r:.40}", where=where)
    return int(value)


def index_images(refs: Sequence[ImageRef]) -> tuple[Indices, tuple[ImageRef, ...]]:
    """Number the images of poses in order of first appearance; the id tells them apart."""
    place: dict[int | str, int] = {}
    kept: list[ImageRef] = []
    index = np.empty(len(refs), np.intp)
    for i, ref in enumerate(refs):
        if ref.id not in place:
            place[ref.id] = len(kept)
            kept.append(ref)
        index[i] = place[ref.id]
    return index, tuple(kept)


def stem(name: str) -> str:
    """Return a file's name without folder, suffixes of JSON and OpenPose's ending."""
    text = Path(name).name.removesuffix(".gz")
    for suffix in (".json", ".ndjson", ".jsonl", "_keypoints"):
        text = text.removesuffix(suffix)
    return text


def with_images(poses: Poses, path: str | Path, *, rename: bool = False) -> Poses:
    """Complete the images of poses from a COCO file, found by id or by file name.

    Images that the file lacks stay as they are, see `refine.images.find_images`.

    Args:
        poses: their image ids may be numbers, numbers as strings, or file names.
        path: COCO ground truth, or any object with `images`.
        rename: also take over the file's ids, so that evaluation finds the images.

    Raises:
        FormatError: not a COCO file, none of the images is in it, or an image whose id and name are
            those of two.
    """
    known = read_images(parse_json(read_bytes(path), str(path)), str(path))
    names = [ref.file_name for ref in known]
    rows = find_images(poses.images, names, [ref.id for ref in known], where=str(path))
    found = [None if row is None else known[row] for row in rows]
    if poses.images and not any(found):
        raise FormatError(
            f"expected some of the images of the poses, e.g. {poses.images[0].id!r}, got none",
            where=str(path),
        )
    out = [
        old
        if new is None
        else replace(
            old,
            id=new.id if rename else old.id,
            file_name=old.file_name or new.file_name,
            width=old.width or new.width,
            height=old.height or new.height,
        )
        for old, new in zip(poses.images, found, strict=True)
    ]
    return poses.replace(images=tuple(out))


def read_images(document: Any, where: str) -> tuple[ImageRef, ...]:
    """Read the list `images` of a COCO file.

    Raises:
        FormatError: there is none, or two images of one id in it.
    """
    rows = document.get("images") if isinstance(document, dict) else None
    if not isinstance(rows, list):
        raise FormatError("expected an object with a list 'images'", where=where)
    seen: dict[int | str, int] = {}
    refs = []
    for i, row in enumerate(rows):
        at = f"{where}, image {i}"
        if not isinstance(row, dict):
            raise FormatError(f"expected an object, got {row!r:.40}", where=at)
        refs.append(image_ref(row, at))
        if (first := seen.setdefault(refs[-1].id, i)) != i:
            raise FormatError(
                f"expected images of different ids, got {refs[-1].id!r} as for image {first}",
                where=at,
            )
    return tuple(refs)


class Images(Sequence[ImageRef]):
    """Images of a file that are made `ImageRef` where they are asked for.

    Args:
        ids: (I,) whole numbers.
        records: of the file, sound ones; None where it tells ids alone.
    """

    def __init__(self, ids: Indices, records: Sequence[Mapping[str, Any]] | None = None) -> None:
        self.ids = ids
        self.records = records

    def __len__(self) -> int:
        return len(self.ids)

    @overload
    def __getitem__(self, at: int) -> ImageRef: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[ImageRef]: ...
    def __getitem__(self, at: int | slice) -> ImageRef | Sequence[ImageRef]:
        if isinstance(at, slice):
            return [self[i] for i in range(len(self))[at]]
        return image_ref(self.records[at], "") if self.records else ImageRef(int(self.ids[at]))

    def sizes(self) -> Floats:
        """Return width and height (I, 2) in px, NaN where unknown."""
        if self.records is None:
            return np.full((len(self), 2), np.nan)
        columns = [[r.get(field) or np.nan for r in self.records] for field in FIELDS[1:]]
        return np.array(columns, np.float64).T

    def places(self, ids: Indices) -> Indices:
        """Return the index of the image of each id, -1 where there is none."""
        order = np.argsort(self.ids)
        at = np.minimum(np.searchsorted(self.ids, ids, sorter=order), len(order) - 1)
        place = order[at]
        return np.where(self.ids[place] == ids, place, -1)

    def once(self) -> tuple["Images", Indices]:
        """Return them once each, as they first appear, and the index (I,) that each has there."""
        known, at, index = np.unique(self.ids, return_index=True, return_inverse=True)
        order = np.argsort(at)
        return Images(known[order]), np.argsort(order)[index]

    def column(self, field: str) -> list[Any]:
        """Return a field of all records, None where there is none."""
        return [r.get(field) for r in self.records or ({},) * len(self)]

    def by_id(self) -> tuple["Images", Indices]:
        """Return them in the order of their ids, and the place (I,) that each has there."""
        order = np.argsort(self.ids)
        if (order[1:] > order[:-1]).all():
            return self, order
        records = None if self.records is None else [self.records[i] for i in order.tolist()]
        return Images(self.ids[order], records), np.argsort(order)


def numbers_of(images: Sequence[ImageRef]) -> Indices | None:
    """Return the ids (I,) of images that are known by nothing but whole numbers; else None."""
    if isinstance(images, Images):
        return images.ids if images.records is None else None
    return whole_ids([None if ref.file_name else ref.id for ref in images])


def whole_ids(ids: Sequence[Any]) -> Indices | None:
    """Return ids (I,), None unless all are whole numbers that floats can tell apart."""
    if set(map(type, ids)) != {int} or not -LARGEST < min(ids) <= max(ids) < LARGEST:
        return None
    return np.array(ids, np.intp)


def scan_images(rows: Any) -> Images | None:
    """Return those of a list of plain records; None of others, of which `read_images` tells."""
    if not isinstance(rows, list) or set(map(type, rows)) != {dict}:
        return None
    told, names, *sizes = ([row.get(field) for row in rows] for field in ("id", *FIELDS))
    ids = whole_ids(told)
    if ids is None or not set(map(type, names)) <= {str, type(None)}:
        return None
    for values in sizes:
        kinds = set(map(type, values))
        if not kinds <= {int, type(None)}:
            return None
        known = values if kinds == {int} else [v for v in values if v is not None]
        if known and not 0 <= min(known) <= max(known) <= LARGEST:
            return None
    return Images(ids, rows) if len(set(told)) == len(told) else None


def id_array(images: Sequence[ImageRef]) -> npt.NDArray[Any]:
    """Return the ids of images as whole numbers of 64 bits, or as texts.

    Raises:
        FormatError: some of each, or larger numbers.
    """
    ids = [ref.id for ref in images]
    texts = all(isinstance(each, str) for each in ids)
    if not texts and not all(type(each) is int and abs(each) < 2**63 for each in ids):
        raise FormatError(
            "expected ids of images that are all whole numbers of 64 bits or all texts, got others",
            hint="--to ndjson",
        )
    out = np.empty(len(ids), object if texts else np.int64)
    out[:] = ids
    return out
