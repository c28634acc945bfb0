"""Keypoints for lifting to space, as VideoPose3D and its kin take them: NumPy arrays in .npz.

`positions_2d` is (frame, joint, 2) px, or (person, frame, joint, 2); `reconstruction` is the same
from MHFormer's demo, there in the order of Human3.6M. Files do not tell the order of 17 joints:
those of Human3.6M's truth are in its own, those of Detectron's are COCO's. VideoPose3D's archives
hold a dictionary, which is a pickle and is not read. This project's files tell `scores`, `joints`,
`individuals` and `frames` besides.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np

from refine._types import Floats
from refine.exceptions import FormatError
from refine.formats import _individuals
from refine.formats._arrays import NPZ
from refine.formats._grids import ALONE, frame_numbers, give_frames, poses_of, values_of
from refine.formats._hdf5 import grid_in, texts_in
from refine.formats._images import whole
from refine.formats._keypoints import named_joints, skeleton_of
from refine.formats._person import one_person
from refine.formats._unlabelled import FIELD as HALVES
from refine.formats.base import Document, Format, Holding, Options, Source, Verdict
from refine.poses import ImageRef, Poses

KEYS = {"positions_2d": None, "reconstruction": "h36m17"}
"""Arrays of positions, and the skeleton that those who write them have."""

BODY, PREFIX = "h36m17", "id_"
SCORES, JOINTS, INDIVIDUALS, FRAMES = "scores", "joints", "individuals", "frames"


def read_h36m(source: Source, options: Options) -> Poses:
    """Read a video; all its frames are images.

    Raises:
        FormatError: no positions in px, or arrays that do not fit one another.
        SkeletonError: nothing tells the order of the joints.
    """
    arrays, where = _arrays(source.document), source.path
    key = next((name for name in KEYS if name in arrays), "")
    if not key:
        raise FormatError(f"expected an array {' or '.join(KEYS)}", where=where)
    points = _persons(arrays, key, 4, where)
    named = texts_in(arrays, JOINTS, where)
    if points is not None and not any(points.shape):
        body = named_joints(named, options, BODY)[0] if named else options.skeleton
        return Poses.empty(body or BODY)
    if points is None or points.shape[3] != 2:
        got = "null" if points is None else f"{points.shape[3]} values of each joint"
        raise FormatError(
            f"expected x, y in {key!r}, got {got}",
            where=where,
            hint="'scores' as an array of their own; places in space are no poses in pictures",
        )
    people, count, k = points.shape[:3]
    scores = _persons(arrays, SCORES, 3, where)
    body, order = named_joints(named, options, BODY) if named else (None, list(range(k)))
    body = skeleton_of(k, options, KEYS[key], where) if body is None else body
    names = texts_in(arrays, INDIVIDUALS, where) or (
        [f"{PREFIX}{p}" for p in range(people)] if people > 1 else [*ALONE]
    )
    numbers = grid_in(arrays, FRAMES, 1, where)
    frames = (
        [*range(count)] if numbers is None else [whole(n, FRAMES, where) for n in numbers.tolist()]
    )
    fits = scores is None or scores.shape == points.shape[:3]
    fits = fits and (len(names), len(order)) == (people, k)
    if not fits or len(frames) != count or len({*frames}) < count:
        raise FormatError(
            f"expected scores, names, joints and frames that fit {people} persons in {count} "
            f"frames with {k} joints",
            where=where,
        )
    grid = np.full((count, people, len(body), 3), np.nan)
    grid[:, :, order, :2] = points.transpose(1, 0, 2, 3)
    if scores is not None:
        grid[:, :, order, 2] = scores.transpose(1, 0, 2)
    refs = [ImageRef(frame or 0, frame=frame) for frame in frames]
    return poses_of(
        grid, names, PREFIX, refs, body, options, lambda i: f"{where}, frame {frames[i]}"
    )


def write_h36m(poses: Poses, precision: int | None, held: Holding) -> Document:
    """Write a video: `positions_2d` (person, frame, joint, 2), and what tells the rest."""
    del held
    numbers = frame_numbers(poses.images)
    named = _individuals.individuals_of(poses, PREFIX)
    names = list(dict.fromkeys(named)) or [f"{PREFIX}0"]
    grid = np.full((len(names), len(poses.images), len(poses.skeleton), 3), np.nan)
    who = np.array([names.index(name) for name in named], np.intp)
    grid[who, poses.image] = values_of(poses, precision)
    return {
        NPZ: {
            "positions_2d": grid[..., :2].tolist(),
            SCORES: grid[..., 2].tolist(),
            JOINTS: list(poses.skeleton.joints),
            INDIVIDUALS: names,
            FRAMES: [*range(len(poses.images))] if numbers is None else numbers,
        }
    }


def _persons(arrays: Mapping[str, Any], name: str, ndim: int, where: str) -> Floats | None:
    """Return an array by person; that of one may lack the dimension."""
    value, depth = arrays.get(name), 0
    while isinstance(value, list) and value:
        value, depth = value[0], depth + 1
    alone = (value.ndim if isinstance(value, np.ndarray) else depth) == ndim - 1
    found = grid_in(arrays, name, ndim - 1 if alone else ndim, where)
    return found[None] if alone and found is not None else found


def _arrays(document: Document) -> Mapping[str, Any]:
    held: Any = document if isinstance(document, dict) else {}
    arrays = held.get(NPZ)
    return arrays if isinstance(arrays, dict) else {}


def _is_h36m(document: Document) -> Verdict:
    return Verdict.YES if KEYS.keys() & _arrays(document).keys() else Verdict.NO


FORMATS = (
    Format(
        name="h36m",
        about="Keypoints for lifting (Human3.6M, VideoPose3D): an array of a video, in .npz",
        tells="an array 'positions_2d' or 'reconstruction'",
        detect=_is_h36m,
        read=read_h36m,
        write=write_h36m,
        endings=(".npz",),
        private=frozenset({HALVES}),
        complete=partial(give_frames, prefix=PREFIX),
        example=partial(one_person, BODY),
        cannot_hold=(
            "image names",
            "image sizes",
            "score kind",
            "instance scores",
            "boxes",
            "areas",
            "unknown fields",
            "history",
            "frames per second",
        ),
    ),
)
