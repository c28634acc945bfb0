"""Tracklets that are one body's: what comes after a loss is joined to what was before it.

Each end of a tracklet is compared with each beginning of another some seconds later: by where
either should be half way, by size, and by the lengths of limbs in relation to each other. All are
assigned at once (Jonker and Volgenant 1987), as each body goes on as one at most. Nobody is looked
at: bodies that are alike and far from where they should be stay apart.
"""

from typing import NamedTuple

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from refine._types import Floats, Indices
from refine.motion.frames import Track
from refine.motion.jitter import body_size
from refine.poses import Poses

END_S = 0.4
"""Of an end of a tracklet that its place, velocity and size are told from."""
LONGEST_LIMB = 0.8
"""Share of frames in which a limb looks shorter than it is taken to be."""
FADE_S = 0.75
"""After which somebody's velocity has decayed to 1/e. This and what follows was found by random
search on made-up crowds, others than ``tests/benchmarks/motion.py`` measures."""
DRIFT = (0.5, 1.2)
"""Body sizes by which places half way differ, and by how much more per second."""
WIDE = 33.0
"""Body sizes squared over which somebody else may begin."""
SIZES = (0.25, 0.6)
"""Differences of the logarithms of sizes, of one body and of two, 1 sigma."""
LIMBS = (0.13, 0.6)
"""The same of limbs, in relation to each other, and"""
LIMB_WEIGHT = 0.45
"""what a limb counts, as limbs are longer and shorter together."""


class _Tracklet(NamedTuple):
    """What is known of a body over one tracklet; its ends at index 0 and 1.

    Attributes:
        time: (2,) s.
        place: (2, 2) px.
        velocity: (2, 2) px/s.
        size: (2,) px.
        limbs: (E,) logarithms of lengths, their mean 0; NaN where never seen.
    """

    time: Floats
    place: Floats
    velocity: Floats
    size: Floats
    limbs: Floats


def joined_tracks(
    poses: Poses, tracks: list[Track], rate: float, longest_s: float, fixed: set[int]
) -> dict[int, int]:
    """Return the tracks that go on others: name, and that of the earliest of the body.

    Args:
        poses: with tracks.
        tracks: of one video.
        rate: frames per second.
        longest_s: from a tracklet's end to the beginning of what goes on it.
        fixed: names that stay as they are; of those, a body has one at most.
    """
    there = np.asarray(poses.present.any(1))
    known = [
        track._replace(rows=track.rows[there[track.rows]], frame=track.frame[there[track.rows]])
        for track in tracks
        if there[track.rows].any()
    ]
    parts = [_describe(poses, track, rate) for track in known]
    names = [track.name for track in known]
    body = {name: [name] for name in names}
    for a, b in _successions(parts, longest_s):
        one, two = body[names[a]], body[names[b]]
        if len(fixed.intersection([*one, *two])) < 2:
            one += two
            body |= dict.fromkeys(one, one)
    first = {track.name: (int(track.frame[0]), track.name) for track in known}
    kept = {
        n: min(fixed.intersection(each) or each, key=first.__getitem__) for n, each in body.items()
    }
    return {name: keep for name, keep in kept.items() if keep != name}


def _successions(parts: list[_Tracklet], longest_s: float) -> list[tuple[int, int]]:
    """Return the tracklets that go on others, as (earlier, later), the surest first."""
    start, end = (np.array([p.time[i] for p in parts]) for i in (0, 1))
    order = np.argsort(start, kind="stable")
    low = np.searchsorted(start[order], end, "right")
    high = np.searchsorted(start[order], end + longest_s, "right")
    before = np.repeat(np.arange(len(parts)), high - low)
    after = np.concatenate([order[a:b] for a, b in zip(low, high, strict=True)] or [order])
    if not len(before):
        return []
    gain = _gains(parts, before, after)
    n = len(parts)
    likely = gain > 0
    table = coo_array((gain[likely], (before[likely], after[likely])), (n, n)).tocsr()
    # Ends and beginnings are apart: rows first, columns behind.
    both = coo_array((gain[likely], (before[likely], n + after[likely])), (2 * n, 2 * n))
    found: list[tuple[float, int, int]] = []
    groups = connected_components(both, directed=False)[1]
    members: dict[int, list[int]] = {}
    for at, group in enumerate(groups.tolist()):
        members.setdefault(group, []).append(at)
    for each in members.values():
        rows, columns = [i for i in each if i < n], [i - n for i in each if i >= n]
        if rows and columns:
            own = table[rows][:, columns].toarray()
            for a, b in zip(*linear_sum_assignment(-own), strict=True):
                if own[a, b] > 0:
                    found.append((-own[a, b], rows[a], columns[b]))
    return [(a, b) for _, a, b in sorted(found)]


def _gains(parts: list[_Tracklet], before: Indices, after: Indices) -> Floats:
    """Return the nats (P,) by which tracklets rather go on than end where others begin."""
    time, place, speed, size, limbs = (np.array(values) for values in zip(*parts, strict=True))
    gap = time[after, 0] - time[before, 1]
    ends = size[before, 1], size[after, 0]
    run = FADE_S * (1 - np.exp(-gap / 2 / FADE_S))[:, None]
    here = place[before, 1] + run * speed[before, 1]
    there = place[after, 0] - run * speed[after, 0]
    d2 = ((here - there) ** 2).sum(-1) / (ends[0] * ends[1])
    variance = (DRIFT[0] + DRIFT[1] * gap) ** 2
    # Student's t of 4 degrees in the plane: people turn and stop.
    gain = -np.log(2 * np.pi * variance / WIDE) - 3 * np.log1p(d2 / (4 * variance))
    gain += _ratio(np.log(ends[1] / ends[0]), *SIZES)
    told = _ratio(limbs[before] - limbs[after], *LIMBS)
    return np.asarray(gain + LIMB_WEIGHT * np.where(np.isfinite(told), told, 0).sum(-1))


def _ratio(difference: Floats, same: float, other: float) -> Floats:
    """Return the log likelihood ratio of two normal errors, of no more weight than 3 sigma."""
    d2 = np.minimum(difference**2, 9 * other**2)
    return np.asarray(np.log(other / same) - d2 / 2 * (same**-2 - other**-2))


def _describe(poses: Poses, track: Track, rate: float) -> _Tracklet:
    time = track.frame / rate
    size = body_size(poses, track, rate)
    xy = poses.xy[track.rows]
    first, last = time <= time[0] + END_S, time >= time[-1] - END_S
    motions = _motion(xy[first], time[first], time[0]), _motion(xy[last], time[last], time[-1])
    a, b = np.array(poses.skeleton.edges, np.intp).reshape(-1, 2).T
    lengths = np.linalg.norm(xy[:, a] - xy[:, b], axis=-1)
    limbs = np.full(len(a), np.nan)
    seen = np.isfinite(lengths).any(0)
    if seen.any():
        long = np.nanquantile(lengths[:, seen], LONGEST_LIMB, axis=0)
        limbs[seen] = np.log(np.maximum(long, 1))
        limbs -= limbs[seen].mean()
    return _Tracklet(
        time[[0, -1]],
        np.stack([m[0] for m in motions]),
        np.stack([m[1] for m in motions]),
        np.array([np.median(size[first]), np.median(size[last])]),
        limbs,
    )


def _motion(xy: Floats, time: Floats, when: float) -> tuple[Floats, Floats]:
    """Return the place of a body's middle at a time, px, and its velocity, px/s, by a line."""
    seen = np.isfinite(xy[..., 0]).any(0)
    usual = np.nanmedian(xy[:, seen], 0)
    there = np.isfinite(xy[..., 0]).any(1)
    moved, at = np.nanmedian(xy[there][:, seen] - usual, 1), time[there] - when
    middle = np.median(usual, 0)
    if len(at) < 3:
        return middle + moved.mean(0), np.zeros(2)
    slope, base = np.polyfit(at, moved, 1)
    return middle + base, slope
