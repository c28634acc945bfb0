"""All peaks of maps that show several people."""

from typing import Any, Literal, NamedTuple, get_args

import numba as nb
import numpy as np
import numpy.typing as npt

from refine._types import Floats
from refine.decoding.maps.fit import CORE, SIGMA_MIN, gauss_newton, width_of
from refine.exceptions import ArrayError

PeakRule = Literal["first", "4", "4-ties", "8", "3x3", "5x5", "openpose-cpp"]
Position = Literal["cell", "centroid", "fit"]

RULES: tuple[str, ...] = get_args(PeakRule)
POSITIONS: tuple[str, ...] = get_args(Position)

HARMLESS, FATAL, FIRST = 0, 1, 2
"""What an equal neighbour does to a peak: nothing, end it, or end it if it comes before."""
TIES = {"first": FIRST, "4": FATAL, "8": FATAL}

CENTROID = 3
"""Cells to each side: OpenPose src/openpose/net/nmsBase.cpp."""
WANDER = 1.0
"""Cells that a fit may lie from its peak; farther off it has run to another person."""


class Peaks(NamedTuple):
    """Peaks ordered by map, then row by row.

    Attributes:
        start: (K + 1,) peaks of map k are rows start[k] to start[k + 1].
        cell: (P, 2) column and row.
        value: (P,) of the map.
    """

    start: npt.NDArray[np.int64]
    cell: npt.NDArray[np.int64]
    value: Floats


def find_peaks(maps: npt.ArrayLike, threshold: float, rule: PeakRule = "first") -> Peaks:
    """Find the local maxima above a threshold.

    Args:
        maps: (K, H, W). What lies outside of a map is lower than any cell.
        threshold: a peak is higher; -inf takes every local maximum.
        rule: "first": higher than its eight neighbours, of which those to the right and below may
            be as high, so that two cells that tie are one peak and not two or none;
            "4": higher than its four neighbours; "4-ties": at least as high, so that plateaus
            give several peaks (OpenPose's Python code); "8": higher than its eight neighbours;
            "3x3", "5x5": at least as high as everything in that window (max-pool equality);
            "openpose-cpp": "8" in the interior, ties allowed one cell from the border, none on
            the border but where it crosses that ring.

    Raises:
        ArrayError: not (K, H, W) real numbers, or no such rule.

    >>> found = find_peaks([[[0, 0, 0], [0, 2, 1], [0, 0, 3]]], 0.5)
    >>> found.cell.tolist(), found.value.tolist()
    ([[2, 2]], [3.0])
    >>> find_peaks([[[0, 0, 0], [0, 2, 1], [0, 0, 3]]], 0.5, "4").cell.tolist()
    [[1, 1], [2, 2]]
    """
    stack = stacked(maps)
    if rule not in RULES:
        raise ArrayError(f"expected a rule for peaks, got {rule!r}", hint=f"one of {RULES}")
    if rule == "openpose-cpp":
        start, cell = _peaks_ring(stack, threshold)
    else:
        reach = 2 if rule == "5x5" else 1
        start, cell = _peaks(stack, threshold, reach, rule[0] == "4", TIES.get(rule, HARMLESS))
    joint = np.repeat(np.arange(len(stack)), np.diff(start))
    return Peaks(start, cell, stack[joint, cell[:, 1], cell[:, 0]].astype(np.float64))


def refine_peaks(maps: npt.ArrayLike, peaks: Peaks, position: Position) -> Floats:
    """Place peaks between cells.

    Args:
        maps: (K, H, W) that the peaks were found on.
        peaks: from `find_peaks`.
        position: "cell" as they are; "centroid" of the positive cells up to 3 away (OpenPose
            C++; biased to the cell); "fit": least-squares Gaussian, see `refine.decoding.maps.fit`.

    Returns:
        (P, 2) cells.

    Raises:
        ArrayError: not (K, H, W) real numbers, or no such position.

    >>> y, x = np.mgrid[:20, :20]
    >>> maps = np.exp(-((x - 1.3) ** 2 + (y - 9.6) ** 2) / 2)[None]
    >>> refine_peaks(maps, find_peaks(maps, 0.1), "fit").round(3).tolist()
    [[1.3, 9.6]]
    """
    stack = stacked(maps)
    if position not in POSITIONS:
        raise ArrayError(f"expected a position, got {position!r}", hint=f"one of {POSITIONS}")
    xy = peaks.cell.astype(np.float64)
    if position == "centroid":
        _centroid(stack, peaks.start, peaks.cell, xy)
    elif position == "fit":
        _fit(stack, peaks.start, peaks.cell, xy)
    return xy


def stacked(maps: npt.ArrayLike, name: str = "maps") -> npt.NDArray[np.floating[Any]]:
    """Return maps (K, H, W) as contiguous float32 or float64.

    Raises:
        ArrayError: not (K, H, W) real numbers.
    """
    stack = np.asarray(maps)
    if stack.ndim != 3 or stack.dtype.kind not in "fiu" or 0 in stack.shape[1:]:
        raise ArrayError(
            f"expected {name} (K, H, W) of real numbers, got {stack.dtype} {stack.shape}"
        )
    wanted = np.float64 if stack.dtype == np.float64 else np.float32
    return np.ascontiguousarray(stack, wanted)


@nb.njit(cache=True, nogil=True, error_model="numpy")
def _grown(cell):  # type: ignore[no-untyped-def]
    more = np.empty((2 * len(cell), 2), np.int64)
    more[: len(cell)] = cell
    return more


@nb.njit(cache=True, nogil=True, error_model="numpy")
def _peaks(maps, threshold, reach, cross, ties):  # type: ignore[no-untyped-def]
    k, height, width = maps.shape
    start = np.zeros(k + 1, np.int64)
    cell = np.empty((64, 2), np.int64)
    n = 0
    for m in range(k):
        values = maps[m]
        for y in range(height):
            line = values[y]
            for x in range(width):
                v = line[x]
                if not v > threshold:
                    continue
                # Most cells fall to their left or right neighbour already.
                if (x and line[x - 1] > v) or (x + 1 < width and line[x + 1] > v):
                    continue
                if not _is_peak(values, y, x, v, reach, cross, ties):
                    continue
                if n == len(cell):
                    cell = _grown(cell)
                cell[n, 0], cell[n, 1] = x, y
                n += 1
        start[m + 1] = n
    return start, cell[:n].copy()


@nb.njit(cache=True, nogil=True, error_model="numpy")
def _is_peak(values, y, x, v, reach, cross, ties):  # type: ignore[no-untyped-def]
    height, width = values.shape
    for j in range(max(0, y - reach), min(height, y + reach + 1)):
        for i in range(max(0, x - reach), min(width, x + reach + 1)):
            if (j == y and i == x) or (cross and j != y and i != x):
                continue
            if values[j, i] > v:
                return False
            before = j < y or (j == y and i < x)
            if values[j, i] == v and (ties == FATAL or (ties == FIRST and before)):
                return False
    return True


@nb.njit(cache=True, nogil=True, error_model="numpy")
def _peaks_ring(maps, threshold):  # type: ignore[no-untyped-def]
    k, height, width = maps.shape
    start = np.zeros(k + 1, np.int64)
    cell = np.empty((64, 2), np.int64)
    n = 0
    for m in range(k):
        values = maps[m]
        for y in range(height):
            for x in range(width):
                v = values[y, x]
                if not v > threshold:
                    continue
                ring = x in (1, width - 2) or y in (1, height - 2)
                inner = 1 < x < width - 2 and 1 < y < height - 2
                if not (ring or inner) or not _is_peak(
                    values, y, x, v, 1, False, FATAL if inner else HARMLESS
                ):
                    continue
                if n == len(cell):
                    cell = _grown(cell)
                cell[n, 0], cell[n, 1] = x, y
                n += 1
        start[m + 1] = n
    return start, cell[:n].copy()


@nb.njit(cache=True, nogil=True, error_model="numpy")
def _centroid(maps, start, cell, xy):  # type: ignore[no-untyped-def]
    height, width = maps.shape[1:]
    for m in range(len(maps)):
        for p in range(start[m], start[m + 1]):
            x, y = cell[p]
            sx = sy = total = 0.0
            for j in range(max(0, y - CENTROID), min(height, y + CENTROID + 1)):
                for i in range(max(0, x - CENTROID), min(width, x + CENTROID + 1)):
                    v = np.float64(maps[m, j, i])
                    if v > 0:
                        sx += i * v
                        sy += j * v
                        total += v
            if total > 0:
                xy[p, 0], xy[p, 1] = sx / total, sy / total


@nb.njit(cache=True, nogil=True, error_model="numpy")
def _fit(maps, start, cell, xy):  # type: ignore[no-untyped-def]
    height, width = maps.shape[1:]
    longest = max(height, width)
    x_basis, y_basis = np.empty((3, longest)), np.empty((3, longest))
    for m in range(len(maps)):
        for p in range(start[m], start[m + 1]):
            x, y = cell[p]
            sigma = width_of(maps[m], x, y, x, y)
            if not (sigma > 0 and maps[m, y, x] > 0):
                continue
            sigma = min(max(sigma, SIGMA_MIN), longest / 4)
            px, py, _, _ = gauss_newton(
                maps[m], np.float64(x), np.float64(y), np.float64(x), np.float64(y),
                sigma, CORE, x_basis, y_basis,
            )  # fmt: skip
            if abs(px - x) <= WANDER and abs(py - y) <= WANDER:
                xy[p, 0], xy[p, 1] = px, py
