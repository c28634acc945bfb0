"""Refiners that runs share: each is loaded once per process, settings and state of its files."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from pathlib import Path
from threading import Lock
from typing import Any, TypeVar

T = TypeVar("T")
MOST = 8
"""Refiners that are kept, those used last; an image refiner has 13 MB."""


class _Entry:
    """One refiner, and the lock that lets one thread load it while others wait."""

    def __init__(self) -> None:
        self.lock = Lock()
        self.loaded: list[Any] = []


_entries: OrderedDict[Hashable, _Entry] = OrderedDict()
_lock = Lock()


def load_once(load: Callable[..., T], *arguments: Any, **options: Any) -> T:
    """Call a loader, or return what the same call returned before, to any thread.

    What is returned is shared: it must not be changed. A file among the arguments that has been
    written since is loaded again; a call that raises is not remembered.

    Args:
        load: of a refiner, such as `Refiner.load`.
        arguments: hashable; names of weights, files, folders or refiners.
        options: likewise.
    """
    state = tuple(map(_state_of, (*arguments, *options.values())))
    key = (load, arguments, tuple(sorted(options.items())), state)
    with _lock:
        entry = _entries.setdefault(key, _Entry())
        _entries.move_to_end(key)
        while len(_entries) > MOST:
            _entries.popitem(last=False)
    with entry.lock:
        if not entry.loaded:
            entry.loaded.append(load(*arguments, **options))
        return entry.loaded[0]  # type: ignore[no-any-return]


def _state_of(argument: Any) -> Hashable:
    """Say which file an argument names, and when and how long it was written; None for others."""
    if not isinstance(argument, str | Path):
        return None
    try:
        path = Path(argument).resolve()
        found = path.stat() if path.is_file() else None
    except (OSError, ValueError):
        return None
    return found and (str(path), found.st_mtime_ns, found.st_size, found.st_ino)
