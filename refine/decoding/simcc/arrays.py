"""SimCC (Li et al., ECCV 2022; RTMPose): one histogram of places per axis and joint."""

from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from refine._types import Floats
from refine.decoding.maps.blur import gaussian_taps
from refine.decoding.maps.check import checked_maps
from refine.decoding.maps.flip import merge_flipped
from refine.decoding.simcc import kernels
from refine.exceptions import ArrayError

Method = Literal["argmax", "expectation", "dark"]
Score = Literal["min", "mean"]
METHODS: tuple[str, ...] = get_args(Method)
SCORES: tuple[str, ...] = get_args(Score)

RATIO = 2.0
"""Bins per pixel: `simcc_split_ratio` of mmpose's SimCC and RTMPose configs."""
SIGMA = 6.0
"""Bins, of the targets: mmpose SimCCLabel. RTMPose has (4.9, 5.66) for 192 x 256 and (6, 6.93)
for 288 x 384 px."""
VISIBILITY_BETA = 150.0
"""Sharpness of the softmax that tells visibility: `decode_beta` of mmpose SimCCLabel."""
MOST_SIGMA = 1000.0
"""Bins; the blur of "dark" reaches seven times as far."""


def decode_simcc(
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    ratio: float = RATIO,
    method: Method = "argmax",
    *,
    score: Score = "min",
    softmax: bool = False,
    beta: float = 1.0,
    sigma: float | tuple[float, float] = SIGMA,
    compat: bool = False,
) -> tuple[Floats, Floats]:
    """Find one keypoint in every pair of 1-D maps.

    Args:
        x: (N, K, Wx) columns, logits or probabilities. float16 and integers are read as float32.
        y: (N, K, Hy) rows.
        ratio: bins per pixel of the network input. Networks whose first and last bin lie on the
            borders of the input, `linspace(0, 1, bins)`, have (bins - 1) / size.
        method: "argmax": the highest bin, the first of equals; "expectation": the mean of
            softmax(beta * map); "dark": DARK-1D of mmpose's SimCCLabel, use_dark.
        score: of the two maxima: "min" (mmpose), "mean" (rtmlib).
        softmax: score by the maxima of softmax(beta * map) instead of the raw ones, which for
            RTMPose are logits and exceed 1.
        beta: inverse temperature of softmax.
        sigma: bins, of the training targets, (x, y) or one for both; sets the blur of "dark".
        compat: put joints whose score is not positive at bin (-1, -1), as mmpose and rtmlib do,
            instead of NaN.

    Returns:
        xy (N, K, 2) in input px and score (N, K). A joint is missing where its score is not
        positive (except with "expectation" and with `softmax`) or where its maps hold NaN or
        +inf.

    Raises:
        ArrayError: shapes that do not agree, or an option out of range.

    >>> x, y = np.zeros((1, 1, 384)), np.zeros((1, 1, 512))
    >>> x[0, 0, 101], y[0, 0, 60] = 5.0, 4.0
    >>> decode_simcc(x, y)
    (array([[[50.5, 30. ]]]), array([[4.]]))
    """
    if method not in METHODS or score not in SCORES:
        raise ArrayError(
            f"expected a method and a score, got {method!r} and {score!r}",
            hint=f"a method of {', '.join(METHODS)} and a score of {', '.join(SCORES)}",
        )
    sigmas = _pair(sigma)
    if max(sigmas) > MOST_SIGMA:
        raise ArrayError(f"expected a sigma of at most {MOST_SIGMA:g} bins, got {sigma}")
    for name, value in (("ratio", ratio), ("beta", beta), *(("sigma", s) for s in sigmas)):
        if not 0 < value < np.inf:
            raise ArrayError(f"expected a positive {name}, got {value}")
    maps = checked_maps(x, "x", "N, K, bins"), checked_maps(y, "y", "N, K, bins")
    if maps[0].shape[:2] != maps[1].shape[:2]:
        raise ArrayError(
            f"expected x (N, K, Wx) and y (N, K, Hy), got {maps[0].shape} and {maps[1].shape}"
        )
    blur = (dark_kernel(sigmas[0]), dark_kernel(sigmas[1])) if method == "dark" else (1, 1)
    xy, top = _decode(maps, method, softmax, (beta, beta), blur, score == "mean")
    if compat:
        xy[np.isnan(xy)] = -1.0
    xy /= ratio
    return xy, top


def _pair(sigma: float | tuple[float, float]) -> tuple[float, float]:
    if isinstance(sigma, (int, float)):
        return sigma, sigma
    first, second = np.broadcast_to(sigma, 2).tolist()
    return first, second


def dark_kernel(sigma: float) -> int:
    """Return the blur size that mmpose's SimCCLabel derives from the sigma of its targets.

    >>> [dark_kernel(s) for s in (6.0, 4.9, 5.66)]
    [37, 29, 35]
    """
    size = int((sigma * 20 - 7) // 3)
    return max(size - (size % 2 == 0), 1)


def simcc_visibility(
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    sigma: float | tuple[float, float] = SIGMA,
    beta: float = VISIBILITY_BETA,
) -> Floats:
    """Return how visible joints are: how sharp their maps (mmpose SimCCLabel, decode_visibility).

    Args:
        x: (N, K, Wx).
        y: (N, K, Hy).
        sigma: bins, of the training targets, (x, y) or one for both.
        beta: sharpness.

    Returns:
        (N, K) in (0, 1]: the lesser of the maxima of softmax(beta * sigma * map).

    Raises:
        ArrayError: see `decode_simcc`.

    >>> simcc_visibility(np.zeros((1, 1, 4)), np.zeros((1, 1, 8))).tolist()
    [[0.125]]
    """
    sigma_x, sigma_y = _pair(sigma)
    maps = checked_maps(x, "x", "N, K, bins"), checked_maps(y, "y", "N, K, bins")
    return _decode(maps, "argmax", True, (beta * sigma_x, beta * sigma_y), (1, 1), False)[1]


def merge_flipped_simcc(
    x: npt.NDArray[np.floating],
    y: npt.NDArray[np.floating],
    x_flipped: npt.NDArray[np.floating],
    y_flipped: npt.NDArray[np.floating],
    mirror: npt.ArrayLike,
    shift: float = 0.0,
) -> tuple[npt.NDArray[np.floating], npt.NDArray[np.floating]]:
    """Average 1-D maps with those of the mirrored input.

    Args:
        x: (N, K, Wx).
        y: (N, K, Hy).
        x_flipped: (N, K, Wx) of the mirrored input, as the network gave them.
        y_flipped: (N, K, Hy) of the mirrored input.
        mirror: (K,) index of every joint's left-right partner (`Skeleton.mirror`).
        shift: bins by which the x maps that were mirrored back are moved right. mmpose has 0,
            unbiased is 1 - ratio: bins lie at i / ratio, so mirroring them turns about another
            point than mirroring pixels does.

    Raises:
        ArrayError: shapes that do not agree.

    >>> x, y = np.eye(4)[None, 1:2], np.ones((1, 1, 3))
    >>> merge_flipped_simcc(x, y, x[..., ::-1], y, [0])[0].tolist()
    [[[0.0, 1.0, 0.0, 0.0]]]
    """
    merged = merge_flipped(x[:, :, None], x_flipped[:, :, None], mirror, shift)[:, :, 0]
    rows = merge_flipped(y[:, :, None], y_flipped[:, :, None, ::-1], mirror)[:, :, 0]
    return merged, rows


def _decode(
    maps: tuple[npt.NDArray[np.floating], npt.NDArray[np.floating]],
    method: str,
    softmax: bool,
    beta: tuple[float, float],
    blur: tuple[int, int],
    mean: bool,
) -> tuple[Floats, Floats]:
    """Return bins (N, K, 2), NaN where there is no peak, and scores (N, K)."""
    n, k = maps[0].shape[:2]
    xy, score = np.empty((n, k, 2)), np.empty((n, k))
    x, y = (m.reshape(n * k, m.shape[2]) for m in maps)
    kernels.decode(
        x, y, METHODS.index(method), softmax, beta, gaussian_taps(blur[0]), gaussian_taps(blur[1]),
        mean, xy.reshape(n * k, 2), score.reshape(n * k),
    )  # fmt: skip
    return xy, score
