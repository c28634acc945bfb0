"""Maps of one person brought to a common grid and averaged: input scales, upsampled maps."""

from collections.abc import Sequence
from typing import Literal, NamedTuple, get_args

import numba as nb
import numpy as np

from refine._types import Floats, Floats32
from refine.decoding.maps.resample import cubic_weights
from refine.exceptions import ArrayError

Maps = Floats32
Interpolation = Literal["linear", "cubic"]
INTERPOLATIONS: tuple[str, ...] = get_args(Interpolation)

CUBIC = -0.5
"""Parameter of the cubic kernel: MATLAB's `imresize`, with which CPM enlarges its maps."""


class MapsPart(NamedTuple):
    """Maps of N people and where their cells lie.

    Attributes:
        maps: (N, K, h, w).
        to_cells: (N, 2, 3) affine from the common grid to the cells of these maps.
        low: (2,) x and y in cells where the maps begin; beyond `low` and `high` they say nothing.
        high: (2,) where they end.
    """

    maps: Maps
    to_cells: Floats
    low: Floats
    high: Floats


def fuse_maps(
    parts: Sequence[MapsPart], size: tuple[int, int], interpolation: Interpolation = "linear"
) -> Maps:
    """Resample maps to a common grid and average them.

    A part counts as zero where its crop does not reach, as PRM and CPM have it. Between its border
    and its outermost cells it repeats these.

    Args:
        parts: one for every input scale; the same N and K.
        size: width and height of the common grid.
        interpolation: "linear", or "cubic" with MATLAB's parameter.

    Returns:
        (N, K, height, width).

    Raises:
        ArrayError: no parts, or parts that do not agree.

    >>> maps = np.array([[[[0, 1]]]], np.float32)
    >>> double = np.array([[[0.5, 0, -0.25], [0, 0.5, -0.25]]])
    >>> part = MapsPart(maps, double, np.array([-0.5, -0.5]), np.array([1.5, 0.5]))
    >>> fuse_maps([part], (4, 2)).tolist()
    [[[[0.0, 0.25, 0.75, 1.0], [0.0, 0.25, 0.75, 1.0]]]]
    """
    if interpolation not in INTERPOLATIONS:
        raise ArrayError(
            f"expected an interpolation, got {interpolation!r}",
            hint=f"one of {', '.join(INTERPOLATIONS)}",
        )
    if not parts or any(
        p.maps.ndim != 4 or 0 in p.maps.shape[2:] or p.maps.shape[:2] != parts[0].maps.shape[:2]
        for p in parts
    ):
        shapes = ", ".join(str(p.maps.shape) for p in parts)
        raise ArrayError(f"expected maps (N, K, H, W) of the same N and K, got {shapes or 'none'}")
    n, k = parts[0].maps.shape[:2]
    out = np.zeros((n, k, size[1], size[0]), np.float32)
    for part in parts:
        _add(
            np.ascontiguousarray(part.maps, np.float32),
            np.asarray(part.to_cells, np.float64),
            part.low,
            part.high,
            interpolation == "cubic",
            1 / len(parts),
            out,
        )
    return out


@nb.njit(cache=True, nogil=True, error_model="numpy")
def _weights(t, cubic, out):  # type: ignore[no-untyped-def]
    """Fill (4,) weights of the cells -1, 0, 1 and 2 for a point t in [0, 1) right of cell 0."""
    if cubic:
        cubic_weights(t, CUBIC, out)
    else:
        out[0], out[1], out[2], out[3] = 0.0, 1 - t, t, 0.0


@nb.njit(cache=True, nogil=True, error_model="numpy")
def _add(maps, to_cells, low, high, cubic, weight, out):  # type: ignore[no-untyped-def]
    """Add weight times the maps (N, K, h, w), read where each pixel lies, to out (N, K, H, W)."""
    n, k, height, width = maps.shape
    columns, rows = np.empty(4, np.int64), np.empty(4, np.int64)
    across, down = np.empty(4), np.empty(4)
    for i in range(n):
        a = to_cells[i]
        for y in range(out.shape[2]):
            for x in range(out.shape[3]):
                u = a[0, 0] * x + a[0, 1] * y + a[0, 2]
                v = a[1, 0] * x + a[1, 1] * y + a[1, 2]
                if not (low[0] <= u <= high[0] and low[1] <= v <= high[1]):
                    continue
                left, top = int(np.floor(u)), int(np.floor(v))
                _weights(u - left, cubic, across)
                _weights(v - top, cubic, down)
                for j in range(4):
                    columns[j] = min(max(left - 1 + j, 0), width - 1)
                    rows[j] = min(max(top - 1 + j, 0), height - 1)
                first, last = (0, 4) if cubic else (1, 3)
                for q in range(k):
                    total = 0.0
                    for r in range(first, last):
                        line = maps[i, q, rows[r]]
                        part = 0.0
                        for c in range(first, last):
                            part += across[c] * line[columns[c]]
                        total += down[r] * part
                    out[i, q, y, x] += weight * total
