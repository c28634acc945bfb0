"""SLEAP's .slp as a document, read and written by sleap-io."""

import tempfile
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from refine.exceptions import FormatError
from refine.formats.base import Document

LABELS = "sleap"
"""Field of the document that holds all: videos, skeletons, tracks, frames, provenance."""


def parse_slp(data: bytes, where: str) -> Document:
    """Parse a file; predictions that were corrected by hand are counted and left out.

    Raises:
        FormatError: sleap-io is not installed, or cannot read the file.
    """
    module = _sleap_io(where)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "labels.slp"
        path.write_bytes(data)
        try:
            return {LABELS: _document(module, module.load_slp(str(path), open_videos=False), path)}
        except Exception as error:  # Files that are damaged make it raise anything.
            raise FormatError(
                f"expected labels that sleap-io reads, got: {error!s:.200}", where=where
            ) from None


def dump_slp(document: Mapping[str, Any]) -> bytes:
    """Write a file, the counterpart of `parse_slp`.

    Raises:
        FormatError: sleap-io is not installed.
    """
    module, held = _sleap_io(None), document[LABELS]
    skeletons = [_skeleton(module, each) for each in held["skeletons"]]
    tracks = [module.Track(name) for name in held["tracks"]]
    videos = [
        module.Video(filename=each["filename"], open_backend=False, backend_metadata=_backend(each))
        for each in held["videos"]
    ]
    frames = [
        module.LabeledFrame(
            video=videos[frame["video"]],
            frame_idx=frame["frame"],
            instances=[_instance(module, one, skeletons, tracks) for one in frame["instances"]],
        )
        for frame in held["frames"]
    ]
    labels = module.Labels(
        frames, videos, skeletons, tracks, provenance=dict(held.get("provenance", {}))
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "labels.slp"
        labels.save(str(path), embed=False, verbose=False)
        return path.read_bytes()


def _document(module: ModuleType, labels: Any, path: Path) -> dict[str, Any]:
    skeletons, tracks, videos = (
        list(of) for of in (labels.skeletons, labels.tracks, labels.videos)
    )
    place = {id(track): i for i, track in enumerate(tracks)}
    frames, corrected = [], 0
    for frame in labels.labeled_frames:
        sources = {id(one.from_predicted) for one in frame.instances if one.from_predicted}
        kept = [one for one in frame.instances if id(one) not in sources]
        corrected += len(frame.instances) - len(kept)
        instances = []
        for one in kept:
            predicted = isinstance(one, module.PredictedInstance)
            told: dict[str, Any] = {
                "track": place.get(id(one.track)),
                "skeleton": skeletons.index(one.skeleton),
                "points": _points(one, predicted),
            }
            told |= {"score": float(one.score)} if predicted else {}
            if one.tracking_score is not None and one.tracking_score == one.tracking_score:
                told["tracking_score"] = float(one.tracking_score)
            instances.append(told)
        video = videos.index(frame.video)
        frames.append({"video": video, "frame": int(frame.frame_idx), "instances": instances})
    provenance = {k: v for k, v in labels.provenance.items() if k != "filename"}
    return {
        "videos": [_video(video, path) for video in videos],
        "skeletons": [
            {
                "name": body.name,
                "nodes": list(body.node_names),
                "edges": [list(map(int, edge)) for edge in body.edge_inds],
                "symmetries": [list(map(str, pair)) for pair in body.symmetry_names],
            }
            for body in skeletons
        ],
        "tracks": [track.name for track in tracks],
        "frames": frames,
        "provenance": provenance,
        "corrected": corrected,
    }


def _points(one: Any, predicted: bool) -> list[list[float | None]]:
    scores = one.points["score"].tolist() if predicted else [None] * len(one.points)
    return [[*xy, score] for xy, score in zip(one.numpy().tolist(), scores, strict=True)]


def _video(video: Any, path: Path) -> dict[str, Any]:
    name = video.filename
    if isinstance(name, str) and Path(name) == path:  # Pictures within the labels.
        name = video.source_video.filename if video.source_video else path.name
    shape = video.shape or video.backend_metadata.get("shape")
    told = {"filename": name, "shape": None if shape is None else list(map(int, shape))}
    rate = getattr(video, "fps", None)  # sleap-io 0.5 and older know none
    return told if rate is None else {**told, "fps": float(rate)}


def _backend(held: Mapping[str, Any]) -> dict[str, Any]:
    """Return what sleap-io asks of a video that is not at hand."""
    told = {name: held[name] for name in ("shape", "fps") if held.get(name)}
    names = held["filename"]
    if isinstance(names, list):
        told |= {"type": "ImageVideo", "filename": names[0] if names else "", "filenames": names}
    return told


def _skeleton(module: ModuleType, held: Mapping[str, Any]) -> Any:
    nodes = held["nodes"]
    return module.Skeleton(
        nodes=nodes,
        edges=[(nodes[a], nodes[b]) for a, b in held["edges"]],
        symmetries=[tuple(pair) for pair in held["symmetries"]],
        name=held["name"],
    )


def _instance(
    module: ModuleType, held: Mapping[str, Any], skeletons: list[Any], tracks: list[Any]
) -> Any:
    body = skeletons[held.get("skeleton", 0)]
    track = None if held["track"] is None else tracks[held["track"]]
    points = np.array(held["points"], np.float64)
    told = {"track": track, "tracking_score": held.get("tracking_score")}
    if "score" not in held:
        return module.Instance.from_numpy(points[:, :2], body, **told)
    score = held["score"]
    return module.PredictedInstance.from_numpy(
        points[:, :2],
        body,
        point_scores=points[:, 2],
        score=float("nan") if score is None else score,
        **told,
    )


def _sleap_io(where: str | None) -> ModuleType:
    try:
        return import_module("sleap_io")
    except ImportError:
        raise FormatError(
            "expected sleap-io for .slp files, which is not installed",
            where=where,
            hint='pip install "refine-pose[sleap]"',
        ) from None
