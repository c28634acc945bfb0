"""How every compiled function of the project is compiled."""

from typing import Any

import numba as nb


def kernel(function: Any = None, /, **options: Any) -> Any:
    """Compile on first use and keep the result; release the interpreter; divide as NumPy does.

    Args:
        function: of arrays and numbers; without it a decorator is returned.
        options: more of those of `numba.njit`.
    """
    compiled = nb.njit(cache=True, nogil=True, error_model="numpy", **options)
    return compiled if function is None else compiled(function)
