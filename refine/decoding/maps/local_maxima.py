"""All peaks of maps that show several people."""

from typing import Literal, NamedTuple, get_args

import numpy as np
import numpy.typing as npt

from refine._types import Floats
from refine.decoding.maps import kernels
from refine.decoding.maps.check import checked_maps
from refine.decoding.maps.kernels import FATAL, FIRST, HARMLESS
from refine.exceptions import ArrayError

PeakRule = Literal["first", "4", "4-ties", "8", "3x3", "5x5", "openpose-cpp"]
Position = Literal["cell", "centroid", "fit"]

RULES: tuple[str, ...] = get_args(PeakRule)
POSITIONS: tuple[str, ...] = get_args(Position)

TIES = {"first": FIRST, "4": FATAL, "8": FATAL}


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
    stack = checked_maps(maps, "maps", "K, H, W", empty=False)
    if rule not in RULES:
        raise ArrayError(f"expected a rule for peaks, got {rule!r}", hint=f"one of {RULES}")
    if rule == "openpose-cpp":
        start, cell = kernels.peaks_ring(stack, threshold)
    else:
        reach = 2 if rule == "5x5" else 1
        start, cell = kernels.peaks(
            stack, threshold, reach, rule[0] == "4", TIES.get(rule, HARMLESS)
        )
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
    stack = checked_maps(maps, "maps", "K, H, W", empty=False)
    if position not in POSITIONS:
        raise ArrayError(f"expected a position, got {position!r}", hint=f"one of {POSITIONS}")
    xy = peaks.cell.astype(np.float64)
    if position == "centroid":
        kernels.centroid(stack, peaks.start, peaks.cell, xy)
    elif position == "fit":
        kernels.fit(stack, peaks.start, peaks.cell, xy)
    return xy
