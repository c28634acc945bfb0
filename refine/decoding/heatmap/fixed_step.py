"""Decoders that step a fixed way from the highest cell, and the global expectation."""

from typing import Any

import numpy as np

from refine._exp import exp, exp_single
from refine._kernel import kernel, overloaded
from refine.decoding.maps.blur import blur_map
from refine.decoding.maps.peak import peak_of

QUARTER = 0.25
"""Cells: SimpleBaseline and HRNet lib/core/inference.py, CPN mptest.py."""
PAD = 10
"""Cells of zeros around the map before the blur: CPN mptest.py, MSPN test.py."""
NEGLIGIBLE = -40.0
"""exp(-40) of the maximum: 10^5 such cells weigh less than a part in 10^12."""


@kernel
def decode_quarter(maps, rule, xy, score):
    """Decode by the sign of the gradient into xy (M, 2) and score (M,).

    Args:
        maps: (M, H, W).
        rule: 0 argmax only; 1 step if both axes allow it (HRNet); 2 each axis alone (mmpose 1.x);
            3 anywhere but in the outermost cells (pytorch-pose: 1 < x < W, counted from 1).
        xy: (M, 2) result.
        score: (M,) result.
    """
    height, width = maps.shape[1:]
    flat = maps.reshape(len(maps), height * width)
    for m in range(len(maps)):
        xy[m, 0] = xy[m, 1] = np.nan
        cell, score[m] = peak_of(flat[m])
        if cell < 0:
            continue
        y = cell // width
        x = cell - y * width
        xy[m, 0], xy[m, 1] = x, y
        if rule == 0:
            continue
        move_x, move_y = 1 < x < width - 1, 1 < y < height - 1
        if rule == 3:
            move_x, move_y = 0 < x < width - 1, 0 < y < height - 1
        if rule != 2:
            move_x = move_y = move_x and move_y
        else:
            move_x, move_y = move_x and y > 0, move_y and x > 0
        if move_x:
            xy[m, 0] += QUARTER * np.sign(maps[m, y, x + 1] - maps[m, y, x - 1])
        if move_y:
            xy[m, 1] += QUARTER * np.sign(maps[m, y + 1, x] - maps[m, y - 1, x])


@kernel
def decode_second(maps, taps, xy, score):
    """Decode by a quarter step toward the second maximum, of the blurred map if taps > 1.

    The score is the maximum; with a blur, the raw value at the rounded result (CPN, MSPN).
    """
    height, width = maps.shape[1:]
    flat = maps.reshape(len(maps), height * width)
    pad = PAD if taps.size > 1 else 0
    padded = np.zeros((height + 2 * pad, width + 2 * pad))
    for m in range(len(maps)):
        xy[m, 0] = xy[m, 1] = np.nan
        cell, score[m] = peak_of(flat[m])
        if cell < 0:
            continue
        padded[pad : pad + height, pad : pad + width] = maps[m]
        blurred = blur_map(padded, taps, True) if pad else padded
        first = blurred.argmax()
        across = width + 2 * pad
        y, x = first // across, first % across
        blurred[y, x] = 0.0
        second = blurred.argmax()
        dy, dx = second // across - y, second % across - x
        length = np.hypot(dx, dy)
        px, py = np.float64(x - pad), np.float64(y - pad)
        if length > 0:
            px, py = px + QUARTER * dx / length, py + QUARTER * dy / length
        xy[m, 0] = min(max(px, 0.0), width - 1.0)
        xy[m, 1] = min(max(py, 0.0), height - 1.0)
        if pad:
            score[m] = maps[m, int(np.rint(xy[m, 1])), int(np.rint(xy[m, 0]))]


@kernel
def decode_soft_argmax(maps, beta, xy, score):
    """Decode by the expectation of softmax(beta * map) into xy (M, 2); score (M,) is the maximum.

    A map whose maximum is not positive has an expectation all the same. In single precision, where
    maps are, the result is right to 3e-5 cells.
    """
    height, width = maps.shape[1:]
    flat = maps.reshape(len(maps), height * width)
    powers = np.empty(flat.shape[1], maps.dtype)
    columns, weighted = np.empty(width, maps.dtype), np.empty(width, maps.dtype)
    for m in range(len(maps)):
        xy[m, 0] = xy[m, 1] = np.nan
        _, top = peak_of(flat[m])
        score[m] = top
        if not np.isfinite(top):
            continue
        _powers(flat[m], top, beta, powers)
        _add_up(powers, columns, weighted)
        mass = across = down = 0.0
        for x in range(width):
            mass += columns[x]
            across += columns[x] * np.float64(x)
            down += weighted[x]
        xy[m, 0], xy[m, 1] = across / mass, down / mass


@kernel(fastmath={"contract"})
def _add_up(powers, columns, weighted):
    """Sum up columns of a map, and rows times their number: sums that do not wait for another."""
    width = columns.size
    columns[:] = 0
    weighted[:] = 0
    for y in range(powers.size // width):
        row = powers.dtype.type(y)
        for x in range(width):
            columns[x] += powers[y * width + x]
            weighted[x] += powers[y * width + x] * row


def _powers_of(cells: Any, top: Any, beta: Any, out: Any) -> None:
    """Fill exp(beta * (cells - top)), in the precision of the cells.

    For kernels. In one long loop: rows of maps are shorter than what processors take at a time.
    """
    out[: len(cells)] = np.exp(np.maximum(beta * (cells - top), NEGLIGIBLE))


@overloaded(_powers_of, fastmath={"contract"})
def _powers(cells, top, beta, out):
    def double(cells, top, beta, out):
        for i in range(cells.size):
            exponent = beta * (cells[i] - top)
            out[i] = exp(exponent if exponent > NEGLIGIBLE else NEGLIGIBLE)

    def single(cells, top, beta, out):
        highest, steep, least = np.float32(top), np.float32(beta), np.float32(NEGLIGIBLE)
        for i in range(cells.size):
            exponent = steep * (cells[i] - highest)
            out[i] = exp_single(exponent if exponent > least else least)

    return single if cells.dtype.bitwidth == 32 else double
