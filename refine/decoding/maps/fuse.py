"""Maps of one person brought to a common grid and averaged: input scales, upsampled maps."""

from collections.abc import Sequence
from typing import Literal, NamedTuple, get_args

import numpy as np

from refine._types import Floats, Floats32
from refine.decoding.maps import kernels
from refine.decoding.maps.check import check_enlarged
from refine.exceptions import ArrayError

Maps = Floats32
Interpolation = Literal["linear", "cubic"]
INTERPOLATIONS: tuple[str, ...] = get_args(Interpolation)


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
    check_enlarged(n * k, size)
    out = np.zeros((n, k, size[1], size[0]), np.float32)
    for part in parts:
        kernels.add(
            np.ascontiguousarray(part.maps, np.float32),
            np.asarray(part.to_cells, np.float64),
            part.low,
            part.high,
            interpolation == "cubic",
            1 / len(parts),
            out,
        )
    return out
