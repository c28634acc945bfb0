"""Decoders that step a fixed way from the highest cell, and the global expectation."""

import numpy as np

from refine._kernel import kernel
from refine.decoding.maps.blur import blur_map
from refine.decoding.maps.peak import peak_of

QUARTER = 0.25
"""Cells: SimpleBaseline and HRNet lib/core/inference.py, CPN mptest.py."""
PAD = 10
"""Cells of zeros around the map before the blur: CPN mptest.py, MSPN test.py."""
NEGLIGIBLE = -40.0
"""exp(-40) of the maximum: 10^5 such cells weigh less than a part in 10^12."""
PER_LN2 = float(1 / np.log(2))
ROUND = 1.5 * 2.0**52
"""Added to a small float64, it rounds it to an integer."""


@kernel
def decode_quarter(maps, bits, unsigned, nan_above, rule, xy, score):
    """Decode by the sign of the gradient into xy (M, 2) and score (M,).

    Args:
        maps: (M, H, W).
        bits: see `peak_of`.
        unsigned: see `peak_of`.
        nan_above: see `peak_of`.
        rule: 0 argmax only; 1 step if both axes allow it (HRNet); 2 each axis alone (mmpose 1.x);
            3 anywhere but in the outermost cells (pytorch-pose: 1 < x < W, counted from 1).
        xy: (M, 2) result.
        score: (M,) result.
    """
    height, width = maps.shape[1:]
    for m in range(len(maps)):
        cell, score[m] = peak_of(maps[m].ravel(), bits[m], unsigned[m], nan_above)
        if cell < 0:
            continue
        y, x = cell // width, cell % width
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
def decode_second(maps, bits, unsigned, nan_above, taps, xy, score):
    """Decode by a quarter step toward the second maximum, of the blurred map if taps > 1.

    The score is the maximum; with a blur, the raw value at the rounded result (CPN, MSPN).
    """
    height, width = maps.shape[1:]
    pad = PAD if taps.size > 1 else 0
    padded = np.zeros((height + 2 * pad, width + 2 * pad))
    for m in range(len(maps)):
        cell, score[m] = peak_of(maps[m].ravel(), bits[m], unsigned[m], nan_above)
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
def decode_soft_argmax(maps, bits, unsigned, nan_above, beta, xy, score):
    """Decode by the expectation of softmax(beta * map) into xy (M, 2); score (M,) is the maximum.

    A map whose maximum is not positive has an expectation all the same.
    """
    height, width = maps.shape[1:]
    shifted = np.empty(width)
    shifted_bits = shifted.view(np.int64)
    power = np.empty(width)
    power_bits = power.view(np.int64)
    columns = np.empty(width)
    for m in range(len(maps)):
        _, top = peak_of(maps[m].ravel(), bits[m], unsigned[m], nan_above)
        score[m] = top
        if not np.isfinite(top):
            continue
        columns[:] = 0.0
        sum_y = 0.0
        for y in range(height):
            line = maps[m, y]
            # exp(v) = 2^n * 2^f: libm's exp is scalar, this loop is not. The sum with ROUND
            # leaves the integer n in the low bits.
            for x in range(width):
                v = max(beta * (line[x] - top), NEGLIGIBLE) * PER_LN2
                shifted[x] = v + ROUND
                power[x] = v
            for x in range(width):
                f = (power[x] - (shifted[x] - ROUND)) / PER_LN2
                s = 1 + f * (1 / 9) * (1 + f * (1 / 10))
                s = 1 + f * (1 / 6) * (1 + f * (1 / 7) * (1 + f * (1 / 8) * s))
                power[x] = 1 + f * (
                    1 + f * (1 / 2) * (1 + f * (1 / 3) * (1 + f * (1 / 4) * (1 + f * (1 / 5) * s)))
                )
            for x in range(width):
                # Adding n to the exponent multiplies by 2^n.
                power_bits[x] += shifted_bits[x] << 52
            for x in range(width):
                columns[x] += power[x]
            row = 0.0
            for x in range(width):
                row += power[x]
            sum_y += row * y
        mass = columns.sum()
        xy[m, 0], xy[m, 1] = (columns * np.arange(width)).sum() / mass, sum_y / mass
