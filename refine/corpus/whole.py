"""One file of many parts."""

import os
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from refine.corpus.ledger import FOLDER
from refine.corpus.rows import parquet_file
from refine.corpus.storage import StorageError, join
from refine.exceptions import FormatError
from refine.files import write_parts
from refine.formats._parquet import load_pyarrow

CHUNK = 1 << 20
"""Bytes that are copied at once."""


def join_parts(folder: str, names: Sequence[str], target: str) -> None:
    """Make one file, of NDJSON or Parquet, of parts in their order, as a whole or not at all.

    Args:
        folder: on this machine, of the parts.
        names: of the parts.
        target: the file.

    Raises:
        FormatError: tables of different columns.
        StorageError: it cannot be written.
    """
    places = [join(folder, name) for name in names]
    try:
        if target.endswith(".parquet"):
            _join_tables(places, join(folder, f"{FOLDER}/whole.parquet"), target)
        else:
            write_parts(target, _chunks(places))
    except OSError as error:
        raise StorageError(
            f"expected a writable target, got: {error.strerror or error}",
            where=target,
            hint="--resume when there is room",
        ) from None


def _chunks(places: Sequence[str]) -> Iterator[bytes]:
    for place in places:
        with Path(place).open("rb") as file:
            while chunk := file.read(CHUNK):
                yield chunk


def _join_tables(places: Sequence[str], draft: str, target: str) -> None:
    parquet, schema = import_module("pyarrow.parquet"), _one_schema(places)
    with parquet.ParquetWriter(draft, schema, compression="zstd") as writer:
        for place in places:
            with parquet_file(place) as file:
                writer.write_table(file.read(use_threads=False).cast(schema))
    with Path(draft).open("rb+") as file:
        os.fsync(file.fileno())
    Path(draft).replace(os.path.realpath(target))


def _one_schema(places: Sequence[str]) -> Any:
    """Return columns that hold those of all parts.

    Raises:
        FormatError: there are none.
    """
    pyarrow = load_pyarrow(places[0])
    schemas = []
    for place in places:
        with parquet_file(place) as file:
            schemas.append(file.schema_arrow)
    try:
        joined = pyarrow.unify_schemas(schemas, promote_options="permissive")
    except pyarrow.ArrowException as error:
        raise FormatError(
            f"expected parts with the same columns, got: {str(error).splitlines()[0]:.200}",
            where=places[0],
            hint="-o FOLDER, which takes parts that differ",
        ) from None
    return joined.with_metadata(schemas[0].metadata)
