"""Left and right that change places between frames, and back.

A pair of joints is followed under both readings of every frame, as it is and the other way round,
by the sums over all courses of readings (forward and backward): places should go on where they were
or as they moved, changing the reading costs, and so does every frame that is read the other way
round. First for all pairs of a region together, then for every pair alone.
"""

import numpy as np

from refine._types import Bools, Floats
from refine.errors.sources import sided_groups
from refine.motion import kernels
from refine.motion.arrays import Motion, noise_of, present
from refine.motion.frames import frames_of, rate_of, tracks_of
from refine.motion.jitter import body_size
from refine.poses import Poses
from refine.skeletons import Skeleton

SWITCH = 4.0
"""Nats for changing the reading, and"""
STAY = 0.3
"""for every frame that is read the other way round, and"""
SURE = 0.95
"""chance from which joints are put back: chosen on every twelfth development video of Penn Action,
so that 95 in 100 of what is put back was flipped, and none of what never was."""


def unswap(poses: Poses, fps: float | None = None) -> Poses:
    """Put left and right joints back where they change places for some frames.

    Joints change with their scores. What is so from a track's first frame to its last is taken to
    be right.

    Args:
        poses: with tracks, or one pose per image; images with the numbers of their frames.
        fps: frames per second; by default as the file tells.

    Raises:
        FormatError: see `refine.motion.frames`.
        ArrayError: no frames per second.

    >>> import refine
    >>> images = [refine.ImageRef(i) for i in range(30)]
    >>> xy = np.arange(17)[:, None] * [9.0, 4.0] + np.arange(30)[:, None, None]
    >>> xy[10:14] = xy[10:14][:, refine.skeleton("coco17").mirror]
    >>> turned = Poses.from_arrays("coco17", xy, image=range(30), images=images)
    >>> unswap(turned, fps=25).xy[:, 5, 0].tolist() == (45.0 + np.arange(30)).tolist()
    True
    """
    rate, body = rate_of(poses, fps), poses.skeleton
    xy, score = poses.xy.copy(), poses.score.copy()
    count = 0
    for track in tracks_of(poses, frames_of(poses)):
        places, size = xy[track.rows], body_size(poses, track, rate)
        turned = find_flips(places, track.frame / rate, size, body)
        source = np.where(turned, body.mirror, np.arange(len(body)))
        xy[track.rows] = np.take_along_axis(places, source[..., None], 1)
        score[track.rows] = np.take_along_axis(score[track.rows], source, 1)
        count += int((turned & present(places)).sum())
    return poses.replace(xy=xy, score=score).done("unswap", joints=count, fps=rate)


def find_flips(
    xy: Floats, time: Floats, size: Floats, skeleton: Skeleton, motion: Motion | None = None
) -> Bools:
    """Tell the joints that stand in the place of their mirror partner, (T, K).

    Args:
        xy: (T, K, 2) px, NaN where missing.
        time: (T,) s, rising.
        size: (T,) px, the root of the pose's area.
        skeleton: tells pairs and regions.
        motion: how people move.
    """
    motion = motion or Motion()
    noise = noise_of(xy, size)
    usual = float(np.nanmedian(noise)) if np.isfinite(noise).any() else motion.doubt
    noise = np.where(np.isfinite(noise), noise, usual)
    variance = ((noise * motion.heed) ** 2 + motion.doubt**2) * size[:, None] ** 2
    flipped = np.zeros(xy.shape[:2], np.bool_)
    mirror = skeleton.mirror
    groups = [group[group < mirror[group]] for group in sided_groups(skeleton)]
    for pairs in [*groups, *(np.array([p]) for group in groups for p in group if len(group) > 1)]:
        members = np.concatenate([pairs, mirror[pairs]])
        source = np.where(flipped, mirror, np.arange(len(mirror)))
        now = np.take_along_axis(xy, source[..., None], 1)
        left, right = now[:, pairs], now[:, mirror[pairs]]
        known = present(left) & present(right)
        if not known.any():
            continue
        chance = np.empty(len(xy))
        kernels.flips(
            _held(left, known), _held(right, known), known, np.asarray(time, np.float64),
            np.ascontiguousarray(np.maximum(variance[:, pairs], variance[:, mirror[pairs]])),
            motion.speed * size, SWITCH, STAY, chance,
        )  # fmt: skip
        flipped[:, members] ^= (chance > SURE)[:, None]
    return flipped


def _held(xy: Floats, known: Bools) -> Floats:
    """Return places (T, P, 2) that stand still where they are not known."""
    at = np.where(known, np.arange(len(xy))[:, None], 0)
    first = known.argmax(0)
    at = np.maximum(np.maximum.accumulate(at, 0), first)
    return np.ascontiguousarray(np.take_along_axis(xy, at[..., None], 0))
