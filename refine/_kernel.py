"""Functions of arrays and numbers that are compiled when they are first called.

Nothing here imports Numba: that, and loading what was compiled before, takes .4 s of a process,
more than most single files take in Python. `interpreted` is for those.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cached_property, update_wrapper
from types import CodeType, FunctionType
from typing import Any

import numpy as np

_IN_PYTHON: ContextVar[bool] = ContextVar("_IN_PYTHON", default=False)


class Kernel:
    """What calls and kernels call.

    Attributes:
        py_func: the same in Python.
    """

    def __init__(
        self, function: Callable[..., Any], py_func: Callable[..., Any], make: Callable[[], Any]
    ) -> None:
        update_wrapper(self, function)
        self.py_func = py_func
        self._make = make

    @cached_property
    def compiled(self) -> Any:
        """What compiled code calls."""
        return self._make()

    def __call__(self, *arguments: Any) -> Any:
        return (self.py_func if _IN_PYTHON.get() else self.compiled)(*arguments)


@contextmanager
def interpreted(really: bool = True) -> Iterator[None]:
    """Within, run kernels in Python: a hundred times as slow, but at once. Last digits may differ.

    Args:
        really: else they are compiled.
    """
    before = _IN_PYTHON.set(really)
    try:
        with np.errstate(all="ignore") if really else np.errstate():
            yield
    finally:
        _IN_PYTHON.reset(before)


def kernel(
    function: Any = None, /, *, py_func: Callable[..., Any] | None = None, **options: Any
) -> Any:
    """Make a kernel of a function; without it return a decorator.

    Args:
        function: of arrays and numbers, which calls NumPy, Python and other kernels.
        py_func: the same in Python, where that of whole arrays is much faster.
        options: of `numba.njit`.
    """
    if function is None:
        return lambda of: kernel(of, py_func=py_func, **options)

    def make() -> Any:
        from refine._compilation import compile_function

        return compile_function(_with_compiled(function), options)

    return Kernel(function, py_func or function, make)


def intrinsic(py_func: Callable[..., Any]) -> Callable[[Callable[..., Any]], Any]:
    """Make a kernel of a function that writes machine code, see `numba.extending.intrinsic`.

    Args:
        py_func: the same in Python.
    """

    def decorate(function: Callable[..., Any]) -> Kernel:
        def make() -> Any:
            from refine._compilation import make_intrinsic

            return make_intrinsic(function)

        return Kernel(function, py_func, make)

    return decorate


def overloaded(py_func: Callable[..., Any], **options: Any) -> Callable[[Callable[..., Any]], Any]:
    """Make a kernel of a function from types to the code for them, see `numba.extending.overload`.

    Args:
        py_func: the same in Python.
        options: of `numba.njit`.
    """

    def decorate(function: Callable[..., Any]) -> Kernel:
        def make() -> Any:
            from refine._compilation import make_overload

            return make_overload(py_func, _with_compiled(function), options)

        return Kernel(function, py_func, make)

    return decorate


def _with_compiled(function: Any) -> Any:
    """Return a function that sees the compiled forms of the kernels that it names."""
    seen = function.__globals__
    named = {name: seen[name] for name in _names(function.__code__) if name in seen}
    forms = {name: of.compiled for name, of in named.items() if isinstance(of, Kernel)}
    compiled = FunctionType(
        function.__code__,
        {**seen, **forms},
        function.__name__,
        function.__defaults__,
        function.__closure__,
    )
    compiled.__qualname__ = function.__qualname__
    return compiled


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield from _names(inner)
