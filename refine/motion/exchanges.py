"""Persons, and limbs of persons, that change places with somebody near.

Where tracks come near each other, bodies are followed from frame to frame: all poses of a frame are
assigned to them (Hungarian algorithm) by where each joint was and how it moved, and what a track
was so far is kept unless another is much likelier. Whole persons may stay exchanged to the end;
limbs are at home again when the persons part.
"""

from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import linear_sum_assignment

from refine._types import Floats, Indices
from refine.errors.sources import sided_groups
from refine.motion.arrays import Motion, present
from refine.motion.frames import Track
from refine.motion.jitter import body_size
from refine.motion.readings import SURE, Costs, doubt_of, exchange_chance
from refine.poses import Poses
from refine.skeletons import Skeleton

NEAR = 1.5
"""Body sizes between the middles of persons who may be taken for each other, and"""
AROUND_S = 0.4
"""before and after that they are followed, and"""
LOST_S = 1.0
"""that somebody who is not seen is waited for."""
KEEP = 14.0
"""Nats for being who one was so far. With what follows chosen on made-up crowds so that nobody is
exchanged who never was: on others than ``tests/benchmarks/motion.py`` measures, but that one false
exchange in those led from 10 to 14, and `LIMB` from (8, .3) to what it is."""
JOINTS = 4.0
"""What the joints of a body count together: they move and err alike."""
LIMB = Costs(9.0, 0.4, 1e6)
"""Of exchanging a limb: limbs are at home where persons are apart."""
FEWEST = 3
"""Frames of two together from which motion tells anything."""
AHEAD = 2.0
"""Times the last step over which somebody goes on as they moved."""


class Exchanges(NamedTuple):
    """How to put back what persons of a video exchanged.

    Attributes:
        track: (N,) that poses should have.
        source: (N, K) pose that each joint should be taken from.
    """

    track: Indices
    source: Indices


def find_exchanges(poses: Poses, tracks: list[Track], rate: float) -> Exchanges:
    """Tell which persons, and which limbs of theirs, are in each other's place.

    Args:
        poses: with tracks.
        tracks: of all videos.
        rate: frames per second.
    """
    count, joints = poses.score.shape
    source = np.repeat(np.arange(count)[:, None], joints, 1)
    names = np.array([track.name for track in tracks], np.int64)
    out = np.full(count, -1) if poses.track is None else np.array(poses.track)
    if len(tracks) < 2:
        return Exchanges(out, source)
    scene = _Scene(poses, tracks, rate)
    out[scene.rows] = names[_tell_persons(scene, len(tracks))]
    places = poses.xy.copy()
    for a, b in scene.meetings_of_two():
        when = scene.frame[a] / rate
        pace = Motion().speed * np.maximum(scene.size[a], scene.size[b])
        doubt = np.maximum(scene.doubt[a], scene.doubt[b])
        mine, yours = scene.rows[a], scene.rows[b]
        for limb in limbs_of(poses.skeleton):
            one, other = places[mine][:, limb], places[yours][:, limb]
            swapped = exchange_chance(one, other, when, doubt[:, limb], pace, LIMB) > SURE
            _swap(places, mine[swapped], yours[swapped], limb)
            _swap(source, mine[swapped], yours[swapped], limb)
    return Exchanges(out, source)


def _swap(values: Any, a: Indices, b: Indices, joints: Indices) -> None:
    """Exchange joints of rows, in place."""
    one = values[np.ix_(a, joints)]
    values[np.ix_(a, joints)] = values[np.ix_(b, joints)]
    values[np.ix_(b, joints)] = one


def _tell_persons(scene: "_Scene", count: int) -> Indices:
    """Follow bodies through their meetings; return which the poses (R,) are of."""
    bodies = _Bodies(scene, count)
    done = 0
    for warm, start, end in scene.meetings():
        first, last = np.searchsorted(scene.frame, [warm, end + 1])
        scene.body[done:first] = bodies.now_is[scene.body[done:first]]
        bodies.forget()
        for at in scene.groups(max(first, done), last):
            bodies.take(at, tell=scene.frame[at[0]] >= start)
        done = last
    scene.body[done:] = bodies.now_is[scene.body[done:]]
    return scene.body


def limbs_of(skeleton: Skeleton) -> list[Indices]:
    """Return the joints of each limb: those of a region that are on one side."""
    out = []
    for group in sided_groups(skeleton):
        left = group[group < skeleton.mirror[group]]
        out += [left, skeleton.mirror[left]]
    return out


class _Scene:
    """The poses of a video by frame.

    Attributes:
        rows: (R,) poses of tracks, by frame; those of what follows.
        frame: (R,).
        body: (R,) number of the track and, when told, of the body.
        size: (R,) px.
        doubt: (R, K) px^2.
        xy: (R, K, 2) px.
    """

    def __init__(self, poses: Poses, tracks: list[Track], rate: float) -> None:
        rows = np.concatenate([track.rows for track in tracks])
        frame = _one_after_the_other(tracks, rate)
        order = np.argsort(frame, kind="stable")
        sizes = [body_size(poses, track, rate) for track in tracks]
        doubts = [
            doubt_of(poses.xy[track.rows], size, Motion())
            for track, size in zip(tracks, sizes, strict=True)
        ]
        lengths = [len(track.rows) for track in tracks]
        self.rate, self.rows, self.frame = rate, rows[order], frame[order]
        self.body = np.repeat(np.arange(len(tracks)), lengths)[order]
        self.size, self.doubt = np.concatenate(sizes)[order], np.concatenate(doubts)[order]
        self.xy = poses.xy[self.rows]

    def groups(self, first: int, last: int) -> list[Indices]:
        """Return the places in `rows` of each frame."""
        cuts = np.flatnonzero(np.diff(self.frame[first:last])) + 1
        return np.split(np.arange(first, last), cuts) if last > first else []

    def meetings(self) -> list[tuple[int, int, int]]:
        """Return frames from which bodies are seen, and told apart, and to which."""
        near = np.zeros(len(self.rows), np.bool_)
        near[self._near()[0]] = True
        reach, lost = self._reach(AROUND_S), self._reach(LOST_S)
        frames = np.unique(self.frame[near])
        cuts = np.flatnonzero(np.diff(frames) > 2 * reach + lost) + 1
        parts = np.split(frames, cuts) if len(frames) else []
        return [(int(p[0]) - reach - lost, int(p[0]) - reach, int(p[-1]) + reach) for p in parts]

    def meetings_of_two(self) -> list[tuple[Indices, Indices]]:
        """Return the places in `rows` of each two bodies in the frames of a meeting."""
        reach, found = self._reach(AROUND_S), []
        pairs: dict[tuple[int, int], list[int]] = {}
        for a, b in self._near().T.tolist():
            one, other = sorted((int(self.body[a]), int(self.body[b])))
            pairs.setdefault((one, other), []).append(int(self.frame[a]))
        order = np.argsort(self.body, kind="stable")
        starts = np.searchsorted(self.body[order], np.arange(int(self.body.max()) + 2))
        for (one, other), frames in sorted(pairs.items()):
            mine, yours = (order[starts[n] : starts[n + 1]] for n in (one, other))
            _, i, j = np.intersect1d(
                self.frame[mine], self.frame[yours], assume_unique=True, return_indices=True
            )
            a, b, near = mine[i], yours[j], np.sort(frames)
            for part in np.split(near, np.flatnonzero(np.diff(near) > 2 * reach) + 1):
                low, high = np.searchsorted(self.frame[a], [part[0] - reach, part[-1] + reach + 1])
                if high - low > FEWEST:
                    found.append((a[low:high], b[low:high]))
        return found

    def _reach(self, seconds: float) -> int:
        return max(round(seconds * self.rate), 1)

    def _near(self) -> Indices:
        """Return the places in `rows` of poses that are near each other, (2, P)."""
        middle = np.full((len(self.rows), 2), np.nan)
        there = present(self.xy).any(1)
        middle[there] = np.nanmedian(self.xy[there], 1)
        found = []
        for shift in range(1, int(np.unique(self.frame, return_counts=True)[1].max())):
            a, b = slice(None, -shift), slice(shift, None)
            apart = np.linalg.norm(middle[a] - middle[b], axis=1)
            close = apart < NEAR * (self.size[a] + self.size[b]) / 2
            at = np.flatnonzero(close & (self.frame[a] == self.frame[b]))
            found.append(np.stack([at, at + shift]))
        return np.concatenate([np.zeros((2, 0), np.intp), *found], 1)


def _one_after_the_other(tracks: list[Track], rate: float) -> Indices:
    """Return the frames of tracks, those of each video long after those of the one before."""
    first: dict[int, int] = {}
    last: dict[int, int] = {}
    for track in tracks:
        a, b = int(track.frame[0]), int(track.frame[-1])
        first[track.video] = min(first.get(track.video, a), a)
        last[track.video] = max(last.get(track.video, b), b)
    apart, following = round(4 * (AROUND_S + LOST_S) * rate) + 2, 0
    start: dict[int, int] = {}
    for video in first:
        start[video] = following - first[video]
        following += last[video] - first[video] + apart
    return np.concatenate([track.frame + start[track.video] for track in tracks])


class _Bodies:
    """Where bodies were in two frames, and which of them every track is now."""

    def __init__(self, scene: _Scene, count: int) -> None:
        joints = scene.xy.shape[1]
        self.scene, self.now_is = scene, np.arange(count)
        self.met: list[int] = []
        self.place = np.full((2, count, joints, 2), np.nan)
        self.seen = np.full((2, count, joints), -np.inf)
        self.last, self.size = np.full(count, -np.inf), np.ones(count)

    def forget(self) -> None:
        """Nobody was seen so far."""
        self.seen[:, self.met] = -np.inf
        self.place[:, self.met] = np.nan
        self.met = []

    def take(self, at: Indices, *, tell: bool) -> None:
        """Take over where the bodies of a frame are; told apart, or as their tracks say."""
        scene, now = self.scene, int(self.scene.frame[at[0]])
        if tell:
            lost = now - self.last[self.met]
            alive = np.array(self.met, np.intp)[lost <= LOST_S * scene.rate]
            known = at[np.isin(self.now_is[scene.body[at]], alive)]
            if len(alive) > 1 and len(known):
                self._tell(scene.body[known], alive, self._fit(known, alive))
        scene.body[at] = who = self.now_is[scene.body[at]]
        here = present(scene.xy[at])
        self.seen[0, who] = np.where(here, self.seen[1, who], self.seen[0, who])
        self.place[0, who] = np.where(here[..., None], self.place[1, who], self.place[0, who])
        self.seen[1, who] = np.where(here, now, self.seen[1, who])
        self.place[1, who] = np.where(here[..., None], scene.xy[at], self.place[1, who])
        self.last[who], self.size[who] = now, scene.size[at]
        self.met = sorted({*self.met, *who.tolist()})

    def _tell(self, tracks: Indices, alive: Indices, fit: Floats) -> None:
        """Tell which bodies tracks are now."""
        known = np.isfinite(fit)
        mean = np.where(known, fit, 0).sum(-1) / np.maximum(known.sum(-1), 1)
        gain = -2 * JOINTS * mean + KEEP * (alive == self.now_is[tracks][:, None])
        for i, j in zip(*linear_sum_assignment(-gain), strict=True):
            body, before = alive[j], self.now_is[tracks[i]]
            if body != before:
                other = int(np.flatnonzero(self.now_is == body)[0])
                self.now_is[[tracks[i], other]] = body, before

    def _fit(self, at: Indices, alive: Indices) -> Floats:
        """Return how badly the joints of poses are those of bodies, (N, A, K); NaN if unknown."""
        scene = self.scene
        last, before = self.place[1, alive], self.place[0, alive]
        since = scene.frame[at[0]] - self.seen[1, alive]
        step = np.where(np.isfinite(self.seen[0, alive]), self.seen[1, alive], np.nan)
        step -= self.seen[0, alive]
        moved = scene.xy[at][:, None] - last
        d2 = (moved**2).sum(-1)
        ratio = since / step
        onwards = ((moved - ratio[..., None] * (last - before)) ** 2).sum(-1)
        d2 = np.where(ratio <= AHEAD, np.fmin(d2, onwards), d2)
        pace = Motion().speed * self.size[alive][:, None] * since / scene.rate
        return np.asarray(np.log1p(d2 / (2 * (2 * scene.doubt[at][:, None] + pace**2))))
