"""YOLO-pose labels: a folder with a text per image and a line per pose, in shares of the image.

`class cx cy w h`, then x, y and a flag or confidence of every joint (`kpt_shape: [K, 3]`), or x and
y alone (`[K, 2]`); what ``save_txt`` writes goes on with the score of the box (``save_conf``) and
the track (ultralytics/engine/results.py, save_txt). The files name no joints: data.yaml near them
tells (`_yolo_set`), else K is that of the skeleton asked for, else COCO's 17. They tell no sizes
either: pictures in a folder `images` beside `labels` do, or ``--sizes``.
"""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from refine._types import Floats
from refine.categories import categories_of, category_of_class
from refine.exceptions import FormatError, SkeletonError
from refine.formats._encodings import TEXT, are_numbers, number_text
from refine.formats._images import stem
from refine.formats._instances import Facts, Instances, poses_of
from refine.formats._keypoints import FAR, flat
from refine.formats._rows import give_boxes, give_scores
from refine.formats._units import shares_of
from refine.formats._yolo_set import DataSet, data_set_of, skeleton_of_set, with_pictures
from refine.formats.base import Document, Format, Holding, Options, Source, Verdict
from refine.poses import ImageRef, Poses
from refine.skeletons import skeleton, skeleton_names

BOX = 5
"""Values before the joints: the class, and the box as its middle and size."""

DECIMALS = 15
"""Of middles and sizes of boxes: sums of shares carry noise in the last bits."""

MORE = (0, 1, 2)
"""Values that may come after the joints: nothing, score or track, score and track."""


def read_yolo(source: Source, options: Options) -> Poses:
    """Read labels; coordinates are as the files have them, shares.

    Raises:
        FormatError: a line that is not of numbers.
        SkeletonError: a line of another count of numbers than the skeleton has.
    """
    pages = source.pages()
    tokens: list[list[str]] = []
    image: list[int] = []
    places: list[str] = []
    for i, page in enumerate(pages):
        for number, line in enumerate(_lines(page.document, page.where), 1):
            tokens.append(line.split())
            image.append(i)
            places.append(f"{page.where}, line {number}")
    numbers = [_numbers(line, where) for line, where in zip(tokens, places, strict=True)]
    folder = Path(source.path) if source.held == "folder" else None
    told = None if folder is None else data_set_of(folder)
    if told is not None:
        options = replace(options, skeleton=skeleton_of_set(told, options))
        _check_set(numbers, told, places)
    k, width = _shape(numbers, options, places) if told is None else told.shape
    end = BOX + k * width
    n = len(numbers)
    head = np.array([row[:BOX] for row in numbers], np.float64).reshape(n, BOX)
    values = np.full((n, k, 3), np.nan)
    joints = np.array([row[BOX:end] for row in numbers], np.float64)
    values[..., :width] = joints.reshape(n, k, width)
    score, track = _more([row[end:] for row in tokens], [row[end:] for row in numbers])
    rows = [
        {"category_id": category_of_class(_class(row[0], where))}
        | ({"track_id": t} if t is not None else {})
        for row, t, where in zip(numbers, track, places, strict=True)
    ]
    refs = [ImageRef(stem(str(page.name)).removesuffix(".txt")) for page in pages]
    refs = refs if folder is None else with_pictures(refs, folder)
    half = head[:, 3:] / 2
    box = np.concatenate([head[:, 1:3] - half, head[:, 1:3] + half], 1) if n else None
    found = Instances(rows, image, refs, places, {})
    poses = poses_of(found, values, options, Facts(frozenset({"track_id"}), score, box))
    extra = tuple({k: v for k, v in row.items() if k == "category_id"} for row in poses.extra)
    return poses.replace(extra=extra)


def write_yolo(poses: Poses, precision: int | None, held: Holding) -> Document:
    """Write a document of lines per image.

    Raises:
        FormatError: the size of an image is not known, or a pose has neither a box nor joints.
    """
    own = poses.meta.get("format") == "yolo" and not poses.meta.get("normalised")
    shares = poses if own else shares_of(poses, precision, "yolo")
    box = np.full((len(poses), 4), np.nan) if poses.box is None else poses.box
    if not np.isfinite(box).all():
        raise FormatError(
            "expected a box for every pose of yolo labels, got a pose without box and joints",
            hint="`refine nms --score-threshold`, which drops empty poses, or another --to",
        )
    low, high = box[:, :2], box[:, 2:]
    size = 1.0 if own else poses.image_sizes[poses.image]
    middle = np.concatenate([(low + high) / 2 / size, (high - low) / size], 1)
    middle = middle.round(DECIMALS)
    scored = bool(np.isfinite(poses.instance_score).any())
    width = 2 if poses.meta.get("bare") else 3
    kinds, lists = categories_of(poses), flat(shares, precision if own else None)
    documents: list[Any] = []
    for _, rows in poses.by_image():
        lines = []
        for i in rows.tolist():
            kind = kinds[i]
            label = kind - 1 if type(kind) is int and kind > 0 else 0
            marks = [lists[i][at : at + width] for at in range(0, len(lists[i]), 3)]
            values = [*middle[i].tolist(), *(value for mark in marks for value in mark)]
            texts = [str(label), *map(number_text, values)]
            # With a point, or it would be taken for a track.
            texts += [repr(float(poses.instance_score[i]))] if scored else []
            texts += [] if poses.track is None else [str(int(poses.track[i]))]
            lines.append(" ".join(texts))
        documents.append({TEXT: lines})
    return documents[0] if held == "document" else documents


def give_boxes_and_scores(poses: Poses) -> tuple[Poses, tuple[str, ...]]:
    """Give poses without a box that of their joints, and a score where others have one."""
    notes: tuple[str, ...] = ()
    if np.isfinite(poses.instance_score).any():
        poses, notes = give_scores(poses)
    poses, more = give_boxes(poses)
    return poses, (*notes, *more)


def _lines(document: Document, where: str) -> list[str]:
    lines = document.get(TEXT) if isinstance(document, dict) else None
    if not isinstance(lines, list) or not all(isinstance(line, str) for line in lines):
        raise FormatError(f"expected lines of text, got {document!r:.60}", where=where)
    return lines


def _numbers(line: list[str], where: str) -> list[float]:
    try:
        values = [float(text) for text in line]
    except ValueError:
        values = [math.nan]
    near = all(abs(value) <= FAR for value in values[:BOX])  # joints are looked at with all others
    if not near or not all(map(math.isfinite, values)) or len(values) < BOX:
        raise FormatError(
            f"expected class, box and joints as numbers, got {' '.join(line)!r:.60}",
            where=where,
            hint="a folder with nothing but labels in its .txt files",
        )
    return values


def _class(value: float, where: str) -> int:
    if value % 1 or value < 0:
        raise FormatError(f"expected a class, a whole number, got {value}", where=where)
    return int(value)


def _shape(rows: list[list[float]], options: Options, places: list[str]) -> tuple[int, int]:
    """Return the number of joints, and of values of each.

    Raises:
        SkeletonError: lines that have other numbers of values.
    """
    body = options.skeleton or options.default or skeleton("coco17")
    k, counts = len(body), {len(row) for row in rows}
    for width in (3, 2):
        if all(count - BOX - k * width in MORE for count in counts):
            return k, width
    fits = [any(len(row) - BOX - k * w in MORE for w in (3, 2)) for row in rows]
    at = fits.index(False) if False in fits else 0
    count = len(rows[at])
    fitting = [
        f"{name} with {w} values a joint"
        for name in skeleton_names()
        for w in (3, 2)
        if count - BOX - len(skeleton(name)) * w in MORE
    ]
    raise SkeletonError(
        f"expected {BOX + 2 * k} or {BOX + 3 * k} values, or up to {MORE[-1]} more, in every line "
        f"for the {k} joints of {body.name!r}, got {count}, which fits "
        + (", ".join(fitting) or "no skeleton that ships"),
        where=places[at],
        hint="--skeleton with the one of `kpt_shape` in data.yaml",
    )


def _check_set(rows: list[list[float]], told: DataSet, places: list[str]) -> None:
    """Raise FormatError where lines are not what data.yaml says."""
    end = BOX + told.shape[0] * told.shape[1]
    for row, where in zip(rows, places, strict=True):
        if len(row) - end not in MORE:
            raise FormatError(
                f"expected {end} values, or up to {MORE[-1]} more, for `kpt_shape` "
                f"{list(told.shape)} of {told.path.name}, got {len(row)}",
                where=where,
            )
        if told.classes and row[0] not in told.classes:
            raise FormatError(
                f"expected one of the {len(told.classes)} classes that {told.path.name} names, "
                f"got {row[0]:g}",
                where=where,
            )


def _more(texts: list[list[str]], numbers: list[list[float]]) -> tuple[Floats, list[int | None]]:
    """Return scores (N,) and tracks out of what stands behind the joints.

    A number that stands alone is a track where all such are whole, unless others have both.
    """
    alone = [text[0] for text in texts if len(text) == 1]
    both = any(len(text) > 1 for text in texts)
    tracks = not both and all(text.lstrip("+-").isdigit() for text in alone)
    score = np.full(len(texts), np.nan)
    ids: list[int | None] = []
    for i, values in enumerate(numbers):
        if len(values) > 1 or (values and not tracks):
            score[i] = values[0]
        told = values[-1] if len(values) > 1 or (values and tracks) else None
        ids.append(int(told) if told is not None and told >= 0 and told % 1 == 0 else None)
    return score, ids


def _is_yolo(document: Document) -> Verdict:
    lines = document.get(TEXT) if isinstance(document, dict) else None
    if not isinstance(lines, list):
        return Verdict.NO
    first = lines[0] if lines else ""
    return (
        Verdict.YES if isinstance(first, str) and (not lines or are_numbers(first)) else Verdict.NO
    )


FORMATS = (
    Format(
        name="yolo",
        about="YOLO-pose labels: a folder with a text per image and a line per pose, in shares",
        tells="lines of numbers in .txt",
        detect=_is_yolo,
        read=read_yolo,
        write=write_yolo,
        holdings=("folder", "document"),
        fields=frozenset({"category_id"}),
        complete=give_boxes_and_scores,
        shares=True,
        ending=".txt",
        cannot_hold=(
            "image ids",
            "image sizes",
            "frame numbers",
            "score kind",
            "areas",
            "unknown fields",
            "history",
            "skeletons that do not ship",
            "frames per second",
        ),
    ),
)
