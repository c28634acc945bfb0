"""Who is who from frame to frame."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment

from refine._types import Floats, Indices
from refine.exceptions import ArrayError
from refine.motion.arrays import present
from refine.motion.frames import frames_of, rate_of, tracks_of
from refine.motion.joining import joined_tracks
from refine.oks import pose_area
from refine.poses import Poses
from refine.skeletons import Skeleton, usual_sigmas

LEAST_SIMILARITY = 0.15
"""Of a pose and where a track should be; below, the pose is somebody else."""
REACH = 30
"""Frames after which somebody who comes again is somebody else."""
WIDENING = 3.0
"""Of OKS's kernels: people move more between frames than annotators differ. With `GROWTH`, chosen
on made-up crowds, see ``tests/benchmarks/motion.py``."""
GROWTH = 0.2
"""Of the kernels for every frame that a track was not seen."""
INERTIA = 0.4
"""Share of the former velocity in the new one."""
SURE_S = 0.25
"""Over which a track may be lost at most before tracklets are joined, which knows more."""


def track(
    poses: Poses,
    *,
    again: bool = False,
    reach: int = REACH,
    least_similarity: float = LEAST_SIMILARITY,
    join_s: float = 0.0,
    fps: float | None = None,
) -> Poses:
    """Give every pose the number of a track; frames are taken in order, ids never come twice.

    Each frame's poses are assigned to tracks (Hungarian algorithm) by OKS with where a track should
    be: its last joints, moved on at its velocity, with kernels that widen while it is not seen.

    Args:
        poses: images with the numbers of their frames.
        again: whether poses that have tracks lose them; they are kept otherwise, and poses
            without get new ones.
        reach: frames over which a track may be lost.
        least_similarity: of a pose to a track that it joins.
        join_s: above 0, tracks that were lost for longer, up to this, are joined afterwards by
            motion, size and the proportions of bodies, see `refine.motion.joining`. Tracks that
            poses had stay apart.
        fps: frames per second, where tracks are joined; by default as the file tells.

    Raises:
        FormatError: see `refine.motion.frames.frames_of` and, of tracks that are joined,
            `tracks_of`.
        ArrayError: an option out of range, or no frames per second to join tracks by.

    >>> import refine
    >>> images = [refine.ImageRef(i) for i in range(2)]
    >>> body = np.random.default_rng(0).uniform(0, 50, (17, 2))
    >>> xy = np.stack([body, body + 300, body + 302, body + 2])
    >>> two = Poses.from_arrays("coco17", xy, image=[0, 0, 1, 1], images=images)
    >>> track(two).track.tolist()
    [0, 1, 1, 0]
    """
    if reach < 1:
        raise ArrayError(f"expected a reach of at least 1 frame, got {reach}")
    if not 0 <= least_similarity < 1:
        raise ArrayError(f"expected a least similarity in [0, 1), got {least_similarity}")
    if not 0 <= join_s < np.inf:
        raise ArrayError(f"expected 0 or more s over which tracks are joined, got {join_s}")
    rate = rate_of(poses, fps) if join_s else 0.0
    if join_s:
        reach = min(reach, max(round(SURE_S * rate), 1))
    frames = frames_of(poses)
    given = np.full(len(poses), -1) if poses.track is None or again else poses.track
    names = np.array(given, np.int64)
    area, score = pose_area(poses.xy, "keypoints"), np.nan_to_num(poses.instance_score)
    order = np.lexsort((-score, frames.number[poses.image], frames.video[poses.image]))
    image = poses.image[order]
    groups = np.split(order, np.flatnonzero(np.diff(image)) + 1) if len(order) else []
    tracker = Tracker(poses.skeleton, reach, least_similarity, int(names.max(initial=-1)) + 1)
    video = -1
    for rows in groups:
        at = int(poses.image[rows[0]])
        if frames.video[at] != video:
            video = int(frames.video[at])
            tracker.forget()
        frame = int(frames.number[at])
        names[rows] = tracker.see(poses.xy[rows], area[rows], names[rows], frame)
    before = len(np.unique(names))
    if join_s:
        names = _joined(poses.replace(track=names), rate, join_s, set(given[given >= 0].tolist()))
    found = len(np.unique(names))
    joined: dict[str, Any] = {"joined": before - found, "join_s": join_s} if join_s else {}
    return poses.replace(track=names).done("track", tracks=found, reach=reach, **joined)


def _joined(poses: Poses, rate: float, longest_s: float, given: set[int]) -> Indices:
    """Return the tracks (N,) with those of one body as one; those that were given stay apart."""
    frames, names = frames_of(poses), np.array(poses.track)
    tracks = tracks_of(poses, frames)
    rows = {(track.video, track.name): track.rows for track in tracks}
    for video in sorted({track.video for track in tracks}):
        own = [track for track in tracks if track.video == video]
        for name, keep in joined_tracks(poses, own, rate, longest_s, given).items():
            names[rows[video, name]] = keep
    return names


class Tracker:
    """Who is who from frame to frame, as the frames come.

    Args:
        skeleton: of the poses.
        reach: frames over which a track may be lost.
        least_similarity: of a pose to a track that it joins.
        following: the first number that is free.
    """

    def __init__(
        self,
        skeleton: Skeleton,
        reach: int = REACH,
        least_similarity: float = LEAST_SIMILARITY,
        following: int = 0,
    ) -> None:
        self._reach, self._following = reach, following
        self._least = max(least_similarity, float(np.finfo(float).tiny))
        self._variance = np.asarray((2 * WIDENING * usual_sigmas(skeleton)) ** 2)
        self._alive: dict[int, _Course] = {}

    def forget(self) -> None:
        """Begin another video; ids go on."""
        self._alive = {}

    def see(self, xy: Floats, area: Floats, given: Indices, frame: int) -> Indices:
        """Return the tracks (N,) of the poses of a frame.

        Args:
            xy: (N, K, 2) px, NaN where missing; of poses without joints nobody is anybody.
            area: (N,) px^2.
            given: (N,) tracks that poses have, -1 for none.
            frame: above the last.
        """
        names = np.array(given, np.int64)
        self._following = max(self._following, int(names.max(initial=-1)) + 1)
        self._alive = {n: c for n, c in self._alive.items() if frame - c.frame <= self._reach}
        new = np.flatnonzero((names < 0) & present(xy).any(1))
        taken = {int(n) for n in names if n >= 0}
        free = [name for name in self._alive if name not in taken]
        if len(new) and free:
            courses = [self._alive[name] for name in free]
            likeness = _likeness(xy[new], area[new], courses, self._variance, frame)
            for i, j in zip(*linear_sum_assignment(-likeness), strict=True):
                if likeness[i, j] >= self._least:
                    names[new[i]] = free[j]
        for row in range(len(xy)):
            if names[row] < 0:
                names[row], self._following = self._following, self._following + 1
            course = self._alive.setdefault(int(names[row]), _Course())
            course.see(xy[row], float(area[row]), frame)
        return names


@dataclass(slots=True)
class _Course:
    """Where a body was last seen, and how it moves, px per frame."""

    frame: int = 0
    area: float = 0.0
    velocity: Floats = field(default_factory=lambda: np.zeros(2))
    xy: Floats | None = None

    def see(self, xy: Floats, area: float, frame: int) -> None:
        """Take over a new place; joints that are missing move on with the others."""
        if self.xy is None:
            self.xy = xy.copy()
        else:
            step = max(frame - self.frame, 1)
            moves = xy - self.xy
            both = present(moves)
            if both.any():
                moved = _median(moves[both])
                self.velocity = INERTIA * self.velocity + (1 - INERTIA) * moved / step
            ahead = self.xy + self.velocity * step
            self.xy = np.where(present(xy)[:, None], xy, ahead)
        self.frame, self.area = frame, max(area, 0.5 * self.area)


def _median(values: Floats) -> Floats:
    """Return the median of rows (N, C): `np.median` takes ten times as long for so few."""
    ordered = np.sort(values, 0)
    return np.asarray((ordered[(len(values) - 1) // 2] + ordered[len(values) // 2]) / 2)


def _likeness(
    xy: Floats, area: Floats, courses: list[_Course], variance: Floats, now: int
) -> Floats:
    """Return the similarity (N, M) of poses and where tracks should be."""
    lost = np.array([now - c.frame for c in courses])
    places = np.stack([np.asarray(c.xy) + c.velocity * (now - c.frame) for c in courses])
    size = np.sqrt(np.outer(np.maximum(area, 1), np.maximum([c.area for c in courses], 1)))
    spread = size * (1 + GROWTH * (lost - 1)) ** 2
    d2 = ((xy[:, None] - places) ** 2).sum(-1)
    likeness = np.exp(-d2 / (2 * spread[..., None] * variance))
    both = np.isfinite(d2)
    count = both.sum(-1)
    total = np.where(both, likeness, 0).sum(-1)
    # Few joints in common are weak evidence: as if one more joint were far.
    return np.asarray(total / np.maximum(count + (count < len(variance)), 1))
