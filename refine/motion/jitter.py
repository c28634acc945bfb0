"""Tracks of poses without jitter, jumps and gaps."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np

from refine._types import Bools, Floats, Indices, Smoothing
from refine.exceptions import ArrayError
from refine.geometry import keypoint_box
from refine.motion.arrays import Motion, Path as Paths, Seen, follow, present
from refine.motion.filters import median, one_euro, savgol
from refine.motion.frames import Frames, Track, frames_of, rate_of, tracks_of
from refine.motion.gaps import between, fillable, least_around, since
from refine.motion.learned.refiner import TEMPORAL, TemporalRefiner
from refine.motion.learned.trust import ROUNDS
from refine.oks import BOX_FRACTION
from refine.poses import Poses
from refine.refiner.shared import load_once
from refine.skeletons import Skeleton, usual_sigmas

SMOOTHINGS: tuple[Smoothing, ...] = get_args(Smoothing)
FILLINGS = ("paths", "learned", "linear", "pchip")
PATHS = ("paths", "learned")
"""Methods that know where a joint is when it is missing."""

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
    weights: str | Path = TEMPORAL,
) -> Poses:
    """Remove jitter and jumps of every track's joints; joints that are missing stay so.

    Args:
        poses: with tracks, or one pose per image; images with the numbers of their frames.
        fps: frames per second; by default as the file tells.
        method: "paths", see `refine.motion.arrays`, which looks both ways and leaves jumps out;
            "learned", the same with a network that tells which places are wrong; "one-euro", which
            looks back only; "savgol"; "median".
        motion: of "paths" and "learned".
        window_s: of "savgol" and "median".
        weights: of "learned", see `TemporalRefiner.load`.

    Raises:
        FormatError: see `frames_of` and `tracks_of`.
        ArrayError: no frames per second, or an unknown method.
        WeightsError: no such weights, or not for this skeleton.

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
    temporal = load_once(TemporalRefiner.load, weights) if method == "learned" else None
    for track in tracks_of(poses, frames_of(poses)):
        if method in PATHS:
            seen = look_at(poses, track, rate, track.frame, guessed)
            places = path_of(seen, poses.skeleton, motion, temporal).xy
        else:
            time = track.frame / rate
            places = filters[method](poses.xy[track.rows], time, body_size(poses, track, rate))
        places = np.where(poses.present[track.rows][..., None], places.round(DECIMALS), np.nan)
        moved += int((places != xy[track.rows]).any(-1)[poses.present[track.rows]].sum())
        xy[track.rows] = places
    return poses.replace(xy=xy).done(
        "smooth", _hash(temporal), joints=moved, method=method, fps=rate
    )


def fill_gaps(
    poses: Poses,
    fps: float | None = None,
    method: str = "paths",
    *,
    longest_s: float = LONGEST_GAP_S,
    motion: Motion | None = None,
    weights: str | Path = TEMPORAL,
) -> Poses:
    """Fill joints and whole poses that a track lacks for a while, between frames that have them.

    Poses that are added come behind the others. What is filled has a lower score the longer its
    gap: that of the frames around, times the keypoint similarity to be expected; the flag of what
    is filled in ground truth is `LABELLED`.

    Args:
        poses: with tracks, or one pose per image; images with the numbers of their frames.
        fps: frames per second; by default as the file tells.
        method: "paths", see `refine.motion.arrays`, by noise, motion and the joints around;
            "learned", the same with a network that tells which places are wrong; "linear" or
            "pchip", between the places before and after.
        longest_s: longest gap that is filled.
        motion: of "paths" and "learned".
        weights: of "learned", see `TemporalRefiner.load`.

    Raises:
        FormatError: see `frames_of` and `tracks_of`.
        ArrayError: no frames per second, or an option out of range.
        WeightsError: no such weights, or not for this skeleton.

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
    temporal = load_once(TemporalRefiner.load, weights) if method == "learned" else None
    added = [poses]
    xy, score, guessed = poses.xy.copy(), poses.score.copy(), filled_joints(poses)
    filled = 0
    for track in tracks_of(poses, frames):
        image, frame, at = _all_frames(track, frames)
        seen = look_at(poses, track, rate, frame, guessed)
        given, path = seen.xy, path_of(seen, poses.skeleton, motion, temporal)
        own = np.where(~present(given), np.nan, _scores(poses, track, at, len(frame)))
        places = path.xy if method in PATHS else between(given, frame / rate, method)
        fits = fillable(present(given), frame / rate, longest_s)
        new = fits & present(places)
        sure = _certainty(poses, track, rate, path.variance, frame)
        around = least_around(own, fits)
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
    return out.done("gaps", _hash(temporal), joints=filled, poses=count, method=method, fps=rate)


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


def look_at(poses: Poses, track: Track, rate: float, frame: Indices, guessed: Bools) -> Seen:
    """Return what there is to go by of a track on some frames, which have all of its own.

    Args:
        poses: with the track.
        track: of `tracks_of`.
        rate: frames per second.
        frame: (T,) rising.
        guessed: of `filled_joints`.
    """
    at = np.searchsorted(frame, track.frame)
    given = np.full((len(frame), len(poses.skeleton), 2), np.nan)
    given[at] = poses.xy[track.rows]
    time = frame / rate
    if guessed[track.rows].any():
        known = present(given)
        known[at] &= ~guessed[track.rows]
        given[~known & (since(known, time) <= TRUSTED_S)] = np.nan
    size = np.interp(frame, track.frame, body_size(poses, track, rate))
    return Seen(given, time, size, _expected_variance(poses, track, size, at))


def path_of(
    seen: Seen,
    skeleton: Skeleton,
    motion: Motion | None = None,
    temporal: TemporalRefiner | None = None,
) -> Paths:
    """Return the paths of a track's joints, see `follow`.

    Args:
        seen: the track.
        skeleton: of its joints.
        motion: how people move.
        temporal: what tells how far each place is to be trusted.

    Raises:
        WeightsError: the temporal refiner does not serve the skeleton.
    """
    tied = neighbours_of(skeleton)
    path = follow(seen.xy, seen.time, seen.size, tied, motion, seen.variance)
    if temporal is None:
        return path
    for _ in range(ROUNDS):
        trust = temporal.trust(seen, path, skeleton)
        path = follow(seen.xy, seen.time, seen.size, tied, motion, trust)
    return path


def _hash(temporal: TemporalRefiner | None) -> str | None:
    return temporal.weights if temporal else None


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


def _certainty(poses: Poses, track: Track, rate: float, variance: Floats, frame: Indices) -> Floats:
    """Return keypoint similarities (T, K) to be expected of places of some variance."""
    size = np.interp(frame, track.frame, body_size(poses, track, rate))
    scale = (2 * usual_sigmas(poses.skeleton) * size[:, None]) ** 2
    return np.asarray(1 / (1 + variance / scale))


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
