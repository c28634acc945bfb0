"""movement's data sets of poses: netCDF with position and confidence by time, keypoint, individual.

The dimensions are time, space, keypoints, individuals (their names were made singular later), in
any order; `time` is in frames, or in seconds beside `fps` (movement/io/load_poses.py). Individuals
without joints at a time are absent. The order of poses in an image is that of the individuals;
poses without tracks are individuals `pose1`, `pose2`, ... Only netCDF 4, which is HDF5, is read.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np

import refine.history as _history
from refine._types import Floats
from refine.exceptions import FormatError
from refine.formats import _individuals
from refine.formats._grids import frame_numbers, give_frames, poses_of, values_of
from refine.formats._hdf5 import ARRAYS, ATTRIBUTES, DIMENSIONS, grid_in, texts_in
from refine.formats._images import LARGEST
from refine.formats._keypoints import kind_after, named_joints
from refine.formats._told import FPS, rate_told
from refine.formats._unlabelled import FIELD as HALVES
from refine.formats.base import Document, Format, Holding, Options, Source, Verdict
from refine.numerics import frame_rate
from refine.poses import ImageRef, Poses

POSITION, CONFIDENCE = "position", "confidence"
TIME, SPACE, KEYPOINTS, INDIVIDUALS = "time", "space", "keypoints", "individuals"
AXES = (TIME, INDIVIDUALS, KEYPOINTS, SPACE)
PREFIX = "id_"

NEAR = 0.01
"""Frames; by so much may a time in seconds lie off one: times are rounded, rates are not whole."""


def read_movement(source: Source, options: Options) -> Poses:
    """Read a data set.

    Raises:
        FormatError: no positions in two dimensions of space, arrays that do not fit one another,
            times that are no frames.
        SkeletonError: a skeleton was asked for that lacks a keypoint.
    """
    document, where = source.document, source.path
    if not _is_arrays(document):
        raise FormatError(f"expected arrays {POSITION!r}, {TIME!r}, {SPACE!r}", where=where)
    assert isinstance(document, dict)
    position = _turned(document, POSITION, AXES, where)
    confidence = _turned(document, CONFIDENCE, AXES[:3], where)
    space = texts_in(document[ARRAYS], SPACE, where)
    if position is None:
        raise FormatError(f"expected numbers in {POSITION!r}, got null", where=where)
    if not any(position.shape):
        nodes = texts_in(document[ARRAYS], _called(document, KEYPOINTS), where)
        return Poses.empty(named_joints(nodes, options, "movement")[0])
    if sorted(space) != ["x", "y"] or position.shape[3] != 2:
        raise FormatError(
            f"expected positions by x and y, got {', '.join(space) or position.shape[3]}",
            where=where,
            hint="poses in pictures, of two dimensions",
        )
    nodes, names = (
        texts_in(document[ARRAYS], _called(document, n), where) for n in (KEYPOINTS, INDIVIDUALS)
    )
    frames = _frames(document, len(position), where)
    shape = (len(frames), len(names), len(nodes))
    if position.shape[:3] != shape or (confidence is not None and confidence.shape != shape):
        raise FormatError(
            f"expected arrays of {shape[0]} times, {shape[1]} individuals, {shape[2]} keypoints, "
            f"got {position.shape[:3]}",
            where=where,
        )
    body, order = named_joints(nodes, options, "movement")
    grid = np.full((*shape[:2], len(body), 3), np.nan)
    grid[:, :, order, :2] = position[..., [space.index("x"), space.index("y")]]
    if confidence is not None:
        grid[:, :, order, 2] = confidence
    refs = [ImageRef(frame, frame=frame) for frame in frames]
    poses = poses_of(
        grid, names, PREFIX, refs, body, options, lambda i: f"{where}, time {frames[i]}"
    )
    told = document[ATTRIBUTES].get(_history.FIELD)
    history = _history.parse(told.split("\n") if isinstance(told, str) else None, where)
    about = {k: v for k, v in document[ATTRIBUTES].items() if k != _history.FIELD and "." not in k}
    return poses.replace(
        history=history,
        score_kind=kind_after(history, poses.score_kind),
        meta={**poses.meta, "names": names, "about": about, **rate_told([about.get(FPS)])},
    )


def write_movement(poses: Poses, precision: int | None, held: Holding) -> Document:
    """Write a data set; times are frames of the images, or numbers that are their ids."""
    del held
    numbers = frame_numbers(poses.images)
    times: list[Any] = [*range(len(poses.images))] if numbers is None else [*numbers]
    about = {"time_unit": "frames", "source_software": "refine", "ds_type": "poses"}
    about |= {FPS: poses.meta[FPS]} if FPS in poses.meta else {}
    about |= poses.meta.get("about", {})
    if (rate := _rate(about)) is not None:
        times = [time / rate for time in times]
    named = _individuals.individuals_of(poses, PREFIX)
    names = list(dict.fromkeys([*poses.meta.get("names", ()), *named])) or [f"{PREFIX}0"]
    at = poses.image, np.array([names.index(name) for name in named], np.intp)
    grid = np.full((len(times), len(names), len(poses.skeleton), 3), np.nan)
    grid[at] = values_of(poses, precision)
    if poses.history:
        about[_history.FIELD] = "\n".join(_history.encode(poses.history))
    arrays = {
        POSITION: grid[..., :2].transpose(0, 3, 2, 1).tolist(),
        CONFIDENCE: grid[..., 2].transpose(0, 2, 1).tolist(),
        TIME: times,
        SPACE: ["x", "y"],
        KEYPOINTS: list(poses.skeleton.joints),
        INDIVIDUALS: names,
    }
    dimensions = {
        POSITION: [TIME, SPACE, KEYPOINTS, INDIVIDUALS],
        CONFIDENCE: [TIME, KEYPOINTS, INDIVIDUALS],
    } | {name: [name] for name in (TIME, SPACE, KEYPOINTS, INDIVIDUALS)}
    return {ARRAYS: arrays, ATTRIBUTES: about, DIMENSIONS: dimensions}


def _called(document: Mapping[str, Any], name: str) -> str:
    """Return a dimension's name in a file: newer ones have them in the singular."""
    return name if name in document[ARRAYS] else name.removesuffix("s")


def _turned(
    document: Mapping[str, Any], name: str, axes: tuple[str, ...], where: str
) -> Floats | None:
    """Return an array with its dimensions in this order."""
    values = grid_in(document[ARRAYS], name, len(axes), where)
    told = document.get(DIMENSIONS)
    found = told.get(name) if isinstance(told, dict) else None
    wanted = [_called(document, axis) for axis in axes]
    if values is None:
        return None
    if not isinstance(found, list) or sorted(map(str, found)) != sorted(wanted):
        raise FormatError(
            f"expected {name!r} with the dimensions {', '.join(wanted)}, got {found!r:.80}",
            where=where,
        )
    return values.transpose([found.index(axis) for axis in wanted])


def _frames(document: Mapping[str, Any], count: int, where: str) -> list[int]:
    times = grid_in(document[ARRAYS], TIME, 1, where)
    rate = _rate(document[ATTRIBUTES])
    if times is None or len(times) != count:
        raise FormatError(f"expected {count} times", where=where)
    times = times if rate is None else times * rate
    frames = np.round(times)
    good = (np.abs(times - frames) <= NEAR) & (frames >= 0) & (frames <= LARGEST)
    if not good.all() or len(np.unique(frames)) < count:
        raise FormatError(
            "expected times that are frames, each once, got "
            + (f"{times[~good][0]}" if not good.all() else "one twice"),
            where=where,
            hint="'time_unit' \"seconds\" with the 'fps' of the video, or \"frames\"",
        )
    return [int(frame) for frame in frames]


def _rate(about: Mapping[str, Any]) -> float | None:
    """Return frames per second where times are in seconds."""
    return frame_rate(about.get(FPS)) if about.get("time_unit") == "seconds" else None


def _is_arrays(document: Document) -> bool:
    held: Any = document if isinstance(document, dict) else {}
    arrays = held.get(ARRAYS)
    named = isinstance(arrays, dict) and {POSITION, TIME, SPACE} <= arrays.keys()
    return named and isinstance(held.get(ATTRIBUTES), dict)


def _is_movement(document: Document) -> Verdict:
    return Verdict.YES if _is_arrays(document) else Verdict.NO


FORMATS = (
    Format(
        name="movement",
        about="movement's data set of poses: netCDF with times, keypoints, individuals, in .nc",
        tells="arrays 'position', 'time', 'space'",
        detect=_is_movement,
        read=read_movement,
        write=write_movement,
        endings=(".nc",),
        private=frozenset({HALVES}),
        complete=partial(give_frames, prefix=PREFIX),
        cannot_hold=(
            "image names",
            "image sizes",
            "score kind",
            "instance scores",
            "boxes",
            "areas",
            "unknown fields",
        ),
    ),
)
