"""NumPy's archives as documents: ``{"npz": {name: array}}``; an array alone goes by ""."""

import io
from typing import Any

import numpy as np

from refine import npz
from refine._types import Floats
from refine.exceptions import FormatError
from refine.formats.base import Document

NPZ = "npz"
MAGIC = (b"PK\x03\x04", np.lib.format.MAGIC_PREFIX)
"""What archives and arrays begin with."""
PLAIN = frozenset({int, float, type(None)})


def parse_npz(data: bytes, where: str) -> Document:
    """Parse an archive or a single array.

    Raises:
        FormatError: neither, or arrays of Python's objects, which are pickles.
    """
    hint = "np.savez(path, keypoints=..., scores=...) with arrays of numbers, a file per image"
    return {NPZ: dict(npz.read(data, where, hint))}


def dump_npz(document: Document) -> bytes:
    """Write an archive."""
    arrays: Any = document.get(NPZ, document) if isinstance(document, dict) else {}
    file = io.BytesIO()
    np.savez_compressed(file, **{name: _plain(value) for name, value in arrays.items()})
    return file.getvalue()


def _plain(value: Any) -> Any:
    array = np.asarray(value)
    return array.astype(str) if array.dtype.kind == "O" else array


def numbers_in(value: Any, name: str, where: str) -> Floats:
    """Return an array, or lists within lists, of numbers; null is NaN.

    Raises:
        FormatError: something else, or infinity.
    """
    found = None
    try:
        held = np.asarray(value)
        if held.dtype.kind in "iuf" or (
            held.dtype.kind == "O" and {*map(type, held.ravel())} <= PLAIN
        ):
            found = held.astype(np.float64)
    except (ValueError, TypeError, OverflowError):
        pass
    if found is None or np.isinf(found).any():
        raise FormatError(
            f"expected an array of finite numbers {name!r}, got {value!r:.60}", where=where
        )
    return np.asarray(found)
