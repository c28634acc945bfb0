"""NumPy's files: archives of arrays, and arrays alone; nothing is ever unpickled."""

import io
import math
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Mapping
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from refine.exceptions import FormatError

UNNAMED = ""
"""The name of an array that has none."""
MOST_SHRUNK = 1100
"""Deflate makes 1032 bytes of one at most; sizes beyond it are made up."""
PAGE = 4096
SMALL = 1 << 24
"""Bytes; larger members of an archive are read when somebody asks for them."""
LONGEST = 200
"""Characters of what NumPy says of an archive; it would show whole damaged headers."""
DAMAGE = (
    ValueError, OSError, EOFError, KeyError, IndexError, TypeError, RuntimeError, MemoryError,
    OverflowError, SyntaxError, struct.error, tokenize.TokenError, zlib.error, zipfile.BadZipFile,
)  # fmt: skip
"""What zipfile and NumPy raise where an archive is damaged, encrypted or packed in another way."""


def read(data: bytes, where: str, hint: str | None = None) -> Mapping[str, Any]:
    """Read an archive or a single array, whatever the name of the file says.

    Args:
        data: the content of the file.
        where: it is, for messages.
        hint: what to try where it is neither.

    Returns:
        by name; a single array goes by `UNNAMED`. Large members of an archive are `Stored`.

    Raises:
        FormatError: neither, or arrays of Python's objects.
    """
    try:
        if data.startswith(np.lib.format.MAGIC_PREFIX):
            file = io.BytesIO(data)
            return {UNNAMED: np.lib.format.read_array(file, allow_pickle=False)}
        arrays: dict[str, Any] = {}
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for member in archive.infolist():
                stored = Stored(data, member, where, hint)
                name = member.filename.removesuffix(".npy")
                arrays[name] = np.asarray(stored) if member.file_size <= SMALL else stored
        return arrays
    except DAMAGE as error:
        raise _not_npz(error, where, hint) from None


class Stored:
    """An array of an .npz archive that is read when it is needed.

    Attributes:
        shape: of the array.
        dtype: of the array.
        ndim: its number of axes.
    """

    def __init__(
        self, data: bytes, member: zipfile.ZipInfo, where: str, hint: str | None = None
    ) -> None:
        self._data, self._member, self._where, self._hint = data, member, where, hint
        with self._opened() as file:
            version = np.lib.format.read_magic(file)
            head = {(1, 0): np.lib.format.read_array_header_1_0}.get(
                version, np.lib.format.read_array_header_2_0
            )
            self.shape, _, self.dtype = head(file)
            told = math.prod(self.shape) * self.dtype.itemsize
            room = member.file_size - file.tell()
        most = member.compress_size * MOST_SHRUNK + PAGE
        if self.dtype.hasobject:
            raise ValueError(
                f"Python's objects in {member.filename!r}, pickles that could run any code"
            )
        if told != room or member.file_size > most:
            raise ValueError(
                f"{self.dtype} {self.shape} in {member.filename!r}, of {member.compress_size} bytes"
            )
        self.ndim = len(self.shape)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> npt.NDArray[Any]:
        """Read the array."""
        try:
            with self._opened() as file:
                array: npt.NDArray[Any] = np.lib.format.read_array(file, allow_pickle=False)
        except DAMAGE as error:
            raise _not_npz(error, self._where, self._hint) from None
        return array if dtype is None else array.astype(dtype, copy=False)

    def __len__(self) -> int:
        return self.shape[0]

    def _opened(self) -> IO[bytes]:
        return zipfile.ZipFile(io.BytesIO(self._data)).open(self._member)


def _not_npz(error: Exception, where: str, hint: str | None) -> FormatError:
    reason = str(error) or type(error).__name__
    return FormatError(
        f"expected an .npz archive of plain arrays, got: {reason:.{LONGEST}}",
        where=where,
        hint=hint,
    )
