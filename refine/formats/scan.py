"""Rows of plain numbers out of large JSON files, straight into arrays.

Objects of Python for every number take ten times the memory of a file and most of the time. What
is scanned here are lists of objects whose fields of interest are numbers or lists of so many; what
is anything else is left to the readers that know what to say of it.
"""

from collections.abc import Collection, Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from refine._types import Bools, Floats
from refine.formats import kernels

LARGE = 1 << 20
"""Bytes from which scanning pays: the first scan of a process loads compiled code, 0.2 s."""

HARD = 1 << 16
"""Numbers of more digits than `float64` holds, which Python reads; of more, all is left to it."""

POWERS = 10.0 ** np.arange(23)
"""Those that are exact."""


class Rows(NamedTuple):
    """N rows.

    Attributes:
        values: field -> (N,) or (N, width) numbers, 0 where a row lacks it.
        given: field -> (N,) whether a row has it.
        whole: field -> whether all its numbers are written as integers.
        first: where the first row begins and ends.
        end: where the list ends.
    """

    values: Mapping[str, Floats]
    given: Mapping[str, Bools]
    whole: Mapping[str, bool]
    first: tuple[int, int]
    end: int


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
    names = [*fields, *refused]
    widths = np.array([*fields.values(), *[-1] * len(refused)])
    columns = np.cumsum([0, *(max(width, 1) for width in fields.values()), *[0] * len(refused)])
    most = data.count(f'"{names[0]}"'.encode(), start)
    values = np.zeros((most, int(columns[-1])))
    given = np.zeros((most, len(fields)), np.uint8)
    hard = np.empty((HARD, 3), np.int64)
    spelled = "".join(names).encode()
    rows, end, difficult, first, last = kernels.scan(
        np.frombuffer(data, np.uint8, stop),
        start,
        (np.frombuffer(spelled, np.uint8), np.cumsum([0, *map(len, names)]), widths, columns),
        POWERS,
        values,
        given,
        hard,
    )
    if rows < 0:
        return None
    flat = values.reshape(-1)
    for low, high, place in hard[:difficult].tolist():
        flat[place] = float(data[low:high])
    if not np.isfinite(flat[hard[:difficult, 2]]).all():
        return None
    values, given = values[:rows], given[:rows]
    found = {
        name: values[:, column : column + width] if width else values[:, column]
        for (name, width), column in zip(fields.items(), columns.tolist(), strict=False)
    }
    has = {name: given[:, i] > 0 for i, name in enumerate(fields)}
    whole = {name: bool((given[:, i] < 2).all()) for i, name in enumerate(fields)}
    return Rows(found, has, whole, (int(first), int(last)), int(end))


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
