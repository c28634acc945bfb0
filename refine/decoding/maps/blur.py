"""Gaussian blur as `cv2.GaussianBlur(map, (k, k), 0)` does it, on whole maps and on patches."""

import numpy as np

from refine._kernel import kernel
from refine._types import Floats
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
def blur_patch(values, x, y, reach, taps, reflect, patch, half, out):
    """Blur the square of cells within `reach` of (x, y); beyond the map lie zeros or its mirror.

    Args:
        values: (H, W) one map.
        x: column of the middle cell.
        y: row of the middle cell.
        reach: the square has 2 * reach + 1 = s cells per side.
        taps: (k,) from `gaussian_taps`.
        reflect: mirror the map at its border; else zeros.
        patch: (k + s - 1, k + s - 1) scratch.
        half: (k + s - 1, s) scratch.
        out: (s, s) result, rows are y.
    """
    height, width = values.shape
    k = taps.size
    side = patch.shape[0]
    left, top = x - reach - k // 2, y - reach - k // 2
    if left >= 0 and top >= 0 and left + side <= width and top + side <= height:
        for i in range(side):
            row = values[top + i, left : left + side]
            line = patch[i]
            for j in range(side):
                line[j] = row[j]
    else:
        for i in range(side):
            for j in range(side):
                row_at, column = top + i, left + j
                if reflect:
                    row_at, column = _mirrored(row_at, height), _mirrored(column, width)
                inside = 0 <= row_at < height and 0 <= column < width
                patch[i, j] = values[row_at, column] if inside else 0.0
    size = 2 * reach + 1
    for i in range(size):
        # Transposed, so that both passes run along contiguous rows.
        for j in range(side):
            half[j, i] = 0.0
        for t in range(k):
            weight, line = taps[t], patch[i + t]
            for j in range(side):
                half[j, i] += weight * line[j]
    for j in range(size):
        for i in range(size):
            out[i, j] = 0.0
        for t in range(k):
            weight, line = taps[t], half[j + t]
            for i in range(size):
                out[i, j] += weight * line[i]


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
