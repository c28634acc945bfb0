"""Keypoint heads of Mask R-CNN (He et al., ICCV 2017): maps that span a box of any size."""

from typing import Literal, get_args

import numba as nb
import numpy as np
import numpy.typing as npt

from refine._types import Floats
from refine.decoding.maps.resample import CUBIC, cubic_weights
from refine.exceptions import ArrayError

Score = Literal["logit", "probability"]
SCORES: tuple[str, ...] = get_args(Score)


def decode_roi_heatmaps(
    maps: npt.ArrayLike, box: npt.ArrayLike, *, score: Score = "logit"
) -> tuple[Floats, Floats]:
    """Find the highest pixel of maps that are resized to their boxes.

    Every map is resized bicubically, with half-pixel centres, to the width and height of its box
    in whole px, rounded up; the keypoint is the middle of the highest pixel: (i + 0.5) * width /
    pixels + x1 (Detectron `heatmaps_to_keypoints`, detectron2 and torchvision likewise).

    Args:
        maps: (N, K, H, W) logits, 56 x 56 in the publications.
        box: (N, 4) xyxy image px; sides count as 1 px at least.
        score: "logit": the resized map at that pixel (torchvision, Detectron's first score);
            "probability": its softmax over all pixels of the resized map (detectron2).

    Returns:
        xy (N, K, 2) in image px, where pixel 0 spans 0 to 1 as it does for the boxes, and score
        (N, K). Both are NaN for maps that hold NaN or infinity.

    Raises:
        ArrayError: shapes that do not agree, or a box that is not finite.

    >>> maps = np.zeros((1, 1, 4, 4))
    >>> maps[0, 0, 1, 2] = 1.0
    >>> decode_roi_heatmaps(maps, [[10, 20, 14, 24]])[0].tolist()
    [[[12.5, 21.5]]]
    """
    stack, corners = np.asarray(maps), np.asarray(box, np.float64)
    if stack.ndim != 4 or 0 in stack.shape[2:] or stack.dtype.kind not in "fiu":
        raise ArrayError(f"expected maps (N, K, H, W) of real numbers, got {stack.shape}")
    if corners.shape != (len(stack), 4) or not np.isfinite(corners).all():
        raise ArrayError(f"expected {len(stack)} finite boxes (N, 4), got {corners.shape}")
    if score not in SCORES:
        raise ArrayError(f"expected a score, got {score!r}", hint=f"one of {', '.join(SCORES)}")
    n, k = stack.shape[:2]
    wanted = np.float64 if stack.dtype == np.float64 else np.float32
    out = np.full((n, k, 3), np.nan)
    size = np.maximum(corners[:, 2:] - corners[:, :2], 1)
    cells = np.ceil(size).astype(np.intp)
    _decode(np.ascontiguousarray(stack, wanted), cells, score == "probability", out)
    xy = (out[..., :2] + 0.5) * (size / cells)[:, None] + corners[:, None, :2]
    return xy, out[..., 2].copy()


@nb.njit(cache=True, nogil=True, error_model="numpy")
def _taps(n, size):  # type: ignore[no-untyped-def]
    """Return first cells and weights (size, 4) of a cubic resize; cells may lie outside."""
    first, weights = np.empty(size, np.int64), np.empty((size, 4))
    for i in range(size):
        at = (i + 0.5) * n / size - 0.5
        low = int(np.floor(at))
        first[i] = low - 1
        cubic_weights(at - low, CUBIC, weights[i])
    return first, weights


@nb.njit(cache=True, nogil=True, error_model="numpy")
def _decode(maps, cells, probability, out):  # type: ignore[no-untyped-def]
    n, k, height, width = maps.shape
    line = np.empty(width)
    for i in range(n):
        across, down = cells[i]
        left, by_column = _taps(width, across)
        top, by_row = _taps(height, down)
        for q in range(k):
            values = maps[i, q]
            if not np.isfinite(values).all():
                continue
            best, at = -np.inf, 0
            mass = 0.0
            for y in range(down):
                most = -np.inf
                least = np.inf
                for x in range(width):
                    v = 0.0
                    for t in range(4):
                        v += by_row[y, t] * values[min(max(top[y] + t, 0), height - 1), x]
                    line[x] = v
                    most, least = max(most, v), min(least, v)
                # No cubic goes beyond its cells by more than a quarter of their range, so rows
                # that cannot hold the maximum are passed over.
                if not probability and most + 0.25 * (most - least) <= best:
                    continue
                for x in range(across):
                    v = 0.0
                    for t in range(4):
                        v += by_column[x, t] * line[min(max(left[x] + t, 0), width - 1)]
                    if v > best:
                        # The sum of exponentials is kept relative to the maximum so far.
                        mass = mass * np.exp(best - v) + 1.0
                        best, at = v, y * across + x
                    elif probability:
                        mass += np.exp(v - best)
            out[i, q, 0], out[i, q, 1] = at % across, at // across
            out[i, q, 2] = 1 / mass if probability else best
