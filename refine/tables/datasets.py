"""Labelled arrays of xarray, as movement has them: time, space, keypoints, individuals."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from refine._types import Indices
from refine.exceptions import ArrayError
from refine.history import FIELD as HISTORY
from refine.numerics import frame_rate
from refine.skeletons import Skeleton
from refine.tables.columns import BOX
from refine.tables.frames import library
from refine.tables.text import (
    dump_fields,
    dump_skeleton,
    dump_steps,
    find_skeleton,
    parse_fields,
    parse_steps,
)

DIMS = ("time", "space", "keypoints", "individuals")
"""Of `position`, as in movement's validators/datasets.py; `confidence` has no space."""
INDIVIDUAL = "id_"
"""What movement calls individuals without names, before their number."""
NAME = "individual"
"""Unknown field that names the individual of a pose."""
SOURCE = "refine"
"""Of `source_software`."""


def to_xarray(poses: Any) -> Any:
    """Return poses as an xarray Dataset.

    Every image is a time: the number of its frame where all have one of their own, else its place.
    Individuals are tracks where every pose has one, each once in an image; else the poses of each
    image by their place in it.

    Args:
        poses: a `Poses`.

    Returns:
        what movement's functions take, and beside it, where poses have them, `pose` (the number of
        each among all, -1 for none), `instance_score`, `box`, `area`, `track`, `image_id`,
        `file_name`, `width`, `height`, `frame` and the unknown fields as JSON.

    Raises:
        ArrayError: ids of images that are partly numbers and partly texts.
    """
    xarray = library("xarray")
    images, image, body = poses.images, poses.image, poses.skeleton
    frames = [ref.frame for ref in images]
    framed = None not in frames and len(set(frames)) == len(frames)
    who, names = _individuals(poses)
    shape = (len(images), len(names))

    def spread(values: npt.NDArray[Any], missing: Any) -> npt.NDArray[Any]:
        out = np.full((*shape, *values.shape[1:]), missing, values.dtype)
        out[image, who] = values
        return out

    ids = [ref.id for ref in images]
    if len({isinstance(i, str) for i in ids}) > 1:
        raise ArrayError(
            "expected ids of images of one kind, got numbers and texts",
            hint="`to_pandas`, which holds both",
        )
    each, pairs = ("time",), ("time", "individuals")
    data: dict[str, Any] = {
        "position": (DIMS, spread(poses.xy, np.nan).transpose(0, 3, 2, 1)),
        "confidence": (
            ("time", "keypoints", "individuals"),
            spread(poses.score, np.nan).transpose(0, 2, 1),
        ),
        "pose": (pairs, spread(np.arange(len(image)), -1)),
        "image_id": (each, np.array(ids) if ids else np.empty(0, np.int64)),
        "instance_score": (pairs, spread(poses.instance_score, np.nan)),
    }
    if poses.box is not None:
        data["box"] = ((*pairs, "corner"), spread(poses.box, np.nan))
    if poses.area is not None:
        data["area"] = (pairs, spread(poses.area, np.nan))
    if poses.track is not None:
        data["track"] = (pairs, spread(poses.track, -1))
    if any(ref.file_name is not None for ref in images):
        data["file_name"] = (each, np.array([ref.file_name or "" for ref in images]))
    for name in ("width", "height", "frame"):
        values = [getattr(ref, name) for ref in images]
        if any(v is not None for v in values):
            data[name] = (each, np.array([-1 if v is None else v for v in values]))
    if any(poses.extra):
        fields = [dump_fields(row) or "" for row in poses.extra]
        data["extra"] = (pairs, spread(np.array(fields), ""))
    if any(ref.extra for ref in images):
        data["image_extra"] = (each, np.array([dump_fields(r.extra) or "" for r in images]))
    times = np.array(frames if framed else range(len(images)), np.int64)
    coords = dict(zip(DIMS, (times, ["x", "y"], list(body.joints), names), strict=True))
    attributes = {
        "ds_type": "poses",
        "source_software": SOURCE,
        "time_unit": "frames",
        "skeleton": dump_skeleton(body),
        "score_kind": poses.score_kind,
        HISTORY: dump_steps(poses.history),
    }
    if (rate := frame_rate(poses.meta.get("fps"))) is not None:
        attributes["fps"] = rate
    if "box" in data:
        coords["corner"] = list(BOX)
    return xarray.Dataset(data, coords, attributes)


def from_xarray(dataset: Any, skeleton: Skeleton | str | Path | None = None) -> dict[str, Any]:
    """Return the attributes of poses in an xarray Dataset of `to_xarray` or of movement.

    Without `pose`, an individual with a joint or a confidence in a frame is a pose. The individuals
    of movement become tracks: by the number in `id_3`, else numbered in their order with the name
    in the field `individual`. Times in seconds become frames by `fps`.

    Args:
        dataset: with `position` (time, space, keypoints, individuals), in any order of these, and
            perhaps `confidence`; other variables as of `to_xarray`.
        skeleton: of the keypoints, where nothing tells.

    Raises:
        ArrayError: no such variable, or three dimensions.
        SkeletonError: no such skeleton.
    """
    if "position" not in dataset or set(dataset["position"].dims) != set(DIMS):
        found = tuple(dataset["position"].dims) if "position" in dataset else tuple(dataset)
        raise ArrayError(f"expected 'position' with {', '.join(DIMS)}, got {found}"[:300])
    if (wide := dataset.sizes["space"]) != 2:
        raise ArrayError(f"expected x and y in 'space', got {wide} dimensions")
    joints = [str(name) for name in dataset["keypoints"].values]
    body = find_skeleton(dataset.attrs.get("skeleton"), joints, skeleton)
    if len(body) != len(joints):
        raise ArrayError(f"expected {len(body)} keypoints for {body.name!r}, got {len(joints)}")
    pairs = ("time", "individuals")
    xy = dataset["position"].transpose(*pairs, "keypoints", "space").values.astype(np.float64)
    score = _array(dataset, "confidence", (*pairs, "keypoints"))
    scores = np.full(xy.shape[:-1], np.nan) if score is None else score.astype(np.float64)
    number = _array(dataset, "pose", pairs)
    if number is None:
        number = np.where(np.isfinite(xy).all(-1).any(-1) | np.isfinite(scores).any(-1), 0, -1)
    image, who = np.nonzero(number >= 0)
    order = np.argsort(number[image, who], kind="stable")
    image, who = image[order], who[order]

    def rows(name: str, *more: str) -> npt.NDArray[Any] | None:
        values = _array(dataset, name, (*pairs, *more))
        return None if values is None else values[image, who]

    track, names = rows("track"), [str(name) for name in dataset["individuals"].values]
    extra = [parse_fields(text, i) for i, text in enumerate(_texts(rows("extra"), len(image)))]
    if "pose" not in dataset:
        numbers = [n.removeprefix(INDIVIDUAL) for n in names]
        numbered = all(
            n.isdecimal() and f"{INDIVIDUAL}{int(n)}" == m
            for n, m in zip(numbers, names, strict=True)
        )
        track = np.array([int(n) for n in numbers])[who] if numbered else who
        extra = [{} if numbered else {NAME: names[i]} for i in who]
    instance, kind = rows("instance_score"), dataset.attrs.get("score_kind")
    history = dataset.attrs.get(HISTORY) or None
    return {
        "skeleton": body,
        "xy": xy[image, who],
        "score": scores[image, who],
        "instance_score": np.full(len(image), np.nan) if instance is None else instance,
        "image": image,
        "images": _images(dataset),
        "score_kind": kind or ("none" if score is None else "unknown"),
        "box": rows("box", "corner"),
        "area": rows("area"),
        "track": None if track is None else track.astype(np.int64),
        "history": parse_steps(history),
        "extra": tuple(extra),
        "meta": {} if (rate := frame_rate(dataset.attrs.get("fps"))) is None else {"fps": rate},
    }


def _individuals(poses: Any) -> tuple[Indices, list[str]]:
    """Return the individual of each pose, and the names of all."""
    image, track = poses.image, poses.track
    if track is not None and len(track) and (track >= 0).all():
        known, who = np.unique(track, return_inverse=True)
        if len({*zip(image.tolist(), who.tolist(), strict=True)}) == len(image):
            told = {
                (int(i), str(e[NAME])) for i, e in zip(who, poses.extra, strict=True) if NAME in e
            }
            if len(told) == len({n for _, n in told}) == len(known):
                return who, [name for _, name in sorted(told)]
            return who, [f"{INDIVIDUAL}{number}" for number in known]
    order = np.argsort(image, kind="stable")
    starts = np.searchsorted(image[order], np.arange(len(poses.images)))
    who = np.empty(len(image), np.intp)
    who[order] = np.arange(len(image)) - starts[image[order]]
    return who, [f"{INDIVIDUAL}{i}" for i in range(int(who.max(initial=-1)) + 1)]


def _images(dataset: Any) -> tuple[dict[str, Any], ...]:
    times, count = dataset["time"].values, dataset.sizes["time"]
    fps = dataset.attrs.get("fps")
    numbered = dataset.attrs.get("time_unit") == "seconds" and fps
    frames = np.round(times * fps if numbered else times).astype(np.int64).tolist()
    ids = _array(dataset, "image_id", ("time",))
    if ids is None:
        return tuple({"id": frame, "frame": frame} for frame in frames)
    extra = _texts(_array(dataset, "image_extra", ("time",)), count)
    refs: list[dict[str, Any]] = [{"id": i} for i in ids.tolist()]
    for name in ("width", "height", "frame"):
        values = _array(dataset, name, ("time",))
        for ref, value in zip(refs, [-1] * count if values is None else values, strict=True):
            ref[name] = None if value < 0 else int(value)
    names = _texts(_array(dataset, "file_name", ("time",)), count)
    for i, ref in enumerate(refs):
        ref |= {"file_name": names[i] or None, "extra": parse_fields(extra[i], i)}
    return tuple(refs)


def _texts(values: npt.NDArray[Any] | None, count: int) -> Sequence[str]:
    return [""] * count if values is None else [str(v) for v in values]


def _array(dataset: Any, name: str, dims: tuple[str, ...]) -> npt.NDArray[Any] | None:
    """Return a variable with its dimensions in an order, None where there is none."""
    if name not in dataset:
        return None
    variable = dataset[name]
    if set(variable.dims) != set(dims):
        raise ArrayError(f"expected {name!r} with {', '.join(dims)}, got {tuple(variable.dims)}")
    return np.asarray(variable.transpose(*dims).values)
