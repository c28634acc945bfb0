"""Parquet as a document: ``{"parquet": {"columns": {name: values}, "metadata": {...}}}``.

Columns of numbers are arrays, masked where null, those of lists of one length are arrays (N, width)
or `Lists`, those of texts `Coded`; in JSON all are lists. The metadata are the JSON that stands in
the schema under `KEY`.
"""

import io
from collections.abc import Iterable, Iterator, Sequence
from importlib import import_module
from typing import Any

import numpy as np

from refine._types import Floats, Indices
from refine.exceptions import FormatError
from refine.files import dump_json, parse_json
from refine.formats.base import Document

PARQUET, COLUMNS, METADATA = "parquet", "columns", "metadata"
KEY = b"refine"
"""Of the schema's metadata."""

GROUP = 122_880
"""Rows that are written, and can be read, at once: as DuckDB has it, ROW_GROUP_SIZE of its COPY."""

MAGIC = b"PAR1"
"""What Parquet files begin with: parquet.apache.org, "File Format"."""


class Coded:
    """A column of texts, or of numbers, each of which is held once.

    Args:
        codes: (N,) index into `values`, -1 for null.
        values: all different.
    """

    def __init__(self, codes: Indices, values: list[Any]) -> None:
        self.codes = codes
        self.values = values

    def __len__(self) -> int:
        return len(self.codes)

    def tolist(self) -> list[Any]:
        """Return the column, None for null."""
        return self.at(slice(None))

    def at(self, rows: slice | Indices) -> list[Any]:
        """Return some rows of the column."""
        values = np.empty(len(self.values) + 1, object)
        values[:-1] = self.values
        listed: list[Any] = values[self.codes[rows]].tolist()
        return listed


class Lists:
    """A column of lists of one length, in parts (n, width) that lie where they were read.

    Args:
        parts: one or more.
    """

    def __init__(self, parts: list[Floats]) -> None:
        self.parts = parts

    def __len__(self) -> int:
        return sum(map(len, self.parts))

    def tolist(self) -> list[Any]:
        """Return the column."""
        return [row for part in self.parts for row in part.tolist()]


def coded(values: Sequence[Any]) -> Coded:
    """Return a column that holds each of its values once."""
    place: dict[Any, int] = {None: -1}
    codes = [place.setdefault(value, len(place) - 1) for value in values]
    del place[None]
    return Coded(np.array(codes, np.intp), list(place))


def parse_parquet(data: bytes, where: str) -> Document:
    """Parse Parquet.

    Raises:
        FormatError: not Parquet, or no pyarrow to read it with.
    """
    pyarrow = load_pyarrow(where)
    try:
        opened = import_module("pyarrow.parquet").ParquetFile(
            pyarrow.BufferReader(data), pre_buffer=False
        )
        # Threads of Arrow's that still run when a process ends may abort it.
        table = opened.read(use_threads=False)
        pyarrow.default_memory_pool().release_unused()
        return from_table(table, where)
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        text = str(error).partition("\n")[0]
        raise FormatError(f"expected Parquet, got: {text:.200}", where=where) from None


def dump_parquet(document: Document) -> bytes:
    """Write Parquet, compressed by zstd.

    Raises:
        FormatError: no pyarrow to write it with, or columns that it cannot hold.
    """
    return b"".join(dump_tables([to_table(document)]))


def dump_tables(tables: Iterable[Any]) -> Iterator[bytes]:
    """Write the rows of Arrow tables of one schema as a Parquet file, part after part."""
    sink, writer = _Sink(), None
    for table in tables:
        if writer is None:
            make = import_module("pyarrow.parquet").ParquetWriter
            writer = make(sink, table.schema, compression="zstd")
        writer.write_table(table, row_group_size=GROUP)
        yield sink.take()
    if writer is not None:
        writer.close()
    yield sink.take()


class _Sink(io.RawIOBase):
    """A file that is taken away while it is written."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self.size = 0

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self.size

    def write(self, data: Any) -> int:
        self.parts.append(bytes(data))
        self.size += len(self.parts[-1])
        return len(self.parts[-1])

    def take(self) -> bytes:
        taken, self.parts = b"".join(self.parts), []
        return taken


def load_pyarrow(where: str) -> Any:
    """Import pyarrow.

    Raises:
        FormatError: it is not installed.
    """
    try:
        return import_module("pyarrow")
    except ImportError:
        raise FormatError(
            "expected pyarrow for Parquet, got none",
            where=where,
            hint="pip install 'refine-pose[parquet]'",
        ) from None


def from_table(table: Any, where: str) -> Document:
    """Return an Arrow table as a document.

    Raises:
        FormatError: metadata that are no JSON, or two columns of one name.
    """
    pyarrow = load_pyarrow(where)
    if isinstance(table, pyarrow.RecordBatch):
        table = pyarrow.Table.from_batches([table])
    names: list[str] = table.column_names
    if twice := [name for name in names if names.count(name) > 1]:
        raise FormatError(f"expected one column {twice[0]!r:.40}, got several", where=where)
    columns = {name: _plain(table.column(name), pyarrow) for name in names}
    held = (table.schema.metadata or {}).get(KEY)
    metadata = {} if held is None else parse_json(held, f"{where}, metadata")
    return {PARQUET: {COLUMNS: columns, METADATA: metadata}}


def to_table(document: Document) -> Any:
    """Return a document as an Arrow table; NaN is null, but for the values of lists.

    Raises:
        FormatError: columns that Arrow cannot hold.
    """
    pyarrow = load_pyarrow("what is to be written")
    content: Any = document.get(PARQUET) if isinstance(document, dict) else {}
    metadata = {KEY: dump_json(content[METADATA])}
    try:
        arrays = {name: _arrow(pyarrow, values) for name, values in content[COLUMNS].items()}
        return pyarrow.table(arrays).replace_schema_metadata(metadata)
    except (pyarrow.ArrowException, ValueError, TypeError) as error:
        text = str(error).partition("\n")[0]
        raise FormatError(f"expected columns that Parquet can hold, got: {text:.200}") from None


def _plain(column: Any, pyarrow: Any) -> Any:
    """Return a column as numbers (N,), masked where null, `Lists`, `Coded`, or a list."""
    kinds = pyarrow.types
    kind = column.type
    if kinds.is_fixed_size_list(kind) or kinds.is_list(kind) or kinds.is_large_list(kind):
        found = [_rectangle(array, kinds) for array in column.chunks if len(array)]
        parts = [part for part in found if part is not None]
        alike = len(parts) == len(found) and len({part.shape[1] for part in parts}) == 1
        return Lists(parts) if alike else column.to_pylist()
    if kinds.is_dictionary(kind):
        return _coded(column, pyarrow)
    if kinds.is_string(kind) or kinds.is_large_string(kind):
        return _coded(column.dictionary_encode(), pyarrow)
    if kinds.is_floating(kind):
        return column.to_numpy()
    if kinds.is_integer(kind):
        if not column.null_count:
            return column.to_numpy()
        return np.ma.masked_array(column.fill_null(0).to_numpy(), column.is_null().to_numpy())
    return column.to_pylist()


def _rectangle(array: Any, kinds: Any) -> Floats | None:
    """Return lists of one length of floats as (N, width); None of others, and of null lists."""
    if array.null_count or not kinds.is_floating(array.type.value_type):
        return None
    values = array.flatten()
    width, rest = divmod(len(values), len(array))
    if not kinds.is_fixed_size_list(array.type):
        lengths = array.value_lengths()
        if rest or not (lengths.to_numpy() == width).all():
            return None
    numbers = values.to_numpy(zero_copy_only=False).reshape(len(array), width)
    return np.asarray(numbers, np.float64)


def _coded(column: Any, pyarrow: Any) -> Coded:
    array = column.unify_dictionaries().combine_chunks()
    array = pyarrow.concat_arrays(array.chunks) if hasattr(array, "chunks") else array
    values = array.dictionary.to_pylist()
    codes = array.indices.cast("int64").fill_null(-1).to_numpy(zero_copy_only=False)
    if len(set(values)) < len(values) or None in values:
        return coded(Coded(codes, values).tolist())
    return Coded(codes, values)


def _arrow(pyarrow: Any, values: Any) -> Any:
    if isinstance(values, Coded):
        codes = pyarrow.array(values.codes.astype(np.int32), mask=values.codes < 0)
        return pyarrow.DictionaryArray.from_arrays(codes, pyarrow.array(values.values, "string"))
    if isinstance(values, np.ndarray) and values.ndim == 2:
        flat = pyarrow.array(values.ravel())
        return pyarrow.FixedSizeListArray.from_arrays(flat, values.shape[1])
    if isinstance(values, np.ma.MaskedArray):
        return pyarrow.array(values.data, mask=np.ma.getmaskarray(values))
    if isinstance(values, np.ndarray) and values.dtype.kind == "f":
        return pyarrow.array(values, mask=np.isnan(values))
    return pyarrow.array(values)
