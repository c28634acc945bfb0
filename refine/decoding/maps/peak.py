"""The peak of a map in one streaming pass."""

from typing import Any

import numpy as np
import numpy.typing as npt

from refine._kernel import kernel

BLOCK = 128


def bit_views(maps: npt.NDArray[np.floating[Any]]) -> tuple[Any, Any, Any]:
    """Return what `peak_of` wants of contiguous maps (M, H, W) besides their values.

    Positive floats sort like the integers that their bits spell, and compilers vectorise the
    maximum of integers but not that of floats.

    Returns:
        the maps as integers (M, H * W) of the same width, signed and unsigned, and the bits of
        -inf as an unsigned integer.
    """
    width = maps.dtype.itemsize
    bits = maps.view(f"i{width}").reshape(len(maps), -1)
    unsigned = bits.view(f"u{width}")
    return bits, unsigned, np.array(-np.inf, maps.dtype).view(unsigned.dtype)[()]


@kernel(inline="never")
def peak_of(flat, bits, unsigned, nan_above):
    """Return the first cell of the maximum, or -1 without a positive finite one, and the maximum.

    Args:
        flat: (H * W,) one map.
        bits: see `bit_views`.
        unsigned: the same as unsigned integers.
        nan_above: bits of -inf as an unsigned integer; only NaN with a sign bit lies above.
    """
    n = flat.size
    best = bits[0]
    block = 0
    top = unsigned[0]
    for start in range(0, n, BLOCK):
        part = bits[start : start + BLOCK]
        most = part[0]
        for j in range(part.size):
            most = max(most, part[j])
        part = unsigned[start : start + BLOCK]
        for j in range(part.size):
            top = max(top, part[j])
        if most > best:
            best = most
            block = start
    if top > nan_above:
        return -1, np.nan
    if best > 0:
        part = bits[block : block + BLOCK]
        for j in range(part.size):
            if part[j] == best:
                value = np.float64(flat[block + j])
                return (block + j if np.isfinite(value) else -1), value
    value = flat[0]
    for j in range(n):
        value = max(value, flat[j])
    return -1, np.float64(value)
