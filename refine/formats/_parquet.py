"""Parquet as a document: ``{"parquet": {"columns": {name: values}, "metadata": {...}}}``.

Columns of numbers and of lists of one length are arrays, in JSON lists. The metadata are the JSON
that stands in the schema under `KEY`.
"""

import io
from importlib import import_module
from typing import Any

import numpy as np

from refine.exceptions import FormatError
from refine.files import dump_json, parse_json
from refine.formats.base import Document

PARQUET, COLUMNS, METADATA = "parquet", "columns", "metadata"
KEY = b"refine"
"""Of the schema's metadata."""

MAGIC = b"PAR1"
"""What Parquet files begin with: parquet.apache.org, "File Format"."""


def parse_parquet(data: bytes, where: str) -> Document:
    """Parse Parquet.

    Raises:
        FormatError: not Parquet, or no pyarrow to read it with.
    """
    pyarrow = load_pyarrow(where)
    try:
        table = import_module("pyarrow.parquet").read_table(io.BytesIO(data))
        return from_table(table, where)
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        text = str(error).partition("\n")[0]
        raise FormatError(f"expected Parquet, got: {text:.200}", where=where) from None


def dump_parquet(document: Document) -> bytes:
    """Write Parquet, compressed by zstd.

    Raises:
        FormatError: no pyarrow to write it with, or columns that it cannot hold.
    """
    table, file = to_table(document), io.BytesIO()
    import_module("pyarrow.parquet").write_table(table, file, compression="zstd")
    return file.getvalue()


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
        FormatError: metadata that are no JSON.
    """
    columns = {name: _plain(table.column(name)) for name in table.column_names}
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


def _plain(column: Any) -> Any:
    """Return a column as an array of numbers (N,) or (N, width), or of objects (N,)."""
    pyarrow = load_pyarrow("a table")
    array = column.combine_chunks()
    array = array.chunk(0) if isinstance(array, pyarrow.ChunkedArray) else array
    kind = array.type
    if pyarrow.types.is_fixed_size_list(kind):
        values = array.flatten() if not array.null_count else None
        if values is not None and pyarrow.types.is_floating(kind.value_type):
            numbers = values.to_numpy(zero_copy_only=False).astype(np.float64)
            return numbers.reshape(len(array), kind.list_size)
    elif pyarrow.types.is_dictionary(kind):
        names = np.array([*array.dictionary.to_pylist(), None], object)
        return names[array.indices.fill_null(len(names) - 1).to_numpy(zero_copy_only=False)]
    elif pyarrow.types.is_floating(kind) or (
        pyarrow.types.is_integer(kind) and not array.null_count
    ):
        return array.to_numpy(zero_copy_only=False)
    return array.to_pylist()


def _arrow(pyarrow: Any, values: Any) -> Any:
    if isinstance(values, np.ndarray) and values.ndim == 2:
        flat = pyarrow.array(values.ravel())
        return pyarrow.FixedSizeListArray.from_arrays(flat, values.shape[1])
    if isinstance(values, np.ma.MaskedArray):
        return pyarrow.array(values.data, mask=np.ma.getmaskarray(values))
    if isinstance(values, np.ndarray) and values.dtype.kind == "f":
        return pyarrow.array(values, mask=np.isnan(values))
    if isinstance(values, np.ndarray) and values.dtype.kind == "O":
        return pyarrow.array(values, pyarrow.string()).dictionary_encode()
    return pyarrow.array(values)
