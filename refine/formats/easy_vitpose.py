"""easy_ViTPose ``--save-json``: the persons of every frame by their number, and the joints' names.

``{"keypoints": [{"<person>": [[y, x, score], ...]}, ...], "skeleton": {"0": "nose", ...}}``: y
comes first (its README, "OUTPUT json format", and inference.py). An image is one frame. Its 25
joints, `coco_25`, are not OpenPose's: the file names them.
"""

from itertools import chain, count
from typing import Any

import numpy as np

import refine.history as _history
from refine.exceptions import FormatError
from refine.formats._images import stem
from refine.formats._instances import Facts, Instances, poses_of
from refine.formats._keypoints import flat, matrix
from refine.formats._named import skeleton_of_names
from refine.formats._records import describe, list_in
from refine.formats.base import Document, Format, Holding, Options, Page, Source, Verdict
from refine.poses import ImageRef, Poses
from refine.skeletons import Skeleton

FRAMES, NAMES = "keypoints", "skeleton"
ENDING = "_result"
"""What easy_ViTPose puts behind the name of its input; its inference.py."""

PERSON = "person"
"""Field of a pose for the name of a person that is no number."""


def read_easy_vitpose(source: Source, options: Options) -> Poses:
    """Read the frames of a video, an image, or a folder with a file per image.

    Persons that bear the numbers 0, 1, ... through all of a file, in a folder through each of its
    files, were counted, not tracked.

    Raises:
        FormatError: another form, several frames in a file of a folder, or files of other joints.
        SkeletonError: another number of joints than the skeleton asked for has.
    """
    pages = source.pages()
    body = _skeleton(pages[0], options)
    refs: list[ImageRef] = []
    held: list[tuple[list[str], Any]] = []
    image: list[int] = []
    places: list[str] = []
    lists: list[Any] = []
    files: dict[int | str, str] = {}
    for page in pages:
        frames = list_in(page.document, FRAMES, page.where)
        if source.held == "folder" and len(frames) != 1:
            raise FormatError(
                f"expected one frame in each file of a folder, got {len(frames)}",
                where=page.where,
                hint="one video at a time",
            )
        if _skeleton(page, options) != body:
            raise FormatError(
                "expected the joints of the first file, got others",
                where=page.where,
                hint="a folder for each",
            )
        names = []
        for i, frame in enumerate(frames):
            where = f"{page.where}, frame {i}" if len(frames) > 1 else page.where
            if not isinstance(frame, dict):
                raise FormatError(
                    f"expected an object of persons, got {describe(frame)}", where=where
                )
            name = stem(str(page.name)).removesuffix(ENDING)
            files[name] = str(page.name)
            refs.append(ImageRef(i, frame=i) if len(frames) > 1 else ImageRef(name))
            image += [len(refs) - 1] * len(frame)
            places += [f"{where}, person {person!r:.40}" for person in frame]
            lists += frame.values()
            names += list(frame)
        document: Any = page.document
        held.append((names, document.get(_history.FIELD)))
    counted = all(names == [str(n) for n in range(len(names))] for names, _ in held)
    rows = [row for names, history in held for row in _persons(names, history, counted=counted)]
    k = len(body)
    marks = [_flat(each, k, where) for each, where in zip(lists, places, strict=True)]
    found = Instances(rows, image, refs, places, {})
    values = matrix(marks, 3 * k, FRAMES, found.where).reshape(len(rows), k, 3)[..., [1, 0, 2]]
    values[[each is None for each in marks], :, 2] = 0.0
    facts = Facts(frozenset(), np.full(len(rows), np.nan))
    poses = poses_of(found, values, _with(options, body), facts)
    files = files if source.held == "folder" else {}
    return poses.replace(meta={**poses.meta, "files": files, "listed": len(refs) > len(pages)})


def write_easy_vitpose(poses: Poses, precision: int | None, held: Holding) -> Document:
    """Write a document of all frames, or one per image for a folder.

    Poses without a track, or with that of another, are numbered from the next number on.
    """
    names = {str(j): joint for j, joint in enumerate(poses.skeleton.joints)}
    rest: dict[str, Any] = {NAMES: names}
    if poses.history:
        rest[_history.FIELD] = _history.encode(poses.history)
    track = np.full(len(poses), -1) if poses.track is None else poses.track
    lists = flat(poses, precision)
    frames = []
    free = count(int(track.max(initial=-1)) + 1)
    for _, rows in poses.by_image():
        free = count(int(track.max(initial=-1)) + 1) if held == "folder" else free
        frame: dict[str, Any] = {}
        for i in rows.tolist():
            person = str(poses.extra[i].get(PERSON, track[i]))
            person = str(next(free)) if person in frame or person == "-1" else person
            marks = [lists[i][at : at + 3] for at in range(0, len(lists[i]), 3)]
            frame[person] = [[y, x, score] for x, y, score in marks]
        frames.append(frame)
    if held == "folder":
        return [{FRAMES: [frame], **rest} for frame in frames]
    return {FRAMES: frames, **rest}


def number_persons(poses: Poses) -> tuple[Poses, tuple[str, ...]]:
    """Say how many persons get a number that they did not have, where others have one."""
    track = np.full(len(poses), -1) if poses.track is None else poses.track
    pairs = set(zip(poses.image.tolist(), track.tolist(), strict=True))
    bare = len(poses) - len([of for of in pairs if of[1] >= 0])
    note = f"numbers of {bare} persons without a track of their own: the next that are free"
    return poses, (note,) if 0 < bare < len(poses) else ()


def _persons(names: list[str], history: Any, *, counted: bool) -> list[dict[str, Any]]:
    """Return a record per person of a file: the track, or the name where that is no number."""
    rows: list[dict[str, Any]] = []
    for name in names:
        row: dict[str, Any] = {} if history is None else {_history.FIELD: history}
        plain = name.isascii() and name.isdecimal() and str(int(name)) == name and len(name) < 16
        if not counted:
            row |= {"track_id": int(name)} if plain else {PERSON: name}
        rows.append(row)
    return rows


def _flat(marks: Any, k: int, where: str) -> list[Any] | None:
    """Return y1, x1, score1, ... of a person; None without any."""
    if not marks and isinstance(marks, list | None):
        return None
    if not isinstance(marks, list) or len(marks) != k:
        got = f"{len(marks)}" if isinstance(marks, list) else describe(marks)
        raise FormatError(f"expected {k} joints [y, x, score], got {got}", where=where)
    for j, mark in enumerate(marks):
        if not isinstance(mark, list) or len(mark) != 3:
            raise FormatError(
                f"expected [y, x, score], got {mark!r:.40}", where=f"{where}, joint {j}"
            )
    return list(chain.from_iterable(marks))


def _skeleton(page: Page, options: Options) -> Skeleton:
    names = page.document.get(NAMES) if isinstance(page.document, dict) else None
    order = [names.get(str(j)) for j in range(len(names))] if isinstance(names, dict) else []
    if not order or not all(isinstance(name, str) for name in order):
        raise FormatError(
            f"expected {NAMES!r} with the names of joints 0, 1, ..., got {names!r:.60}",
            where=page.where,
        )
    if options.skeleton is not None and len(options.skeleton) == len(order):
        return options.skeleton
    return skeleton_of_names(map(str, order), options, "easy_vitpose", whole=True)


def _with(options: Options, body: Skeleton) -> Options:
    return Options(options.where, body, options.zero_is_missing)


def _is_easy_vitpose(document: Document) -> Verdict:
    if not isinstance(document, dict) or not isinstance(document.get(FRAMES), list):
        return Verdict.NO
    frames, names = document[FRAMES], document.get(NAMES)
    told = isinstance(names, dict) and all(isinstance(frame, dict) for frame in frames)
    return Verdict.YES if told else Verdict.NO


FORMATS = (
    Format(
        name="easy-vitpose",
        about="easy_ViTPose --save-json: a folder with the persons per image, y before x",
        tells="'keypoints' beside 'skeleton'",
        detect=_is_easy_vitpose,
        read=read_easy_vitpose,
        write=write_easy_vitpose,
        holdings=("folder", "document"),
        fields=frozenset({PERSON}),
        private=frozenset({PERSON}),
        complete=number_persons,
        cannot_hold=(
            "image ids",
            "image sizes",
            "frame numbers",
            "score kind",
            "instance scores",
            "boxes",
            "areas",
            "unknown fields",
            "frames per second",
        ),
    ),
)
