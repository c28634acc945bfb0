"""OpenPose ``--write_json`` files (one a frame) and the ControlNet / DWPose form of them.

OpenPose: doc/02_output.md and src/openpose/filestream. A missing joint is 0, 0, 0. Faces, hands and
3-D keypoints are carried along. ControlNet: sd-webui-controlnet; the size of a canvas, perhaps
coordinates in [0, 1] of it, perhaps null for a body; ComfyUI writes a list of such objects.
"""

import re
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from refine._types import Floats
from refine.exceptions import FormatError, SkeletonError
from refine.files import STDIO, dump_json, write_bytes
from refine.formats import _history
from refine.formats._images import stem, whole
from refine.formats._keypoints import (
    NUMBERS,
    Joints,
    Options,
    flat,
    joints,
    kind_after,
    rounded,
    shortest,
    skeleton_of,
    triples,
)
from refine.formats._load import OPENPOSE_SUFFIX, Folder
from refine.formats._rows import describe
from refine.poses import ImageRef, Poses, Step
from refine.skeletons import Skeleton, skeleton

BODY = "pose_keypoints_2d"
CANVAS = ("canvas_width", "canvas_height")
MIDDLE = 0.15
"""Distance of neck and mid-hip from the middles of their two, in torso lengths, that passes. They
are these middles in BODY_25's training data; of 392 COCO val persons (`coco/val_dev.json`) put in
BODY_25B's order the least has .18 and the median .63."""


class Person(NamedTuple):
    """A person of a file: its fields, the index of its image, and its place for messages."""

    row: Mapping[str, Any]
    image: int
    where: str


def read_openpose(document: Any, options: Options) -> Poses:
    """Read one file, or a folder of files, one image each.

    Raises:
        FormatError: no list `people`, a person without keypoints, or coordinates that are not px
            (``--keypoint_scale`` 3 and 4).
        SkeletonError: see `skeleton_of`; 25 joints may be BODY_25 or BODY_25B.
    """
    files = document.files if isinstance(document, Folder) else {options.where: document}
    refs: list[ImageRef] = []
    rows: list[Person] = []
    wheres = [f"{options.where}, {n}" if isinstance(document, Folder) else n for n in files]
    for name, content, where in zip(files, files.values(), wheres, strict=True):
        rows += people_of(content, len(refs), where)
        own = ("people", _history.FIELD)
        extra = {key: v for key, v in content.items() if key not in own}
        refs.append(ImageRef(stem(name), frame=_frame(name), extra=extra))
    history = _history.agree([f.get(_history.FIELD) for f in files.values()], wheres.__getitem__)
    poses = poses_from_people(rows, refs, options, history)
    if _in_unit_square(poses.xy):
        raise FormatError(
            "expected coordinates in px, got only such within [-1, 1]",
            where=options.where,
            hint="OpenPose with --keypoint_scale 0",
        )
    ending = OPENPOSE_SUFFIX if all(n.endswith(OPENPOSE_SUFFIX) for n in files) else ".json"
    return poses.replace(meta={**poses.meta, "ending": ending})


def read_controlnet(document: Any, options: Options) -> Poses:
    """Read a ControlNet object, or a list of them, one image each.

    Raises:
        FormatError: see `read_openpose`.
        SkeletonError: see `skeleton_of`.
    """
    frames = document if isinstance(document, list) else [document]
    where = options.record("frame")
    refs: list[ImageRef] = []
    rows: list[Person] = []
    for i, frame in enumerate(frames):
        rows += people_of(frame, i, where(i), default=None)
        name = stem(options.where) if len(frames) == 1 else i
        width, height = (whole(frame.get(field), field, where(i)) for field in CANVAS)
        known = {"people", _history.FIELD, *(f for f in CANVAS if frame.get(f) is not None)}
        extra = {key: v for key, v in frame.items() if key not in known}
        number = i if isinstance(document, list) else None
        refs.append(ImageRef(name, None, width, height, number, extra=extra))
    history = _history.agree([f.get(_history.FIELD) for f in frames], where)
    poses = poses_from_people(rows, refs, options, history)
    meta = {**poses.meta, "list": isinstance(document, list)}
    if not _in_unit_square(poses.xy):
        return poses.replace(meta=meta)
    # Some nodes write shares of the canvas instead of px; nobody stands within one px.
    if not all(ref.width and ref.height for ref in refs):
        raise FormatError(
            "expected the canvas of coordinates within [0, 1], got none", where=options.where
        )
    xy = poses.xy * poses.image_sizes[poses.image][:, None]
    return poses.replace(xy=xy, meta={**meta, "normalised": True})


def write_openpose(poses: Poses, precision: int | None) -> Folder:
    """Write one document an image, by file name; empty images too.

    Raises:
        FormatError: images of one name.
    """
    steps = {_history.FIELD: _history.encode(poses.history)} if poses.history else {}
    own = poses.meta.get("format") == "openpose"
    version = {} if own else {"version": 1.3}
    ending = poses.meta.get("ending", OPENPOSE_SUFFIX)
    files: dict[str, Any] = {}
    groups = people_by_image(poses, precision, {} if own else {"person_id": [-1]})
    for ref, people in zip(poses.images, groups, strict=True):
        name = (stem(str(ref.id)) if own else Path(ref.file_name or str(ref.id)).stem) + ending
        if name in files:
            raise FormatError(
                f"expected images of different names, got two that would be {name!r}",
                hint="another --to",
            )
        files[name] = {**version, **ref.extra, "people": people, **steps}
    return Folder(files)


def write_controlnet(poses: Poses, precision: int | None) -> Any:
    """Write one object an image: a list, unless the source was one object.

    Raises:
        FormatError: the size of an image is not known.
    """
    steps = {_history.FIELD: _history.encode(poses.history)} if poses.history else {}
    if not poses.meta.get("normalised"):
        groups = people_by_image(poses, precision, {})
    else:
        size, px = poses.image_sizes[poses.image][:, None], rounded(poses, precision)
        shares = shortest(px / size, lambda share: share * size == px)
        groups = people_by_image(poses.replace(xy=shares), None, {})
    frames = []
    for ref, people in zip(poses.images, groups, strict=True):
        canvas = dict(zip(CANVAS, (ref.width, ref.height), strict=True))
        if None in canvas.values() and poses.meta.get("format") != "controlnet":
            raise FormatError(
                f"expected the size of image {ref.id!r}, which ControlNet files need, got none",
                hint="--images FILE",
            )
        known = {k: v for k, v in canvas.items() if v is not None}
        frames.append({"people": people, **ref.extra, **known, **steps})
    return frames[0] if len(frames) == 1 and not poses.meta.get("list") else frames


def people_of(document: Any, image: int, where: str, default: Any = ...) -> list[Person]:
    """Return the persons of one document.

    Args:
        document: an object with a list `people`.
        image: index of its image.
        where: the document, for messages.
        default: for persons without a body; without one they are an error.

    Raises:
        FormatError: there is none, or something in it is not an object with body keypoints.
    """
    people = document.get("people") if isinstance(document, dict) else None
    if not isinstance(people, list):
        raise FormatError(
            f"expected an object with a list 'people', got {describe(document)}", where=where
        )
    found = []
    for i, person in enumerate(people):
        at = f"{where}, person {i}"
        if not isinstance(person, dict) or (BODY not in person and default is ...):
            raise FormatError(f"expected an object with {BODY!r}, got {person!r:.60}", where=at)
        found.append(Person({BODY: default} | person, image, at))
    return found


def poses_from_people(
    people: Sequence[Person], refs: Sequence[ImageRef], options: Options, history: Sequence[Step]
) -> Poses:
    """Build poses from persons; a body that is null or [] is a pose without joints."""

    def where(i: int) -> str:
        return people[i].where

    bodies = [None if p.row[BODY] == [] else p.row[BODY] for p in people]
    found = joints(triples(bodies, BODY, where), options, where)
    body = _body(found, options)
    n, k = len(people), len(body)
    if not found.xy.shape[1]:
        found = Joints(np.full((n, k, 2), np.nan), np.zeros((n, k)), "unknown", {})
    ids = np.array([_person_id(p.row.get("person_id")) for p in people], np.int64)
    extra = tuple(
        {
            key: v
            for key, v in p.row.items()
            if (key != BODY or not v) and (key != "person_id" or number < 0)
        }
        for p, number in zip(people, ids.tolist(), strict=True)
    )
    return Poses(
        body,
        found.xy.reshape(n, k, 2),
        found.score.reshape(n, k),
        np.full(n, np.nan),
        np.array([p.image for p in people], np.intp),
        tuple(refs),
        score_kind=kind_after(history, found.kind),
        track=ids if (ids >= 0).any() else None,
        history=tuple(history),
        extra=extra,
        meta=found.meta,
    )


def people_by_image(
    poses: Poses, precision: int | None, defaults: Mapping[str, Any]
) -> list[list[dict[str, Any]]]:
    """Write the persons of every image, in the order of the images."""
    keypoints, empty = flat(poses, precision), np.asarray(~poses.present.any(1))
    out = []
    for _, rows in poses.by_image():
        people = []
        for i in rows.tolist():
            person = {**defaults, BODY: keypoints[i], **poses.extra[i]}
            if not empty[i]:
                person[BODY] = keypoints[i]
            if poses.track is not None and poses.track[i] >= 0:
                person["person_id"] = [int(poses.track[i])]
            people.append(person)
        out.append(people)
    return out


def save(files: Mapping[str, Any], path: str | Path) -> None:
    """Write a folder as a whole; or one file, if there is one and the path names a .json.

    Raises:
        FormatError: the folder exists and is not empty, or cannot be written.
    """
    to_file = str(path) == STDIO or str(path).removesuffix(".gz").endswith(".json")
    if len(files) == 1 and to_file:
        write_bytes(path, dump_json(next(iter(files.values()))))
        return
    target = Path(path)
    if to_file or target.is_file() or (target.is_dir() and any(target.iterdir())):
        raise FormatError(
            f"expected a new or empty folder for {len(files)} OpenPose files, one an image",
            where=str(path),
            hint="another -o",
        )
    try:
        draft = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}."))
        try:
            inner = draft / "files"  # mkdtemp makes private folders; mkdir minds the umask.
            inner.mkdir()
            for name, document in files.items():
                (inner / name).write_bytes(dump_json(document))
            inner.replace(target)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    except (OSError, ValueError) as error:
        # ValueError: a name that holds a null byte.
        reason = getattr(error, "strerror", None) or str(error)
        raise FormatError(
            f"expected a writable target, got: {reason}", where=str(path), hint="another -o"
        ) from None


def _body(found: Joints, options: Options) -> Skeleton:
    """Find the skeleton: by K, and for 25 joints by whether neck and mid-hip are BODY_25's."""
    k = found.xy.shape[1]
    if not k:
        return options.skeleton or skeleton("openpose25")
    if k != 25 or options.skeleton is not None:
        return skeleton_of(k, options)
    body = skeleton("openpose25")
    shoulders, hips = ([body.index(j) for j in body.derived[name]] for name in ("neck", "mid_hip"))
    top, bottom = found.xy[:, shoulders].mean(1), found.xy[:, hips].mean(1)
    torso = np.linalg.norm(top - bottom, axis=1)
    neck = np.linalg.norm(found.xy[:, body.index("neck")] - top, axis=1)
    hip = np.linalg.norm(found.xy[:, body.index("mid_hip")] - bottom, axis=1)
    known = np.isfinite(neck + hip + torso) & (torso > 0)
    if known.any() and np.median((np.maximum(neck, hip)[known]) / torso[known]) < MIDDLE:
        return body
    raise SkeletonError(
        "expected one skeleton for 25 joints, got two that fit: openpose25 (BODY_25), openpose25b",
        where=options.where,
        hint="--skeleton openpose25",
    )


def _person_id(value: Any) -> int:
    """Return the id of a person, given as [id]; -1 where it is none, or of another shape."""
    number: Any = value[0] if isinstance(value, list) and len(value) == 1 else None
    if type(number) not in NUMBERS or not 0 <= number < 2**53 or number % 1:
        return -1
    return int(number)


def _in_unit_square(xy: Floats) -> bool:
    """Whether all joints lie within [-1, 1], and some pose spreads over fractions of it."""
    known = xy[np.isfinite(xy)]
    return bool(len(known) > 3 and np.abs(known).max() <= 1 and (known % 1 != 0).any())


def _frame(name: str) -> int | None:
    digits = re.search(r"_(\d{12})$", stem(name))
    return int(digits[1]) if digits else None
