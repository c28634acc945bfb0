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
    """Return what `blur_patch` works in: bands, patch and half."""
    k, rows = taps.size, 2 * reach + 1
    side = k + 2 * reach
    columns = (side + LANES - 1) // LANES * LANES
    bands = np.zeros((rows, side))
    for u in range(rows):
        bands[u, u : u + k] = taps
    return bands, np.zeros((side, columns)), np.zeros((rows, columns + LANES))


@kernel
def blur_patch(values, x, y, reach, taps, reflect, room, out):
    """Blur the square of cells within `reach` of (x, y); beyond the map lie zeros or its mirror.

    Args:
        values: (H, W) one map, contiguous.
        x: column of the middle cell.
        y: row of the middle cell.
        reach: 0, 1 or 2; the square has 2 * reach + 1 = s cells per side.
        taps: (k,) from `gaussian_taps`.
        reflect: mirror the map at its border; else zeros.
        room: from `patch_room`.
        out: (s, LANES) result, rows are y, of which the first s columns count.
    """
    height, width = values.shape
    bands, patch, half = room
    side, columns = patch.shape
    left, top = x - reach - taps.size // 2, y - reach - taps.size // 2
    at = top * width + left
    inside = left >= 0 and top >= 0 and left + side <= width and top + side <= height
    # Whole lanes are read: the last rows of the last columns would end behind the map.
    if inside and at + (side - 1) * width + columns <= values.size:
        _across_rows(values.ravel(), at, width, reach, bands, columns, half)
    else:
        if not reflect:
            patch[:] = 0.0
        first, last = max(0, -left), min(side, width - left)
        for i in range(side):
            row = top + i
            if reflect:
                row = _mirrored(row, height)
                for j in range(first):
                    patch[i, j] = values[row, _mirrored(left + j, width)]
                for j in range(last, side):
                    patch[i, j] = values[row, _mirrored(left + j, width)]
            elif row < 0 or row >= height:
                continue
            line, source = patch[i, first:last], values[row, left + first : left + last]
            for j in range(line.size):
                line[j] = source[j]
        _across_rows(patch.ravel(), 0, columns, reach, bands, columns, half)
    kernel_row = bands[:1]
    for u in range(2 * reach + 1):
        sums_of_1(half[u], 0, 1, taps.size, kernel_row, out[u : u + 1], 0)


@kernel
def _across_rows(flat, at, stride, reach, bands, columns, half):
    for block in range(0, columns, LANES):
        if reach == 2:
            sums_of_5(flat, at + block, stride, bands.shape[1], bands, half, block)
        elif reach == 1:
            sums_of_3(flat, at + block, stride, bands.shape[1], bands, half, block)
        else:
            sums_of_1(flat, at + block, stride, bands.shape[1], bands, half, block)


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
