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
HINT = (
    "np.savez(path, keypoints=..., scores=...) with arrays of numbers, a file per image, or "
    "np.savez(path, positions_2d=...) of one video; where the file is to be trusted, "
    "np.load(..., allow_pickle=True) in Python, e.g. old['positions_2d'].item()['S1']['Walking'][0]"
)
PLAIN = frozenset({int, float, type(None)})


def parse_npz(data: bytes, where: str) -> Document:
    """Parse an archive or a single array.

    Raises:
        FormatError: neither, or arrays of Python's objects, which are pickles.
    """
    arrays = npz.read(data, where, HINT)
    return {
        NPZ: {n: np.asarray(a).tolist() if a.dtype.kind == "U" else a for n, a in arrays.items()}
    }


def dump_npz(document: Document) -> bytes:
    """Write an archive."""
    arrays: Any = document.get(NPZ, document) if isinstance(document, dict) else {}
    file = io.BytesIO()
    np.savez_compressed(file, **{name: _plain(value) for name, value in arrays.items()})
    return file.getvalue()


def _plain(value: Any) -> Any:
    array = np.asarray(value)
    if array.dtype.kind != "O":
        return array
    return array.astype(np.float64 if {*map(type, array.ravel())} <= PLAIN else str)


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
