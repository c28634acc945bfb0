"""What decoders ask of maps."""

from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from refine.exceptions import ArrayError

MOST_CELLS = 1 << 30
"""Of enlarged maps at a time; 4 GB in single precision."""


def check_enlarged(maps: int, size: tuple[int, int]) -> None:
    """Raise ArrayError unless so many maps of this width and height fit into `MOST_CELLS`."""
    if maps * size[0] * size[1] > MOST_CELLS:
        raise ArrayError(
            f"expected at most {MOST_CELLS} cells in enlarged maps, got {maps} maps of "
            f"{size[0]} x {size[1]}",
            hint="the size of the input that the network saw",
        )


def checked_maps(
    values: npt.ArrayLike,
    name: str,
    axes: str,
    *,
    empty: bool = True,
    order: Literal["C", "K"] = "C",
) -> npt.NDArray[np.floating[Any]]:
    """Return maps as float32 or float64; float16 and integers become float32.

    Args:
        values: not modified.
        name: for errors.
        axes: their names, for errors and to count them.
        empty: whether the last two axes may have no cells.
        order: of the result: "C" for kernels that read all cells, "K" as it is for those that
            read few.

    Raises:
        ArrayError: not an array of real numbers with these axes.

    >>> checked_maps([[1, 2]], "maps", "H, W").dtype
    dtype('float32')
    """
    stack = checked_numbers(values, name, axes, empty=empty)
    return stack.astype(precision_of(stack), order=order, copy=False)


def checked_numbers(
    values: npt.ArrayLike, name: str, axes: str, *, empty: bool = True
) -> npt.NDArray[Any]:
    """Return maps of whatever real numbers as they lie in memory; for the rest see `checked_maps`.

    >>> checked_numbers([[1, 2]], "maps", "H, W").dtype
    dtype('int64')
    """
    wanted = f"{name} ({axes})"
    try:
        stack = np.asarray(values)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ArrayError(
            f"expected {wanted}, got {error}", hint="maps.detach().cpu().numpy()"
        ) from None
    missing = axes.count(",") + 1 - stack.ndim
    cells = empty or 0 not in stack.shape[-2:]
    if missing or stack.dtype.kind not in "fiu" or not cells:
        raise ArrayError(
            f"expected {wanted} of real numbers, got {stack.dtype} {stack.shape}",
            hint="maps[None] for one pose" if missing == 1 and axes.startswith("N") else None,
        )
    return stack


def precision_of(stack: npt.NDArray[Any]) -> type[np.floating[Any]]:
    """Return what kernels read maps as: float64 as it is, all else as float32."""
    return np.float64 if stack.dtype == np.float64 else np.float32
