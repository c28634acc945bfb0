"""How many threads the project uses: one, until it is told otherwise.

Work is cut into parts that do not depend on how many threads there are, so neither do results. The
pools of OpenBLAS and torch rest meanwhile: they wait for their slowest thread in every product,
a time slice of the system where another process has a core.
"""

import ctypes
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from threading import Lock
from typing import Any, TypeVar

import numpy as np

from refine.exceptions import RefineError

T = TypeVar("T")
Number = Callable[[], int]
Setter = Callable[[int], Any]

PREFIXES = (
    "scipy_openblas_{}_num_threads64_",
    "openblas_{}_num_threads64_",
    "openblas_{}_num_threads",
)
"""Names of two functions of OpenBLAS: in wheels of NumPy, and in other builds."""


class _Process:
    """What all threads of this process share."""

    lock = Lock()
    count = 1
    resting = 0
    woken: tuple[Callable[[], Any], ...] = ()


def set_threads(count: int) -> None:
    """Use so many threads from now on, for what is worth it; results are the same for any number.

    One is the default, and right where several processes share the cores.

    Args:
        count: at least 1.

    Raises:
        RefineError: less than that.

    >>> set_threads(1)
    """
    if count < 1:
        raise RefineError(f"expected at least one thread, got {count}")
    _Process.count = count


def thread_count() -> int:
    """Return the number of `set_threads`."""
    return _Process.count


def in_threads(work: Callable[[T], Any], parts: Sequence[T], count: int | None = None) -> None:
    """Do independent parts of some work, several at a time if there are threads for that.

    Args:
        work: on one part; compiled code and products of matrices let others run.
        parts: that it is cut into.
        count: of threads; by default `thread_count`.
    """
    count = min(_Process.count if count is None else count, len(parts))
    with pools_at_rest():
        if count <= 1:
            for part in parts:
                work(part)
        else:
            with ThreadPoolExecutor(count) as pool:
                list(pool.map(work, parts))


@contextmanager
def pools_at_rest() -> Iterator[None]:
    """Within, let products of NumPy and what torch does take the calling thread alone."""
    with _Process.lock:
        _Process.resting += 1
        if _Process.resting == 1:
            _Process.woken = tuple(_put_to_rest())
    try:
        yield
    finally:
        with _Process.lock:
            _Process.resting -= 1
            if not _Process.resting:
                for wake in _Process.woken:
                    wake()


def _put_to_rest() -> Iterator[Callable[[], Any]]:
    """Set pools to one thread; return what sets them back."""
    pools = [_openblas()]
    if "torch" in sys.modules:
        import torch

        pools.append((torch.get_num_threads, torch.set_num_threads))
    for pool in pools:
        if pool and (before := pool[0]()) > 1:
            pool[1](1)
            yield lambda pool=pool, before=before: pool[1](before)  # type: ignore[misc]


@cache
def _openblas() -> tuple[Number, Setter] | None:
    """Return what tells and what sets the threads of NumPy's products; None of another library."""
    try:
        numpy: Any = np
        library: Any = ctypes.CDLL(numpy._core._multiarray_umath.__file__)
    except (AttributeError, OSError):
        return None
    for name in PREFIXES:
        get, put = (getattr(library, name.format(verb), None) for verb in ("get", "set"))
        if get and put:
            return get, put
    return None
