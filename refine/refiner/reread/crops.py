"""Reading the heatmaps of crops again with what the other joints and the other people say."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, cast

import numpy as np
import numpy.typing as npt

from refine._types import Bools, Floats, Floats32, Indices
from refine.decoding import Preset, RawHeatmaps, decode, get_preset
from refine.decoding.heatmap.outputs import HeatmapOptions, place_maps
from refine.decoding.maps.local_maxima import find_peaks, refine_peaks
from refine.decoding.outputs import options_for
from refine.exceptions import ArrayError
from refine.geometry import Crop, Grid, keypoint_box
from refine.oks import BOX_FRACTION, pairwise_oks
from refine.poses import Poses
from refine.refiner.apply import XY_DECIMALS
from refine.refiner.belief import Belief, SupportsBelief
from refine.refiner.reread.kernels import read, weigh
from refine.rescore import replace_scores

POWER = 3.0
"""Sharpens maps to posteriors; 2 to 4 are within .003 AP of one another on two real networks."""
PULL = 0.15
"""Weight of the prior in the logarithm of the posterior, for spreads as the refiner gives them.
None at all gives the same AP within .0015 on two real networks; twice as much loses a little."""
REACH = 6.0
"""Spreads beyond which a peak is not any less likely: the prior has heavy tails."""
TAKEN = 0.1
"""Weight left to a peak on which another person has the same joint with a higher score."""
BLEND = 0.15
"""Part of the way from the map's answer to what the refiner believes of the pose."""
STEP = 0.1
"""The longest such way, over the distance at which similarity falls to exp(-1/2)."""
LEAST = 0.3
"""Cells: no person is smaller than sigmas of this size."""
LOWEST = 0.05
"""Peaks below this part of a map's highest are noise."""
BORDER = 2.0
"""Cells from the border within which expectations lean inward; there the peak's own fit counts."""
SAME = 0.5
"""OKS from which two poses are one person seen twice, who does not rival itself."""


class Reading(NamedTuple):
    """What maps say of N poses on second thoughts.

    Attributes:
        xy: (N, K, 2) cells, NaN where a map has no peak.
        score: (N, K) value of the map at the peak that was chosen, NaN where there is none.
        moved: (N, K) whether another peak than the highest was chosen.
    """

    xy: Floats
    score: Floats
    moved: Bools


def reread_maps(
    maps: npt.ArrayLike,
    sigma: npt.ArrayLike,
    expected: npt.ArrayLike | None = None,
    spread: npt.ArrayLike | None = None,
    rival_xy: npt.ArrayLike | None = None,
    rival_score: npt.ArrayLike | None = None,
    *,
    power: float = POWER,
    pull: float = PULL,
) -> Reading:
    """Read one keypoint out of every map where the expected similarity is highest.

    The posterior is the map to a power; each of its modes as a whole is weighted by how far its
    peak lies from where it is expected, and by whether it is another person's. So a prior
    chooses between peaks and never drags one. The result maximises the expected keypoint
    similarity, exp(-d^2 / (2 sigma^2)), under that posterior.

    Args:
        maps: (N, K, H, W), any amplitude.
        sigma: (N, K) cells, 2 * sqrt(area) * the joint's OKS sigma.
        expected: (N, K, 2) cells where the other joints would have it; NaN or None: nothing.
        spread: (N, K) cells, the Laplace scale of that expectation.
        rival_xy: (N, M, K, 2) cells of each map, the joints of M other people; NaN: none.
        rival_score: (N, M, K) heights of their peaks, in the units of `maps`.
        power: sharpens the maps.
        pull: weight of the expectation.

    Raises:
        ArrayError: shapes that do not agree, or a number out of range.

    >>> y, x = np.mgrid[:64, :48]
    >>> def bump(at):
    ...     return np.exp(-((x - at) ** 2 + (y - 20) ** 2) / 8)
    >>> two = (bump(10.2) + 0.9 * bump(38.6))[None, None]
    >>> reread_maps(two, [[3.0]]).xy[0, 0].round(1).tolist()
    [10.2, 20.0]
    >>> reread_maps(two, [[3.0]], [[[38.0, 22.0]]], [[2.0]]).xy[0, 0].round(1).tolist()
    [38.6, 20.0]
    """
    stack = np.asarray(maps)
    if stack.ndim != 4 or stack.dtype.kind not in "fiu" or 0 in stack.shape[2:]:
        raise ArrayError(
            f"expected heatmaps (N, K, H, W) of real numbers, got {stack.dtype} {stack.shape}",
            hint="maps[None] for one pose" if stack.ndim == 3 else None,
        )
    n, k, height, width = stack.shape
    rivals = 0 if rival_score is None else np.atleast_3d(np.asarray(rival_score)).shape[1]
    blur = _shaped("sigma", sigma, (n, k), 1.0)
    where = _shaped("expected", expected, (n, k, 2), np.nan)
    scale = _shaped("spread", spread, (n, k), np.nan)
    others = _shaped("rival_xy", rival_xy, (n, rivals, k, 2), np.nan)
    heights = _shaped("rival_score", rival_score, (n, rivals, k), np.nan)
    if not (np.isfinite(blur).all() and (blur > 0).all()):
        raise ArrayError("expected positive sigmas")
    if not (power > 0 and pull >= 0 and np.isfinite(power * pull)):
        raise ArrayError(f"expected a positive power and a pull from 0, got {power} and {pull}")
    flat: Floats32 = stack.reshape(n * k, height, width).astype(np.float32)
    highest = flat.max((1, 2), initial=0.0)
    usable = np.isfinite(flat).all((1, 2)) & (highest > 0)
    flat[~usable] = 0.0
    flat /= np.where(usable, highest, 1.0)[:, None, None]
    peaks = find_peaks(flat, LOWEST)
    fitted = refine_peaks(flat, peaks, "fit")
    value = peaks.value * np.repeat(highest, np.diff(peaks.start))
    weight = weigh(
        peaks.start, fitted, value, where, scale, blur, others, heights, pull, REACH, TAKEN
    )
    xy, mode = np.full((n * k, 2), np.nan), np.empty(n * k, np.int64)
    read(flat, peaks.start, fitted, weight, blur.ravel(), power, xy, mode)
    found = mode >= 0
    score, moved = np.full(n * k, np.nan), np.zeros(n * k, bool)
    score[found] = value[mode[found]]
    moved[found] = peaks.value[mode[found]] < 1
    edge = (xy < BORDER) | (xy > np.array([width, height]) - 1 - BORDER)
    own = found & edge.any(1)
    xy[own] = fitted[mode[own]]
    return Reading(xy.reshape(n, k, 2), score.reshape(n, k), moved.reshape(n, k))


def _shaped(
    name: str, array: npt.ArrayLike | None, shape: tuple[int, ...], default: float
) -> Floats:
    if array is None:
        return np.full(shape, default)
    got = np.ascontiguousarray(array, np.float64)
    if got.shape != shape:
        raise ArrayError(f"expected {name} {shape}, got {got.shape}")
    return got


def leave_one_out(
    refiner: SupportsBelief, poses: Poses, progress: Callable[[int], None] | None = None
) -> tuple[Floats, Floats]:
    """Ask the refiner for each joint of poses as if it alone were missing.

    Args:
        refiner: its skeleton shares joints with that of the poses.
        poses: N poses.
        progress: called with the number of rows done, of K * N in all.

    Returns:
        xy (N, K, 2) px and its Laplace scale (N, K) px, from the other joints; NaN for joints
        that the refiner does not know.

    Raises:
        WeightsError: the skeletons share too few joints.
    """
    n, k = len(poses), len(poses.skeleton)
    xy, score = np.repeat(poses.xy[None], k, 0), np.repeat(poses.score[None], k, 0)
    joint = np.arange(k)
    xy[joint, :, joint] = np.nan
    score[joint, :, joint] = np.nan
    # Copies of the images, so that a pose is not its own neighbour.
    image = poses.image + joint[:, None] * len(poses.images)
    copies = poses[np.tile(np.arange(n), k)].replace(
        xy=xy.reshape(-1, k, 2),
        score=score.reshape(-1, k),
        image=image.ravel(),
        images=poses.images * k,
    )
    belief = refiner.believe(copies, progress)
    there = belief.xy.reshape(k, n, k, 2)[joint, :, joint]
    spread = belief.sigma_px.reshape(k, n, k)[joint, :, joint]
    return np.ascontiguousarray(there.transpose(1, 0, 2)), np.ascontiguousarray(spread.T)


def reread_heatmaps(
    raws: Sequence[RawHeatmaps],
    preset: str | Preset,
    refiner: SupportsBelief,
    *,
    progress: Callable[[int], None] | None = None,
    **options: Any,
) -> Poses:
    """Decode heatmaps of crops, then read them again with what the refiner thinks of the poses.

    Args:
        raws: of any number of images; those of an image belong together.
        preset: the system that made the maps.
        refiner: see `leave_one_out`.
        progress: see `leave_one_out`.
        options: of the decoder, for the first reading.

    Returns:
        poses with `score_kind` "peak". The instance score is the box's times the mean of the
        peaks, weighted by the mean of the peak and of the probability that an annotator labels
        the joint. What the preset would have said is kept in ``extra["source_score"]``.

    Raises:
        SkeletonError: the skeleton has no OKS sigmas.
        RefineError: see `refine.decoding.decode` and `leave_one_out`.
    """
    system = get_preset(preset)
    first = Poses.concat([decode(raw, system, **options) for raw in raws])
    sigmas = first.skeleton.require_sigmas(derived=False)
    side = person_side(first)
    there, spread = leave_one_out(refiner, first, progress)
    rivals = find_rivals(first, side)
    xy, score, moved, done = first.xy.copy(), first.score.copy(), 0, 0
    for raw in raws:
        rows = slice(done, done + len(raw))
        done += len(raw)
        if not len(raw):
            continue
        chosen = cast(HeatmapOptions, options_for(raw, system, options))
        placed = place_maps(raw, chosen)
        unit = cells_per_px(placed.crop, placed.grid)[:, None]
        others = rivals[rows]
        other_xy = np.where((others >= 0)[..., None, None], first.xy[others], np.nan)
        other_score = np.where((others >= 0)[..., None], first.score[others], np.nan)
        scale, offset = chosen.score_scale, chosen.score_offset
        reading = reread_maps(
            placed.maps,
            np.maximum(2 * sigmas * side[rows, None] * unit, LEAST),
            placed.to_cells(there[rows]),
            spread[rows] * unit,
            placed.to_cells(other_xy),
            (other_score - offset) / scale,
        )
        xy[rows] = placed.to_image(reading.xy)
        score[rows] = reading.score * scale + offset
        moved += int(reading.moved.sum())
    found = np.asarray(np.isfinite(xy).all(-1))
    read_again = first.replace(xy=np.where(found[..., None], xy, first.xy), score=score)
    box_score = np.concatenate([raw.box_score for raw in raws])
    belief = refiner.believe(read_again)
    xy = lean_toward(read_again, belief, side)
    instance = peak_scores(read_again, belief.annotated, box_score)
    done_again = replace_scores(read_again.replace(xy=xy), instance)
    return done_again.done("reread", refiner.weights, joints=moved)


def cells_per_px(crop: Crop, grid: Grid) -> Floats:
    """Return how many cells a px of the image is, (N,), the geometric mean of both axes."""
    cells = grid.to_cells(np.ones(2)) - grid.to_cells(np.zeros(2))
    return np.asarray(crop.scale * np.sqrt(np.prod(cells)))


def lean_toward(poses: Poses, belief: Belief, side: Floats) -> Floats:
    """Lean poses that were read off maps a little toward what is believed of them.

    Args:
        poses: N poses.
        belief: of the same poses.
        side: (N,) px, square root of the area.

    Returns:
        (N, K, 2) px: `BLEND` of the way, and no further than `STEP` allows.
    """
    most = STEP * 2 * poses.skeleton.require_sigmas(derived=False) * side[:, None]
    step = np.nan_to_num(BLEND * (belief.xy - poses.xy))
    length = np.linalg.norm(step, axis=-1)
    step *= np.minimum(1.0, most / np.maximum(length, 1e-9))[..., None]
    return np.asarray((poses.xy + step).round(XY_DECIMALS))


def peak_scores(poses: Poses, annotated: Floats, box_score: Floats) -> Floats:
    """Score poses that were read off maps: the box's score times a weighted mean of the peaks.

    Args:
        poses: N poses, keypoint scores in [0, 1].
        annotated: (N, K) probability that an annotator labels the joint, NaN where unknown.
        box_score: (N,), NaN where there is none.

    Returns:
        (N,).
    """
    peak = np.clip(np.nan_to_num(poses.score), 0.0, 1.0)
    weight = (np.where(np.isfinite(annotated), annotated, peak) + peak) / 2
    mean = (weight * peak).sum(1) / np.maximum(weight.sum(1), 1e-9)
    return np.asarray(mean * np.where(np.isnan(box_score), 1.0, box_score))


def person_side(poses: Poses) -> Floats:
    """Return the square root of every person's area, (N,) px, from its box or its joints."""
    box = keypoint_box(poses.xy)
    if poses.box is not None:
        box = np.where(np.isfinite(poses.box), poses.box, box)
    area = np.prod(np.maximum(box[:, 2:] - box[:, :2], 0.0), axis=1)
    return np.asarray(np.sqrt(BOX_FRACTION * np.nan_to_num(area)))


def find_rivals(poses: Poses, side: Floats) -> Indices:
    """Return the other people of every pose's image, (N, M) indices, -1 where there are no more.

    Poses alike enough to be the same person are left out.
    """
    sigmas = poses.skeleton.require_sigmas(derived=False)
    found: list[Indices] = [np.empty(0, np.intp)] * len(poses)
    for _, rows in poses.by_image():
        area = np.minimum(side[rows, None], side[rows]) ** 2
        alike = pairwise_oks(poses.xy[rows], poses.xy[rows], area, sigmas) > SAME
        np.fill_diagonal(alike, True)
        for row, same in zip(rows, alike, strict=True):
            found[row] = rows[~same]
    out = np.full((len(poses), max(map(len, found), default=0)), -1, np.intp)
    for row, others in enumerate(found):
        out[row, : len(others)] = others
    return out
