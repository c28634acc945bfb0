"""Where records of the COCO kind stand: in a list, alone in files by image, under image names."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from refine.exceptions import FormatError
from refine.formats._images import stem, whole
from refine.formats.base import Document, Holding, Source, Where
from refine.poses import Poses

FILE_ENDING = ".predictions"
"""What OpenPifPaf puts behind the name of an image; openpifpaf/predict.py."""

FRAME, GROUP = "frame", "predictions"
"""What OpenPifPaf's videos call a frame and its records, a line each; openpifpaf/video.py."""

OTHERS = frozenset(
    {"images", "annotations", "instance_info", "instances", "people", "bodies", "poses", GROUP}
)
"""Keys that other formats put lists of persons under."""


class Records(NamedTuple):
    """Records that all have an `image_id`, and how they were held.

    Attributes:
        rows: of all images.
        where: names a row for messages.
        images: ids, in the order of files or keys, of images without rows too; empty for a list.
        meta: what `hold` needs.
    """

    rows: list[dict[str, Any]]
    where: Where
    images: Sequence[int | str]
    meta: dict[str, Any]


def records(source: Source) -> Records:
    """Return the records of a list, of lines, of a folder of lists, or by image name.

    Raises:
        FormatError: something else.
    """
    if source.held == "folder":
        return _of_files(source)
    document = source.document
    if isinstance(document, list) and is_stream(document):
        return _of_frames(document, source.record("record"))
    if is_by_image(document):
        return _by_image(document, source.path)
    rows, where = _list(document, source.path), source.record("record")
    _check(rows, where, ("keypoints",))
    unnamed = [row for row in rows if "image_id" not in row]
    if not rows or len(unnamed) < len(rows) or source.held == "lines":
        _check(rows, where, ("image_id",))
        return Records(rows, where, (), {})
    name = _image(source.path)
    return Records([{"image_id": name, **row} for row in rows], where, [name], {"named": False})


def hold(rows: list[dict[str, Any]], poses: Poses, held: Holding) -> Document:
    """Put the rows of poses where `records` found such, the counterpart."""
    by_image, frames = (poses.meta.get(key) for key in ("by_image", "frames"))
    if not poses.meta.get("named", True):
        rows = [{k: v for k, v in row.items() if k != "image_id"} for row in rows]
    if held != "folder" and not by_image and not frames:
        return rows
    groups = [[rows[i] for i in of.tolist()] for _, of in poses.by_image()]
    if held == "folder" or frames == "bare":
        return groups
    if frames:
        pairs = zip(poses.images, groups, strict=True)
        return [{FRAME: ref.id, **ref.extra, GROUP: group} for ref, group in pairs]
    return {str(ref.id): group for ref, group in zip(poses.images, groups, strict=True)}


def is_stream(document: Document) -> bool:
    """Whether a list is of frames, as OpenPifPaf writes those of a video: before 0.12 lists."""
    frames = document if isinstance(document, list) else []
    first: Any = next((frame for frame in frames if frame), None)
    if isinstance(first, dict):
        return {FRAME, GROUP} <= first.keys()
    row = first[0] if isinstance(first, list) else None
    return isinstance(row, dict) and bool(row.get("keypoints")) and is_flat(row["keypoints"])


def is_by_image(document: Document) -> bool:
    """Whether lists of records stand under image names, as PoseFlow writes them."""
    if not isinstance(document, dict) or OTHERS & document.keys():
        return False
    lists = list(document.values())
    firsts = [each[0] for each in lists if isinstance(each, list) and each]
    return (
        all(isinstance(each, list) for each in lists)
        and bool(firsts)
        and all(isinstance(first, dict) and is_flat(first.get("keypoints")) for first in firsts)
        and not any("image_id" in first for first in firsts)  # It would be another image's.
    )


def is_flat(keypoints: Any) -> bool:
    """Whether keypoints are a list x1, y1, score1, ... rather than one of points."""
    return isinstance(keypoints, list) and not any(isinstance(v, list | dict) for v in keypoints)


def _of_frames(frames: Sequence[Any], where: Where) -> Records:
    rows, places, images = [], [], []
    bare = isinstance(frames[0], list)
    if bare:
        frames = [{FRAME: i, GROUP: group} for i, group in enumerate(frames)]
    _check(frames, where, (FRAME, GROUP))
    for i, frame in enumerate(frames):
        number, group = whole(frame[FRAME], FRAME, where(i)), frame[GROUP]
        if number is None or not isinstance(group, list):
            raise FormatError(
                f"expected the number of a 'frame' and a list 'predictions', got {number!r} and "
                f"{describe(group)}",
                where=where(i),
            )
        if number in images:
            raise FormatError(f"expected frames once, got {number} twice", where=where(i))
        own = [f"{where(i)}, prediction {q}" for q in range(len(group))]
        _check(group, own.__getitem__, ("keypoints",))
        images.append(number)
        rows += [{**row, "image_id": number} for row in group]
        places += own
    about = {"named": False, "frames": "bare" if bare else "told"}
    return Records(rows, places.__getitem__, images, about)


def _by_image(document: Document, path: str) -> Records:
    assert isinstance(document, dict)
    rows, places = [], []
    for name, group in document.items():
        places += [f"{path}, image {name!r}, record {i}" for i in range(len(group))]
        rows += group
    _check(rows, places.__getitem__, ("keypoints",))
    names = [name for name, group in document.items() for _ in group]
    rows = [{**row, "image_id": name} for row, name in zip(rows, names, strict=True)]
    return Records(rows, places.__getitem__, list(document), {"named": False, "by_image": True})


def _of_files(source: Source) -> Records:
    rows: list[dict[str, Any]] = []
    places: list[str] = []
    images: list[int | str] = []
    files: dict[int | str, str] = {}
    empty: list[int] = []
    named = True
    for i, document in enumerate(source.documents):
        at = source.where(i)
        own = _list(document, at)
        here = [f"{at}, record {q}" for q in range(len(own))]
        _check(own, here.__getitem__, ("keypoints",))
        name = _image(source.names[i])
        named = named and all("image_id" in row for row in own)
        ids = list(dict.fromkeys(row.get("image_id", name) for row in own)) or [name]
        if not own:
            empty.append(len(images))
        if len(ids) == 1:
            files[ids[0]] = source.names[i]
        images += ids
        rows += [{"image_id": name, **row} for row in own]
        places += here
    if named and all(isinstance(row["image_id"], int) for row in rows):
        # Files of COCO's images are called by their ids; an empty one tells it in no other way.
        for at_ in empty:
            name = str(images[at_])
            if rows and name.isascii() and name.isdigit():
                images[at_] = int(name)
                files[int(name)] = files.pop(name)
    return Records(rows, places.__getitem__, images, {"named": named, "files": files})


def _list(document: Document, where: str) -> list[Any]:
    if not isinstance(document, list):
        raise FormatError(
            f"expected a list of records, got {describe(document)}",
            where=where,
            hint="--from coco-gt, if these are annotations",
        )
    return document


def _check(rows: Sequence[Any], where: Where, fields: Sequence[str]) -> None:
    for i, row in enumerate(rows):
        if not isinstance(row, dict):
            raise FormatError(f"expected an object, got {describe(row)}", where=where(i))
        missing = [f for f in fields if f not in row]
        if missing:
            raise FormatError(
                f"expected an object with {missing[0]!r}, got only {', '.join(row) or '{}'}",
                where=where(i),
            )


def _image(name: str) -> str:
    return stem(name).removesuffix(FILE_ENDING)


def list_in(document: Any, field: str, where: str) -> list[Any]:
    """Return the list that an object holds in a field.

    Raises:
        FormatError: no object, or no list in it; null is none, nobody knows what it stands for.
    """
    found = document.get(field) if isinstance(document, dict) else None
    if isinstance(found, list):
        return found
    got = describe(document)
    if isinstance(document, dict):
        got = f"{describe(document[field])} there" if field in document else "an object without"
    raise FormatError(f"expected an object with a list {field!r}, got {got}", where=where)


def describe(value: Any) -> str:
    """Name the kind of a JSON value for messages."""
    kinds = {dict: "an object", list: "a list", str: "a string", type(None): "null"}
    return kinds.get(type(value), f"{value!r:.40}")
