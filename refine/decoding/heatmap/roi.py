"""Keypoint heads of Mask R-CNN (He et al., ICCV 2017): maps that span a box of any size."""

from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from refine._types import Floats
from refine.decoding.heatmap import kernels
from refine.decoding.maps.check import checked_maps
from refine.exceptions import ArrayError

Score = Literal["logit", "probability"]
SCORES: tuple[str, ...] = get_args(Score)
MOST_SIDE = 65_535
"""px: what a JPEG holds; the maps are resized to the box."""


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
    stack = checked_maps(maps, "maps", "N, K, H, W", empty=False)
    corners = np.asarray(box, np.float64)
    if corners.shape != (len(stack), 4) or not np.isfinite(corners).all():
        raise ArrayError(f"expected {len(stack)} finite boxes (N, 4), got {corners.shape}")
    if score not in SCORES:
        raise ArrayError(f"expected a score, got {score!r}", hint=f"one of {', '.join(SCORES)}")
    size = np.maximum(corners[:, 2:] - corners[:, :2], 1)
    if (size > MOST_SIDE).any():
        raise ArrayError(f"expected boxes of at most {MOST_SIDE} px a side, got {size.max():g} px")
    n, k = stack.shape[:2]
    out = np.full((n, k, 3), np.nan)
    cells = np.ceil(size).astype(np.intp)
    kernels.decode(stack, cells, score == "probability", out)
    xy = (out[..., :2] + 0.5) * (size / cells)[:, None] + corners[:, None, :2]
    return xy, out[..., 2].copy()
