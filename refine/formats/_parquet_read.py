"""From the columns of a Parquet table to what poses hold, each text and picture looked at once."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np

from refine._types import Bools, Floats, Indices
from refine.exceptions import FormatError
from refine.formats._images import LARGEST, image_id
from refine.formats._keypoints import matrix, places
from refine.formats._parquet import Coded, Lists, coded
from refine.formats._unlabelled import carry_halves
from refine.formats.base import Where

CATEGORY = "category_id"
CATEGORIES = frozenset({int, str})
BLOCK = 1 << 14
"""Rows whose joints are read at once: some MB, which fit a processor's cache."""

_lines: Any = msgspec.json.Decoder()


def lists_of(values: Any, width: int, field: str, where: Where) -> Lists:
    """Return a column of lists of numbers, NaN for those that are null.

    Raises:
        FormatError: a list of another length, or a value that is not a finite number.
    """
    if isinstance(values, Lists):
        fit = all(p.shape[1] == width and not np.isinf(p).any() for p in values.parts)
        if fit:
            return values
    return Lists([matrix(_listed(values), width, field, where)])


def numbers_of(columns: Mapping[str, Any], name: str, n: int, where: Where) -> Floats:
    """Return a column of numbers (N,), NaN where there is none.

    Raises:
        FormatError: a value that is not a finite number.
    """
    values = columns.get(name)
    if values is None:
        return np.full(n, np.nan)
    if isinstance(values, np.ndarray) and values.dtype.kind in "iuf":
        numbers = np.ma.filled(values.astype(np.float64), np.nan)
        if not np.isinf(numbers).any():
            return numbers
    return matrix([[value] for value in _listed(values)], 1, name, where)[:, 0]


def whole_numbers(values: Floats, name: str, where: Where) -> Indices:
    """Return whole numbers (N,), -1 where there is none.

    Raises:
        FormatError: one that is not whole, negative, or too large.
    """
    wrong = (values % 1 != 0) | (values < 0) | (values > LARGEST)
    bad = np.flatnonzero(wrong & np.isfinite(values))
    if len(bad):
        i = int(bad[0])
        raise FormatError(f"expected a whole number {name!r}, got {values[i]}", where=where(i))
    return np.nan_to_num(values, nan=-1).astype(np.int64)


def texts_of(columns: Mapping[str, Any], name: str, n: int, where: Where) -> Coded:
    """Return a column of texts.

    Raises:
        FormatError: something else.
    """
    values = columns.get(name)
    if values is None:
        return Coded(np.full(n, -1), [])
    told = values.values if isinstance(values, Coded) else _listed(values)
    for i, value in enumerate(told):
        if not isinstance(value, str | None):
            at = int(np.argmax(values.codes == i)) if isinstance(values, Coded) else i
            raise FormatError(f"expected text in {name!r}, got {value!r:.40}", where=where(at))
    return values if isinstance(values, Coded) else coded(told)


def images_of(values: Any, where: Where) -> tuple[list[int | str], Indices]:
    """Return the ids of images, once each as they first appear, and the index (N,) of each row's.

    Raises:
        FormatError: one that is neither a whole number nor a text.
    """
    if isinstance(values, np.ndarray) and values.dtype.kind in "iu" and not np.ma.is_masked(values):
        known, at, of = np.unique(np.asarray(values), return_index=True, return_inverse=True)
        order = np.argsort(at)
        return known[order].tolist(), np.argsort(order)[of]
    if not isinstance(values, Coded) or (values.codes < 0).any():
        listed = _listed(values)
        values = Coded(np.arange(len(listed)), listed)
    first = first_rows(values.codes, len(values.values))
    place: dict[int | str, int] = {}
    number = np.full(len(values.values), -1)
    for code in np.argsort(first, kind="stable").tolist():
        if first[code] < len(values):
            name = image_id(values.values[code], where(int(first[code])))
            number[code] = place.setdefault(name, len(place))
    return list(place), number[values.codes]


def first_rows(codes: Indices, count: int) -> Indices:
    """Return the first row (C,) of each of C codes; N for those that no row has."""
    first = np.full(count, len(codes))
    np.minimum.at(first, codes, np.arange(len(codes)))
    return first


def check_alike(values: Coded | Indices, first: Indices, name: str, where: Where) -> None:
    """Make sure that rows tell the same as the first of their image.

    Args:
        values: (N,) a column.
        first: (N,) the first row of the image of each.
        name: of the column.
        where: of a row.

    Raises:
        FormatError: one does not.
    """
    held = values.codes if isinstance(values, Coded) else values
    bad = np.flatnonzero(held != held[first])
    if len(bad):
        i = int(bad[0])
        rows = np.array([i, first[i]])
        got, before = values.at(rows) if isinstance(values, Coded) else or_none(values[rows])
        raise FormatError(
            f"expected one {name!r} for all rows of an image, got {got!r:.40} after {before!r:.40}",
            where=where(i),
        )


def or_none(numbers: Indices) -> list[int | None]:
    """Return whole numbers as a list, None for -1."""
    return [None if number < 0 else number for number in numbers.tolist()]


def joints_of(
    keypoints: Lists, shown: Bools, where: Where
) -> tuple[Floats, Floats, tuple[Indices, Floats]]:
    """Return places and scores of joints, and the poses of which half a place is told.

    Args:
        keypoints: of N rows, x, y, score of K joints.
        shown: (N,) the M rows that are poses.
        where: of a row.

    Returns:
        (M, K, 2) px, (M, K), and the numbers (H,) of the latter with their values (H, K, 3).

    Raises:
        FormatError: a place beyond all images.
    """
    k = keypoints.parts[0].shape[1] // 3
    count = int(shown.sum())
    xy, score = np.empty((count, k, 2)), np.empty((count, k))
    rows, halves = [np.empty(0, np.intp)], [np.empty((0, k, 3))]
    start = at = 0
    blocks = (part[i : i + BLOCK] for part in keypoints.parts for i in range(0, len(part), BLOCK))
    for block in blocks:
        here = np.flatnonzero(shown[start : start + len(block)])
        values = (block if len(here) == len(block) else block[here]).reshape(-1, k, 3)
        some = slice(at, at + len(here))
        xy[some] = places(values, lambda i, here=here + start: where(int(here[i])))  # type: ignore[misc]
        score[some] = values[..., 2]
        half = np.isnan(values[..., 0]) != np.isnan(values[..., 1])
        if half.any():
            odd = np.flatnonzero(half.any(1))
            rows.append(odd + at)
            halves.append(np.where(half[odd, :, None], values[odd], [np.nan, np.nan, 0.0]))
        start, at = start + len(block), at + len(here)
    return xy, score, (np.concatenate(rows), np.concatenate(halves))


def with_halves(
    extra: Sequence[Mapping[str, Any]], halves: tuple[Indices, Floats], joints: Sequence[str]
) -> tuple[Mapping[str, Any], ...]:
    """Return the fields of poses with the halves of places that `joints_of` found in them."""
    out = list(extra)
    own = [dict(out[i]) for i in halves[0].tolist()]
    carry_halves(own, halves[1], joints)
    for i, row in zip(halves[0].tolist(), own, strict=True):
        out[i] = row
    return tuple(out)


def categories_of(columns: Mapping[str, Any], n: int, where: Where) -> Coded:
    """Return the column of categories.

    Raises:
        FormatError: one that is neither a whole number nor a text.
    """
    values = columns.get(CATEGORY)
    if values is None:
        return Coded(np.full(n, -1), [])
    if isinstance(values, np.ndarray) and values.dtype.kind == "f":
        # What pandas makes of whole numbers where some are null.
        listed = [int(v) if v % 1 == 0 else None if v != v else v for v in values.tolist()]
        return categories_of({CATEGORY: listed}, n, where)
    if isinstance(values, np.ndarray) and values.dtype.kind in "iu":
        known = ~np.ma.getmaskarray(values)
        found, codes = np.unique(np.ma.getdata(values)[known], return_inverse=True)
        out = np.full(n, -1)
        out[known] = codes
        return Coded(out, found.tolist())
    told = values.values if isinstance(values, Coded) else _listed(values)
    for i, value in enumerate(told):
        if value is not None and type(value) not in CATEGORIES:
            at = int(np.argmax(values.codes == i)) if isinstance(values, Coded) else i
            raise FormatError(f"expected a category, got {value!r:.40}", where=where(at))
    return values if isinstance(values, Coded) else coded(told)


def extra_of(
    texts: Coded, kinds: Coded, rows: Indices, where: Where
) -> tuple[Mapping[str, Any], ...]:
    """Return the fields of some rows; those that are the same are one mapping.

    Args:
        texts: their JSON.
        kinds: the categories of all rows.
        rows: (M,) which.
        where: of a row.

    Raises:
        FormatError: no JSON object.
    """
    base = len(kinds.values) + 1
    pairs = (texts.codes[rows] + 1) * base + kinds.codes[rows] + 1
    if not pairs.any():
        return ({},) * len(rows)
    _, first, of = np.unique(pairs, return_index=True, return_inverse=True)
    found = fields_of(texts, rows[first], where)
    alone = len(set(map(id, found))) == len(found)
    for i, kind in enumerate(kinds.at(rows[first])):
        if kind is not None:
            found[i] = found[i] if alone else dict(found[i])
            found[i][CATEGORY] = kind
    return tuple(map(found.__getitem__, of.tolist()))


def fields_of(texts: Coded, rows: Indices, where: Where) -> list[dict[str, Any]]:
    """Return the JSON objects of some rows, {} for null; the same text is one mapping.

    Raises:
        FormatError: no JSON object.
    """
    codes = texts.codes[rows]
    used, at = np.unique(codes, return_index=True)
    told = used >= 0
    lines = [texts.values[code] for code in used[told].tolist()]
    found = _objects(lines)
    if found is None:
        wheres = [where(int(row)) for row in rows[at[told]]]
        found = [_fields(line, here) for line, here in zip(lines, wheres, strict=True)]
    place = np.full(len(texts.values) + 1, -1)
    place[used[told]] = np.arange(len(lines))
    return list(map([*found, {}].__getitem__, place[codes].tolist()))


def _objects(lines: list[str]) -> list[dict[str, Any]] | None:
    """Decode JSON objects at once; None where one is none."""
    try:
        data = "\n".join(lines).encode()
        if data.count(b"\n") >= len(lines) > 0:
            return None
        found: list[Any] = _lines.decode_lines(data)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return None
    return found if len(found) == len(lines) and set(map(type, found)) <= {dict} else None


def _fields(text: str, where: str) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise FormatError(f"expected a JSON object in 'extra', got {text!r:.60}", where=where)
    return found


def _listed(values: Any) -> list[Any]:
    listed: list[Any] = values.tolist() if hasattr(values, "tolist") else values
    return listed if isinstance(listed, list) else []
