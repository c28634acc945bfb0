"""One class map and one pair of offset maps per joint: UDP's combined target, and G-RMI.

UDP (Huang et al., CVPR 2020) steps from the highest cell of the blurred class map along the
offsets there. G-RMI (Papandreou et al., CVPR 2017) lets every pixel vote for where its offset
points.
"""

import numpy as np
import numpy.typing as npt

from refine._types import Floats
from refine.decoding.maps.blur import gaussian_taps
from refine.decoding.maps.check import checked_maps
from refine.decoding.offsets import kernels
from refine.exceptions import ArrayError

UDP_KERNEL, UDP_OFFSET_KERNEL, UDP_RADIUS = 15, 7, 4.0
"""UDP-Pose lib/core/inference.py `get_final_preds`, and LOSS.KPD in cells; 3.5 in its v1."""
GRMI_RADIUS = 25.0
"""Input px of the disc: Papandreou et al. 2017, section 3.2."""


def decode_combined(
    maps: npt.ArrayLike,
    offsets: npt.ArrayLike,
    kernel: int = UDP_KERNEL,
    offset_kernel: int = UDP_OFFSET_KERNEL,
    radius: float = UDP_RADIUS,
) -> tuple[Floats, Floats]:
    """Find keypoints where class maps are highest, and step along the offsets there.

    Both are blurred as `cv2.GaussianBlur` does, over the mirrored border. Blurred offsets are mixed
    with what lies outside the disc, so the result is off by some hundredths of a cell.

    Args:
        maps: (N, K, H, W), 1 inside a disc about the joint and 0 outside.
        offsets: (N, K, 2, H, W), x and y to the joint in units of `radius`.
        kernel: blur size of the class maps; 23 in mmpose.
        offset_kernel: blur size of the offsets; 11 in mmpose 0.x, 1 (none) in 1.x.
        radius: cells of the disc: 4 in UDP v0, 3.5 in v1, 0.0546875 times the height of the map
            in mmpose 0.x, times the longer side in 1.x.

    Returns:
        xy (N, K, 2) in cells and score (N, K), the maximum of the blurred class map. Where a
        class map has no positive cell, or holds NaN or infinity, xy is NaN and the score the
        maximum of the map as it is.

    Raises:
        ArrayError: shapes that do not agree, or an option out of range.

    >>> y, x = np.mgrid[:64, :48]
    >>> dx, dy = 20.3 - x, 30.6 - y
    >>> disc = (dx**2 + dy**2 <= 4**2) * 1.0
    >>> xy, _ = decode_combined(disc[None, None], np.stack([dx, dy])[None, None] * disc / 4)
    >>> xy.round(1).tolist()
    [[[20.3, 30.6]]]
    """
    classes, steps = _checked(maps, offsets)
    if not (np.isfinite(radius) and radius > 0):
        raise ArrayError(f"expected a positive radius, got {radius}")
    n, k, height, width = classes.shape
    xy, score = np.full((n * k, 2), np.nan), np.full(n * k, np.nan)
    flat = classes.reshape(n * k, height, width)
    kernels.combined(
        flat, steps.reshape(n * k, 2, height, width),
        gaussian_taps(kernel), gaussian_taps(offset_kernel), radius, xy, score,
    )  # fmt: skip
    return xy.reshape(n, k, 2), score.reshape(n, k)


def vote_offsets(
    maps: npt.ArrayLike, offsets: npt.ArrayLike, radius: float = GRMI_RADIUS
) -> Floats:
    """Aggregate G-RMI's outputs: every pixel's vote falls on the four about where it points.

    f(x) = sum over pixels j of G(j + offset(j) - x) * p(j) / (pi radius^2), G bilinear. The ideal
    map of a joint whose disc lies inside has one peak of height 1.

    Args:
        maps: (N, K, H, W) probability that a pixel lies within `radius` of the joint; what is
            not positive does not vote.
        offsets: (N, K, 2, H, W), x and y from each pixel to the joint in px.
        radius: px.

    Returns:
        f (N, K, H, W). Votes that fall outside are lost.

    Raises:
        ArrayError: shapes that do not agree, or a radius that is not positive.

    >>> maps, offsets = np.zeros((1, 1, 1, 4)), np.zeros((1, 1, 2, 1, 4))
    >>> maps[..., 1], offsets[..., 1] = np.pi, 0.25
    >>> vote_offsets(maps, offsets, radius=1.0)[0, 0].round(4).tolist()
    [[0.0, 0.5625, 0.1875, 0.0]]
    """
    disc, steps = _checked(maps, offsets)
    if not (np.isfinite(radius) and radius > 0):
        raise ArrayError(f"expected a positive radius, got {radius}")
    n, k, height, width = disc.shape
    out = np.zeros((n * k, height, width))
    kernels.vote(
        disc.reshape(n * k, height, width),
        steps.reshape(n * k, 2, height, width),
        1 / (np.pi * radius**2),
        out,
    )
    return out.reshape(n, k, height, width)


def _checked(maps: npt.ArrayLike, offsets: npt.ArrayLike) -> tuple[Floats, Floats]:
    classes = checked_maps(maps, "maps", "N, K, H, W", empty=False)
    steps = checked_maps(offsets, "offsets", "N, K, 2, H, W")
    if steps.shape != (*classes.shape[:2], 2, *classes.shape[2:]):
        raise ArrayError(
            "expected maps (N, K, H, W) and offsets (N, K, 2, H, W), "
            f"got {classes.shape} and {steps.shape}"
        )
    return classes.astype(np.float64, copy=False), steps.astype(np.float64, copy=False)
