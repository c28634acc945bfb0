"""Reading the maps of a whole image again for the joints that grouping left out."""

from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from refine._types import Bools, Floats
from refine.decoding import Preset, RawImage, decode, get_preset
from refine.decoding.maps.check import checked_maps
from refine.decoding.maps.local_maxima import find_peaks, refine_peaks
from refine.decoding.outputs import options_for
from refine.decoding.paf.arrays import paf_limbs
from refine.decoding.paf.outputs import PafOptions, paf_arrays
from refine.exceptions import ArrayError
from refine.geometry import Crop, Grid
from refine.poses import Poses
from refine.refiner.apply import XY_DECIMALS
from refine.refiner.belief import SupportsBelief
from refine.refiner.reread.crops import (
    LEAST,
    Reading,
    cells_per_px,
    leave_one_out,
    person_side,
)
from refine.skeletons import Skeleton

FLOOR = 0.02
"""Peaks below this height are noise: grouping takes them from .05 to .15."""
EVIDENCE = 2.0
"""A peak at the floor is believed up to this many spreads from where a joint is expected; each
factor of e in height buys one spread more. Chosen on 25 pictures, three rule sets."""
HOLD = 3.0
"""Spreads by which another person must be nearer to its expectation for a peak to change hands."""


def find_left_out(
    maps: npt.ArrayLike,
    xy: npt.ArrayLike,
    sigma: npt.ArrayLike,
    expected: npt.ArrayLike,
    spread: npt.ArrayLike,
) -> Reading:
    """Give the peaks of an image's maps to the people who miss that joint.

    For every joint, peaks and people are matched so that the sum of
    ``EVIDENCE + log(height / FLOOR) - |dx| / spread - |dy| / spread`` is highest and none is
    negative. Whoever holds a peak already has a head start of `HOLD`; a person whose joint is
    present but at no peak keeps it.

    Args:
        maps: (K, H, W), heights in [0, 1].
        xy: (N, K, 2) cells, NaN where a joint was left out.
        sigma: (N, K) cells, 2 * sqrt(area) * the joint's OKS sigma: whose peak is whose.
        expected: (N, K, 2) cells where the other joints would have it, NaN: nothing.
        spread: (N, K) cells, the Laplace scale of that.

    Returns:
        xy in cells and the height of the peaks of what `moved`; the score is NaN elsewhere.

    Raises:
        ArrayError: shapes that do not agree, or maps that are not finite.

    >>> y, x = np.mgrid[:32, :32]
    >>> faint = 0.04 * np.exp(-((x - 20) ** 2 + (y - 9) ** 2) / 4)[None]
    >>> left_out = np.full((1, 1, 2), np.nan)
    >>> find_left_out(faint, left_out, [[2.0]], [[[17.0, 8.0]]], [[2.0]]).xy.round(2).tolist()
    [[[20.0, 9.0]]]
    """
    from scipy.optimize import linear_sum_assignment

    stack = checked_maps(maps, "maps", "K, H, W", empty=False)
    own = np.array(xy, np.float64)
    shape = (*own.shape[:1], len(stack), 2)
    where, scale, reach = (np.asarray(a, np.float64) for a in (expected, spread, sigma))
    for name, array, wanted in (
        ("xy", own, shape),
        ("expected", where, shape),
        ("spread", scale, shape[:2]),
        ("sigma", reach, shape[:2]),
    ):
        if array.shape != wanted:
            raise ArrayError(f"expected {name} {wanted}, got {array.shape}")
    if not np.isfinite(stack).all():
        raise ArrayError("expected finite maps")
    score, moved = np.full(shape[:2], np.nan), np.zeros(shape[:2], bool)
    peaks = find_peaks(stack, FLOOR)
    fitted = refine_peaks(stack, peaks, "fit")
    present = np.asarray(np.isfinite(own).all(-1))
    for j in range(shape[1]):
        rows = slice(peaks.start[j], peaks.start[j + 1])
        found = fitted[rows]
        if not len(found) or not len(own):
            continue
        has = present[:, j]
        holds = _held(own[:, j], found, reach[:, j])
        worth = EVIDENCE + np.log(peaks.value[rows] / FLOOR)
        worth = worth - (np.abs(where[:, j, None] - found).sum(-1) / scale[:, j, None])
        worth = np.where(holds, np.maximum(worth, 0) + HOLD, np.nan_to_num(worth, nan=-1.0))
        beside = has & ~holds.any(1)
        distance = np.linalg.norm(own[beside, j][:, None] - found, axis=-1)
        shadowed = (distance <= reach[beside, j][:, None]).any(0)
        # Who has the joint takes no other, and nobody takes what lies beside a joint.
        worth = np.where(holds | ~(has[:, None] | shadowed), worth, 0.0)
        person, peak = linear_sum_assignment(-np.maximum(worth, 0.0))
        given = worth[person, peak] > 0
        person, peak = person[given], peak[given]
        lost = np.asarray(holds.any(1))
        lost[person] = False
        own[lost, j] = np.nan
        moved[lost, j] = True
        new = ~holds[person, peak]
        own[person[new], j] = found[peak[new]]
        score[person[new], j] = peaks.value[rows][peak[new]]
        moved[person[new], j] = True
    return Reading(own, score, moved)


def _held(xy: Floats, peaks: Floats, reach: Floats) -> Bools:
    """Return (N, P): whether a person's joint is at the peak next to it, nobody nearer."""
    distance = np.nan_to_num(np.linalg.norm(xy[:, None] - peaks, axis=-1), nan=np.inf)
    held = (distance == distance.min(1, keepdims=True)) & (distance == distance.min(0))
    return np.asarray(held & (distance <= reach[:, None]))


def reread_images(
    raws: Sequence[RawImage],
    preset: str | Preset,
    refiner: SupportsBelief,
    *,
    progress: Callable[[int], None] | None = None,
    **options: Any,
) -> Poses:
    """Decode whole-image outputs, then look in the maps for the joints that were left out.

    Args:
        raws: of any number of images; those of an image belong together.
        preset: of family "paf".
        refiner: see `leave_one_out`.
        progress: see `leave_one_out`.
        options: of the family's decoder.

    Returns:
        the decoder's poses with more joints, their score the height of the map. What no peak
        speaks for stays missing.

    Raises:
        FormatError: arrays that do not fit the skeleton.
        WeightsError: the skeletons share too few joints.
    """
    system = get_preset(preset)
    parts = [decode(raw, system, **options) for raw in raws]
    poses = Poses.concat(parts)
    sigmas = poses.skeleton.require_sigmas(derived=False)
    side = person_side(poses)
    there, spread = leave_one_out(refiner, poses, progress)
    xy, score, moved, done = poses.xy.copy(), poses.score.copy(), 0, 0
    for raw, part in zip(raws, parts, strict=True):
        rows = slice(done, done + len(part))
        done += len(part)
        if not len(part):
            continue
        chosen = cast(PafOptions, options_for(raw, system, options))
        maps, grid = _place(raw, chosen, poses.skeleton)
        crop = Crop.from_matrix(np.repeat(raw.affine[None], len(part), 0), grid.input_size)
        unit = cells_per_px(crop, grid)[:, None]
        reading = find_left_out(
            maps,
            grid.to_cells(crop(xy[rows])),
            np.maximum(2 * sigmas * side[rows, None] * unit, LEAST),
            grid.to_cells(crop(there[rows])),
            spread[rows] * unit,
        )
        again = crop.inverse()(grid.to_input(reading.xy)).round(XY_DECIMALS)
        xy[rows] = np.where(reading.moved[..., None], again, xy[rows])
        score[rows] = np.where(reading.moved, reading.score, score[rows])
        moved += int(reading.moved.sum())
    return poses.replace(xy=xy, score=score).done("reread", refiner.weights, joints=moved)


def _place(raw: RawImage, options: PafOptions, skeleton: Skeleton) -> tuple[Floats, Grid]:
    """Return the maps in the order of a skeleton, empty where there are none, and their grid."""
    maps, _ = paf_arrays(raw, paf_limbs(options.skeleton.name))
    height, width = maps.shape[1:]
    size = raw.input_size or (round(width * options.stride), round(height * options.stride))
    index, _ = skeleton.map_from(options.skeleton)
    chosen = maps[index].astype(np.float64)
    chosen[index < 0] = 0.0
    return chosen, Grid((width, height), size, options.alignment, options.offset)
