"""Pictures in tar files, read where they lie: shards as WebDataset writes them."""

import io
import tarfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from refine.exceptions import FormatError

TAR = ".tar"


@dataclass(frozen=True, slots=True)
class Member:
    """A file in a tar file, by its place there.

    It is opened anew for every look, so that threads and processes share it.

    Attributes:
        tar: which.
        name: in it.
        offset: of its first byte.
        size: bytes.
    """

    tar: Path
    name: str
    offset: int
    size: int

    def open(self) -> io.BufferedReader:
        """Open it for reading.

        Raises:
            OSError: the tar file cannot be read.
        """
        return io.BufferedReader(_Window(self))

    def __str__(self) -> str:
        return f"{self.tar}, {self.name}"


class _Window(io.RawIOBase):
    """The part of a tar file that is one of its members, open for reading."""

    def __init__(self, member: Member) -> None:
        self.member, self.at = member, 0
        self.file = member.tar.open("rb", buffering=0)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self.at, io.SEEK_END: self.member.size}[whence]
        self.at = max(0, start + offset)
        return self.at

    def readinto(self, buffer: Any) -> int | None:
        view = memoryview(buffer)[: max(0, self.member.size - self.at)]
        self.file.seek(self.member.offset + self.at)
        count = self.file.readinto(view)
        self.at += count or 0
        return count

    def close(self) -> None:
        self.file.close()
        super().close()


def members_of(tar: Path) -> tuple[Member, ...]:
    """Return the files in a tar file, which is gone through once.

    Raises:
        FormatError: no tar file that is read in place, one that breaks off, or none there.
    """
    try:
        told = tar.stat()
        return _members(tar, told.st_mtime_ns, told.st_size)
    except (OSError, tarfile.TarError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise FormatError(
            f"expected a tar file, got: {reason}",
            where=str(tar),
            hint="no compression, for members are read where they lie",
        ) from None


@lru_cache(maxsize=4096)
def _members(tar: Path, changed: int, size: int) -> tuple[Member, ...]:
    del changed
    with tarfile.open(tar, "r:") as file:
        found = [
            Member(tar, info.name, info.offset_data, info.size)
            for info in file
            if info.isreg() and info.sparse is None
        ]
    if any(member.offset + member.size > size for member in found):
        raise tarfile.ReadError("unexpected end of data")
    return tuple(found)
