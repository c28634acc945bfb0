"""Gaussian blur as `cv2.GaussianBlur(map, (k, k), 0)` does it, on whole maps and on patches."""

from functools import cache

import numpy as np

from refine._kernel import kernel
from refine._types import Floats
from refine.decoding.maps.lanes import LANES, sums_of_1, sums_of_3, sums_of_5
from refine.exceptions import ArrayError

FIXED_TAPS = {
    1: (1.0,),
    3: (0.25, 0.5),
    5: (0.0625, 0.25, 0.375),
    7: (0.03125, 0.109375, 0.21875, 0.28125),
    9: (4 / 256, 13 / 256, 30 / 256, 51 / 256, 60 / 256),
}
"""First half of the small kernels: OpenCV modules/imgproc/src/smooth.dispatch.cpp."""


def gaussian_taps(kernel: int) -> Floats:
    """Return the (kernel,) weights that OpenCV takes for a kernel size and sigma 0.

    Up to 9 they come from a table, above that sigma = 0.3 * ((kernel - 1) / 2 - 1) + 0.8
    (OpenCV `getGaussianKernel`).

    Raises:
        ArrayError: `kernel` is not odd and positive.

    >>> gaussian_taps(3).tolist()
    [0.25, 0.5, 0.25]
    """
    if kernel < 1 or kernel % 2 == 0:
        raise ArrayError(f"expected an odd positive kernel size, got {kernel}", hint="kernel 11")
    return _taps(kernel).copy()


@cache
def _taps(kernel: int) -> Floats:
    if kernel in FIXED_TAPS:
        half = FIXED_TAPS[kernel]
        return np.array(half + half[-2::-1])
    radius = (kernel - 1) / 2
    taps = np.exp(-0.5 * (np.arange(-radius, radius + 1) / (0.3 * (radius - 1) + 0.8)) ** 2)
    return np.asarray(taps / taps.sum())


@kernel
def _mirrored(i, n):
    """Fold an index into 0..n-1 without repeating the edge (OpenCV's reflect-101)."""
    if n == 1:
        return 0
    while i < 0 or i >= n:
        i = -i if i < 0 else 2 * (n - 1) - i
    return i


@kernel
def patch_room(taps, reach):
    """Return what `blur_patch` works in: bands by row and by column, patch and half."""
    k, rows = taps.size, 2 * reach + 1
    side = k + 2 * reach
    columns = (side + LANES - 1) // LANES * LANES
    bands, transposed = np.zeros((rows, side)), np.zeros((side, LANES))
    for u in range(rows):
        bands[u, u : u + k] = taps
        transposed[u : u + k, u] = taps
    return bands, transposed.ravel(), np.zeros((side, columns)), np.zeros((rows, columns))


@kernel(forceinline=True)
def blur_patch(
    flat, first, height, width, x, y, reach, reflect, bands, transposed, patch, half, out
):
    """Blur the square of cells within `reach` of (x, y); beyond the map lie zeros or its mirror.

    Args:
        flat: of maps, contiguous; the one in question begins at `first`.
        first: its first cell.
        height: its rows.
        width: its columns.
        x: column of the middle cell.
        y: row of the middle cell.
        reach: 0, 1 or 2; the square has 2 * reach + 1 = s cells per side.
        reflect: mirror the map at its border; else zeros.
        bands: from `patch_room` for the taps and the reach, as the next three.
        transposed: the same weights by column.
        patch: room for the square, where it cannot be read from the map.
        half: room for what is blurred down.
        out: (s, LANES) result, rows are y, of which the first s columns count. The last has no
            weight: it is 0, unless a cell that was read is not finite.
    """
    side = bands.shape[1]
    left, top = x - side // 2, y - side // 2
    skip_x, skip_y = max(0, -left), max(0, -top)
    columns, rows = min(side, width - left) - skip_x, min(side, height - top) - skip_y
    at = first + (top + skip_y) * width + left
    # Whole lanes are read, those beyond the map's columns too: memory must exist there.
    within = at >= 0 and at + (rows - 1) * width + half.shape[1] <= flat.size
    if within and (not reflect or (columns == side and rows == side)):
        _weigh(flat, at, width, skip_y, rows, skip_x, columns, reach, bands, transposed, half, out)
    else:
        _copy_square(flat, first, height, width, left, top, reflect, patch)
        _weigh(
            patch.ravel(), 0, len(patch[0]), 0, side, 0, side,
            reach, bands, transposed, half, out,
        )  # fmt: skip


@kernel(forceinline=True)
def _weigh(flat, at, stride, skip_y, rows, skip_x, columns, reach, bands, transposed, half, out):
    """Blur the patch that begins at a cell: down so many rows of it, then across columns.

    Of the square that the bands weigh, rows and columns before these are skipped.
    """
    for block in range(0, half.shape[1], LANES):
        if reach == 2:
            sums_of_5(flat, at + block, stride, rows, bands, skip_y, half, block)
        elif reach == 1:
            sums_of_3(flat, at + block, stride, rows, bands, skip_y, half, block)
        else:
            sums_of_1(flat, at + block, stride, rows, bands, skip_y, half, block)
    if reach == 2:
        sums_of_5(transposed, skip_x * LANES, LANES, columns, half, skip_x, out, 0)
    elif reach == 1:
        sums_of_3(transposed, skip_x * LANES, LANES, columns, half, skip_x, out, 0)
    else:
        sums_of_1(transposed, skip_x * LANES, LANES, columns, half, skip_x, out, 0)


@kernel
def _copy_square(flat, first, height, width, left, top, reflect, patch):
    """Copy the square of a map that begins at (left, top); beyond lie zeros or its mirror."""
    side = len(patch)
    patch[:] = 0.0
    for i in range(side):
        row = _mirrored(top + i, height) if reflect else top + i
        if not 0 <= row < height:
            continue
        for j in range(side):
            column = _mirrored(left + j, width) if reflect else left + j
            if 0 <= column < width:
                patch[i, j] = flat[first + row * width + column]


@kernel
def blur_map(values, taps, reflect):
    """Blur one map (H, W) in float64; beyond it lie zeros, or its mirror where `reflect`."""
    height, width = values.shape
    radius = taps.size // 2
    padded = np.zeros((height + 2 * radius, width + 2 * radius))
    padded[radius : radius + height, radius : radius + width] = values
    if reflect:
        for i in range(len(padded)):
            row = _mirrored(i - radius, height)
            for x in range(radius):
                padded[i, x] = values[row, _mirrored(x - radius, width)]
                padded[i, radius + width + x] = values[row, _mirrored(width + x, width)]
            if i < radius or i >= radius + height:
                padded[i, radius : radius + width] = values[row]
    # Cells at equal distance are added first: mirrored maps then blur to exactly mirrored maps,
    # and peaks of equal height stay equal.
    rows = np.empty((height, width + 2 * radius))
    for y in range(height):
        line, middle = rows[y], padded[y + radius]
        for x in range(line.size):
            line[x] = taps[radius] * middle[x]
        for t in range(radius):
            weight, before, after = taps[t], padded[y + t], padded[y + 2 * radius - t]
            for x in range(line.size):
                line[x] += weight * (before[x] + after[x])
    out = np.empty((height, width))
    for y in range(height):
        line, middle = out[y], rows[y, radius : radius + width]
        for x in range(width):
            line[x] = taps[radius] * middle[x]
        for t in range(radius):
            weight = taps[t]
            before, after = rows[y, t : t + width], rows[y, 2 * radius - t : 2 * radius - t + width]
            for x in range(width):
                line[x] += weight * (before[x] + after[x])
    return out
