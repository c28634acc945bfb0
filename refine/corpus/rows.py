"""Rows of Parquet files, some at a time, from wherever they lie."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from refine.corpus.storage import opened
from refine.exceptions import FormatError
from refine.formats._parquet import load_pyarrow

AT_ONCE = 16_384
"""Rows that are unpacked at once, also where only later ones are wanted."""


@contextmanager
def parquet_file(place: str) -> Iterator[Any]:
    """Open a Parquet file, a `pyarrow.parquet.ParquetFile`.

    Raises:
        FormatError: no such file, damaged, or no pyarrow to read it with.
    """
    pyarrow = load_pyarrow(place)
    parquet = import_module("pyarrow.parquet")
    with opened(place) as source:
        try:
            with parquet.ParquetFile(source, pre_buffer=False) as file:
                yield file
        except (pyarrow.ArrowException, OSError, ValueError) as error:
            text = str(error).partition("\n")[0]
            raise FormatError(f"expected Parquet, got: {text:.200}", where=place) from None


def read_rows(place: str, start: int = 0, stop: int | None = None) -> Any:
    """Read rows from `start` to `stop` as an Arrow table; None is the end.

    Raises:
        FormatError: see `parquet_file`; rows that are damaged are told by their group.
    """
    pyarrow = load_pyarrow(place)
    with parquet_file(place) as file:
        total = file.metadata.num_rows
        stop = total if stop is None else stop
        if stop > total:
            raise FormatError(f"expected {stop} rows, got {total}", where=place)
        kept: list[Any] = []
        first = 0
        for group in range(file.num_row_groups):
            rows = file.metadata.row_group(group).num_rows
            if first < stop and first + rows > start:
                kept += _some(file, place, group, start - first, stop - first)
            first += rows
        return pyarrow.Table.from_batches(kept, file.schema_arrow)


def _some(file: Any, place: str, group: int, start: int, stop: int) -> Iterator[Any]:
    pyarrow = load_pyarrow(place)
    first = 0
    try:
        for batch in file.iter_batches(AT_ONCE, row_groups=[group], use_threads=False):
            low, high = max(start - first, 0), min(stop - first, len(batch))
            if low < high:
                yield batch.slice(low, high - low)
            first += len(batch)
            if first >= stop:
                return
    except (pyarrow.ArrowException, OSError) as error:
        text = str(error).partition("\n")[0]
        raise FormatError(
            f"expected Parquet, got: {text:.200}", where=f"{place}, row group {group}"
        ) from None
