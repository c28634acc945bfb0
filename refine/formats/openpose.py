"""OpenPose ``--write_json`` files (one a frame) and the ControlNet / DWPose form of them.

OpenPose: doc/02_output.md and src/openpose/filestream. A missing joint is 0, 0, 0. Faces and hands
are carried along. ControlNet: sd-webui-controlnet; a canvas size, perhaps coordinates in [0, 1].
"""

import re
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from refine.exceptions import FormatError
from refine.files import STDIO, dump_json, write_bytes
from refine.formats import _history
from refine.formats._keypoints import Options, flat, joints, skeleton_of, triples
from refine.formats.coco import kind_after
from refine.poses import ImageRef, Poses
from refine.skeleton import Skeleton, skeleton

BODY = "pose_keypoints_2d"


def read_openpose(document: Any, options: Options) -> Poses:
    """Read one file, or a folder of files, one image each.

    Raises:
        FormatError: no list `people`, or a person without keypoints.
        SkeletonError: see `skeleton_of`; 25 joints are BODY_25 or BODY_25B.
    """
    files = document["folder"] if set(document) == {"folder"} else {options.where: document}
    refs: list[ImageRef] = []
    rows, image, histories = [], [], []
    for name, content in files.items():
        where = Options(f"{options.where}, {name}" if len(files) > 1 else options.where)
        for person in people_of(content, where):
            rows.append(person)
            image.append(len(refs))
        own = ("people", _history.FIELD)
        extra = {key: v for key, v in content.items() if key not in own}
        refs.append(ImageRef(_stem(name), frame=_frame(name), extra=extra))
        histories.append((where.where, content.get(_history.FIELD)))
    return poses_from_people(rows, image, refs, options, _history.agree(histories))


def read_controlnet(document: Any, options: Options) -> Poses:
    """Read a ControlNet object, or a list of them, one image each."""
    frames = document if isinstance(document, list) else [document]
    refs, rows, image, histories = [], [], [], []
    for i, frame in enumerate(frames):
        for person in people_of(frame, Options(options.record("frame", i))):
            rows.append({**person, BODY: person.get(BODY) or [0] * 54})
            image.append(i)
        name = _stem(options.where) if len(frames) == 1 else i
        own = ("people", "canvas_width", "canvas_height", _history.FIELD)
        extra = {key: v for key, v in frame.items() if key not in own}
        size = frame.get("canvas_width"), frame.get("canvas_height")
        refs.append(ImageRef(name, width=size[0], height=size[1], frame=i, extra=extra))
        histories.append((options.record("frame", i), frame.get(_history.FIELD)))
    poses = poses_from_people(rows, image, refs, options, _history.agree(histories))
    poses = poses.replace(meta={**poses.meta, "list": isinstance(document, list)})
    sized = all(r.width and r.height for r in refs)
    if poses.present.any() and sized and np.nanmax(np.abs(poses.xy)) <= 1:
        # Some nodes write shares of the canvas instead of px; nobody stands within one px.
        return poses.replace(xy=poses.xy * _sizes(poses), meta={**poses.meta, "normalised": True})
    return poses


def write_openpose(poses: Poses, precision: int | None) -> dict[str, Any]:
    """Write one document an image, by file name; empty images too."""
    files = {}
    for (ref, _), document in zip(poses.by_image(), documents(poses, precision), strict=True):
        files[f"{ref.id}_keypoints.json"] = {"version": 1.3, **ref.extra, **document}
    return files


def write_controlnet(poses: Poses, precision: int | None) -> Any:
    """Write one object an image: a list, unless the source was one object."""
    if poses.meta.get("normalised"):
        poses = poses.replace(xy=poses.xy / _sizes(poses))
    frames = []
    for ref, document in zip(poses.images, documents(poses, precision), strict=True):
        if ref.width is None or ref.height is None:
            raise FormatError(
                f"expected the size of image {ref.id!r}, which ControlNet files need, got none",
                hint="--images FILE",
            )
        frames.append(
            {**document, "canvas_width": ref.width, "canvas_height": ref.height, **ref.extra}
        )
    return frames[0] if len(frames) == 1 and not poses.meta.get("list") else frames


def people_of(document: Any, options: Options) -> list[dict[str, Any]]:
    """Return the list `people` of one document.

    Raises:
        FormatError: there is none, or something in it is not an object with body keypoints.
    """
    people = document.get("people") if isinstance(document, dict) else None
    if not isinstance(people, list):
        raise FormatError("expected an object with a list 'people'", where=options.where)
    for i, person in enumerate(people):
        if not isinstance(person, dict) or BODY not in person:
            raise FormatError(
                f"expected an object with {BODY!r}, got {person!r:.60}",
                where=options.record("person", i),
            )
    return people


def poses_from_people(
    rows: list[dict[str, Any]],
    image: list[int],
    refs: list[ImageRef],
    options: Options,
    history: tuple[Any, ...],
) -> Poses:
    """Build poses from persons of OpenPose's kind and the index of each one's image."""
    values = triples([r[BODY] for r in rows], options, "person")
    found = joints(values, options, "person")
    body = _skeleton(found.xy, options) if rows else options.skeleton or skeleton("openpose25")
    ids = [r.get("person_id") for r in rows]
    numbers = [
        int(v[0]) if isinstance(v, list) and v and type(v[0]) in (int, float) else -1 for v in ids
    ]
    n, k = len(rows), len(body)
    return Poses(
        body,
        found.xy.reshape(n, k, 2),
        found.score.reshape(n, k),
        np.full(n, np.nan),
        np.array(image, np.intp),
        tuple(refs),
        score_kind=kind_after(history, found.kind),
        track=np.array(numbers, np.int64) if any(v >= 0 for v in numbers) else None,
        history=history,
        extra=tuple({key: v for key, v in r.items() if key != BODY} for r in rows),
        meta={"missing": found.sentinel},
    )


def documents(poses: Poses, precision: int | None) -> list[dict[str, Any]]:
    """Write one object with `people` an image, in the order of the images."""
    keypoints = flat(poses, precision)
    steps = {_history.FIELD: _history.encode(poses.history)} if poses.history else {}
    out = []
    for _, rows in poses.by_image():
        people = []
        for i in rows:
            person = {"person_id": [-1], **poses.extra[i], BODY: keypoints[i]}
            if poses.track is not None and poses.track[i] >= 0:
                person["person_id"] = [int(poses.track[i])]
            people.append(person)
        out.append({"people": people, **steps})
    return out


def save(files: dict[str, Any], path: str | Path) -> None:
    """Write a folder as a whole; or one file, if there is one and the path names a .json.

    Raises:
        FormatError: the folder exists and is not empty, or cannot be written.
    """
    if len(files) == 1 and (str(path) == STDIO or str(path).removesuffix(".gz").endswith(".json")):
        write_bytes(path, dump_json(next(iter(files.values()))))
        return
    target = Path(path)
    if str(path) == STDIO or target.is_file() or (target.is_dir() and any(target.iterdir())):
        raise FormatError(
            f"expected a new or empty folder for {len(files)} OpenPose files",
            where=str(path),
            hint="another -o",
        )
    try:
        draft = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}."))
        try:
            for name, document in files.items():
                (draft / Path(name).name).write_bytes(dump_json(document))
            draft.chmod(0o755)
            draft.replace(target)
        except BaseException:
            shutil.rmtree(draft, ignore_errors=True)
            raise
    except OSError as error:
        raise FormatError(
            f"expected a writable target, got: {error.strerror}", where=str(path)
        ) from None


def _skeleton(xy: np.ndarray[Any, Any], options: Options) -> Skeleton:
    """BODY_25's joint 1 is the neck, between the shoulders 2 and 5; BODY_25B's is an eye."""
    k = xy.shape[1]
    if k == 25 and options.skeleton is None:
        middle, width = (xy[:, 2] + xy[:, 5]) / 2, np.linalg.norm(xy[:, 2] - xy[:, 5], axis=1)
        offset = np.linalg.norm(xy[:, 1] - middle, axis=1)
        known = np.isfinite(offset)
        # The neck of BODY_25 is their midpoint up to the resolution of its maps.
        if known.any() and np.median(offset[known] / np.maximum(width[known], 8)) < 0.5:
            return skeleton("openpose25")
    return skeleton_of(k, options)


def _sizes(poses: Poses) -> np.ndarray[Any, Any]:
    sizes = np.array([(r.width, r.height) for r in poses.images], np.float64)
    return sizes[poses.image][:, None]


def _stem(name: str) -> str:
    return Path(name).name.removesuffix(".gz").removesuffix(".json").removesuffix("_keypoints")


def _frame(name: str) -> int | None:
    digits = re.search(r"_(\d{12})$", _stem(name))
    return int(digits[1]) if digits else None
