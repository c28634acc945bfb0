"""The peak of a map in one streaming pass."""

from typing import Any

import numpy as np

from refine._kernel import overloaded

BLOCK = 256
"""Cells whose maximum is taken at once; the first of those equal to it is looked for in one."""
NOWHERE = 1 << 30


def _peak_of(flat: Any) -> Any:
    cell = int(np.argmax(flat))  # that of NaN, if there is any
    value = float(flat[cell])
    return (cell if 0 < value < np.inf else -1), value


@overloaded(_peak_of)
def peak_of(flat: Any) -> Any:
    """Return the first cell of the maximum, or -1 without a positive finite one, and the maximum.

    For kernels. Positive floats sort like the integers that their bits spell, and compilers
    vectorise the maximum of integers but not that of floats. Only NaN with a sign bit lies above
    -inf as an unsigned integer.

    Args:
        flat: (H * W,) one map, contiguous.

    >>> peak_of(np.array([0.5, 2.0, 2.0]))
    (1, 2.0)
    """
    single = flat.dtype.bitwidth == 32
    integer: Any = np.int32 if single else np.int64
    unsigned: Any = np.uint32 if single else np.uint64
    nan_above = unsigned(0xFF800000 if single else 0xFFF0 << 48)

    def peak(flat):
        bits = flat.view(integer)
        best, block, top = bits[0], 0, unsigned(bits[0])
        for start in range(0, bits.size, BLOCK):
            part = bits[start : start + BLOCK]
            most = part[0]
            for j in range(part.size):
                value = part[j]
                most = max(most, value)
                top = max(top, unsigned(value))
            if most > best:
                best, block = most, start
        if top > nan_above:
            return -1, np.nan
        if best > 0:
            part = bits[block : block + BLOCK]
            first = np.int32(NOWHERE)
            for j in range(part.size):
                first = min(first, np.int32(j) if part[j] == best else np.int32(NOWHERE))
            value = np.float64(flat[block + first])
            return (block + first if np.isfinite(value) else -1), value
        value = flat[0]
        for j in range(flat.size):
            value = max(value, flat[j])
        return -1, np.float64(value)

    return peak
