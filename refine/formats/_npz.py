"""NumPy's archives as documents: ``{"npz": {name: array}}``; arrays of objects are pickles."""

import io
import zipfile
import zlib
from typing import Any

import numpy as np

from refine.exceptions import FormatError
from refine.files import UNPACKED_LEAST, UNPACKED_RATIO
from refine.formats.base import Document

NPZ = "npz"
NPZ_MAGIC = b"PK\x03\x04"


def parse_npz(data: bytes, where: str) -> Document:
    """Parse an archive.

    Raises:
        FormatError: not one, damaged, with arrays of Python's objects, or far larger than its size
            lets one expect.
    """
    arrays: dict[str, Any] = {}
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            total = sum(member.file_size for member in archive.infolist())
            most = max(UNPACKED_LEAST, UNPACKED_RATIO * len(data))
            if total > most:
                raise FormatError(f"expected at most {most} bytes, got {total}", where=where)
            for name in archive.namelist():
                array = np.lib.format.read_array(io.BytesIO(archive.read(name)), allow_pickle=False)
                arrays[name.removesuffix(".npy")] = (
                    array.tolist() if array.dtype.kind == "U" else array
                )
    except (OSError, ValueError, RuntimeError, NotImplementedError, MemoryError) as error:
        objects = "allow_pickle" in str(error)
        raise FormatError(
            "expected arrays of numbers, got "
            + (
                "Python's objects, pickles that could run any code"
                if objects
                else f"{error!s:.200}"
            ),
            where=where,
            hint="in Python, where the file is to be trusted, np.savez(NEW, positions_2d=ARRAY) "
            "with one video of it, e.g. old['positions_2d'].item()['S1']['Walking'][0]"
            if objects
            else None,
        ) from None
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise FormatError(
            f"expected an archive of NumPy, got: {error!s:.200}", where=where
        ) from None
    return {NPZ: arrays}


def dump_npz(document: Document) -> bytes:
    """Write an archive."""
    held: Any = document
    memory = io.BytesIO()
    arrays = {name: np.array(value) for name, value in held[NPZ].items()}
    blank = {name: a.astype(np.float64) for name, a in arrays.items() if a.dtype.kind == "O"}
    np.savez_compressed(memory, **(arrays | blank))
    return memory.getvalue()
