"""Poses in arrays of frames and individuals, in which an individual may be absent from a frame."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from refine._types import Bools, Floats
from refine.formats import _individuals
from refine.formats._images import LARGEST
from refine.formats._keypoints import flat, joints
from refine.formats._unlabelled import FIELD as HALVES, carry_halves, put_back
from refine.formats.base import Options
from refine.poses import ImageRef, Poses
from refine.skeletons import Skeleton

ALONE = ("",)
"""Names of individuals where there is one, who has none."""


def poses_of(
    grid: Floats,
    names: Sequence[str],
    prefix: str,
    refs: Sequence[ImageRef],
    body: Skeleton,
    options: Options,
    where: Callable[[int], str],
) -> Poses:
    """Return the poses of individuals in the frames in which they have a joint.

    So are those whose likelihoods are told and 0 all over: they are poses without joints.

    Args:
        grid: (frames, individuals, K, 3) x, y, score; NaN where one is not told.
        names: of the individuals, or `ALONE`.
        prefix: of names that tell the track alone, see `_individuals`.
        refs: of the frames.
        body: the K joints.
        options: see `Options`.
        where: a frame is, for messages.

    Raises:
        FormatError: a coordinate out of all pictures.
    """
    found = np.argwhere(np.isfinite(grid).any((2, 3)))
    values = grid[found[:, 0], found[:, 1]]
    told = joints(values, options, lambda i: where(int(found[i, 0])))
    half = np.isfinite(values[..., 0]) != np.isfinite(values[..., 1])
    there = np.isfinite(told.xy).any((1, 2)) | half.any(1) | _none_likely(values)
    left = int((~there & (values[..., 2] > 0).any(1)).sum())
    values, (image, who) = values[there], found[there].T
    alone = tuple(names) == ALONE
    own = {} if alone else _individuals.own_names(names, prefix)
    extra: list[dict[str, Any]] = [
        {_individuals.FIELD: own[names[w]]} if names[w] in own else {} for w in who.tolist()
    ]
    carry_halves(extra, values, body.joints)
    tracks = [-1 if alone or t is None else t for t in _individuals.tracks_of(names)]
    score = told.score[there]
    return Poses(
        body,
        told.xy[there],
        np.where(np.isnan(values[..., 2]) & np.isfinite(values[..., :2]).all(-1), np.nan, score),
        np.full(len(image), np.nan),
        image,
        tuple(refs),
        score_kind=told.kind if np.isfinite(grid[..., 2]).any() or not len(image) else "none",
        track=np.array(tracks, np.int64)[who] if max(tracks, default=-1) >= 0 else None,
        extra=tuple(extra),
        meta={**told.meta, "notes": _notes(left)},
    )


def values_of(poses: Poses, precision: int | None) -> Floats:
    """Return x, y, score (N, K, 3) for a grid; scores of poses without joints are 0."""
    values = points_of(poses, precision)
    empty = ~np.isfinite(values[..., :2]).any((1, 2))
    values[empty, :, 2] = 0.0  # An individual that is not there has no likelihood at all.
    return values


def points_of(poses: Poses, precision: int | None) -> Floats:
    """Return x, y, score (N, K, 3) as files of animals hold them: NaN where one is not known."""
    blank = {"missing": "null", **poses.meta, "null_scores": True}
    lists = flat(poses.replace(meta=blank), precision)
    for i, values in enumerate(lists):
        put_back(values, poses.extra[i].get(HALVES), poses.skeleton.joints, precision)
    return np.array(lists, np.float64).reshape(len(poses), len(poses.skeleton), 3)


def frame_numbers(refs: Sequence[ImageRef]) -> list[int] | None:
    """Return the frames of images, or ids that are numbers, if each has one of its own.

    >>> frame_numbers([ImageRef(7, frame=0), ImageRef(8, frame=4)]), frame_numbers([ImageRef("a")])
    ([0, 4], None)
    """
    for numbers in ([ref.frame for ref in refs], [ref.id for ref in refs]):
        whole = [n for n in numbers if isinstance(n, int) and 0 <= n <= LARGEST]
        if len({*whole}) == len(refs):
            return whole
    return None


def give_frames(poses: Poses, *, prefix: str) -> tuple[Poses, tuple[str, ...]]:
    """Give images without numbers their places as frames; and count what `note_repeats` does."""
    poses, notes = _individuals.note_repeats(poses, prefix=prefix)
    if frame_numbers(poses.images) is not None:
        return poses, notes
    refs = tuple(replace(ref, frame=i) for i, ref in enumerate(poses.images))
    note = f"frames of {len(refs)} images that are not numbered: their places"
    return poses.replace(images=refs), (*notes, note)


def _none_likely(values: Floats) -> Bools:
    """Whether likelihoods (N, K) of a pose are told, and 0 all over."""
    likelihood = values[..., 2]
    told = np.isfinite(likelihood)
    return np.asarray(told.any(1) & ~(told & (likelihood != 0)).any(1))


def _notes(left: int) -> tuple[str, ...]:
    if not left:
        return ()
    return (f"{left} individuals that have a likelihood, but no joint, are no poses",)
