"""Tracks of poses without jitter, jumps and gaps."""

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import get_args

import numpy as np
from scipy.interpolate import PchipInterpolator

from refine._types import Bools, Floats, Indices, Smoothing
from refine.exceptions import ArrayError
from refine.geometry import keypoint_box
from refine.motion.arrays import Motion, Path, follow, present
from refine.motion.filters import median, one_euro, savgol
from refine.motion.frames import Frames, Track, frames_of, rate_of, tracks_of
from refine.oks import BOX_FRACTION
from refine.poses import Poses
from refine.skeletons import Skeleton, usual_sigmas

SMOOTHINGS: tuple[Smoothing, ...] = get_args(Smoothing)
FILLINGS = ("paths", "linear", "pchip")

LONG = 0.6
"""Of the longer side; chosen with the constants of `Motion`."""
SIZE_WINDOW_S = 1.0
"""Over which a body keeps its size: its joints' box shrinks where some are missing."""
CHUNK = 10_000
"""Windows that are looked at together."""
LONGEST_GAP_S = 0.5
"""Of gaps that are filled."""
TRUSTED_S = 1.0
"""From a joint's nearest known place, within which its path counts and not what the refiner makes
of one frame alone, which errs more."""
DECIMALS = 3
"""Of px; no source is right to more."""
KIND_FIELDS = ("category_id", "label")
"""Fields that tell of what kind a body is: the same in all poses of a track."""
LABELLED = 1.0
"""Flag of a joint with a place that nobody saw: COCO's v of labelled, but not visible."""


def smooth(
    poses: Poses,
    fps: float | None = None,
    method: str = "paths",
    *,
    motion: Motion | None = None,
    window_s: float = 0.35,
) -> Poses:
    """Remove jitter and jumps of every track's joints; joints that are missing stay so.

    Args:
        poses: with tracks, or one pose per image; images with the numbers of their frames.
        fps: frames per second; by default as the file tells.
        method: "paths", see `refine.motion.arrays`, which looks both ways and leaves jumps out;
            "one-euro", which looks back only; "savgol"; "median".
        motion: of "paths".
        window_s: of "savgol" and "median".

    Raises:
        FormatError: see `frames_of` and `tracks_of`.
        ArrayError: no frames per second, or an unknown method.

    >>> from refine.poses import ImageRef
    >>> images = [ImageRef(i) for i in range(50)]
    >>> xy = np.random.default_rng(0).normal(100, 5, (50, 17, 2)) + np.arange(17)[:, None] * 9
    >>> jittery = Poses.from_arrays("coco17", xy, image=range(50), images=images)
    >>> calm = smooth(jittery, fps=25)
    >>> bool(calm.xy.std(0).mean() < jittery.xy.std(0).mean() / 2)
    True
    """
    if method not in SMOOTHINGS:
        raise ArrayError(f"expected a method out of {', '.join(SMOOTHINGS)}, got {method!r}")
    rate = rate_of(poses, fps)
    filters: dict[str, Callable[[Floats, Floats, Floats], Floats]] = {
        "one-euro": one_euro,
        "savgol": lambda xy, time, _: savgol(xy, time, window_s=window_s),
        "median": lambda xy, time, _: median(xy, time, window_s=window_s),
    }
    xy, moved, guessed = poses.xy.copy(), 0, filled_joints(poses)
    for track in tracks_of(poses, frames_of(poses)):
        if method == "paths":
            places = _path(poses, track, rate, motion, track.frame, guessed)[1].xy
        else:
            time = track.frame / rate
            places = filters[method](poses.xy[track.rows], time, body_size(poses, track, rate))
        places = np.where(poses.present[track.rows][..., None], places.round(DECIMALS), np.nan)
        moved += int((places != xy[track.rows]).any(-1)[poses.present[track.rows]].sum())
        xy[track.rows] = places
    return poses.replace(xy=xy).done("smooth", joints=moved, method=method, fps=rate)


def fill_gaps(
    poses: Poses,
    fps: float | None = None,
    method: str = "paths",
    *,
    longest_s: float = LONGEST_GAP_S,
    motion: Motion | None = None,
) -> Poses:
    """Fill joints and whole poses that a track lacks for a while, between frames that have them.

    Poses that are added come behind the others. What is filled has a lower score the longer its
    gap: that of the frames around, times the keypoint similarity to be expected; the flag of what
    is filled in ground truth is `LABELLED`.

    Args:
        poses: with tracks, or one pose per image; images with the numbers of their frames.
        fps: frames per second; by default as the file tells.
        method: "paths", see `refine.motion.arrays`, by noise, motion and the joints around;
            "linear" or "pchip", between the places before and after.
        longest_s: longest gap that is filled.
        motion: of "paths".

    Raises:
        FormatError: see `frames_of` and `tracks_of`.
        ArrayError: no frames per second, or an option out of range.

    >>> from refine.poses import ImageRef
    >>> images = [ImageRef(i) for i in range(9)]
    >>> xy = np.arange(9)[:, None, None] * np.ones((17, 2)) + np.arange(17)[:, None] * 9
    >>> xy[4, 3] = np.nan
    >>> whole = Poses.from_arrays("coco17", xy, image=range(9), images=images)
    >>> fill_gaps(whole, fps=25, method="linear").xy[4, 3].tolist()
    [31.0, 31.0]
    """
    if method not in FILLINGS:
        raise ArrayError(f"expected a method out of {', '.join(FILLINGS)}, got {method!r}")
    if not 0 < longest_s < np.inf:
        raise ArrayError(f"expected a longest gap above 0 s, got {longest_s}")
    rate, frames = rate_of(poses, fps), frames_of(poses)
    added = [poses]
    xy, score, guessed = poses.xy.copy(), poses.score.copy(), filled_joints(poses)
    filled = 0
    for track in tracks_of(poses, frames):
        image, frame, at = _all_frames(track, frames)
        given, path = _path(poses, track, rate, motion, frame, guessed)
        own = np.where(~present(given), np.nan, _scores(poses, track, at, len(frame)))
        places = path.xy if method == "paths" else _between(given, frame / rate, method)
        fits = _fillable(present(given), frame / rate, longest_s)
        new = fits & present(places)
        sure = _certainty(poses, track, rate, path.variance, frame)
        around = _least_around(own, fits)
        found = np.where(new[..., None], places.round(DECIMALS), given)
        told = LABELLED if poses.score_kind == "flag" else around * sure
        value = np.where(new, told, own)
        filled += int(new.sum())
        xy[track.rows], score[track.rows] = found[at], value[at]
        absent = np.setdiff1d(np.arange(len(frame)), at)
        absent = absent[new[absent].any(1)]
        if len(absent):
            added.append(_poses(poses, track, image[absent], found[absent], value[absent]))
    parts = [added[0].replace(xy=xy, score=score), *added[1:]]
    out = Poses.concat(parts).replace(meta=poses.meta)
    count = len(out) - len(poses)
    return out.done("gaps", joints=filled, poses=count, method=method, fps=rate)


def body_size(poses: Poses, track: Track, rate: float) -> Floats:
    """Return the root of a body's area (T,) in px, which changes slowly.

    That of `BOX_FRACTION` of its joints' box or, for boxes that are long and thin, `LONG` of it.
    """
    corners = np.nan_to_num(keypoint_box(poses.xy[track.rows]))
    sides = corners[:, 2:] - corners[:, :2]
    root = np.maximum(np.sqrt(BOX_FRACTION * sides.prod(1)), LONG * sides.max(1))
    known = root > 0
    if not known.any():
        return np.ones(len(root))
    time = track.frame / rate
    low = np.searchsorted(time, time - SIZE_WINDOW_S / 2)
    high = np.searchsorted(time, time + SIZE_WINDOW_S / 2, "right")
    out = _medians(np.where(known, root, np.nan), low, high)
    out = np.where(np.isnan(out), np.median(root[known]), out)
    return np.maximum(out, 1.0)


def _medians(values: Floats, low: Indices, high: Indices) -> Floats:
    """Return the medians (T,) of windows, of what is no NaN there; NaN where all is."""
    out = np.full(len(values), np.nan)
    gone = np.concatenate([[0], np.cumsum(np.isnan(values))])
    whole, length = gone[high] == gone[low], high - low
    for size in np.unique(length[whole]).tolist():
        at = np.flatnonzero(whole & (length == size))
        for part in np.split(at, range(CHUNK, len(at), CHUNK)):
            out[part] = np.median(values[low[part, None] + np.arange(size)], axis=1)
    for t in np.flatnonzero(~whole):
        near = values[low[t] : high[t]]
        near = near[~np.isnan(near)]
        out[t] = np.median(near) if len(near) else np.nan
    return out


def filled_joints(poses: Poses) -> Bools:
    """Tell which joints (N, K) the source did not have: those that its own scores leave out.

    >>> from refine.poses import Poses
    >>> poses = Poses.from_arrays("coco17", np.zeros((1, 17, 2)))
    >>> own = [0.5] * 16 + [None]
    >>> filled_joints(poses.replace(extra=({"source_scores": own},)))[0].sum()
    np.int64(1)
    """
    filled = np.zeros(poses.score.shape, np.bool_)
    for row, extra in zip(filled, poses.extra, strict=True):
        own = extra.get("source_scores")
        if isinstance(own, list) and len(own) == len(row) and any(own):
            row[:] = [not score for score in own]
    return filled & poses.present


def neighbours_of(skeleton: Skeleton) -> tuple[tuple[int, ...], ...]:
    """Return the joints that each joint has an edge with.

    >>> from refine.skeletons.registry import skeleton
    >>> body = skeleton("coco17")
    >>> sorted(body.joints[j] for j in neighbours_of(body)[body.index("left_knee")])
    ['left_ankle', 'left_hip']
    """
    tied: list[list[int]] = [[] for _ in skeleton.joints]
    for a, b in skeleton.edges:
        tied[a].append(b)
        tied[b].append(a)
    return tuple(map(tuple, tied))


def _path(
    poses: Poses,
    track: Track,
    rate: float,
    motion: Motion | None,
    frame: Indices,
    guessed: Bools,
) -> tuple[Floats, Path]:
    """Return a track's joints (T, K, 2) on some frames, and their paths.

    Joints that the refiner filled from one frame alone are missing where other frames are near.
    """
    at = np.searchsorted(frame, track.frame)
    given = np.full((len(frame), len(poses.skeleton), 2), np.nan)
    given[at] = poses.xy[track.rows]
    if guessed[track.rows].any():
        known = present(given)
        known[at] &= ~guessed[track.rows]
        given[~known & (_since(known, frame / rate) <= TRUSTED_S)] = np.nan
    size = np.interp(frame, track.frame, body_size(poses, track, rate))
    variance = _expected_variance(poses, track, size, at)
    tied = neighbours_of(poses.skeleton)
    return given, follow(given, frame / rate, size, tied, motion, variance)


def _expected_variance(poses: Poses, track: Track, size: Floats, at: Indices) -> Floats | None:
    """Return the variance (T, K) in px^2 that expected keypoint similarities stand for."""
    if poses.score_kind != "expected_ks":
        return None
    # Of a 2-D normal error the expected similarity is 1 / (1 + variance / (2 sigma size)^2).
    score = _scores(poses, track, at, len(size))
    scale = (2 * usual_sigmas(poses.skeleton) * size[:, None]) ** 2
    return np.asarray(scale * (1 / np.clip(score, 0.02, 0.98) - 1))


def _all_frames(track: Track, frames: Frames) -> tuple[Indices, Indices, Indices]:
    """Return images and frames from a track's first to its last, and where its poses are there."""
    own = np.flatnonzero(frames.video == track.video)
    inside = own[(frames.number[own] >= track.frame[0]) & (frames.number[own] <= track.frame[-1])]
    image = inside[np.argsort(frames.number[inside])]
    frame = frames.number[image]
    return image, frame, np.searchsorted(frame, track.frame)


def _scores(poses: Poses, track: Track, at: Indices, count: int) -> Floats:
    score = np.full((count, len(poses.skeleton)), np.nan)
    score[at] = poses.score[track.rows]
    return score


def _fillable(there: Bools, time: Floats, longest_s: float) -> Bools:
    """Tell the frames of joints (T, K) that lie in a gap, not too long, between two places."""
    fits = np.zeros_like(there)
    for k in range(there.shape[1]):
        known = np.flatnonzero(there[:, k])
        for a, b in pairwise(known.tolist()):
            if b - a > 1 and time[b] - time[a] <= longest_s:
                fits[a + 1 : b, k] = True
    return fits


def _since(there: Bools, time: Floats) -> Floats:
    """Return the time (T, K) from the nearest frame in which a joint is there."""
    when = np.where(there, time[:, None], -np.inf)
    before = time[:, None] - np.maximum.accumulate(when)
    ahead = np.minimum.accumulate(np.where(there, when, np.inf)[::-1])[::-1] - time[:, None]
    return np.asarray(np.minimum(before, ahead))


def _least_around(score: Floats, gap: Bools) -> Floats:
    """Return, inside gaps, the lesser of the scores (T, K) before and after."""
    out = np.full_like(score, np.nan)
    for k in range(score.shape[1]):
        edges = np.flatnonzero(np.diff(np.r_[False, gap[:, k], False].astype(np.int8)))
        for start, end in edges.reshape(-1, 2):
            out[start:end, k] = min(score[start - 1, k], score[end, k])
    return out


def _certainty(poses: Poses, track: Track, rate: float, variance: Floats, frame: Indices) -> Floats:
    """Return keypoint similarities (T, K) to be expected of places of some variance."""
    size = np.interp(frame, track.frame, body_size(poses, track, rate))
    scale = (2 * usual_sigmas(poses.skeleton) * size[:, None]) ** 2
    return np.asarray(1 / (1 + variance / scale))


def _between(xy: Floats, time: Floats, method: str) -> Floats:
    out = np.full_like(xy, np.nan)
    for k in range(xy.shape[1]):
        known = np.flatnonzero(present(xy[:, k]))
        if len(known) < 2:
            continue
        for c in range(2):
            if method == "linear":
                out[:, k, c] = np.interp(time, time[known], xy[known, k, c])
            else:
                out[:, k, c] = PchipInterpolator(time[known], xy[known, k, c])(time)
    return out


def _poses(poses: Poses, track: Track, image: Indices, xy: Floats, score: Floats) -> Poses:
    """Return poses of a track on images where it had none, like its others but for the places."""
    n = len(image)
    new = poses[np.repeat(track.rows[:1], n)]
    kind = {f: v for f, v in poses.extra[track.rows[0]].items() if f in KIND_FIELDS}
    known = np.isfinite(poses.instance_score[track.rows])
    return replace(
        new,
        xy=xy,
        score=score,
        instance_score=np.nanmean(np.where(present(xy), score, np.nan), 1)
        if np.isfinite(score).any(1).all() and known.any()
        else np.full(n, np.nan),
        image=image,
        box=None if poses.box is None else np.full((n, 4), np.nan),
        area=None if poses.area is None else np.full(n, np.nan),
        extra=(kind,) * n,
    )
