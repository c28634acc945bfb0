"""DEKR (Geng et al., CVPR 2021): offsets from the person's centre, scored by heatmaps."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from refine._types import Bools, Floats, Floats32
from refine.decoding.maps.check import checked_maps
from refine.decoding.maps.flip import merge_flipped
from refine.decoding.maps.resample import bands, resample
from refine.decoding.one_stage import kernels
from refine.decoding.one_stage.kernels import MATCH_DISTANCE, MATCH_SCORE
from refine.decoding.one_stage.nms import NEARBY_PEOPLE, nearby_joints_nms
from refine.exceptions import ArrayError

STRIDE = 4
"""Input px per cell: INPUT_SIZE / OUTPUT_SIZE of every published configuration."""
POOLS = ((300, 7), (200, 5), (0, 3))
"""Mean side of the map in cells above which peaks are sought in squares of so many cells:
lib/config POOL_THRESHOLD1 and 2, lib/core/inference.py."""
LINKS = (
    (0, 1), (0, 2), (1, 2), (1, 3), (2, 4), (3, 5), (4, 6), (5, 6), (5, 7), (5, 11),
    (6, 8), (6, 12), (7, 9), (8, 10), (11, 12), (11, 13), (12, 14), (13, 15), (14, 16),
)  # fmt: skip
"""Joint pairs of the rescoring network for COCO: lib/dataset get_feature."""
TORSO = (9, 11)
"""Links whose mean length normalises."""


def decode_dekr(
    heatmaps: npt.ArrayLike,
    offsets: npt.ArrayLike,
    *,
    threshold: float = 0.01,
    nms_distance: float = 0.05,
    nms_joints: int = 8,
    max_poses: int = NEARBY_PEOPLE,
    match: bool = False,
) -> tuple[Floats, Floats, Floats]:
    """Decode heatmaps and offsets of one image.

    Args:
        heatmaps: (K + 1, H, W), not negative; the last is that of the centres.
        offsets: (2 K, H, W) x and y, in cells, from joint to cell.
        threshold: centres that score no more do not count.
        nms_distance: see `nearby_joints_nms`.
        nms_joints: see `nearby_joints_nms`.
        max_poses: at most.
        match: move joints to peaks of their heatmaps, see `match_to_heatmaps` (MATCH_HMP).

    Returns:
        xy (M, K, 2) in input px, score (M, K), heatmap times centre, and instance score (M,),
        their mean.

    Raises:
        ArrayError: shapes that do not agree.

    >>> heatmaps, offsets = np.zeros((2, 9, 9)), np.zeros((2, 9, 9))
    >>> heatmaps[0, 2, 1], heatmaps[1, 4, 4], offsets[:, 4, 4] = 0.5, 0.8, (3, 2)
    >>> xy, score, _ = decode_dekr(heatmaps, offsets)
    >>> xy.tolist(), score.round(3).tolist()
    ([[[4.0, 8.0]]], [[0.4]])
    """
    maps, shifts = _checked(heatmaps, offsets)
    joints, height, width = maps.shape[0] - 1, *maps.shape[1:]
    centre = maps[-1]
    pool = next(size for side, size in POOLS if (height + width) / 2 > side)
    peaks = np.flatnonzero(_is_peak(centre, pool))
    peaks = peaks[np.argsort(-centre.ravel()[peaks], kind="stable")][:max_poses]
    peaks = peaks[centre.ravel()[peaks] > threshold]
    cell = np.stack([peaks % width, peaks // width], 1)
    away = shifts.reshape(joints, 2, -1)[:, :, peaks].transpose(2, 0, 1)
    xy = (cell[:, None] - away).astype(np.float64) * STRIDE
    heat = sample_heatmaps(maps[:-1], xy)
    score = centre.ravel()[peaks, None] * heat
    # Poses meet in the order of their centres; the better heatmaps decide who stays.
    kept = nearby_joints_nms(
        xy, heat.mean(1), nms_distance, nms_joints, max_poses=max_poses, by_score=False
    )
    xy, score = xy[kept], score[kept]
    if match:
        xy = match_to_heatmaps(maps[:-1], xy, score)
    return xy, score, score.mean(1)


def merge_flipped_dekr(
    heatmaps: npt.ArrayLike,
    offsets: npt.ArrayLike,
    heatmaps_flipped: npt.ArrayLike,
    offsets_flipped: npt.ArrayLike,
    mirror: npt.ArrayLike,
) -> tuple[npt.NDArray[np.floating], npt.NDArray[np.floating]]:
    """Average outputs with those of the mirrored input.

    DEKR moves the mirrored image 3 px to the left before the network sees it, after which cells at
    stride 4 mirror onto cells: nothing needs to be shifted here.

    Args:
        heatmaps: (K + 1, H, W).
        offsets: (2 K, H, W).
        heatmaps_flipped: the same of the mirrored and moved input, as the network gave them.
        offsets_flipped: the same.
        mirror: (K,) index of every joint's left-right partner (`Skeleton.mirror`).

    Raises:
        ArrayError: shapes that do not agree.
    """
    maps, shifts = _checked(heatmaps, offsets)
    other, back = _checked(heatmaps_flipped, offsets_flipped)
    partner = np.asarray(mirror, np.intp)
    with_centre = np.append(partner, len(partner))
    merged = merge_flipped(maps[None], other[None], with_centre)[0]
    if back.shape != shifts.shape:
        raise ArrayError(f"expected offsets {shifts.shape}, got {back.shape}")
    mirrored = back.reshape(-1, 2, *back.shape[1:])[partner, :, :, ::-1]
    mirrored = mirrored * np.array([-1, 1], back.dtype)[:, None, None]
    return merged, (shifts + mirrored.reshape(shifts.shape)) / 2


def match_to_heatmaps(heatmaps: npt.ArrayLike, xy: npt.ArrayLike, score: npt.ArrayLike) -> Floats:
    """Move joints to the nearest peak within 75 px, then fit a Gaussian there (DEKR MATCH_HMP).

    Args:
        heatmaps: (K, H, W).
        xy: (M, K, 2) input px.
        score: (M, K); joints of 0.05 or less are not fitted.

    Returns:
        (M, K, 2) input px.
    """
    from scipy.ndimage import maximum_filter

    maps = _upsampled(np.asarray(heatmaps, np.float32))
    out = np.array(xy, np.float64)
    for joint, image in enumerate(maps):
        peaks = np.flatnonzero(image == maximum_filter(image, 5, mode="constant", cval=-np.inf))
        peaks = peaks[np.argsort(-image.ravel()[peaks], kind="stable")][:NEARBY_PEOPLE]
        place = np.stack([peaks % image.shape[1], peaks // image.shape[1]], 1)
        distance = np.hypot(*np.moveaxis(out[:, joint, None] - place, 2, 0))
        nearest = distance.argmin(1)
        near = distance.min(1) < MATCH_DISTANCE
        out[near, joint] = place[nearest[near]]
    kernels.fit(maps, np.asarray(score, np.float64) > MATCH_SCORE, out)
    return out


def sample_heatmaps(heatmaps: npt.NDArray[np.floating], xy: Floats) -> Floats:
    """Read heatmaps (K, H, W), upsampled to the input, at the whole px below joints (M, K, 2)."""
    joints, height, width = heatmaps.shape
    last = np.array([width - 1, height - 1])
    # Joints without a place are read at the first px; they stay without.
    at = np.clip(np.floor(np.nan_to_num(xy)) / STRIDE, 0, last)
    low = np.minimum(at.astype(np.intp), np.maximum(last - 1, 0))
    high = np.minimum(low + 1, last)
    x, y = np.moveaxis(at - low, 2, 0)
    each = np.arange(joints)
    upper, lower = (
        heatmaps[each, row, low[..., 0]] * (1 - x) + heatmaps[each, row, high[..., 0]] * x
        for row in (low[..., 1], high[..., 1])
    )
    return np.asarray(upper * (1 - y) + lower * y, np.float64)


def dekr_features(xy: npt.ArrayLike, score: npt.ArrayLike) -> Floats:
    """Return what DEKR's rescoring network sees of poses of COCO's 17 joints.

    Args:
        xy: (N, 17, 2) px.
        score: (N, 17).

    Returns:
        (N, 74): x and y of 19 links, their lengths, all relative to the torso (1 px at least),
        and the 17 scores.

    Raises:
        ArrayError: not 17 joints.

    >>> dekr_features(np.zeros((1, 17, 2)), np.ones((1, 17))).shape
    (1, 74)
    """
    points, scores = np.asarray(xy, np.float64), np.asarray(score, np.float64)
    if points.ndim != 3 or points.shape[1:] != (17, 2) or scores.shape != points.shape[:2]:
        raise ArrayError(f"expected xy (N, 17, 2) and score, got {points.shape}, {scores.shape}")
    a, b = np.array(LINKS).T
    link = points[:, a] - points[:, b]
    length = np.hypot(link[..., 0], link[..., 1])
    torso = np.maximum(length[:, TORSO].mean(1), 1)[:, None]
    return np.concatenate(
        [(link / torso[..., None]).reshape(len(points), -1), length / torso, scores], 1
    )


def rescore_dekr(
    xy: npt.ArrayLike,
    score: npt.ArrayLike,
    instance_score: npt.ArrayLike,
    layers: Sequence[tuple[npt.ArrayLike, npt.ArrayLike]],
) -> Floats:
    """Multiply instance scores by the OKS that DEKR's rescoring network predicts.

    Args:
        xy: (N, 17, 2) px.
        score: (N, 17).
        instance_score: (N,).
        layers: weights (out, in) and biases (out,) of the linear layers, from 74 values to 1
            (256 and 256 between, in DEKR), with ReLU between them.

    Returns:
        (N,); a prediction that is NaN counts as 0.

    Raises:
        ArrayError: not 17 joints, or layers that do not fit.
    """
    x = dekr_features(xy, score)
    for i, (weight, bias) in enumerate(layers):
        w, b = np.asarray(weight, np.float64), np.asarray(bias, np.float64)
        if w.shape != (*b.shape, x.shape[1]):
            raise ArrayError(
                f"expected layer {i} of {x.shape[1]} inputs, got {w.shape} and {b.shape}"
            )
        x = (np.maximum(x, 0) if i else x) @ w.T + b
    if x.shape[1] != 1:
        raise ArrayError(f"expected one output, got {x.shape[1]}")
    return np.asarray(np.nan_to_num(x[:, 0], nan=0.0) * np.asarray(instance_score, np.float64))


def _checked(
    heatmaps: npt.ArrayLike, offsets: npt.ArrayLike
) -> tuple[npt.NDArray[np.floating], npt.NDArray[np.floating]]:
    maps = checked_maps(heatmaps, "heatmaps", "K + 1, H, W", empty=False, order="K")
    shifts = checked_maps(offsets, "offsets", "2 K, H, W", order="K")
    if shifts.shape != (2 * (len(maps) - 1), *maps.shape[1:]):
        raise ArrayError(
            f"expected heatmaps (K + 1, H, W) and offsets (2 K, H, W), got {maps.shape}, "
            f"{shifts.shape}"
        )
    return maps.astype(np.float32, copy=False), shifts.astype(np.float32, copy=False)


def _is_peak(image: npt.NDArray[np.floating], size: int) -> Bools:
    """Return which cells are the maximum of the square around them; beyond the map lies nothing."""
    r = size // 2
    padded = np.pad(image, r, constant_values=-np.inf)
    rows = np.lib.stride_tricks.sliding_window_view(padded, size, axis=0).max(-1)
    most = np.lib.stride_tricks.sliding_window_view(rows, size, axis=1).max(-1)
    return np.asarray(image == most)


def _upsampled(maps: Floats32) -> Floats32:
    """Upsample linearly so that cell i lies at pixel 4 i; the last cell is repeated."""

    def matrix(n: int) -> Floats:
        at = np.minimum(np.arange(n * STRIDE) / STRIDE, n - 1)
        low = np.minimum(at.astype(np.intp), max(n - 2, 0))
        out = np.zeros((n * STRIDE, n))
        out[np.arange(len(at)), low] = 1 - (at - low)
        out[np.arange(len(at)), np.minimum(low + 1, n - 1)] += at - low
        return out

    return resample(np.ascontiguousarray(maps), *(bands(matrix(n)) for n in maps.shape[1:]))
