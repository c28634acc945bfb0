"""Data frames of pandas and polars, which are imported where they are asked for."""

from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from refine.exceptions import ArrayError, RefineError
from refine.skeletons import Skeleton
from refine.tables.columns import CATEGORIES, KNOWN, from_columns, to_columns


def library(name: str) -> Any:
    """Import a library of tables.

    Raises:
        RefineError: it is not installed.
    """
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        raise RefineError(
            f"expected the Python package {name}, which is not installed",
            hint='pip install "refine-pose[tables]"',
        ) from None


def to_pandas(poses: Any) -> Any:
    """Return poses as a pandas DataFrame, see `to_columns`."""
    pandas = library("pandas")
    columns: dict[str, Any] = {}
    for name, values in to_columns(poses).items():
        if isinstance(values, np.ma.MaskedArray):
            columns[name] = pandas.arrays.IntegerArray(values.data.copy(), values.mask.copy())
        elif name in CATEGORIES:
            known = dict.fromkeys(v for v in values.tolist() if v is not None)
            columns[name] = pandas.Categorical(values, categories=list(known))
        else:
            columns[name] = values
    return pandas.DataFrame(columns)


def from_pandas(frame: Any, skeleton: Skeleton | str | Path | None = None) -> dict[str, Any]:
    """Return the attributes of poses in a pandas DataFrame, see `from_columns`."""
    columns: dict[str, Any] = {}
    for name in KNOWN.intersection(frame.columns):
        column = frame[name]
        gaps = column.isna().to_numpy()
        if column.dtype.kind in "iuf":
            columns[name] = column.to_numpy(np.float64, na_value=np.nan) if gaps.any() else column
            columns[name] = np.asarray(columns[name])
        else:
            values = column.to_numpy(object)
            columns[name] = np.where(gaps, None, values)
    return from_columns(columns, skeleton)


def to_polars(poses: Any) -> Any:
    """Return poses as a polars DataFrame, see `to_columns`.

    Raises:
        ArrayError: ids of images or categories that are partly numbers and partly texts.
    """
    polars = library("polars")
    columns = []
    for name, values in to_columns(poses).items():
        if isinstance(values, np.ma.MaskedArray):
            whole = polars.Series(name, values.data)
            columns.append(whole.set(polars.Series(values.mask), None))
            continue
        if values.dtype == object and name in ("image_id", "category_id"):
            _check_alike(values, name)
        kind = {"dtype": polars.Categorical} if name in CATEGORIES else {}
        kind = {"dtype": polars.String} if values.dtype == object and not kind else kind
        columns.append(
            polars.Series(name, values.tolist() if values.dtype == object else values, **kind)
        )
    return polars.DataFrame(columns)


def from_polars(frame: Any, skeleton: Skeleton | str | Path | None = None) -> dict[str, Any]:
    """Return the attributes of poses in a polars DataFrame, see `from_columns`."""
    columns: dict[str, Any] = {}
    for name in KNOWN.intersection(frame.columns):
        column = frame[name]
        columns[name] = column.to_numpy() if column.dtype.is_numeric() else column.to_list()
    return from_columns(columns, skeleton)


def _check_alike(values: Any, name: str) -> None:
    kinds = {type(v).__name__ for v in values.tolist() if v is not None}
    if len(kinds) > 1:
        raise ArrayError(
            f"expected one kind of {name!r}, got {' and '.join(sorted(kinds))}",
            hint="ids that are all numbers or all texts, or `to_pandas`, which holds both",
        )
