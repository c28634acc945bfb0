"""OpenPose ``--write_json`` files (one per frame) and the ControlNet / DWPose form of them.

OpenPose: doc/02_output.md and src/openpose/filestream. A missing joint is 0, 0, 0. Faces, hands and
3-D keypoints are carried along. ControlNet: sd-webui-controlnet; the size of a canvas, perhaps
coordinates in [0, 1] of it, perhaps null for a body; ComfyUI writes a list of such objects.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np

import refine.history as _history
from refine.exceptions import FormatError, SkeletonError
from refine.formats._images import stem, whole
from refine.formats._keypoints import (
    NUMBERS,
    Joints,
    flat,
    joints,
    kind_after,
    no_joints,
    skeleton_of,
    triples,
)
from refine.formats._person import one_person
from refine.formats._records import list_in
from refine.formats._rows import first_keys
from refine.formats._units import shares_of
from refine.formats._unlabelled import FIELD as HALVES, carry_halves, put_back
from refine.formats.base import Document, Format, Holding, Loss, Options, Page, Source, Verdict
from refine.history import Step
from refine.poses import ImageRef, Poses
from refine.skeletons import Skeleton, skeleton

BODY = "pose_keypoints_2d"
BODIES = (BODY, "pose_keypoints", "joints")
"""The body of a person: since 1.2, before, and in the `bodies` of 0.1; doc/02_output.md."""

SKELETONS = ("openpose18", "openpose25", "openpose25b")
"""What OpenPose and the tools that read its files have; doc/02_output.md."""

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


def read_openpose(source: Source, options: Options) -> Poses:
    """Read files, one image each.

    Raises:
        FormatError: no list `people`, or a person without keypoints.
        SkeletonError: see `skeleton_of`; 25 joints may be BODY_25 or BODY_25B.
    """
    pages = source.pages()
    refs: list[ImageRef] = []
    rows: list[Person] = []
    histories = []
    for name, document, where in pages:
        people, rest = people_of(document, len(refs), where)
        rows += people
        histories.append(rest.pop(_history.FIELD, None))
        if isinstance(name, int):
            refs.append(ImageRef(name, frame=name, extra=rest))
        else:
            refs.append(ImageRef(stem(name), frame=_frame(name), extra=rest))
    history = _history.agree(histories, source.where)
    poses = poses_from_people(rows, refs, options, history)
    return poses.replace(meta={**poses.meta, "names": _names(source.documents)})


def read_controlnet(source: Source, options: Options) -> Poses:
    """Read a ControlNet object, or a list of them, one image each; in a folder one per file.

    Raises:
        FormatError: see `read_openpose`.
        SkeletonError: see `skeleton_of`.
    """
    listed, frames = _canvases(source)
    refs: list[ImageRef] = []
    rows: list[Person] = []
    histories = []
    for i, (name, document, where) in enumerate(frames):
        people, rest = people_of(document, i, where, bodiless=True)
        rows += people
        histories.append(rest.pop(_history.FIELD, None))
        width, height = (whole(rest.get(field), field, where) for field in CANVAS)
        extra = {k: v for k, v in rest.items() if k not in CANVAS or v is None}
        number = i if listed and source.held != "folder" else None
        refs.append(ImageRef(name, None, width, height, number, extra=extra))
    history = _history.agree(histories, lambda i: frames[i].where)
    poses = poses_from_people(rows, refs, options, history)
    return poses.replace(meta={**poses.meta, "list": listed})


def write_openpose(poses: Poses, precision: int | None, held: Holding) -> Document:
    """Write one document per image; empty images too."""
    steps = {_history.FIELD: _history.encode(poses.history)} if poses.history else {}
    own = poses.meta.get("format") == "openpose"
    version = {} if own else {"version": 1.3}
    groups = people_by_image(poses, precision, {} if own else {"person_id": [-1]})
    many, body = poses.meta.get("names", ("people", BODY))
    documents: list[Any] = []
    for ref, group in zip(poses.images, groups, strict=True):
        people = [{body if key == BODY else key: v for key, v in row.items()} for row in group]
        documents.append({**version, **ref.extra, many: people, **steps})
    return documents[0] if held == "document" else documents


def write_controlnet(poses: Poses, precision: int | None, held: Holding) -> Document:
    """Write one object per image; in one document a list, unless the source was one object.

    Raises:
        FormatError: the size of an image is not known.
    """
    steps = {_history.FIELD: _history.encode(poses.history)} if poses.history else {}
    if not poses.meta.get("normalised"):
        groups = people_by_image(poses, precision, {})
    else:
        groups = people_by_image(shares_of(poses, precision, "controlnet"), None, {})
    frames: list[Any] = []
    for ref, people in zip(poses.images, groups, strict=True):
        canvas = dict(zip(CANVAS, (ref.width, ref.height), strict=True))
        if None in canvas.values() and poses.meta.get("format") != "controlnet":
            raise FormatError(
                f"expected the size of image {ref.id!r}, which ControlNet files need, got none",
                hint="--sizes FILE.json",
            )
        known = {k: v for k, v in canvas.items() if v is not None}
        frames.append({"people": people, **ref.extra, **known, **steps})
    listed = bool(poses.meta.get("list"))
    if held == "folder":
        return [[frame] for frame in frames] if listed else frames
    return frames[0] if held == "document" and len(frames) == 1 and not listed else frames


def _canvases(source: Source) -> tuple[bool, list[Page]]:
    """Return whether frames come in lists, and each frame with the name of its image."""
    if source.held == "folder":
        pages = [(page, _only(page)) for page in source.pages()]
        listed = any(frame is not page.document for page, frame in pages)
        return listed, [Page(stem(str(p.name)), frame, p.where) for p, frame in pages]
    document, where = source.document, source.record("frame")
    listed = isinstance(document, list)
    frames = document if isinstance(document, list) else [document]
    names: Sequence[str | int] = range(len(frames))
    names = [stem(source.path)] if len(frames) == 1 else names
    named = zip(names, frames, strict=True)
    return listed, [Page(name, frame, where(i)) for i, (name, frame) in enumerate(named)]


def _only(page: Page) -> Document:
    """Return what a file holds of its image, be it in a list."""
    if not isinstance(page.document, list):
        return page.document
    if len(page.document) != 1:
        raise FormatError(
            f"expected one image per file of a folder, got {len(page.document)}",
            where=page.where,
            hint="one file at a time",
        )
    only: Document = page.document[0]
    return only


def people_of(
    document: Document, image: int, where: str, *, bodiless: bool = False
) -> tuple[list[Person], dict[str, Any]]:
    """Return the persons of one document, and its other fields.

    Args:
        document: an object with a list `people`.
        image: index of its image.
        where: the document, for messages.
        bodiless: whether persons may lack a body.

    Raises:
        FormatError: there is none, or something in it is not an object with body keypoints.
    """
    many = _many(document)
    found = []
    for i, person in enumerate(list_in(document, many, where)):
        at = f"{where}, person {i}"
        body = next((b for b in BODIES if b in person), BODY) if isinstance(person, dict) else BODY
        if not isinstance(person, dict) or not (body in person or bodiless):
            raise FormatError(f"expected an object with {BODY!r}, got {person!r:.60}", where=at)
        row = {BODY if key == body else key: v for key, v in person.items()}
        found.append(Person({BODY: None} | row, image, at))
    rest = document.items() if isinstance(document, dict) else ()
    return found, {key: v for key, v in rest if key != many}


def _names(documents: Sequence[Document]) -> tuple[str, str]:
    """Name the list of persons and the body of one, as the first document with persons does."""
    many, bodies = _many(documents[0]), []
    for document in documents:
        people = document.get(_many(document)) if isinstance(document, dict) else None
        first = people[0] if isinstance(people, list) and people else None
        bodies = [name for name in BODIES if isinstance(first, dict) and name in first]
        if bodies:
            many = _many(document)
            break
    return many, bodies[0] if bodies else BODIES[-1] if many == "bodies" else BODY


def _many(document: Document) -> str:
    old = isinstance(document, dict) and "people" not in document and "bodies" in document
    return "bodies" if old else "people"


def poses_from_people(
    people: Sequence[Person], refs: Sequence[ImageRef], options: Options, history: Sequence[Step]
) -> Poses:
    """Build poses from persons; a body that is null or [] is a pose without joints."""

    def where(i: int) -> str:
        return people[i].where

    bodies = [None if p.row[BODY] == [] else p.row[BODY] for p in people]
    values = triples(bodies, BODY, where)
    found = joints(values, options, where)
    body = _body(found, options)
    n, k = len(people), len(body)
    if not found.xy.shape[1]:
        found = no_joints(n, k)
    ids = np.array([_person_id(p.row.get("person_id")) for p in people], np.int64)
    extra = tuple({key: v for key, v in p.row.items() if key != BODY or not v} for p in people)
    carry_halves(extra, values, body.joints)
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
            put_back(keypoints[i], person.pop(HALVES, None), poses.skeleton.joints, precision)
            if not empty[i]:
                person[BODY] = keypoints[i]
            track = -1 if poses.track is None else int(poses.track[i])
            if track >= 0 and _person_id(person.get("person_id")) != track:
                person["person_id"] = [track]
            people.append(person)
        out.append(people)
    return out


def _body(found: Joints, options: Options) -> Skeleton:
    """Find the skeleton: by K, and for 25 joints by whether neck and mid-hip are BODY_25's."""
    k = found.xy.shape[1]
    if not k:
        return options.skeleton or skeleton("openpose25")
    if k != 25 or options.skeleton is not None:
        # 18 joints are OpenPose's own, whatever the ground truth has.
        return skeleton_of(k, replace(options, default=None) if k == 18 else options)
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


def _frame(name: str) -> int | None:
    digits = re.search(r"_(\d{12})$", stem(name))
    return int(digits[1]) if digits else None


def _is_openpose(document: Document) -> Verdict:
    if not isinstance(document, dict) or CANVAS[0] in document:
        return Verdict.NO
    if isinstance(document.get("bodies"), list) and type(document.get("version")) in NUMBERS:
        return Verdict.YES  # AlphaPose's version is a text.
    if "people" not in document:
        return Verdict.NO
    return Verdict.YES if "version" in document else Verdict.PERHAPS


def _is_controlnet(document: Document) -> Verdict:
    keys = set(document) if isinstance(document, dict) else first_keys(document)
    if "people" not in keys:
        return Verdict.NO
    return Verdict.YES if CANVAS[0] in keys else Verdict.PERHAPS


_LOST: tuple[Loss, ...] = (
    "image ids",
    "frame numbers",
    "frames per second",
    "score kind",
    "instance scores",
    "boxes",
    "areas",
    "skeletons that do not ship",
)

_FIELDS = frozenset({"people", "bodies", "version", "person_id", *BODIES, _history.FIELD})

FORMATS = (
    Format(
        name="openpose",
        about="OpenPose --write_json: a folder with a file per image or frame",
        tells="'people' beside 'version'",
        detect=_is_openpose,
        read=read_openpose,
        write=write_openpose,
        holdings=("folder", "document", "lines"),
        cannot_hold=("image sizes", *_LOST),
        fields=_FIELDS,
        private=_FIELDS | {HALVES},
        skeletons=SKELETONS,
        ending="_keypoints.json",
        example=partial(one_person, "openpose18"),
    ),
    Format(
        name="controlnet",
        about="ControlNet and DWPose: an object with a canvas per image, or a list of them",
        tells="'people' beside 'canvas_width'",
        detect=_is_controlnet,
        read=read_controlnet,
        write=write_controlnet,
        holdings=("document", "folder", "lines"),
        cannot_hold=("image names", *_LOST),
        fields=_FIELDS | set(CANVAS),
        private=_FIELDS | {HALVES, *CANVAS},
        skeletons=SKELETONS,
        example=partial(one_person, "openpose18"),
    ),
)
