"""Bytes in and out: standard streams, gzip by content, atomic writes, JSON without NaN."""

import gzip
import json
import os
import shutil
import sys
import tempfile
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from refine.exceptions import FormatError

STDIO = "-"

GZIP = b"\x1f\x8b"
"""The first two bytes of gzip (RFC 1952)."""


def read_bytes(path: str | Path) -> bytes:
    """Read a whole file, gunzipped whatever its name; ``"-"`` is standard input.

    Raises:
        FormatError: the file cannot be read, or holds nothing.
    """
    try:
        data = sys.stdin.buffer.read() if str(path) == STDIO else Path(path).read_bytes()
    except OSError as error:
        reason = error.strerror or str(error)
        raise FormatError(f"expected a readable file, got: {reason}", where=str(path)) from None
    return unpack(data, str(path))


def unpack(data: bytes, where: str) -> bytes:
    """Return the content of a file, gunzipped where that is gzip.

    Raises:
        FormatError: damaged gzip, or nothing in it.
    """
    try:
        if data.startswith(GZIP):
            data = gzip.decompress(data)
    except (OSError, EOFError, zlib.error) as error:
        raise FormatError(f"expected a readable file, got: {error}", where=where) from None
    if not data.strip():
        raise FormatError("expected data, got an empty file (0 bytes)", where=where)
    return data


def write_bytes(path: str | Path, data: bytes) -> None:
    """Write a file as a whole or not at all; ``"-"`` is standard output.

    Raises:
        FormatError: the target cannot be written.
    """
    if str(path) == STDIO:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
        return
    target = Path(path)
    if target.suffix == ".gz":
        data = gzip.compress(data, mtime=0)
    try:
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
            # mkstemp makes private files; give the result the rights that open() would give.
            umask = os.umask(0)
            os.umask(umask)
            Path(name).chmod(0o666 & ~umask)
            Path(name).replace(target)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise FormatError(
            f"expected a writable target, got: {error.strerror}",
            where=str(path),
            hint="another -o",
        ) from None


def write_folder(path: str | Path, files: Iterable[tuple[str, bytes]]) -> None:
    """Write a new or empty folder as a whole or not at all.

    Args:
        path: the folder.
        files: name and content of each file.

    Raises:
        FormatError: the target cannot be written.
    """
    target = Path(path)
    try:
        draft = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}."))
        try:
            inner = draft / "files"  # mkdtemp makes private folders; mkdir minds the umask.
            inner.mkdir()
            for name, data in files:
                (inner / name).write_bytes(data)
            inner.replace(target)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    except (OSError, ValueError) as error:
        # ValueError: a name that holds a null byte.
        reason = getattr(error, "strerror", None) or str(error)
        raise FormatError(
            f"expected a writable target, got: {reason}", where=str(path), hint="another -o"
        ) from None


def parse_json(data: bytes, where: str) -> Any:
    """Parse JSON; NaN and Infinity, which Python's json writes, are let through.

    Raises:
        FormatError: not JSON, with line and column.
    """
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    try:
        return json.loads(data)
    except json.JSONDecodeError as error:
        start = len(error.doc[: error.pos].rstrip().removesuffix(","))
        comma, closing = error.doc[start : start + 1], error.doc[start + 1 :].lstrip()[:1]
        if comma == "," and closing in ("]", "}"):
            line = error.doc.count("\n", 0, start) + 1
            raise FormatError(
                f"expected JSON, got a comma before {closing!r}",
                where=f"{where}, line {line} column {start - error.doc.rfind(chr(10), 0, start)}",
                hint="without that comma",
            ) from None
        cut = error.msg.startswith("Unterminated")
        end = cut or error.pos >= len(error.doc.rstrip()) - 1
        raise FormatError(
            f"expected JSON, got {error.msg.lower()}" + (" at the end of the file" if end else ""),
            where=f"{where}, line {error.lineno} column {error.colno}",
            hint="writing the file again, it looks cut off" if end else None,
        ) from None
    except (ValueError, RecursionError) as error:
        # Not UTF-8, nested without end, or an integer of thousands of digits.
        raise FormatError(f"expected JSON in UTF-8, got {error}", where=where) from None


def dump_json(value: Any) -> bytes:
    """Serialise to JSON; NaN becomes null, NumPy scalars and arrays become numbers and lists.

    Raises:
        FormatError: text that UTF-8 cannot hold.
    """
    try:
        return msgspec.json.encode(value, enc_hook=_plain)
    except UnicodeEncodeError as error:
        raise FormatError(f"expected text that UTF-8 can hold, got {error.object!r:.60}") from None


def _plain(value: Any) -> Any:
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"expected plain data, got {type(value).__name__}")
