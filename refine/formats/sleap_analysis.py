"""SLEAP's analysis file: an array per quantity, a row per frame of a video.

`tracks` is (track, 2, node, frame) from SLEAP and by default from sleap-io, (frame, track, node, 2)
as the latter's preset "standard"; attributes or `track_occupancy` (frame, track) tell. All frames
of the file are images. Poses without tracks are tracks `pose1`, `pose2`, ...
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

import refine.history as _history
from refine._types import Floats
from refine.exceptions import FormatError
from refine.files import UNPACKED_LEAST
from refine.formats import _individuals
from refine.formats._grids import frame_numbers, give_frames, points_of
from refine.formats._hdf5 import ARRAYS, ATTRIBUTES, grid_in, texts_in
from refine.formats._keypoints import joints, kind_after, named_joints
from refine.formats._unlabelled import FIELD as HALVES
from refine.formats.base import Document, Format, Holding, Options, Source, Verdict
from refine.formats.sleap import PREFIX, TRACKING
from refine.poses import ImageRef, Poses

POINTS, NODES, NAMES, THERE = "tracks", "node_names", "track_names", "track_occupancy"
POINT_SCORES, SCORES, FITS = "point_scores", "instance_scores", "tracking_scores"
AXES = {"track": 0, "xy": 1, "node": 2, "frame": 3}
"""Of `POINTS`, in SLEAP's order; sleap_io/io/analysis_h5.py."""


def read_analysis(source: Source, options: Options) -> Poses:
    """Read tracks; a pose is a track in a frame in which it has a joint.

    Raises:
        FormatError: arrays that are missing, of other shapes, or in an order that nothing tells.
        SkeletonError: a skeleton was asked for that lacks a node.
    """
    document, where = source.document, source.path
    if not _is_arrays(document):
        raise FormatError(f"expected arrays with {POINTS!r} and {NODES!r}", where=where)
    assert isinstance(document, dict)
    nodes = texts_in(document[ARRAYS], NODES, where)
    body, order = named_joints(nodes, options, "sleap")
    if body.name == "sleap":
        body = replace(body, edges=_edges(document, len(body)))
    points = grid_in(document[ARRAYS], POINTS, 4, where)
    if points is None:
        raise FormatError(f"expected numbers in {POINTS!r}, got null", where=where)
    points = _ordered(points, document, len(nodes), where)  # (frame, track, node, 2)
    count, tracks = points.shape[:2]
    names = texts_in(document[ARRAYS], NAMES, where) or [
        f"{_individuals.SLOT}{t + 1}" for t in range(tracks)
    ]
    if len(names) != tracks:
        raise FormatError(f"expected {tracks} names in {NAMES!r}, got {len(names)}", where=where)
    values = np.full((count, tracks, len(body), 3), np.nan)
    values[:, :, order, :2] = points
    scores = _scores(document, POINT_SCORES, (count, tracks, len(nodes)), where)
    if scores is not None:
        values[:, :, order, 2] = scores
    whole = _scores(document, SCORES, (count, tracks), where)
    fits = _scores(document, FITS, (count, tracks), where)
    occupied = np.isfinite(values[..., :2]).all(-1).any(2)
    found = np.argwhere(occupied if whole is None else occupied | np.isfinite(whole))

    def at(i: int) -> str:
        return f"{where}, frame {found[i, 0]}, track {found[i, 1]}"

    frame, track = found.T
    told = joints(values[frame, track], options, at)
    ids = np.array([-1 if t is None else t for t in _individuals.tracks_of(names)], np.int64)
    own = _individuals.own_names(names, PREFIX)
    width, height = _size(document)
    history = _history.parse(document[ATTRIBUTES].get(_history.FIELD) or None, where)
    return Poses(
        body,
        told.xy,
        np.where(np.isnan(values[frame, track, :, 2]), np.nan, told.score),
        np.full(len(found), np.nan) if whole is None else whole[frame, track],
        frame,
        tuple(ImageRef(i, None, width, height, i) for i in range(count)),
        score_kind=kind_after(history, "none" if scores is None else told.kind),
        track=ids[track] if (ids[track] >= 0).any() else None,
        history=history,
        extra=tuple(
            ({_individuals.FIELD: own[names[t]]} if names[t] in own else {})
            | ({} if fits is None or np.isnan(fits[i, t]) else {TRACKING: float(fits[i, t])})
            for i, t in found.tolist()
        ),
        meta=told.meta,
    )


def write_analysis(poses: Poses, precision: int | None, held: Holding) -> Document:
    """Write tracks in SLEAP's order; frames are those of the images, or numbers that are their ids.

    Raises:
        FormatError: frames so far apart that the arrays would be empty for the most part.
    """
    del held
    numbers = frame_numbers(poses.images)
    rows = np.array(range(len(poses.images)) if numbers is None else numbers, np.int64)
    named = _individuals.individuals_of(poses, PREFIX)
    names = list(dict.fromkeys(named)) or [f"{_individuals.SLOT}1"]
    count, k = int(rows.max(initial=-1)) + 1, len(poses.skeleton)
    if count > 100 * len(rows) and 24 * count * len(names) * k > UNPACKED_LEAST:
        raise FormatError(
            f"expected frames that are not far apart, got {len(rows)} of {count} for an array of "
            "all frames",
            hint="--to sleap",
        )
    values = np.full((count, len(names), k, 3), np.nan)
    scores = np.full((count, len(names)), np.nan)
    at = rows[poses.image], np.array([names.index(name) for name in named], np.intp)
    values[at], scores[at] = points_of(poses, precision), poses.instance_score
    fits = np.full(scores.shape, np.nan)
    told = [extra.get(TRACKING) for extra in poses.extra]
    fits[at] = [fit if isinstance(fit, float) else np.nan for fit in told]
    there = np.zeros(scores.shape, np.uint8)
    there[at] = 1
    body = poses.skeleton
    arrays: dict[str, Any] = {
        POINTS: values[..., :2].transpose(1, 3, 2, 0).tolist(),
        THERE: there.tolist(),
        POINT_SCORES: values[..., 2].transpose(1, 2, 0).tolist(),
        SCORES: scores.T.tolist(),
        FITS: fits.T.tolist(),
        NODES: list(body.joints),
        NAMES: names,
        "edge_inds": [list(edge) for edge in body.edges],
        "edge_names": [[body.joints[a], body.joints[b]] for a, b in body.edges],
    }
    dims = {
        POINTS: [*AXES],
        THERE: ["frame", "track"],
        POINT_SCORES: ["track", "node", "frame"],
        SCORES: ["track", "frame"],
        FITS: ["track", "frame"],
    }
    attributes: dict[str, Any] = {f"{name}.dims": json.dumps(of) for name, of in dims.items()}
    attributes |= {"format": "analysis", "preset": "matlab"} | _about(poses, count)
    return {ARRAYS: arrays, ATTRIBUTES: attributes}


def _edges(document: Mapping[str, Any], k: int) -> tuple[tuple[int, int], ...]:
    value = document[ARRAYS].get("edge_inds")
    rows = value.tolist() if isinstance(value, np.ndarray) else value
    pairs = [row for row in rows if isinstance(row, list)] if isinstance(rows, list) else []
    good = [row for row in pairs if len(row) == 2 and {*map(type, row)} == {int}]
    return tuple((a, b) for a, b in good if min(a, b) >= 0 and max(a, b) < k)


def _about(poses: Poses, count: int) -> dict[str, Any]:
    sizes = {(ref.height, ref.width) for ref in poses.images}
    out: dict[str, Any] = {}
    if len(sizes) == 1 and None not in next(iter(sizes)):
        shape = [count, *next(iter(sizes)), 1]
        out["video_backend_metadata"] = json.dumps({"shape": shape})
    return out | ({_history.FIELD: _history.encode(poses.history)} if poses.history else {})


def _ordered(points: Floats, document: Mapping[str, Any], k: int, where: str) -> Floats:
    """Return (frame, track, node, 2), whatever the order in the file."""
    try:
        told = json.loads(document[ATTRIBUTES].get(f"{POINTS}.dims"))
    except (TypeError, ValueError):
        told = None
    ways: dict[str, tuple[int, ...]] = {"matlab": (3, 0, 2, 1), "standard": (0, 1, 2, 3)}
    if isinstance(told, list) and sorted(map(str, told)) == sorted(AXES):
        ways = {"told": tuple(told.index(axis) for axis in ("frame", "track", "node", "xy"))}
    fits = {way: points.transpose(axes) for way, axes in ways.items()}
    fits = {way: turned for way, turned in fits.items() if turned.shape[2:] == (k, 2)}
    there = grid_in(document[ARRAYS], THERE, 2, where)
    if len(fits) > 1 and there is not None and there.size:
        fits = {
            way: turned
            for way, turned in fits.items()
            if np.array_equal(np.isfinite(turned).any((2, 3)), there > 0)
        }
    if len(fits) != 1:
        raise FormatError(
            f"expected {POINTS!r} as (track, 2, {k}, frame) or (frame, track, {k}, 2), got "
            f"{points.shape}" + (", which may be either" if fits else ""),
            where=where,
            hint="sleap-io's save_analysis_h5, which writes the order",
        )
    return next(iter(fits.values()))


def _scores(
    document: Mapping[str, Any], name: str, shape: Sequence[int], where: str
) -> Floats | None:
    """Return scores with frames first; they are last in SLEAP's order."""
    found = grid_in(document[ARRAYS], name, len(shape), where)
    if found is None:
        return None
    if not found.size and 0 in shape:
        return np.empty(shape)
    last = np.moveaxis(found, -1, 0)
    told = document[ATTRIBUTES].get(f"{name}.dims")
    first = isinstance(told, str) and told.startswith('["frame"')
    for turned in (found, last) if first else (last, found):
        if turned.shape == tuple(shape):
            return turned
    raise FormatError(
        f"expected {name!r} for {shape[0]} frames and {shape[1]} tracks, got {found.shape}",
        where=where,
    )


def _size(document: Mapping[str, Any]) -> tuple[int | None, int | None]:
    """Return width and height of the video, px, if they are told."""
    try:
        _, height, width, _ = json.loads(document[ATTRIBUTES]["video_backend_metadata"])["shape"]
    except (KeyError, TypeError, ValueError):
        return None, None
    good = all(type(side) is int and 0 < side < 2**31 for side in (width, height))
    return (width, height) if good else (None, None)


def _is_arrays(document: Document) -> bool:
    held: Any = document if isinstance(document, dict) else {}
    arrays, attributes = held.get(ARRAYS), held.get(ATTRIBUTES, {})
    named = isinstance(arrays, dict) and {POINTS, NODES} <= arrays.keys()
    return named and isinstance(attributes, dict) and ATTRIBUTES in held


def _is_analysis(document: Document) -> Verdict:
    return Verdict.YES if _is_arrays(document) else Verdict.NO


FORMATS = (
    Format(
        name="sleap-analysis",
        about="SLEAP's analysis file of a video: an array of tracks, in .h5",
        tells="arrays 'tracks' and 'node_names'",
        detect=_is_analysis,
        read=read_analysis,
        write=write_analysis,
        endings=(".h5",),
        fields=frozenset({TRACKING}),
        private=frozenset({TRACKING, HALVES}),
        complete=partial(give_frames, prefix=PREFIX),
        cannot_hold=(
            "image names",
            "images without poses",
            "score kind",
            "boxes",
            "areas",
            "unknown fields",
            "frames per second",
        ),
    ),
)
