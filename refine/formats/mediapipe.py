"""MediaPipe poses: Tasks results and what `mp.solutions.pose` gave, dumped as JSON.

No form of JSON is MediaPipe's own; these are what people dump: `pose_landmarks` as a list of
persons (Tasks; `landmarks` in JavaScript), a message with `landmark` (MessageToDict of the legacy
API), or the 33 landmarks alone. A list of any of these is one of frames, null a frame without
persons. x and y are shares of the image and may leave [0, 1]; `visibility` is a probability or a
logit (mediapipe/tasks/python/components/containers/landmark.py). z, presence and world landmarks
are carried along.
"""

from functools import partial
from typing import Any, NamedTuple

import numpy as np

import refine.history as _history
from refine._types import Floats
from refine.exceptions import FormatError
from refine.formats._images import stem, whole
from refine.formats._keypoints import flat, joints, kind_after, matrix, skeleton_of
from refine.formats._person import one_person
from refine.formats._records import describe
from refine.formats._units import shares_of
from refine.formats.base import Document, Format, Holding, Options, Source, Verdict
from refine.poses import ImageRef, Poses
from refine.skeletons import skeleton

KEYS = ("pose_landmarks", "poseLandmarks", "landmarks")
WORLD = {
    "pose_landmarks": "pose_world_landmarks",
    "poseLandmarks": "poseWorldLandmarks",
    "landmarks": "worldLandmarks",
}
SIZE = "image_size"
"""Width and height, px; what this project asks of a dump, and writes."""

BODY, MESSAGE = "mediapipe33", "landmark"
AXES = ("x", "y", "visibility")
MARK = frozenset({*AXES, "z", "presence", "name"})
"""Fields of a landmark."""
CARRIED, CARRIED_WORLD = "landmark_fields", "world_landmarks"


class Frame(NamedTuple):
    """What a document tells of one image.

    Attributes:
        people: the landmarks of each.
        shape: how they were held: "people" (a list of lists), "marks" or "message" (one person's).
        key: of `KEYS`, "" for none.
        rest: other fields.
    """

    people: list[list[Any]]
    shape: str
    key: str
    rest: dict[str, Any]


def read_mediapipe(source: Source, options: Options) -> Poses:
    """Read frames; coordinates are as the file has them, shares.

    Raises:
        FormatError: no landmarks, or others than of poses.
        SkeletonError: another number of landmarks than 33, or than that of the skeleton asked for.
    """
    document: Any = source.document
    listed = source.held != "folder" and isinstance(document, list) and not _are_marks(document)
    if listed:
        where = source.record("frame")
        pages = [(ImageRef(i, frame=i), d, where(i)) for i, d in enumerate(document)]
    else:
        pages = [(ImageRef(stem(str(p.name))), p.document, p.where) for p in source.pages()]
    refs, people, image, places, extra, histories = [], [], [], [], [], []
    shaped = Frame([], "people", KEYS[0], {})
    for i, (ref, each, at) in enumerate(pages):
        frame = _frame(each, at)
        shaped = frame if frame.people and not shaped.people else shaped
        histories.append(frame.rest.pop(_history.FIELD, None))
        world = _worlds(frame)
        refs.append(_sized(ref, frame.rest, at))
        for q, person in enumerate(frame.people):
            people.append(person)
            image.append(i)
            places.append(f"{at}, person {q}")
            extra.append(_carried(person, world[q] if world else None))
    history = _history.agree(histories, lambda i: pages[i][2])
    values = _values(people, places)
    told = joints(values, options, places.__getitem__)
    body = options.skeleton or skeleton(BODY)
    body = skeleton_of(values.shape[1], options, BODY) if people else body
    beyond = bool(((told.score < 0) | (told.score > 2)).any())
    return Poses(
        body,
        told.xy.reshape(len(people), len(body), 2),
        told.score.reshape(len(people), len(body)),
        np.full(len(people), np.nan),
        np.array(image, np.intp),
        tuple(refs),
        score_kind=kind_after(history, "logit" if beyond else told.kind),
        history=history,
        extra=tuple(extra),
        meta={**told.meta, "listed": listed, "shape": shaped.shape, "key": shaped.key},
    )


def write_mediapipe(poses: Poses, precision: int | None, held: Holding) -> Document:
    """Write one document per image, as the source had it, else as Tasks results with sizes.

    Raises:
        FormatError: the size of an image is not known.
    """
    own = poses.meta.get("format") == "mediapipe"
    as_read = own and not poses.meta.get("normalised")
    shares = poses if as_read else shares_of(poses, precision, "mediapipe")
    lists = flat(shares, precision if as_read else None)
    shape, key = poses.meta.get("shape", "people"), poses.meta.get("key", KEYS[0])
    single = all(len(rows) < 2 for _, rows in poses.by_image())
    shape, key = (shape, key) if single or shape == "people" else ("people", KEYS[0])
    documents: list[Any] = []
    for ref, rows in poses.by_image():
        people = [_marks(lists[i], poses.extra[i].get(CARRIED)) for i in rows.tolist()]
        worlds = [poses.extra[i].get(CARRIED_WORLD) for i in rows.tolist()]
        rest = dict(ref.extra)
        if ref.width and ref.height:
            rest = {SIZE: [ref.width, ref.height]} | rest
        if worlds and None not in worlds:
            rest[WORLD.get(key, WORLD[KEYS[0]])] = _hold(worlds, shape)
        if poses.history:
            rest[_history.FIELD] = _history.encode(poses.history)
        content = _hold(people, shape)
        if key:
            documents.append({key: content, **rest})
        else:
            documents.append({**content, **rest} if isinstance(content, dict) else content)
    alone = held == "document" and len(documents) == 1 and not poses.meta.get("listed")
    return documents[0] if alone else documents


def _frame(document: Document, where: str) -> Frame:
    if document is None or document == []:
        return Frame([], "marks", "", {})
    if isinstance(document, list):
        return Frame(*_people(document, where), "", {})
    if isinstance(document, dict) and MESSAGE in document:
        rest = {k: v for k, v in document.items() if k != MESSAGE}
        return Frame(*_people({MESSAGE: document[MESSAGE]}, where), "", rest)
    key = next((k for k in KEYS if isinstance(document, dict) and k in document), "")
    if not key or not isinstance(document, dict):
        got = ", ".join(document) if isinstance(document, dict) else describe(document)
        raise FormatError(f"expected 'pose_landmarks' or 33 landmarks, got {got:.80}", where=where)
    rest = {k: v for k, v in document.items() if k != key}
    return Frame(*_people(document[key], where), key, rest)


def _people(value: Any, where: str) -> tuple[list[list[Any]], str]:
    """Return the landmarks of each person, and the shape in which they were held."""
    if value is None or value == []:
        return [], "people"
    if isinstance(value, dict) and isinstance(value.get(MESSAGE), list) and len(value) == 1:
        return [_checked(value[MESSAGE], where)], "message"
    if isinstance(value, list) and all(isinstance(mark, dict) for mark in value):
        return [_checked(value, where)], "marks"
    if isinstance(value, list) and all(isinstance(person, list) for person in value):
        return [
            _checked(person, f"{where}, person {q}") for q, person in enumerate(value)
        ], "people"
    raise FormatError(
        f"expected lists of landmarks, one per person, got {value!r:.60}", where=where
    )


def _checked(marks: list[Any], where: str) -> list[Any]:
    for j, mark in enumerate(marks):
        if not isinstance(mark, dict) or not {"x", "y"} <= mark.keys():
            raise FormatError(
                f"expected a landmark with 'x' and 'y', got {mark!r:.60}",
                where=f"{where}, landmark {j}",
            )
    return marks


def _values(people: list[list[Any]], places: list[str]) -> Floats:
    k = len(people[0]) if people else 0
    lists = [[mark.get(axis) for mark in person for axis in AXES] for person in people]
    return matrix(lists, 3 * k, "landmarks", places.__getitem__).reshape(len(people), k, 3)


def _worlds(frame: Frame) -> list[Any]:
    """Take the world landmarks out of the rest of a frame, one entry per person; [] for none."""
    name = WORLD.get(frame.key, "")
    value = frame.rest.get(name)
    value = [value] if frame.shape != "people" and value else value
    if not isinstance(value, list) or len(value) != len(frame.people):
        return []
    del frame.rest[name]
    if frame.shape == "message":
        value = [v.get(MESSAGE) if isinstance(v, dict) else v for v in value]
    return value


def _sized(ref: ImageRef, rest: dict[str, Any], where: str) -> ImageRef:
    size = rest.get(SIZE)
    if size is None:
        return ImageRef(ref.id, frame=ref.frame, extra=rest)
    if not isinstance(size, list) or len(size) != 2:
        raise FormatError(f"expected width and height in {SIZE!r}, got {size!r:.40}", where=where)
    width, height = (whole(value, SIZE, where) for value in size)
    extra = {k: v for k, v in rest.items() if k != SIZE}
    return ImageRef(ref.id, None, width, height, ref.frame, extra)


def _carried(person: list[Any], world: Any) -> dict[str, Any]:
    fields = [{k: v for k, v in mark.items() if k not in AXES} for mark in person]
    row: dict[str, Any] = {CARRIED: fields} if any(fields) else {}
    return row if world is None else {**row, CARRIED_WORLD: world}


def _marks(values: list[float], fields: Any) -> list[dict[str, Any]]:
    marks = [values[at : at + 3] for at in range(0, len(values), 3)]
    each = fields if isinstance(fields, list) and len(fields) == len(marks) else [{}] * len(marks)
    return [
        {"x": x, "y": y, **rest, "visibility": score}
        for (x, y, score), rest in zip(marks, each, strict=True)
    ]


def _hold(people: list[Any], shape: str) -> Any:
    if shape == "people":
        return people
    person = people[0] if people else None
    return {MESSAGE: person} if shape == "message" and person is not None else person


def _are_marks(document: Document) -> bool:
    first = document[0] if isinstance(document, list) and document else None
    return isinstance(first, dict) and {"x", "y"} <= first.keys() <= MARK


def _is_mediapipe(document: Document) -> Verdict:
    if isinstance(document, list) and document and not _are_marks(document):
        document = next((d for d in document if d), None)
        if isinstance(document, list) and document and isinstance(document[0], list):
            document = document[0]
    if _are_marks(document):
        return Verdict.YES
    if not isinstance(document, dict):
        return Verdict.NO
    named = any(key in document for key in KEYS[:2]) or _are_marks(document.get(MESSAGE))
    found: Any = document.get(KEYS[2])
    found = found[0] if isinstance(found, list) and found else found
    return Verdict.YES if named or _are_marks(found) else Verdict.NO


_FIELDS = frozenset({*KEYS, *WORLD.values(), SIZE, MESSAGE, _history.FIELD})

FORMATS = (
    Format(
        name="mediapipe",
        about="MediaPipe landmarks, Tasks or legacy: a folder with an object per image, in shares",
        tells="'pose_landmarks', or landmarks with 'x' and 'y'",
        detect=_is_mediapipe,
        read=read_mediapipe,
        write=write_mediapipe,
        holdings=("folder", "document", "lines"),
        fields=_FIELDS,
        private=_FIELDS | {CARRIED, CARRIED_WORLD},
        skeletons=(BODY,),
        shares=True,
        example=partial(one_person, BODY),
        cannot_hold=(
            "image ids",
            "frame numbers",
            "score kind",
            "instance scores",
            "boxes",
            "areas",
            "tracks",
            "unknown fields",
            "skeletons that do not ship",
            "frames per second",
        ),
    ),
)
