"""Who and what changes places between frames, and back: left and right, and persons.

A pair of joints is followed under both readings of every frame, as it is and the other way round,
by the sums over all courses of readings (forward and backward): places should go on where they were
or as they moved, changing the reading costs, and so does every frame that is read the other way
round. First for all pairs of a region together, then for every pair alone.
"""

import numpy as np

from refine._types import Bools, Floats
from refine.errors.sources import sided_groups
from refine.motion.arrays import Motion, present
from refine.motion.exchanges import find_exchanges
from refine.motion.frames import Frames, frames_of, rate_of, tracks_of
from refine.motion.jitter import body_size
from refine.motion.readings import SURE, Costs, doubt_of, exchange_chance
from refine.poses import Poses
from refine.skeletons import Skeleton

SIDES = Costs(4.0, 0.3, 0.3)
"""Of left and right. With `SURE` chosen on every twelfth development video of Penn Action, so that
95 in 100 of what is put back was flipped, and none of what never was."""


def unswap(poses: Poses, fps: float | None = None) -> Poses:
    """Put back who and what changes places: persons, limbs of two persons, left and right.

    Tracks of persons who were taken for each other go on with whom they began, see
    `refine.motion.exchanges`; joints change with their scores. Left and right that are so from a
    track's first frame to its last are taken to be right.

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
    frames = frames_of(poses)
    poses, persons, limbs = _persons_back(poses, frames, rate)
    xy, score = poses.xy.copy(), poses.score.copy()
    count = 0
    for track in tracks_of(poses, frames):
        places, size = xy[track.rows], body_size(poses, track, rate)
        turned = find_flips(places, track.frame / rate, size, body)
        source = np.where(turned, body.mirror, np.arange(len(body)))
        xy[track.rows] = np.take_along_axis(places, source[..., None], 1)
        score[track.rows] = np.take_along_axis(score[track.rows], source, 1)
        count += int((turned & present(places)).sum())
    return poses.replace(xy=xy, score=score).done(
        "unswap", joints=count, persons=persons, limb_joints=limbs, fps=rate
    )


def _persons_back(poses: Poses, frames: Frames, rate: float) -> tuple[Poses, int, int]:
    """Return poses with persons and limbs put back, and how many poses and joints those are."""
    names, source = find_exchanges(poses, tracks_of(poses, frames), rate)
    persons = 0 if poses.track is None else int((names != poses.track).sum())
    joints = np.arange(len(poses.skeleton))
    limbs = int(((source != np.arange(len(poses))[:, None]) & poses.present).sum())
    if not persons and not limbs:
        return poses, 0, 0
    changed = {"xy": poses.xy[source, joints], "score": poses.score[source, joints]}
    track = None if poses.track is None else names
    return poses.replace(**changed, track=track), persons, limbs


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
    variance = doubt_of(xy, size, motion)
    flipped = np.zeros(xy.shape[:2], np.bool_)
    mirror = skeleton.mirror
    groups = [group[group < mirror[group]] for group in sided_groups(skeleton)]
    for pairs in [*groups, *(np.array([p]) for group in groups for p in group if len(group) > 1)]:
        members = np.concatenate([pairs, mirror[pairs]])
        source = np.where(flipped, mirror, np.arange(len(mirror)))
        now = np.take_along_axis(xy, source[..., None], 1)
        unsure = np.maximum(variance[:, pairs], variance[:, mirror[pairs]])
        chance = exchange_chance(
            now[:, pairs], now[:, mirror[pairs]], time, unsure, motion.speed * size, SIDES
        )
        flipped[:, members] ^= (chance > SURE)[:, None]
    return flipped
