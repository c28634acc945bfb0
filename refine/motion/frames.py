"""Which image is which frame of which video, and when that was."""

import re
import warnings
from collections import defaultdict
from pathlib import PurePosixPath
from typing import NamedTuple

import numpy as np

from refine._types import Indices
from refine.exceptions import ArrayError, FormatError, RefineWarning
from refine.numerics import frame_rate
from refine.poses import ImageRef, Poses

VIDEO_FIELDS = ("vid_id", "video_id")
"""Fields of images that tell their video: PoseTrack18, COCO video."""
ALIKE = 1e-3
"""Share of a rate by which another may differ: 29.97 is 30000 / 1001."""
SPARSEST = 100
"""Numbers for each image of a timeline, on average; above, they are no frames of one video."""


class Frames(NamedTuple):
    """The place of I images in their videos.

    Attributes:
        video: (I,) number of the video.
        number: (I,) frame in it; 0 need not be the first.
    """

    video: Indices
    number: Indices


def frames_of(poses: Poses) -> Frames:
    """Tell the frames of images: by `frame`, else by the number that ends their name or id.

    Videos are told by `VIDEO_FIELDS`, else by the folder of the file and what stands before the
    number.

    Raises:
        FormatError: an image without a number, or a frame that comes twice.

    >>> images = [ImageRef(name) for name in ("b/im9.jpg", "b/im10.jpg", "a/im1.jpg")]
    >>> frames = frames_of(Poses.empty("coco17", images))
    >>> frames.video.tolist(), frames.number.tolist()
    ([0, 0, 1], [9, 10, 1])
    """
    videos: dict[object, int] = {}
    first: dict[tuple[int, int], ImageRef] = {}
    video = np.zeros(len(poses.images), np.intp)
    number = np.zeros(len(poses.images), np.intp)
    numbered = bool(poses.images) and all(ref.frame is not None for ref in poses.images)
    for i, ref in enumerate(poses.images):
        stem, found = _spelt(ref)
        if numbered:
            stem, found = "", ref.frame
        if found is None:
            raise FormatError(
                f"expected images with the number of their frame, got {ref.file_name or ref.id!r}",
                hint="`frame` (or `frame_id`), or names that end in a number",
            )
        told = next((ref.extra[f] for f in VIDEO_FIELDS if f in ref.extra), stem)
        video[i] = videos.setdefault(str(told), len(videos))
        number[i] = found
        other = first.setdefault((int(video[i]), found), ref)
        if other is not ref:
            raise FormatError(
                f"expected every frame once, got {found} in {other.file_name or other.id!r} and "
                f"{ref.file_name or ref.id!r}",
                hint="one video per file, or names that tell videos apart",
            )
    return Frames(video, number)


def _spelt(ref: ImageRef) -> tuple[str, int | None]:
    if isinstance(ref.id, int) and ref.file_name is None:
        return "", ref.id
    path = PurePosixPath(str(ref.file_name or ref.id).replace("\\", "/"))
    found = re.fullmatch(
        r"(.*?)([0-9]{1,15})(_keypoints)?", path.stem if path.suffix else path.name
    )
    if found is None:
        return "", ref.id if isinstance(ref.id, int) else None
    return f"{path.parent}/{found[1]}", int(found[2])


def rate_of(poses: Poses, fps: float | None) -> float:
    """Return frames per second: as given, else as `told_rate` has it.

    What is given holds against the file, and a `RefineWarning` says so.

    Raises:
        ArrayError: neither tells, or a rate out of range.
    """
    told = told_rate(poses)
    rate = told if fps is None else frame_rate(fps)
    if rate is None:
        got = ", which the file does not tell" if fps is None else f" above 0, got {fps!r}"
        raise ArrayError(f"expected frames per second{got}", hint="--fps 30")
    if told is not None and abs(told - rate) > ALIKE * rate:
        warnings.warn(
            RefineWarning(f"{rate:g} frames per second as given, though the file tells {told:g}"),
            stacklevel=2,
        )
    return rate


def told_rate(poses: Poses) -> float | None:
    """Return frames per second as poses tell: their file, else the last step that was given some.

    >>> told_rate(Poses.empty("coco17").done("smooth", fps=25.0))
    25.0
    """
    given = [poses.meta.get("fps"), *(s.parameters.get("fps") for s in reversed(poses.history))]
    return next((rate for value in given if (rate := frame_rate(value)) is not None), None)


class Timeline(NamedTuple):
    """The frames of a video, evenly spaced, from its first to its last.

    Attributes:
        number: (F,) of the frames.
        image: (F,) index of each frame's image, -1 where the poses have none.
        step: by which numbers rise: 1, or more where only every so-many-th frame was looked at.
    """

    number: Indices
    image: Indices
    step: int


def timeline_of(poses: Poses) -> Timeline:
    """Lay out the images of a video in time; frames that poses lack are there, too.

    Raises:
        FormatError: see `frames_of`; no images, those of several videos, or numbers so far apart
            that they are none of frames.

    >>> timeline_of(Poses.empty("coco17", [ImageRef(i) for i in (8, 2, 4)])).image.tolist()
    [1, 2, -1, 0]
    """
    frames = frames_of(poses)
    if not len(frames.number) or frames.video.any():
        raise FormatError(
            f"expected images of one video, got {len(np.unique(frames.video)) or 'none'}",
            hint="--image-ids with those of one video" if len(frames.number) else None,
        )
    order = np.argsort(frames.number)
    rising = frames.number[order]
    step = int(np.gcd.reduce(np.diff(rising))) if len(rising) > 1 else 1
    count = int(rising[-1] - rising[0]) // step + 1
    if count > SPARSEST * len(rising):
        raise FormatError(
            f"expected frames of one video, got {len(rising)} images with numbers from "
            f"{rising[0]} to {rising[-1]}",
            hint="--image-ids with those that follow one another",
        )
    image = np.full(count, -1)
    image[(rising - rising[0]) // step] = order
    return Timeline(rising[0] + step * np.arange(count), image, step)


class Track(NamedTuple):
    """The poses of one body.

    Attributes:
        video: number of the video.
        name: the track id, -1 for the one body of a video without tracks.
        rows: (T,) its poses, by time.
        frame: (T,) their frames, rising.
    """

    video: int
    name: int
    rows: Indices
    frame: Indices


def tracks_of(poses: Poses, frames: Frames) -> list[Track]:
    """Return the poses of each body, in order of time; poses without a track are in none.

    Where nobody has a track and no image more than one pose, a video's poses are one body's.

    Raises:
        FormatError: a track with two poses in a frame, or no tracks though images hold several.
    """
    names = np.full(len(poses), -1) if poses.track is None else poses.track
    video, frame = frames.video[poses.image], frames.number[poses.image]
    alone = bool(len(poses)) and not (names >= 0).any()
    if alone and len(np.unique(poses.image)) < len(poses):
        raise FormatError(
            "expected tracks, got none, and several poses on an image",
            hint="`refine track`, or `--steps track,...`",
        )
    members: dict[tuple[int, int], list[int]] = defaultdict(list)
    for i in range(len(poses)) if alone else np.flatnonzero(names >= 0):
        members[int(video[i]), int(names[i])].append(int(i))
    tracks = []
    for (of, name), rows in members.items():
        order = np.array(rows)[np.argsort(frame[rows], kind="stable")]
        times = frame[order]
        if (np.diff(times) == 0).any():
            at = order[int(np.argmax(np.diff(times) == 0))]
            raise FormatError(
                f"expected one pose per track and frame, got two of track {name}",
                where=f"image {poses.images[poses.image[at]].id!r}",
                hint="`refine nms` before, or `refine track --again`",
            )
        tracks.append(Track(of, name, order, times))
    return tracks
