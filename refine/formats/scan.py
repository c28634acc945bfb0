"""Rows of plain numbers out of large JSON files, or lists like them, straight into arrays.

Objects of Python for every number take ten times the memory of a file and most of the time. What
is scanned here are lists of objects whose fields of interest are numbers or lists of so many; what
is anything else is left to the readers that know what to say of it. What is in memory already comes
by way of MessagePack, which is made several times as fast as one would take the numbers one by one.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from refine._types import Bools, Floats
from refine.files import jsonable
from refine.formats import kernels
from refine.formats.base import LARGE

HARD = 1 << 16
"""Numbers of more digits than `float64` holds, which Python reads; of more, all is left to it."""

FULL = -2
"""What the kernel returns for more rows than there is room for."""

ROOM = 1.25
"""Rows that there is room for, over those that there would be if all were as long as the first."""

SHORT = 64
"""Bytes that a row is taken to have at least, for that."""


class Rows(NamedTuple):
    """N rows.

    Attributes:
        values: field -> (N,) or (N, width) numbers, 0 where a row lacks it.
        given: field -> (N,) whether a row has it.
        whole: field -> whether all its numbers are written as integers.
        first: where the first row begins and ends; in JSON.
        end: where the list ends; in JSON.
        others: how many fields were passed over; in JSON.
    """

    values: Mapping[str, Floats]
    given: Mapping[str, Bools]
    whole: Mapping[str, bool]
    first: tuple[int, int] = (0, 0)
    end: int = 0
    others: int = 0


class _Layout(NamedTuple):
    """Where kernels find the names of fields and put their numbers."""

    spelled: npt.NDArray[np.uint8]
    ends: npt.NDArray[np.int64]
    widths: npt.NDArray[np.int64]
    columns: npt.NDArray[np.int64]

    @classmethod
    def of(cls, fields: Mapping[str, int], refused: Collection[str]) -> "_Layout":
        names = [*fields, *refused]
        columns = [0, *(max(width, 1) for width in fields.values()), *[0] * len(refused)]
        return cls(
            np.frombuffer("".join(names).encode(), np.uint8),
            np.cumsum([0, *map(len, names)]),
            np.array([*fields.values(), *[-1] * len(refused)]),
            np.cumsum(columns),
        )

    def room(self, rows: int) -> tuple[Floats, npt.NDArray[np.uint8]]:
        """Return room for the numbers of so many rows, and for which fields they have."""
        return np.empty((rows, int(self.columns[-1]))), np.empty((rows, len(self.widths)), np.uint8)

    def rows(
        self,
        fields: Mapping[str, int],
        values: Floats,
        given: npt.NDArray[np.uint8],
        **rest: Any,
    ) -> Rows:
        found = {
            name: values[:, column : column + width] if width else values[:, column]
            for (name, width), column in zip(fields.items(), self.columns.tolist(), strict=False)
        }
        has = {name: given[:, i] > 0 for i, name in enumerate(fields)}
        whole = {name: bool((given[:, i] < 2).all()) for i, name in enumerate(fields)}
        return Rows(found, has, whole, **rest)


def scan_rows(
    data: bytes, start: int, fields: Mapping[str, int], refused: Collection[str] = ()
) -> Rows | None:
    """Scan a list of objects; None if it is not as plain as that, or no JSON.

    Args:
        data: JSON.
        start: where the list begins.
        fields: name -> how many numbers its list has, 0 for a number alone; the first is in every
            row. Of what is not named here, all is passed over.
        refused: names of which no row may have any.

    >>> rows = scan_rows(b'[{"a": 1, "b": [0.5, 2], "c": "x"}]', 0, {"a": 0, "b": 2})
    >>> rows.values["b"].tolist(), rows.whole
    ([[0.5, 2.0]], {'a': True, 'b': False})
    """
    stop = len(data)
    while stop > start and data[stop - 1 : stop].isspace():
        stop -= 1
    if stop - start < 2 or data[start] != ord("[") or data[stop - 1] not in b"]}":
        return None
    layout, hard = _Layout.of(fields, refused), np.empty((HARD, 3), np.int64)
    text = np.frombuffer(data, np.uint8, stop)
    length = max(data.find(b"}", start, stop) - start, SHORT)
    values, given = layout.room(64 + int(ROOM * (stop - start) / length))
    found = kernels.scan(text, start, layout, values, given, hard)
    if found[0] == FULL:
        values, given = layout.room(data.count(f'"{next(iter(fields))}"'.encode(), start, stop))
        found = kernels.scan(text, start, layout, values, given, hard)
    rows, end, difficult, first, last, others = found
    if rows < 0:
        return None
    flat = values.reshape(-1)
    for low, high, place in hard[:difficult].tolist():
        flat[place] = float(data[low:high])
    if not np.isfinite(flat[hard[:difficult, 2]]).all():
        return None
    rest = {"first": (int(first), int(last)), "end": int(end), "others": int(others)}
    return layout.rows(fields, values[:rows], given[:rows], **rest)


def scan_objects(
    objects: Sequence[Any], fields: Mapping[str, int], refused: Collection[str] = ()
) -> Rows | None:
    """Do what `scan_rows` does with parsed rows, if there are many; None for few.

    >>> scan_objects([{"a": 1}], {"a": 0}) is None
    True
    """
    try:
        packed = msgspec.msgpack.encode(objects, enc_hook=jsonable)
    except (TypeError, ValueError, OverflowError, RecursionError):
        return None
    if len(packed) < LARGE:
        return None
    layout = _Layout.of(fields, refused)
    values, given = layout.room(len(objects))
    rows = kernels.scan_packed(np.frombuffer(packed, np.uint8), layout, values, given)
    return None if rows < 0 else layout.rows(fields, values, given)


def list_length(data: bytes, name: str, start: int = 0) -> int:
    """Return how many values the first list under a name has; 0 without any."""
    at = data.find(f'"{name}"'.encode(), start)
    low = data.find(b"[", at)
    high = data.find(b"]", low)
    plain = 0 <= at < low < high
    return 1 + data.count(b",", low, high) if plain and data[low + 1 : high].strip() else 0


def whole_numbers(values: Floats) -> npt.NDArray[np.int64] | None:
    """Return numbers as integers; None if some are too large to be told apart."""
    return None if (np.abs(values) >= 2**53).any() else values.astype(np.int64)
