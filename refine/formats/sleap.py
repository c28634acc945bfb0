"""SLEAP: labels (.slp, through sleap-io) and the analysis file (.h5).

Instances of .slp have tracks or none, and scores where they are predicted. sleap-io moves those of
versions before 1.1, whose pixels begin at their edges, by half a pixel. The analysis file has an
array per quantity; `tracks` is (track, 2, node, frame), or (frame, track, node, 2), and a frame is
its place. In both NaN is missing, and scores may exceed 1.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import refine.history as _history
from refine.exceptions import FormatError
from refine.formats import _individuals
from refine.formats._grids import points_of
from refine.formats._images import index_images, whole
from refine.formats._keypoints import joints, kind_after, matrix, named_joints, number
from refine.formats._records import list_in
from refine.formats._slp import LABELS
from refine.formats._told import FPS, rate_told
from refine.formats._unlabelled import FIELD as HALVES, carry_halves
from refine.formats.base import Document, Format, Holding, Options, Source, Verdict
from refine.poses import ImageRef, Poses
from refine.skeletons import Skeleton

PREFIX = "track_"
VIDEO, TRACKING = "video", "tracking_score"
"""In `extra`: of images the name of their video, of poses how well they fit their track."""

DEFAULT_VIDEO = "video.mp4"
"""Name of the video of frames that came without."""


def read_sleap(source: Source, options: Options) -> Poses:
    """Read instances; a frame of a video is an image.

    Raises:
        FormatError: several skeletons, or fields that are none of SLEAP's labels.
        SkeletonError: a skeleton was asked for that lacks a node.
    """
    document: Any = source.document
    held, where = document.get(LABELS) if isinstance(document, dict) else None, source.path
    names, tracks, videos, frames = (
        list_in(held, field, where) for field in ("skeletons", "tracks", "videos", "frames")
    )
    assert isinstance(held, dict)
    ids = _indices(tracks, where)
    of, refs, rows = [], [], []
    for i, frame in enumerate(frames):
        at = f"{where}, frame {i}"
        ref = _ref(frame, videos, at)
        refs.append(ref)
        for q, one in enumerate(list_in(frame, "instances", at)):
            if not isinstance(one, dict):
                raise FormatError(f"expected an instance, got {one!r:.40}", where=f"{at}, {q}")
            rows.append((one, f"{at}, instance {q}"))
            of.append(ref)
    places = [at for _, at in rows]
    used = {_place(one.get("skeleton", 0), len(names), "skeleton", at) for one, at in rows}
    if len(used) > 1:
        raise FormatError(
            f"expected instances of one skeleton, got those of {len(used)}",
            where=where,
            hint="a file for each skeleton",
        )
    body, order = _body(names, min(used, default=0), options)
    lists = [_points(one.get("points"), at) for one, at in rows]
    values = np.full((len(rows), len(body), 3), np.nan)
    found = matrix(lists, 3 * len(order), "points", places.__getitem__)
    values[:, order] = found.reshape(len(rows), len(order), 3)
    predicted = any("score" in one for one, _ in rows)
    told = joints(values, options, places.__getitem__)
    history = _history.parse(_provenance(held).get(_history.FIELD), where)
    index, images = index_images([*refs, *of])
    track = [
        None if one.get("track") is None else _place(one["track"], len(tracks), "track", at)
        for one, at in rows
    ]
    own = _individuals.own_names(tracks, PREFIX)
    called = ["" if t is None else own.get(tracks[t], "") for t in track]
    extra = [_extra(one, at, name) for (one, at), name in zip(rows, called, strict=True)]
    carry_halves(extra, values, body.joints)
    return Poses(
        body,
        told.xy,
        np.where(np.isnan(values[..., 2]), np.nan, told.score),
        np.array([number(one.get("score"), "score", at) for one, at in rows], np.float64),
        index[len(refs) :],
        images,
        score_kind=kind_after(history, told.kind if predicted or not rows else "none"),
        track=np.array([-1 if t is None else ids[t] for t in track], np.int64)
        if any(t is not None for t in track)
        else None,
        history=history,
        extra=tuple(extra),
        meta={
            **told.meta,
            "tracks": tracks,
            "videos": videos,
            **rate_told(v.get(FPS) if isinstance(v, dict) else None for v in videos),
            "provenance": _provenance(held),
            "notes": _notes(held.get("corrected")),
        },
    )


def write_sleap(poses: Poses, precision: int | None, held: Holding) -> Document:
    """Write instances: predicted ones where there are scores, else a user's."""
    del held
    named = _individuals.individuals_of(poses, PREFIX)
    real = [name for name in named if not _individuals.is_slot(name)]
    tracks = list(dict.fromkeys([*poses.meta.get("tracks", ()), *real]))
    place = {name: i for i, name in enumerate(tracks)}
    points = points_of(poses, precision)
    videos, where = _videos(poses)
    if FPS in poses.meta:
        videos = [{FPS: poses.meta[FPS], **video} for video in videos]
    frames = []
    for (video, frame), (_, rows) in zip(where, poses.by_image(), strict=True):
        instances = []
        for i in rows.tolist():
            one: dict[str, Any] = {"track": place.get(named[i]), "points": points[i].tolist()}
            score = float(poses.instance_score[i])
            if score == score or np.isfinite(poses.score[i]).any():
                one["score"] = score
            if isinstance(poses.extra[i].get(TRACKING), float):
                one[TRACKING] = poses.extra[i][TRACKING]
            instances.append(one)
        frames.append({"video": video, "frame": frame, "instances": instances})
    provenance = {k: v for k, v in poses.meta.get("provenance", {}).items() if k != _history.FIELD}
    if poses.history:
        provenance[_history.FIELD] = _history.encode(poses.history)
    return {
        LABELS: {
            "videos": videos,
            "skeletons": [_nodes(poses.skeleton)],
            "tracks": tracks,
            "frames": frames,
            "provenance": provenance,
        }
    }


def _body(held: list[Any], at: int, options: Options) -> tuple[Skeleton, list[int]]:
    body = held[at] if held else None
    nodes = list_in(body, "nodes", f"{options.where}, skeleton {at}")
    assert isinstance(body, dict)
    if not nodes or not all(isinstance(node, str) for node in nodes):
        raise FormatError("expected names of nodes", where=f"{options.where}, skeleton {at}")
    name = body.get("name")
    own = name if isinstance(name, str) and name else LABELS
    skeleton, order = named_joints(nodes, options, own)
    if skeleton.name != own or options.skeleton is not None:
        return skeleton, order
    edges = tuple(
        (a, b)
        for a, b in (e for e in _pairs(body.get("edges")) if {*map(type, e)} == {int})
        if min(a, b) >= 0 and max(a, b) < len(nodes)
    )
    sides = {a: b for a, b in _pairs(body.get("symmetries")) if a in nodes and b in nodes}
    return replace(skeleton, edges=edges, partners=sides), order


def _pairs(value: Any) -> list[tuple[Any, Any]]:
    rows = value if isinstance(value, list) else []
    return [(row[0], row[1]) for row in rows if isinstance(row, list) and len(row) == 2]


def _nodes(body: Skeleton) -> dict[str, Any]:
    mirror = body.mirror.tolist()
    return {
        "name": body.name,
        "nodes": list(body.joints),
        "edges": [list(edge) for edge in body.edges],
        "symmetries": [[body.joints[i], body.joints[m]] for i, m in enumerate(mirror) if i < m],
    }


def _ref(frame: Any, videos: Sequence[Any], where: str) -> ImageRef:
    told = frame if isinstance(frame, dict) else {}
    number_, at = whole(told.get("frame"), "frame", where), told.get(VIDEO, 0)
    if number_ is None:
        raise FormatError(f"expected a frame with its number, got {frame!r:.40}", where=where)
    video = videos[_place(at, len(videos), VIDEO, where)]
    video = video if isinstance(video, dict) else {}
    name, shape = video.get("filename"), video.get("shape")
    size = shape[1:3] if isinstance(shape, list) and len(shape) == 4 else [None, None]
    height, width = (whole(side, "shape", where) or None for side in size)
    if isinstance(name, list):
        picture = name[number_] if number_ < len(name) else None
        if not isinstance(picture, str):
            raise FormatError(
                f"expected a frame of {len(name)} pictures, got {number_}", where=where
            )
        return ImageRef(picture, picture, width, height, number_)
    if not isinstance(name, str):
        raise FormatError(f"expected the name of a video, got {name!r:.40}", where=where)
    own = number_ if len(videos) == 1 else f"{at}-{Path(name).stem}/{number_}"
    return ImageRef(own, None, width, height, number_, {VIDEO: name})


def _videos(poses: Poses) -> tuple[list[Any], list[tuple[int, int]]]:
    """Return the videos that images are of, and for each image which one and its frame."""
    refs, known = poses.images, [dict(v) for v in poses.meta.get("videos", ()) if v]
    frames = [ref.frame for ref in refs]
    names: list[Any] = [ref.extra.get(VIDEO, DEFAULT_VIDEO) for ref in refs]
    where = [*zip(names, frames, strict=True)]
    pictures = [ref.file_name for ref in refs]
    sequences = {name: v for v, each in enumerate(known) for name in _names(each)}
    if known and all(name in sequences for name in pictures):
        place = [(sequences[name], _names(known[sequences[name]]).index(name)) for name in pictures]
        return known, place
    texts = all(isinstance(name, str) for name in names)
    if not texts or None in frames or len({*where}) < len(where):
        every = [name or str(ref.id) for name, ref in zip(pictures, refs, strict=True)]
        return [{"filename": every, "shape": _shape(refs)}], [(0, i) for i in range(len(refs))]
    found = [each["filename"] for each in known if isinstance(each.get("filename"), str)]
    listed = list(dict.fromkeys([*found, *names])) or [DEFAULT_VIDEO]
    shapes = {each["filename"]: each.get("shape") for each in known if each["filename"] in found}
    videos = [
        {
            "filename": name,
            "shape": shapes.get(name)
            or _shape([ref for ref, own in zip(refs, names, strict=True) if own == name]),
        }
        for name in listed
    ]
    return videos, [(listed.index(name), frame or 0) for name, frame in where]


def _names(video: Mapping[str, Any]) -> list[Any]:
    name = video.get("filename")
    return name if isinstance(name, list) else []


def _shape(refs: Sequence[ImageRef]) -> list[int] | None:
    """Return frames, height, width, channels of a video whose images have one size."""
    sizes = {(ref.height, ref.width) for ref in refs}
    height, width = next(iter(sizes)) if len(sizes) == 1 else (None, None)
    last = max((ref.frame or 0 for ref in refs), default=0)
    return [last + 1, height, width, 1] if height and width else None


def _points(points: Any, where: str) -> list[Any]:
    rows = points if isinstance(points, list) else [points]
    if not all(isinstance(row, list) and len(row) == 3 for row in rows):
        raise FormatError(f"expected points x, y, score, got {points!r:.60}", where=where)
    return [value for row in rows for value in row]


def _place(value: Any, count: int, field: str, where: str) -> int:
    if type(value) is not int or not 0 <= value < count:
        raise FormatError(
            f"expected a number below {count} in {field!r}, got {value!r:.40}", where=where
        )
    return value


def _indices(tracks: Sequence[Any], where: str) -> list[int]:
    if not all(isinstance(name, str) for name in tracks):
        raise FormatError("expected names of tracks", where=where)
    found = _individuals.tracks_of(tracks) if len({*tracks}) == len(tracks) else []
    return [i if t is None else t for i, t in enumerate(found or [None] * len(tracks))]


def _extra(one: Mapping[str, Any], where: str, name: str) -> dict[str, Any]:
    fits = number(one.get(TRACKING), TRACKING, where)
    extra: dict[str, Any] = {_individuals.FIELD: name} if name else {}
    return extra if fits != fits else {**extra, TRACKING: fits}


def _provenance(held: Mapping[str, Any]) -> dict[str, Any]:
    found = held.get("provenance")
    return found if isinstance(found, dict) else {}


def _notes(corrected: Any) -> tuple[str, ...]:
    if type(corrected) is not int or corrected < 1:
        return ()
    return (f"{corrected} predictions that a user has corrected were left out",)


def _is_sleap(document: Document) -> Verdict:
    held = document.get(LABELS) if isinstance(document, dict) else None
    return Verdict.YES if isinstance(held, dict) and "frames" in held else Verdict.NO


FORMATS = (
    Format(
        name="sleap",
        about="SLEAP labels, predicted or a user's, in .slp",
        tells="labels in .slp",
        detect=_is_sleap,
        read=read_sleap,
        write=write_sleap,
        endings=(".slp",),
        fields=frozenset({TRACKING}),
        private=frozenset({TRACKING, VIDEO, HALVES}),
        complete=partial(_individuals.note_repeats, prefix=PREFIX),
        cannot_hold=("image names", "score kind", "boxes", "areas", "unknown fields"),
    ),
)
