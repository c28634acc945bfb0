"""Bytes of corpora wherever they lie: on this machine, or behind a URL that fsspec opens."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import unquote

from refine.exceptions import FormatError
from refine.files import gzipped, read_bytes, unpack, write_bytes
from refine.formats.containers import natural_key

SCHEME = "://"
FILE = "file://"
DRAFT = ".refine-"
"""How folders begin in which files wait until all are written."""
HIDDEN = ("_", ".")
"""What begins so in a data set is no part of it, as for pyarrow.dataset (`ignore_prefixes`)."""


class StorageError(FormatError):
    """A target that cannot be written, whatever is written to it: the disk is full, say."""


def local(place: str) -> str:
    """Return a path for a URL of this machine, and anything else as it is.

    >>> local("file:///tmp/a%20b.parquet"), local("s3://bucket/a.parquet")
    ('/tmp/a b.parquet', 's3://bucket/a.parquet')
    """
    return unquote(place.removeprefix(FILE)) if place.startswith(FILE) else place


def is_url(place: str) -> bool:
    """Whether a place is elsewhere."""
    return SCHEME in local(place)


def join(folder: str, name: str) -> str:
    """Name something in a folder."""
    return f"{folder.rstrip('/')}/{name}"


def names_below(folder: str, endings: tuple[str, ...]) -> list[str]:
    """List the files of a data set, relative to its folder, as people number them.

    Raises:
        FormatError: a folder that cannot be read.
    """
    with _told(folder, "a readable folder"):
        if is_url(folder):
            system, root = _system(folder)
            system.invalidate_cache()
            found = [path[len(root.rstrip("/")) + 1 :] for path in system.find(root)]
        else:
            found = list(_walk(Path(folder)))
    kept = [n for n in found if n.endswith(endings)]
    kept = [n for n in kept if not any(part.startswith(HIDDEN) for part in n.split("/"))]
    return sorted(kept, key=natural_key)


def _walk(base: Path) -> Iterator[str]:
    seen: set[str] = set()
    for at, folders, names in os.walk(base, followlinks=True):
        real = os.path.realpath(at)
        if real in seen:  # A link to a folder above would never end.
            folders.clear()
            continue
        seen.add(real)
        yield from ((Path(at) / name).relative_to(base).as_posix() for name in names)


def matching(pattern: str) -> list[str]:
    """List the files that a URL with wildcards stands for.

    Raises:
        FormatError: none, or a URL that cannot be asked.
    """
    with _told(pattern, "a readable place"):
        system, path = _system(pattern)
        found = sorted(map(str, system.glob(path)), key=natural_key)
    if not found:
        raise FormatError("expected a pattern of some files, got none", where=pattern)
    return [system.unstrip_protocol(name) for name in found]


def is_folder(place: str) -> bool:
    """Whether there is a folder.

    Raises:
        FormatError: a URL that cannot be asked.
    """
    return _ask(place, Path.is_dir, "isdir")


def is_there(place: str) -> bool:
    """Whether there is a file or folder.

    Raises:
        FormatError: a URL that cannot be asked.
    """
    return _ask(place, Path.exists, "exists")


def _ask(place: str, here: Callable[[Path], bool], there: str) -> bool:
    if not is_url(place):
        return here(Path(place))
    with _told(place, "a readable place"):
        system, path = _system(place)
        return bool(getattr(system, there)(path))


def stamp(place: str) -> list[int | str]:
    """Say how long a file is and when it was written: another file has another stamp.

    Raises:
        FormatError: a file that cannot be read.
    """
    with _told(place):
        if not is_url(place):
            found = Path(place).stat()
            return [found.st_size, found.st_mtime_ns]
        system, path = _system(place)
        about = system.info(path)
        tag = next((about[k] for k in ("ETag", "etag", "mtime", "LastModified") if k in about), "")
        return [int(about.get("size") or 0), str(tag)]


@contextmanager
def opened(place: str) -> Iterator[BinaryIO]:
    """Open a file for reading from anywhere in it.

    Raises:
        FormatError: a file that cannot be read.
    """
    with _told(place):
        system, path = _system(place) if is_url(place) else (None, "")
        file: BinaryIO = system.open(path, "rb") if system else open(place, "rb")  # noqa: PTH123, SIM115
    try:
        with file:
            yield file
    except OSError as error:
        raise FormatError(f"expected a readable file, got: {error}", where=place) from None


def read_whole(place: str) -> bytes:
    """Read a file, gunzipped if it is.

    Raises:
        FormatError: a file that cannot be read, or is empty.
    """
    if not is_url(place):
        return read_bytes(place)
    with opened(place) as file, _told(place):
        data = file.read()
    return unpack(data, place)


def read_range(place: str, start: int, stop: int) -> bytes:
    """Read bytes from `start` to `stop`.

    Raises:
        FormatError: a file that cannot be read, or has become shorter.
    """
    with opened(place) as file, _told(place):
        file.seek(start)
        data = file.read(stop - start)
    if len(data) != stop - start:
        raise FormatError(f"expected {stop} bytes, got {start + len(data)}", where=place)
    return data


def put(place: str, data: bytes) -> None:
    """Write a file as a whole or not at all, and the folders that it lies in.

    Raises:
        StorageError: it cannot be written.
    """
    with _written(place):
        if is_url(place):
            system, path = _system(place)
            system.makedirs(path.rpartition("/")[0], exist_ok=True)
            system.pipe_file(path, _as_named(place, data))
        else:
            Path(place).parent.mkdir(parents=True, exist_ok=True)
            write_bytes(place, data)


def put_all(folder: str, files: Iterable[tuple[str, bytes]]) -> None:
    """Write files into a folder, each as a whole or not at all, all of them flushed at once.

    Args:
        folder: gets them; others in it stay.
        files: name and content of each.

    Raises:
        StorageError: one cannot be written.
    """
    if is_url(folder) or not hasattr(os, "sync"):
        for name, data in files:
            put(join(folder, name), data)
        return
    with _written(folder):
        target = Path(folder)
        target.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(dir=target, prefix=DRAFT))
        try:
            names: list[str] = []
            for name, data in files:
                (draft / str(len(names))).write_bytes(_as_named(name, data))
                names.append(name)
            # One by one they would take longer to reach the disk than to be made.
            os.sync()
            for i, name in enumerate(names):
                place = target / name
                place.parent.mkdir(parents=True, exist_ok=True)
                (draft / str(i)).replace(place)
        finally:
            shutil.rmtree(draft, ignore_errors=True)


def _as_named(name: str, data: bytes) -> bytes:
    return b"".join(gzipped([data])) if name.endswith(".gz") else data


def remove_drafts(folder: str) -> None:
    """Remove what `put_all` left there when it was killed.

    Raises:
        StorageError: it cannot be removed.
    """
    if not is_url(folder):
        for draft in Path(folder).glob(f"{DRAFT}*"):
            remove(str(draft))


def remove(place: str) -> None:
    """Remove a file or a folder with all in it, if it is there.

    Raises:
        StorageError: it cannot be removed.
    """
    with _written(place):
        if is_url(place):
            system, path = _system(place)
            if system.exists(path):
                system.rm(path, recursive=True)
        elif Path(place).is_dir():
            shutil.rmtree(place)
        else:
            Path(place).unlink(missing_ok=True)


def _system(place: str) -> tuple[Any, str]:
    try:
        core = import_module("fsspec.core")
        system, path = core.url_to_fs(place)
    except (ImportError, ValueError) as error:
        raise FormatError(
            f"expected what opens {place.partition(SCHEME)[0]} URLs, got: {error}",
            where=place,
            hint="pip install fsspec, and s3fs for s3:// or gcsfs for gs://",
        ) from None
    return system, path


@contextmanager
def _told(place: str, what: str = "a readable file") -> Iterator[None]:
    try:
        yield
    except FormatError:
        raise
    except Exception as error:
        # Clients of object stores have exceptions of their own.
        if not (is_url(place) or isinstance(error, OSError | ValueError)):
            raise
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise FormatError(f"expected {what}, got: {reason:.200}", where=place) from None


@contextmanager
def _written(place: str) -> Iterator[None]:
    try:
        with _told(place, "a writable target"):
            yield
    except FormatError as error:
        raise StorageError(
            error.message,
            where=error.where,
            hint="--resume when there is room and leave to write, or another -o",
        ) from None
