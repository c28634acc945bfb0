"""How functions of `refine._kernel` are compiled, and where the results are kept."""

import os
import tempfile
import warnings
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numba as nb
from numba.core import caching
from numba.extending import intrinsic, overload

from refine._version import __version__
from refine.exceptions import RefineWarning

_FunctionCache: Any = caching.FunctionCache
_numba: Any = nb.config


def compile_function(function: Callable[..., Any], options: Mapping[str, Any]) -> Any:
    """Compile on first use and keep the result; release the interpreter; divide as NumPy does."""
    compiled = nb.njit(nogil=True, error_model="numpy", **options)(function)
    if (kept := _cache_for(function)) is not None:
        compiled._cache = kept
    return compiled


def make_intrinsic(function: Callable[..., Any]) -> Any:
    """Return what kernels call for a function that writes machine code."""
    of: Any = intrinsic
    return of(function)


def make_overload(
    key: Callable[..., Any], function: Callable[..., Any], options: Mapping[str, Any]
) -> Any:
    """Return what kernels call for a function that makes the code for given types."""
    of: Any = overload
    of(key, jit_options=dict(options))(function)
    return key


class _Cache(_FunctionCache):  # type: ignore[misc]
    """A cache on disk that is rebuilt where it is damaged, and that nothing depends on."""

    def _index_key(self, sig: Any, codegen: Any) -> Any:
        # What a kernel calls is in its code, but not in the file that is looked at for changes.
        return __version__, *super()._index_key(sig, codegen)

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        try:
            return super().load_overload(sig, target_context)
        except Exception:  # whatever unpickling a damaged file raises
            try:
                self.flush()
            except OSError:
                self.disable()
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        try:
            super().save_overload(sig, data)
        except Exception:  # a full disk, or a folder that is gone
            self.disable()


def _cache_for(function: Any) -> _Cache | None:
    """Return where a function's machine code is kept; None where nothing can be written."""
    before = _numba.CACHE_DIR
    if not before:
        folder = _folder()
        if folder is None:
            return None
        _numba.CACHE_DIR = folder
    try:
        return _Cache(function)
    except (RuntimeError, OSError):  # the folder that NUMBA_CACHE_DIR names cannot be written
        _say_once()
        return None
    finally:
        _numba.CACHE_DIR = before


@cache
def _folder() -> str | None:
    """Return the folder of machine code: "" is beside the sources, else one of the user's own.

    What is kept is unpickled, so that nobody else may write there.
    """
    beside = Path(__file__).parent
    if _writable(beside / "__pycache__") or _writable(beside):
        return ""
    base = os.environ.get("LOCALAPPDATA") if os.name == "nt" else os.environ.get("XDG_CACHE_HOME")
    try:
        folder = (Path(base) if base else Path.home() / ".cache") / "refine" / "kernels"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.stat()
        private = os.name == "nt" or (found.st_uid == os.getuid() and not found.st_mode & 0o022)
        if private and _writable(folder):
            return str(folder)
    except (OSError, RuntimeError):  # RuntimeError: nobody knows a home
        pass
    _say_once()
    return None


def _writable(folder: Path) -> bool:
    try:
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


@cache
def _say_once() -> None:
    warnings.warn(
        "compiled code cannot be kept, each run takes some seconds more: neither the package nor "
        "the user's cache can be written; NUMBA_CACHE_DIR names another folder",
        RefineWarning,
        stacklevel=2,
    )
