"""Bytes in and out: standard streams, gzip by content, atomic writes, JSON without NaN."""

import gzip
import io
import json
import os
import re
import secrets
import shutil
import stat
import sys
import tempfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from glob import glob
from pathlib import Path
from typing import Any

import msgspec

from refine.exceptions import FormatError

SCALARS = frozenset({str, int, float, bool, type(None)})
"""What parsed JSON is made of, beside lists and objects."""
DESCRIPTORS = Path("/proc/self/fd")
"""Where Linux shows what a process has open."""
NUMBERS = re.compile(r"\{(\d+)\.\.(\d+)\}")
"""Of the files of a data set, as shells and WebDataset spell them."""
STDIO = "-"
STDOUT = (STDIO, "/dev/stdout")
UNPACKED_LEAST = 1 << 28
"""Bytes that any gzip file may hold: 256 MiB, the predictions on some 100,000 images."""
UNPACKED_RATIO = 100
"""Times its size that a larger one may hold: gzip makes poses 3 to 20 times smaller, and zeros,
of which bombs are made, 1032 times."""


def read_bytes(path: str | Path) -> bytes:
    """Read a whole file, gunzipped whatever its name; ``"-"`` is standard input.

    Raises:
        FormatError: the file cannot be read, or as for `unpack`.
    """
    try:
        if str(path) == STDIO:
            if sys.stdin is None:
                raise OSError("standard input is closed")
            data = sys.stdin.buffer.read()
        else:
            data = Path(path).read_bytes()
    except (OSError, ValueError) as error:
        # ValueError: a name that holds a null byte.
        reason = getattr(error, "strerror", None) or str(error)
        raise FormatError(f"expected a readable file, got: {reason}", where=str(path)) from None
    return unpack(data, str(path))


def matching_files(name: str | Path, suffix: str) -> list[Path]:
    """Return the files with a suffix that a name stands for, in order; none for other names.

    A name stands for itself; a folder for the files in it and below it; ``*`` and ``?`` for what
    they match, ``**`` for folders; and ``{000..009}`` for these numbers, all of which must exist.

    Raises:
        FormatError: one of these numbers does not.
    """
    text = str(name)
    if Path(text).is_dir():
        return sorted(p for p in Path(text).rglob(f"*{suffix}") if p.is_file())
    if not text.endswith(suffix):
        return []
    if Path(text).exists():
        return [Path(text)]
    if not (numbers := NUMBERS.search(text)):
        return sorted(map(Path, glob(text, recursive=True)))  # noqa: PTH207, may be absolute
    first, last = numbers.groups()
    found: list[Path] = []
    for number in range(int(first), int(last) + 1):
        one = text[: numbers.start()] + str(number).zfill(len(first)) + text[numbers.end() :]
        if not (these := matching_files(one, suffix)):
            raise FormatError("expected a file, got none", where=one, hint=f"fewer than {text}")
        found += these
    return found


def unpack(data: bytes, where: str) -> bytes:
    """Return the content of a file, gunzipped where that is gzip or `where` ends so.

    Raises:
        FormatError: damaged gzip, nothing in it, or far more than its size lets one expect.
    """
    try:
        if _is_gzip(data) or (data and where.endswith(".gz")):
            most = max(UNPACKED_LEAST, UNPACKED_RATIO * len(data))
            with gzip.GzipFile(fileobj=io.BytesIO(data)) as packed:
                unpacked = packed.read(most + 1)
            if len(unpacked) > most:
                raise FormatError(
                    f"expected at most {most} bytes in a gzip file of {len(data)}, got more",
                    where=where,
                    hint="gunzip, if it is to be trusted, and the file that comes out",
                )
            data = unpacked
    except (OSError, EOFError, zlib.error) as error:
        raise FormatError(f"expected a readable file, got: {error}", where=where) from None
    if not data or data.isspace():
        raise FormatError("expected data, got an empty file (0 bytes)", where=where)
    return data


def _is_gzip(data: bytes) -> bool:
    # Byte 8 is one of three in gzip, and a brace in safetensors, whose lengths may begin alike.
    return data[:3] == b"\x1f\x8b\x08" and data[8:9] in (b"\0", b"\2", b"\4")


def write_bytes(path: str | Path, data: bytes) -> None:
    """Write a file as a whole or not at all, see `write_parts`."""
    write_parts(path, [data])


def write_parts(path: str | Path, parts: Iterable[bytes]) -> None:
    """Write a file, part after part, as a whole or not at all; ``"-"`` is standard output.

    What is not a regular file (a device, a pipe) is written through, the target of a symbolic link
    is replaced, and a file keeps its mode.

    Raises:
        FormatError: the target cannot be written, or may not be: it is read-only.
    """
    target = Path(path)
    if target.suffix == ".gz":
        parts = gzipped(parts)
    try:
        if str(path) in STDOUT:
            _write_stdout(parts)
        elif (stream := _open_stream(target)) is not None:
            with os.fdopen(stream, "wb") as file:
                file.writelines(parts)
        else:
            _replace(Path(os.path.realpath(target)), parts)
    except BrokenPipeError:
        raise
    except (OSError, ValueError) as error:
        raise _unwritable(path, error) from None


def gzipped(parts: Iterable[bytes]) -> Iterator[bytes]:
    """Gzip parts as `gzip.compress` does their whole without a time."""
    pack = zlib.compressobj(zlib.Z_BEST_COMPRESSION, wbits=16 + zlib.MAX_WBITS)
    for part in parts:
        yield pack.compress(part)
    yield pack.flush()


def is_stream(path: str | Path) -> bool:
    """Whether a target is written through: standard output, a device, a pipe, a descriptor."""
    target = Path(path)
    if str(path) in STDOUT or _descriptor(target):
        return True
    try:
        mode = target.stat().st_mode
    except (OSError, ValueError):
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def _descriptor(target: Path) -> str:
    """Return the number of the descriptor of ours that a name stands for, "" for none."""
    if str(target) == "/dev/stderr":
        return "2"
    number = target.name if target.parent in (Path("/dev/fd"), DESCRIPTORS) else ""
    return number if number.isdecimal() else ""


def _write_stdout(parts: Iterable[bytes]) -> None:
    if sys.stdout is None:
        raise OSError("standard output is closed")
    sys.stdout.flush()
    sys.stdout.buffer.writelines(parts)
    sys.stdout.buffer.flush()


def _open_stream(target: Path) -> int | None:
    """Open what is there and has no content to replace: a device, a pipe, a descriptor of ours."""
    if number := _descriptor(target):
        return os.dup(int(number))
    return os.open(target, os.O_WRONLY) if is_stream(target) else None


def _replace(target: Path, parts: Iterable[bytes]) -> None:
    """Put a file in the place of another at once, with its mode and, where allowed, its owner."""
    before = target.stat() if target.exists() else None
    if before is not None and stat.S_ISDIR(before.st_mode):
        raise IsADirectoryError(0, "a folder")
    if before is not None and not before.st_mode & 0o222:
        raise PermissionError(0, "a read-only file")
    handle, draft = _open_draft(target)
    try:
        with os.fdopen(handle, "wb") as file:
            file.writelines(parts)
            file.flush()
            place = file.fileno() if draft is None else draft
            if before is None:
                os.chmod(place, 0o666 & ~_umask())  # noqa: PTH101, may be a descriptor
            else:
                if hasattr(os, "chown"):
                    with suppress(OSError):
                        os.chown(place, before.st_uid, before.st_gid)
                os.chmod(place, stat.S_IMODE(before.st_mode))  # noqa: PTH101
            os.fsync(file.fileno())
            if draft is None:
                draft = _give_name(file.fileno(), target)
        draft.replace(target)
    except BaseException:
        if draft is not None:
            draft.unlink(missing_ok=True)
        raise
    _sync_folder(target.parent)


def _open_draft(target: Path) -> tuple[int, Path | None]:
    """Open a draft in the folder of a target: without a name where the system has such files.

    Nothing is left of these, whatever ends the process.
    """
    if hasattr(os, "O_TMPFILE") and DESCRIPTORS.is_dir():
        with suppress(OSError):
            return os.open(target.parent, os.O_TMPFILE | os.O_WRONLY, 0o600), None
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name[:200]}.")
    return handle, Path(name)


def _give_name(handle: int, target: Path) -> Path:
    """Give a file without a name one beside a target, by which it can replace that."""
    draft = target.parent / f".{target.name[:200]}.{secrets.token_hex(4)}"
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        # With a folder given the link in /proc is followed: open(2), O_TMPFILE.
        os.link(DESCRIPTORS / str(handle), draft.name, dst_dir_fd=folder)
    finally:
        os.close(folder)
    return draft


def _umask() -> int:
    """Return what rights open() would not give; mkstemp makes private files."""
    umask = os.umask(0)
    os.umask(umask)
    return umask


def _sync_folder(folder: Path) -> None:
    """Make sure that a new name outlives a power cut, where the system lets us."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _unwritable(path: str | Path, error: OSError | ValueError) -> FormatError:
    # ValueError: a name that holds a null byte.
    reason = getattr(error, "strerror", None) or str(error)
    return FormatError(
        f"expected a writable target, got: {reason}", where=str(path), hint="another -o"
    )


def write_folder(path: str | Path, files: Iterable[tuple[str, bytes]]) -> None:
    """Write a new or empty folder as a whole or not at all.

    Args:
        path: the folder; the target of a symbolic link is filled.
        files: name and content of each file.

    Raises:
        FormatError: the target cannot be written.
    """
    try:
        target = Path(os.path.realpath(path))
        draft = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name[:200]}."))
        try:
            inner = draft / "files"  # mkdtemp makes private folders; mkdir minds the umask.
            inner.mkdir()
            for name, data in files:
                with (inner / name).open("wb") as file:
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
            if target.is_dir():
                inner.chmod(stat.S_IMODE(target.stat().st_mode))
            inner.replace(target)
            _sync_folder(target.parent)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    except (OSError, ValueError) as error:
        raise _unwritable(path, error) from None


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
        return msgspec.json.encode(value, enc_hook=jsonable)
    except UnicodeEncodeError as error:
        raise FormatError(f"expected text that UTF-8 can hold, got {error.object!r:.60}") from None


def plain_data(value: Any) -> Any:
    """Return data as `parse_json` would: tuples are lists, NumPy's scalars and arrays plain.

    Raises:
        FormatError: something that JSON has no place for.
    """
    if type(value) in SCALARS:
        return value
    if isinstance(value, Mapping):
        return {str(key): plain_data(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        flat = set(map(type, value)) <= SCALARS
        return list(value) if flat else [plain_data(each) for each in value]
    if hasattr(value, "tolist"):
        return value.tolist()
    raise FormatError(f"expected what JSON can hold, got {type(value).__name__}")


def jsonable(value: Any) -> Any:
    """Return NumPy's scalars and arrays as numbers and lists, for encoders.

    Raises:
        TypeError: something that JSON has no place for.
    """
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"expected plain data, got {type(value).__name__}")
