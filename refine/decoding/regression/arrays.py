"""Heads that answer with coordinates: expectations over maps, and plain regression."""

from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from refine._types import Floats
from refine.decoding.maps.check import checked_maps
from refine.decoding.regression import kernels
from refine.exceptions import ArrayError
from refine.numerics import sigmoid as logistic

Head = Literal["fine", "coarse"]
Debias = Literal["none", "mmpose", "cells"]
HEADS: tuple[str, ...] = get_args(Head)
DEBIASES: tuple[str, ...] = get_args(Debias)

BLAZEPOSE_KERNEL, BLAZEPOSE_CONFIDENCE = 7, 0.5
"""Window in cells and least confidence of the peak: mediapipe modules/pose_landmark,
`RefineLandmarksFromHeatmapCalculatorOptions`."""


def decode_integral(
    maps: npt.ArrayLike, beta: float = 1.0, *, debias: Debias = "none"
) -> tuple[Floats, Floats]:
    """Read maps out by the expectation of their softmax (Sun et al., ECCV 2018).

    Args:
        maps: (N, K, H, W) logits.
        beta: inverse temperature; 1 for networks trained through the softmax.
        debias: undo the pull toward the middle of the map by the cells that hold nothing (Gu et
            al., ICCV 2021), with C = sum(exp(beta * logit)). "mmpose": C / (C - 1) *
            (x - 1 / (2 C)) with x = cell / cells, as mmpose's IntegralRegressionHead has it,
            which takes the mass of the whole empty map for 1; right for networks trained so.
            "cells": (C x - n m) / (C - n), for each of the n cells has a mass of 1, around the
            middle m of the map; exact where the other logits are 0.

    Returns:
        xy (N, K, 2) in cells and score (N, K), the probability of the highest cell. Both are NaN
        for a map that holds NaN or +inf, xy for one that `debias` finds empty.

    Raises:
        ArrayError: not (N, K, H, W) numbers, or an option out of range.

    >>> maps = np.zeros((1, 1, 5, 9))
    >>> maps[0, 0, 1, 2] = 9.0
    >>> decode_integral(maps)[0].round(3).tolist()
    [[[2.011, 1.006]]]
    """
    stack = checked_maps(maps, "maps", "N, K, H, W")
    if not (np.isfinite(beta) and beta > 0):
        raise ArrayError(f"expected a positive beta, got {beta}")
    if debias not in DEBIASES:
        raise ArrayError(f"expected a debias, got {debias!r}", hint=f"one of {', '.join(DEBIASES)}")
    n, k, height, width = stack.shape
    out = np.full((n * k, 4), np.nan)
    if stack.size:
        kernels.expectation(stack.reshape(n * k, height, width), beta, out)
    out = out.reshape(n, k, 4)
    xy, peak = out[..., :2], out[..., 2]
    if debias != "none":
        size = np.array([width, height])
        mass, middle = (1, size / 2) if debias == "mmpose" else (height * width, (size - 1) / 2)
        # Relative to C, which overflows.
        empty = mass * np.exp(-out[..., 3:])
        with np.errstate(invalid="ignore", divide="ignore"):
            xy = (xy - empty * middle) / (1 - empty)
        xy = np.where(empty < 1, xy, np.nan)
    return xy.copy(), peak.copy()


def decode_dsnt(maps: npt.ArrayLike, *, softmax: bool = True) -> tuple[Floats, Floats]:
    """Read maps out by DSNT (Nibali et al., 2018): the expectation on a grid from -1 to 1.

    The ends of the grid are the borders of the map, not the middles of its outer cells: of n
    cells the i-th, from 0, lies at (2 i + 1) / n - 1. `dsnt_to_input` leads back to pixels.

    Args:
        maps: (N, K, H, W) logits, or with `softmax` off maps that are not negative and are
            divided by their sums.
        softmax: normalise by it.

    Returns:
        xy (N, K, 2) in [-1, 1] and score (N, K), the probability of the highest cell. Both are
        NaN for a map that cannot be normalised.

    Raises:
        ArrayError: not (N, K, H, W) numbers, or negative ones without softmax.

    >>> decode_dsnt(np.eye(4)[None, None, 2:3], softmax=False)[0].tolist()
    [[[0.25, 0.0]]]
    """
    stack = checked_maps(maps, "maps", "N, K, H, W")
    size = np.array([max(stack.shape[3], 1), max(stack.shape[2], 1)])
    if softmax:
        cells, peak = decode_integral(stack)
    else:
        if (stack < 0).any():
            raise ArrayError("expected maps that are not negative", hint="softmax for logits")
        with np.errstate(invalid="ignore", divide="ignore"):
            share = stack / stack.sum((2, 3), dtype=np.float64, keepdims=True)
        x, y = (share.sum(2) @ np.arange(size[0]), share.sum(3) @ np.arange(size[1]))
        cells, peak = np.stack([x, y], -1), share.max((2, 3), initial=0.0)
    return (2 * cells + 1) / size - 1, peak


def dsnt_to_input(xy: npt.ArrayLike, input_size: tuple[int, int]) -> Floats:
    """Map DSNT's coordinates (..., 2) to network-input px.

    >>> dsnt_to_input([[-1.0, 1.0]], (192, 256)).tolist()
    [[-0.5, 255.5]]
    """
    return np.asarray(((np.asarray(xy, np.float64) + 1) * input_size - 1) / 2)


def decode_rle(
    coordinates: npt.ArrayLike,
    sigma: npt.ArrayLike | None,
    input_size: tuple[int, int],
    *,
    sigmoid: bool = True,
    centred: bool = False,
) -> tuple[Floats, Floats]:
    """Read out regressed coordinates with their deviations (RLE: Li et al., ICCV 2021).

    Args:
        coordinates: (N, K, 2) as fractions of the input.
        sigma: (N, K, 2) deviations, or None.
        input_size: width and height of the network input. Fractions are of this, not of one
            pixel less (mmpose RegressionLabel).
        sigmoid: `sigma` is what the network says before the sigmoid.
        centred: fractions are counted from the middle (the authors' own code), not from the
            corner (mmpose).

    Returns:
        xy (N, K, 2) in input px and score (N, K): 1 - the mean of both deviations, NaN without.

    Raises:
        ArrayError: shapes that do not agree.

    >>> xy, score = decode_rle([[[0.5, 0.25]]], [[[0.1, 0.3]]], (192, 256), sigmoid=False)
    >>> xy.tolist(), score.round(3).tolist()
    ([[[96.0, 64.0]]], [[0.8]])
    """
    xy = np.asarray(coordinates, np.float64)
    deviation = None if sigma is None else np.asarray(sigma, np.float64)
    if xy.ndim != 3 or xy.shape[2] != 2 or (deviation is not None and deviation.shape != xy.shape):
        raise ArrayError(
            "expected coordinates (N, K, 2) and as many sigmas, got "
            f"{xy.shape} and {None if deviation is None else deviation.shape}"
        )
    if deviation is None:
        score = np.full(xy.shape[:2], np.nan)
    else:
        score = 1 - (logistic(deviation) if sigmoid else deviation).mean(-1)
    return (xy + 0.5 * centred) * input_size, score


def decode_posefix(logits: npt.ArrayLike, head: Head = "fine") -> tuple[Floats, Floats]:
    """Read out the maps of PoseFix (Moon et al., CVPR 2019) as either of its losses sees them.

    Args:
        logits: (N, K, H, W).
        head: "fine": the expectation of the softmax, which the coordinate loss trains and the
            published test uses. "coarse": the expectation within the 2 x 2 cells of the largest
            mass; this undoes the target of the heatmap loss, where a joint's mass is shared out
            bilinearly among the four cells around it.

    Returns:
        xy (N, K, 2) in cells, which lie at 4 px each, and score (N, K), the probability of the
        highest cell (of the four cells for "coarse"). PoseFix itself has no joint scores.

    Raises:
        ArrayError: not (N, K, H, W) numbers, or no such head.

    >>> with np.errstate(divide="ignore"):
    ...     target = np.log([[[[0.0, 0.0, 0.0], [0.5, 0.25, 0.0], [0.0, 0.25, 0.0]]]])
    >>> decode_posefix(target, "coarse")[0].tolist()
    [[[0.5, 1.25]]]
    """
    if head not in HEADS:
        raise ArrayError(f"expected a head, got {head!r}", hint=f"one of {', '.join(HEADS)}")
    if head == "fine":
        return decode_integral(logits)
    stack = checked_maps(logits, "logits", "N, K, H, W")
    n, k, height, width = stack.shape
    out = np.full((n * k, 3), np.nan)
    if stack.size:
        kernels.coarse(stack.reshape(n * k, height, width), out)
    return out[:, :2].reshape(n, k, 2), out[:, 2].reshape(n, k)


def decode_blazepose(
    landmarks: npt.ArrayLike,
    heatmaps: npt.ArrayLike | None = None,
    stride: float = 4.0,
    *,
    kernel: int = BLAZEPOSE_KERNEL,
    min_confidence: float = BLAZEPOSE_CONFIDENCE,
) -> tuple[Floats, Floats]:
    """Read out BlazePose's landmarks, moved to the heatmaps where these are sure.

    A landmark goes to the mean of the sigmoids in a window around its cell, weighted by them, if
    the largest of them is at least `min_confidence` (mediapipe RefineLandmarksFromHeatmap).

    Args:
        landmarks: (N, L, 3 or more): x and y in input px, z; the fourth is the logit of
            visibility.
        heatmaps: (N, L, H, W) logits, or None for the landmarks as they are.
        stride: input px per cell.
        kernel: side of the window in cells.
        min_confidence: least sigmoid.

    Returns:
        xy (N, L, 2) in input px and score (N, L), the visibility; NaN if there is none.

    Raises:
        ArrayError: shapes that do not agree, or an even kernel.

    >>> maps = np.full((1, 1, 9, 9), -9.0)
    >>> maps[0, 0, 4, 5] = 9.0
    >>> decode_blazepose([[[17.0, 17.0, 0.0, 9.0]]], maps)[0].round(1).tolist()
    [[[20.0, 16.0]]]
    """
    marks = np.asarray(landmarks, np.float64)
    if marks.ndim != 3 or marks.shape[2] < 2:
        raise ArrayError(f"expected landmarks (N, L, 5), got {marks.shape}")
    if kernel < 1 or kernel % 2 == 0:
        raise ArrayError(f"expected an odd positive kernel size, got {kernel}", hint="kernel 7")
    xy = marks[..., :2].copy()
    n, joints = xy.shape[:2]
    score = logistic(marks[..., 3]) if marks.shape[2] > 3 else np.full((n, joints), np.nan)
    if heatmaps is not None:
        stack = checked_maps(heatmaps, "heatmaps", "N, L, H, W")
        if stack.shape[:2] != (n, joints):
            raise ArrayError(f"expected heatmaps ({n}, {joints}, H, W), got {stack.shape}")
        flat = stack.reshape(n * joints, *stack.shape[2:])
        kernels.refine(xy.reshape(-1, 2), flat, stride, kernel // 2, min_confidence)
    return xy, score


def merge_mirrored(xy: Floats, xy_mirrored: Floats, mirror: npt.ArrayLike, width: float) -> Floats:
    """Average coordinates with those found on the mirrored input.

    Args:
        xy: (N, K, 2) input px.
        xy_mirrored: (N, K, 2) px of the mirrored input.
        mirror: (K,) index of every joint's left-right partner (`Skeleton.mirror`).
        width: of the input in px; mirroring is x -> width - 1 - x.

    >>> merge_mirrored(np.array([[[10.0, 5.0]]]), np.array([[[89.0, 7.0]]]), [0], 100).tolist()
    [[[10.0, 6.0]]]
    """
    back = np.asarray(xy_mirrored, np.float64)[:, np.asarray(mirror, np.intp)]
    back = back * (-1, 1) + (width - 1, 0)
    return np.asarray((np.asarray(xy, np.float64) + back) / 2)
