"""Files that are no JSON: the document that stands in them, and back.

A table is ``{"csv": [[cell, ...], ...]}``, its cells texts; lines of text are ``{"txt": [...]}``.
HDF5 is a table where it is a frame of pandas, else ``{"hdf5": {name: array}, "attributes": ...}``;
for XML, Parquet and NumPy's arrays see `_xml`, `_parquet` and `_arrays`.
The same documents may stand in .json files.
"""

import codecs
import csv
import io
import math
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from refine.exceptions import FormatError
from refine.formats._arrays import MAGIC as ARRAYS_MAGIC, dump_npz, parse_npz
from refine.formats._frames import read_frame, write_frame
from refine.formats._hdf5 import (
    MAGIC as HDF5_MAGIC,
    build_hdf5,
    open_hdf5,
    read_arrays,
    write_arrays,
)
from refine.formats._parquet import MAGIC as PARQUET_MAGIC, dump_parquet, parse_parquet
from refine.formats._slp import LABELS, dump_slp, parse_slp
from refine.formats._xml import dump_xml, parse_xml
from refine.formats.base import Document

TABLE, TEXT = "csv", "txt"


class Encoding(NamedTuple):
    """How files with a certain ending hold documents.

    Attributes:
        parse: their bytes and their name to a document.
        dump: the way back.
        binary: whether the bytes are no text.
    """

    parse: Callable[[bytes, str], Document]
    dump: Callable[[Document], bytes]
    binary: bool = False


def parse_table(data: bytes, where: str) -> Document:
    """Parse CSV.

    Raises:
        FormatError: not UTF-8, or not CSV.
    """
    try:
        return {TABLE: list(csv.reader(io.StringIO(_text(data, where), newline=""), strict=True))}
    except csv.Error as error:
        raise FormatError(f"expected CSV, got {error}", where=where) from None


def dump_table(document: Document) -> bytes:
    """Write CSV; None is an empty cell."""
    file = io.StringIO(newline="")
    rows: Any = document[TABLE] if isinstance(document, dict) else []
    csv.writer(file, lineterminator="\n").writerows(rows)
    return _bytes(file.getvalue())


def parse_text(data: bytes, where: str) -> Document:
    """Split a text into its lines.

    Raises:
        FormatError: not UTF-8.
    """
    return {TEXT: [line for line in _text(data, where).splitlines() if line.strip()]}


def dump_text(document: Document) -> bytes:
    """Write lines."""
    lines: Any = document[TEXT] if isinstance(document, dict) else []
    return _bytes("".join(f"{line}\n" for line in lines))


def parse_hdf5(data: bytes, where: str) -> Document:
    """Parse HDF5: a frame of pandas, SLEAP's labels, or arrays.

    Raises:
        FormatError: not HDF5, or what reads it is not installed.
    """
    with open_hdf5(data, where) as file:
        if (rows := read_frame(file, where)) is not None:
            return {TABLE: rows}
        if not {"metadata", "frames"} <= file.keys():
            return read_arrays(file)
    return parse_slp(data, where)


def dump_hdf5(document: Document) -> bytes:
    """Write HDF5: tables as pandas does, arrays with their dimensions as netCDF has them, or .slp.

    Raises:
        FormatError: what that needs is not installed.
    """
    held: Any = document
    if LABELS in held:
        return dump_slp(held)
    if TABLE in held:
        return build_hdf5(partial(write_frame, rows=held[TABLE]))
    return build_hdf5(partial(write_arrays, document=held))


ENCODINGS = {
    ".csv": Encoding(parse_table, dump_table),
    ".txt": Encoding(parse_text, dump_text),
    ".xml": Encoding(parse_xml, dump_xml),
    ".npz": Encoding(parse_npz, dump_npz, binary=True),
    ".npy": Encoding(parse_npz, dump_npz, binary=True),
    ".parquet": Encoding(parse_parquet, dump_parquet, binary=True),
    ".h5": Encoding(parse_hdf5, dump_hdf5, binary=True),
    ".nc": Encoding(parse_hdf5, dump_hdf5, binary=True),
    ".slp": Encoding(parse_hdf5, dump_hdf5, binary=True),
}
"""By the endings of files."""

MAGIC = {b"<?xml": ".xml", b"<annotations": ".xml"}
MAGIC |= {PARQUET_MAGIC: ".parquet", HDF5_MAGIC: ".h5"}
MAGIC |= dict.fromkeys(ARRAYS_MAGIC, ".npz")
"""First bytes of files, whatever they are called, and the ending that they should have."""


def told_by_content(data: bytes) -> Encoding | None:
    """Tell an encoding by the first bytes of a file."""
    head = data[:64].removeprefix(codecs.BOM_UTF8).lstrip()
    return next((ENCODINGS[of] for magic, of in MAGIC.items() if head.startswith(magic)), None)


def table_in(document: Document, where: str) -> list[list[str]]:
    """Return the rows of a table, all as long as the first.

    Raises:
        FormatError: no table, cells that are no text, or rows of another length.
    """
    rows = document.get(TABLE) if isinstance(document, dict) else None
    if not isinstance(rows, list) or not rows or not all(isinstance(row, list) for row in rows):
        raise FormatError("expected a table, a list of rows", where=where)
    out = [[cell_text(cell, f"{where}, row {i + 1}") for cell in row] for i, row in enumerate(rows)]
    for i, row in enumerate(out):
        if len(row) != len(out[0]):
            raise FormatError(
                f"expected {len(out[0])} cells, as in the first row, got {len(row)}",
                where=f"{where}, row {i + 1}",
            )
    return out


def cell_text(cell: Any, where: str) -> str:
    """Return the text of a cell.

    Raises:
        FormatError: neither text nor a number.
    """
    if isinstance(cell, str):
        return cell.strip()
    if cell is None or (isinstance(cell, float) and math.isnan(cell)):
        return ""
    if type(cell) in (int, float):
        return str(cell)[:400]
    raise FormatError(f"expected text or a number in a cell, got {cell!r:.40}", where=where)


def cell_number(text: str, name: str, where: str) -> float | None:
    """Return the number in a cell, None in an empty one or for NaN.

    Raises:
        FormatError: something else.
    """
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.inf
    if math.isinf(value):
        raise FormatError(f"expected a finite number in {name!r}, got {text!r:.40}", where=where)
    return None if math.isnan(value) else value


def number_text(value: float | None, precision: int | None = None) -> str:
    """Write a number in as few characters as bring it back; nothing for None and NaN."""
    if value is None or value != value:
        return ""
    value = value if precision is None else round(value, precision)
    return str(int(value)) if value % 1 == 0 and abs(value) < 2**53 else repr(float(value))


def are_numbers(line: str) -> bool:
    """Whether a line is of numbers with blanks between, at least two."""
    words = line.split()
    try:
        return len([float(word) for word in words]) > 1
    except ValueError:
        return False


def _text(data: bytes, where: str) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise FormatError(f"expected text in UTF-8, got {error}", where=where) from None


def _bytes(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise FormatError(f"expected text that UTF-8 can hold, got {text!r:.60}") from None
