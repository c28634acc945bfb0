"""Numba kernels of this room."""

import numpy as np

from refine._kernel import kernel
from refine.decoding.maps.blur import blur_map, blur_patch, patch_room
from refine.decoding.maps.lanes import LANES
from refine.decoding.maps.peak import peak_of


@kernel
def combined(maps, offsets, taps, offset_taps, radius, xy, score):
    height, width = maps.shape[1:]
    bands, transposed, patch, half = patch_room(offset_taps, 0)
    one, every = np.empty((1, LANES)), offsets.ravel()
    for m in range(len(maps)):
        cell, score[m] = peak_of(maps[m].ravel())
        if cell < 0:
            continue
        blurred = blur_map(maps[m], taps, True)
        best = blurred.argmax()
        y, x = best // width, best % width
        score[m] = blurred[y, x]
        for axis in range(2):
            blur_patch(
                every, (2 * m + axis) * height * width, height, width, x, y, 0, True,
                bands, transposed, patch, half, one,
            )  # fmt: skip
            xy[m, axis] = (x if axis == 0 else y) + radius * one[0, 0]


@kernel
def vote(maps, offsets, weight, out):
    height, width = maps.shape[1:]
    for m in range(len(maps)):
        for y in range(height):
            for x in range(width):
                p = maps[m, y, x]
                u, v = x + offsets[m, 0, y, x], y + offsets[m, 1, y, x]
                # Comparisons with NaN are false.
                if not (p > 0 and np.isfinite(p) and -1 < u < width and -1 < v < height):
                    continue
                left, top = int(np.floor(u)), int(np.floor(v))
                for i in range(2):
                    for j in range(2):
                        row, column = top + i, left + j
                        if 0 <= row < height and 0 <= column < width:
                            share = (1 - abs(v - row)) * (1 - abs(u - column))
                            out[m, row, column] += weight * p * share
