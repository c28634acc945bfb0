"""The persons to look at: which ones, and their crops."""

import io
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

from refine._types import Floats
from refine.drawing.cells import Box, frame_around
from refine.drawing.poses import draw
from refine.evaluation.persons import Persons
from refine.exceptions import FormatError
from refine.poses import ImageRef, Poses
from refine.refiner.image.crops import Picture, find_pictures
from refine.refiner.image.pictures import check_found, look_at, read_picture, short
from refine.report.rows import Row

TRUTH = "Truth"
"""What the crop of an annotated person is called."""
SIZE = 280
"""Px of the sides of a crop."""
QUALITY = 72
"""Of its JPEG."""
BUDGET = 10_500_000
"""Bytes of all crops as text, which leaves room for the rest of 15 MB."""
WORSE = -0.01
"""Gain of OKS below which a person counts as worse: less is rounding."""


@dataclass(frozen=True, slots=True)
class Shot:
    """One crop: what it shows, in words and as a data URI, and its width and height in px."""

    title: str
    alt: str
    uri: str
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Case:
    """A person to look at: the index of its row, why it is shown, and its crops."""

    row: int
    group: str
    shots: tuple[Shot, ...]


def choose_cases(rows: Sequence[Row], most: int) -> dict[str, list[int]]:
    """Choose the rows to look at, group by group, none of them twice.

    Args:
        rows: see `refine.report.rows`.
        most: of all groups together; each may have an equal share, and what others leave.

    Returns:
        group -> indices of rows, the first to look at first.
    """
    several = bool(rows) and len(rows[0].poses) > 1
    known = [i for i, row in enumerate(rows) if row.person >= 0]
    nobody = [i for i, row in enumerate(rows) if row.person < 0 and row.poses[-1] >= 0]
    ranked: dict[str, list[int]] = {}
    if known:
        if several:
            lost = [i for i in known if rows[i].gain < WORSE]
            won = [i for i in known if rows[i].gain > 0]
            ranked["Lost most"] = sorted(lost, key=lambda i: rows[i].gain)
            ranked["Gained most"] = sorted(won, key=lambda i: -rows[i].gain)
        there = [i for i in known if rows[i].poses[-1] >= 0]
        ranked["Worst"] = sorted(there, key=lambda i: rows[i].oks[-1])
        ranked["Not found"] = [i for i in known if max(rows[i].poses) < 0]
        ranked["Nobody there"] = sorted(nobody, key=lambda i: -_known(rows[i].score))
    if several:
        moved = [i for i, row in enumerate(rows) if row.moved > 0]
        ranked["Moved most"] = sorted(moved, key=lambda i: -rows[i].moved)
        filled = [i for i, row in enumerate(rows) if row.filled]
        ranked["Filled most"] = sorted(filled, key=lambda i: -rows[i].filled)
        gone = [i for i, r in enumerate(rows) if r.person < 0 and r.poses[0] >= 0 > r.poses[-1]]
        ranked["Removed"] = gone
        ranked["New"] = [i for i in nobody if max(rows[i].poses[:-1]) < 0]
    elif not known:
        ranked["Scored lowest"] = sorted(nobody, key=lambda i: _known(rows[i].score))
    return _dealt(ranked, most)


def _known(score: float) -> float:
    return score if np.isfinite(score) else -np.inf


def _dealt(ranked: Mapping[str, Sequence[int]], most: int) -> dict[str, list[int]]:
    """Deal rows out to groups in turns, so that all have about as many."""
    chosen: dict[str, list[int]] = {name: [] for name in ranked}
    waiting = {name: iter(order) for name, order in ranked.items()}
    used: set[int] = set()
    while waiting and len(used) < most:
        for name in list(waiting):
            row = next((i for i in waiting[name] if i not in used), None)
            if row is None:
                del waiting[name]
            elif len(used) < most:
                used.add(row)
                chosen[name].append(row)
    return {name: rows for name, rows in chosen.items() if rows}


@dataclass(frozen=True, slots=True, eq=False)
class Gallery:
    """Where crops come from.

    Attributes:
        files: label -> poses, all of one skeleton.
        persons: annotated ones, or None.
        pictures: image id -> its picture.
        exif: whether EXIF orientation is applied.
    """

    files: Mapping[str, Poses]
    persons: Persons | None
    pictures: Mapping[int | str, Picture]
    exif: bool = True

    def parts(self, row: Row) -> dict[str, Poses]:
        """Return what annotators and files say of a row, one pose each, on an image of its own."""
        skeleton = next(iter(self.files.values())).skeleton
        parts: dict[str, Poses] = {}
        if self.persons is not None and row.person >= 0:
            xy = self.persons.xy[[row.person]]
            parts[TRUTH] = Poses.from_arrays(skeleton, xy, images=[row.image])
        for (label, poses), i in zip(self.files.items(), row.poses, strict=True):
            rows = [i] if i >= 0 else []
            parts[label] = poses[rows].replace(
                images=(row.image,), image=np.zeros(len(rows), np.intp)
            )
        return parts

    def shots(self, row: Row) -> tuple[Shot, ...]:
        """Draw the crops of a row: what annotators say, then every file.

        Raises:
            FormatError: a file that is no picture.
        """
        parts = self.parts(row)
        path = self.pictures.get(row.image.id)
        shown = None if path is None else read_picture(path, exif=self.exif)
        xy = [part.xy for part in parts.values()]
        size = _size(row, xy) if shown is None else (shown.shape[1], shown.shape[0])
        box: Box | None = frame_around(xy, size, aspect=1.0)
        if shown is None and box is not None:
            scale, start = SIZE / (box[2] - box[0]), box[:2]
            shown = np.full((SIZE, SIZE, 3), 255, np.uint8)
            parts = {k: p.replace(xy=(p.xy - start) * scale) for k, p in parts.items()}
            box = None
        first = parts[next(iter(self.files))]
        out = []
        for label, pose in parts.items():
            known = len(pose) and len(first) and label != TRUTH and pose is not first
            before = first if known else None
            image = draw(pose, shown, before=before, box_xyxy=box, size_px=SIZE)
            out.append(_shot(label, pose, row, image))
        return tuple(out)


def _size(row: Row, parts: Sequence[Floats]) -> tuple[int, int]:
    """Return the size of an image, or else the extent of what is on it."""
    if row.image.width and row.image.height:
        return row.image.width, row.image.height
    points = np.concatenate([xy.reshape(-1, 2) for xy in parts])
    width, height = np.nan_to_num(points).max(0, initial=1.0).tolist()
    return int(width) + 1, int(height) + 1


def _shot(label: str, shown: Poses, row: Row, image: Image.Image) -> Shot:
    data = io.BytesIO()
    image.save(data, "JPEG", quality=QUALITY, optimize=True)
    uri = "data:image/jpeg;base64," + b64encode(data.getvalue()).decode()
    joints = f"{int(shown.present.sum())} joints" if len(shown) else "no pose"
    title = label if len(shown) else f"{label}: no pose"
    return Shot(title, f"{label}: {joints}, image {row.image.id}", uri, *image.size)


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """Pictures by image id; and what of the others is missing, cannot be read or does not fit."""

    pictures: Mapping[int | str, Picture]
    missing: int
    left_out: Mapping[str, str]


def find_shown(
    images: Sequence[ImageRef], poses: Poses, folder: str | Path, *, exif: bool = True
) -> Found:
    """Find the pictures of images, and leave out those that do not fit what is told of them.

    Args:
        images: of the cases.
        poses: of the file whose places the pictures have to fit.
        folder: of pictures, see `refine.refiner.image.crops.find_pictures`.
        exif: whether EXIF orientation is applied.

    Raises:
        FormatError: no such folder, or no picture of any of these images in it.
    """
    place = {ref.id: i for i, ref in enumerate(images)}
    at = np.array([place.get(ref.id, -1) for ref in poses.images], np.intp)[poses.image]
    there = poses[at >= 0].replace(images=tuple(images), image=at[at >= 0])
    found = find_pictures(folder, images)
    if images and not any(found):
        check_found(folder, found, there)
    sight = look_at(there, found, exif=exif)
    usable = zip(images, sight.pictures, strict=True)
    return Found(
        {ref.id: picture for ref, picture in usable if picture is not None},
        sum(picture is None for picture in found),
        {**sight.unread, **sight.unfit},
    )


def draw_cases(
    rows: Sequence[Row], chosen: Mapping[str, Sequence[int]], gallery: Gallery
) -> tuple[list[Case], dict[str, str]]:
    """Draw the chosen rows, until their crops fill `BUDGET`.

    Args:
        rows: see `refine.report.rows`.
        chosen: see `choose_cases`.
        gallery: where crops come from.

    Returns:
        the cases; and by name the pictures that break off, and why.
    """
    cases: list[Case] = []
    used, broken = 0, {}
    for group, indices in chosen.items():
        for i in indices:
            try:
                shots = gallery.shots(rows[i])
            except FormatError as error:
                broken[str(rows[i].image.file_name or rows[i].image.id)] = short(error)
                shots = replace(gallery, pictures={}).shots(rows[i])
            used += sum(len(shot.uri) for shot in shots)
            if used > BUDGET:
                return cases, broken
            cases.append(Case(i, group, shots))
    return cases, broken
