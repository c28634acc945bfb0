"""HDF5 as documents: datasets by name, read and written through h5py."""

import io
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType
from typing import Any

import numpy as np

from refine._types import Floats
from refine.exceptions import FormatError
from refine.files import UNPACKED_LEAST, UNPACKED_RATIO
from refine.formats._arrays import numbers_in
from refine.formats.base import Document

MAGIC = b"\x89HDF\r\n\x1a\n"
ARRAYS, ATTRIBUTES, DIMENSIONS = "hdf5", "attributes", "dimensions"
"""Fields of a document: arrays by the names of datasets; attributes of the file, by name, and of
datasets, by theirs before a dot; and the names of the dimensions of datasets, which netCDF has."""

SCALES = frozenset({"CLASS", "NAME", "DIMENSION_LIST", "REFERENCE_LIST", "DIMENSION_LABELS"})
"""Attributes that make the dimensions."""

DAMAGE = (
    OSError,
    LookupError,
    ValueError,
    TypeError,
    RuntimeError,
    AttributeError,
    ArithmeticError,
    MemoryError,
)
"""What h5py and we raise over files that are damaged."""

NOT_A_VARIABLE = "This is a netCDF dimension but not a netCDF variable"
"""What netCDF calls the scale of a dimension that has no coordinates; its nc4internal.h."""


@contextmanager
def open_hdf5(data: bytes, where: str) -> Iterator[Any]:
    """Open the bytes of a file, and refuse what h5py stumbles over.

    Raises:
        FormatError: not HDF5, damaged, or h5py is not installed.
    """
    h5py = _h5py(where)
    try:
        with h5py.File(io.BytesIO(data), "r") as file:
            most = max(UNPACKED_LEAST, UNPACKED_RATIO * len(data))
            _check_sizes(file, most, where)
            yield file
    except DAMAGE as error:
        raise FormatError(f"expected readable HDF5, got: {error!s:.200}", where=where) from None


def build_hdf5(write: Callable[[Any], None]) -> bytes:
    """Return the bytes of a file that is filled by `write`.

    Raises:
        FormatError: h5py is not installed.
    """
    memory = io.BytesIO()
    with _h5py(None).File(memory, "w", track_order=True) as file:
        write(file)
    return memory.getvalue()


def read_arrays(file: Any) -> Document:
    """Return the datasets of an open file, those in groups under their path."""
    arrays: dict[str, Any] = {}
    dimensions: dict[str, Any] = {}
    attributes = dict(map(_attribute, file.attrs.items()))
    for name, dataset in _datasets(file):
        if _is_bare(dataset):
            continue
        arrays[name] = plain(dataset[()])
        # Not through `dims`: over damaged files that ends the process.
        scales = dataset.attrs.get("DIMENSION_LIST")
        if scales is not None and len(scales) == dataset.ndim and all(map(len, scales)):
            dimensions[name] = [file[each[0]].name.lstrip("/") for each in scales]
        elif dataset.ndim and dataset.attrs.get("CLASS") == b"DIMENSION_SCALE":
            dimensions[name] = [name]
        own = {key: v for key, v in dataset.attrs.items() if key not in SCALES}
        attributes |= {f"{name}.{key}": v for key, v in map(_attribute, own.items())}
    told = {key: value for key, value in attributes.items() if value is not None}
    document = {ARRAYS: arrays, ATTRIBUTES: told}
    return document | {DIMENSIONS: dimensions} if dimensions else document


def write_arrays(file: Any, document: Mapping[str, Any]) -> None:
    """Write datasets into an open file, the counterpart of `read_arrays`."""
    arrays, dimensions = document[ARRAYS], document.get(DIMENSIONS, {})
    for name, value in arrays.items():
        array = np.asarray(value)
        if array.dtype.kind == "U":
            # netCDF's strings have a length of their own each.
            dtype = _h5py(None).string_dtype()
            file.create_dataset(name, data=array.astype(object), dtype=dtype)
        else:
            blank = array.dtype.kind == "O"  # None is NaN.
            file.create_dataset(name, data=array.astype(np.float64) if blank else array)
    for key, value in document.get(ATTRIBUTES, {}).items():
        name, _, own = key.rpartition(".")
        place = file[name] if name in arrays else file
        place.attrs[own if name in arrays else key] = value
    for name, axes in dimensions.items():
        for axis, dimension in enumerate(axes):
            if dimension not in file:
                scale = file.create_dataset(dimension, data=np.arange(file[name].shape[axis]))
                scale.make_scale(dimension)
            elif not file[dimension].is_scale:
                file[dimension].make_scale(dimension)
            if dimension != name:
                file[name].dims[axis].attach_scale(file[dimension])


def grid_in(arrays: Mapping[str, Any], name: str, ndim: int, where: str) -> Floats | None:
    """Return an array of a document; null is NaN, and a field that is not there None.

    Raises:
        FormatError: not numbers in so many dimensions, or Infinity.
    """
    value = arrays.get(name)
    if value is None:
        return None
    found = numbers_in(value, name, where)
    if not found.size:
        return found if found.ndim == ndim else np.empty((0,) * ndim)  # Lists lose empty axes.
    if found.ndim != ndim:
        raise FormatError(
            f"expected numbers in {ndim} dimensions in {name!r}, got {found.ndim}", where=where
        )
    return found


def texts_in(arrays: Mapping[str, Any], name: str, where: str) -> list[str]:
    """Return the texts of a document, [] where they are not there.

    Raises:
        FormatError: something else, or one of them twice.
    """
    value = arrays.get(name, [])
    value = value.tolist() if isinstance(value, np.ndarray) and not value.size else value
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise FormatError(f"expected a list of names in {name!r}", where=where)
    if len(set(value)) < len(value):
        raise FormatError(f"expected different names in {name!r}, got one twice", where=where)
    return value


def plain(value: Any) -> Any:
    """Return numbers as an array, texts as lists of them, bytes decoded."""
    array = np.asarray(value)
    if array.dtype.kind in "OS":
        return _decoded(array.tolist())
    return value.item() if array.ndim == 0 and hasattr(value, "item") else array


def _decoded(value: Any) -> Any:
    if isinstance(value, list):
        return [_decoded(each) for each in value]
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def _attribute(pair: tuple[str, Any]) -> tuple[str, Any]:
    key, value = pair
    value = plain(value) if not hasattr(value, "dtype") or value.dtype.kind in "OSUiufb" else None
    if key.startswith("_") or not isinstance(value, str | int | float | list | np.ndarray):
        return key, None
    return key, value.tolist() if isinstance(value, np.ndarray) else value


def _datasets(file: Any) -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    file.visititems(lambda name, each: found.append((name, each)) if _is_array(each) else None)
    return found


def _is_array(each: Any) -> bool:
    # Tables of records and references between datasets are no arrays.
    return getattr(each, "dtype", None) is not None and each.dtype.kind in "iufbOSU"


def _is_bare(dataset: Any) -> bool:
    """Whether a dataset is a dimension of netCDF that has no coordinates."""
    label = dataset.attrs.get("NAME", b"")
    return isinstance(label, bytes) and label.startswith(NOT_A_VARIABLE.encode())


def _check_sizes(file: Any, most: int, where: str) -> None:
    sizes: list[int] = []
    file.visititems(lambda _, each: sizes.append(getattr(each, "nbytes", 0)))
    total = sum(sizes)
    if total > most:
        raise FormatError(
            f"expected at most {most} bytes in an HDF5 file of this size, got {total}", where=where
        )


def _h5py(where: str | None) -> ModuleType:
    try:
        return import_module("h5py")
    except ImportError:
        raise FormatError(
            "expected h5py for HDF5 files, which is not installed",
            where=where,
            hint='pip install "refine-pose[hdf5]"',
        ) from None
