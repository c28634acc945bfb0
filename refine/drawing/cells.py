"""A case on canvases: one for each stage, or all in one."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from refine._types import Floats, Indices
from refine.drawing.canvas import Canvas
from refine.drawing.cases import Case
from refine.drawing.poses import Picture, overlay, pixels, told_size
from refine.drawing.stages import Stages
from refine.poses import ImageRef, Poses

ASPECT, MARGIN, LEAST = 4 / 3, 0.12, 0.1
"""Of the part of a picture around poses: width over height, room around them over their extent,
and least width over the longer side of the picture."""
SAME_PX = 0.01
"""Px within which a joint has not moved: rounding of files."""
FARTHEST = 10_000
"""Px: joints beyond tell nothing of the size of an image."""
Box = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Look:
    """How cases are shown.

    Attributes:
        size_px: longer side of a cell or file; None for pictures in their own size.
        crop: whether only what is around the poses is shown, not the whole picture.
    """

    size_px: int | None = 420
    crop: bool = True


class Row(NamedTuple):
    """A row of a sheet: what stands above it, its cells, and what stands below each."""

    title: str
    cells: Sequence[Canvas]
    captions: Sequence[str]


def show_case(stages: Stages, case: Case, picture: Picture | None, look: Look) -> Row:
    """Draw a case: a cell for each stage, and one for the ground truth where there is some.

    Raises:
        ArrayError, FormatError: no such picture.
    """
    shown = None if picture is None else pixels(picture)
    ref, box = _view(stages, case, None if shown is None else shown.size, look)
    parts = list(zip(stages.poses, case.rows, strict=True))
    parts += [] if stages.truth is None else [(stages.truth, case.truth)]
    cells = []
    for stage, (poses, rows) in enumerate(parts):
        was = stages.before[stage] if stage < len(stages.poses) else None
        before = None if was is None else _on_one(was, rows, ref)
        there = _on_one(poses, rows, ref)
        cells.append(overlay(there, shown, before=before, box_xyxy=box, size_px=look.size_px))
    told = [_told(stages, case, stage) for stage in range(len(stages.poses))]
    if stages.truth is not None:
        joints = int(stages.truth.present[case.truth].sum())
        told.append(f"{_count(len(case.truth), 'person')}, {_count(joints, 'labelled joint')}")
    return Row(str(ref.file_name or ref.id), cells, told)


def draw_case(stages: Stages, case: Case, picture: Picture | None, look: Look) -> Canvas:
    """Draw the last stage of a case over its truth, with what has changed since the first.

    Raises:
        ArrayError, FormatError: no such picture.
    """
    shown = None if picture is None else pixels(picture)
    ref, box = _view(stages, case, None if shown is None else shown.size, look)
    rows, was, truth = case.rows[-1], stages.before[-1], stages.truth
    return overlay(
        _on_one(stages.poses[-1], rows, ref),
        shown,
        before=None if was is None else _on_one(was, rows, ref),
        truth=None if truth is None else _on_one(truth, case.truth, ref),
        box_xyxy=box,
        size_px=look.size_px,
    )


def frame_around(parts: Sequence[Floats], size: tuple[int, int], aspect: float = ASPECT) -> Box:
    """Choose the part of a picture around poses, in whole px xyxy.

    Where the picture is too small for its aspect it reaches beyond.

    Args:
        parts: (N, K, 2) px each.
        size: width and height of the picture.
        aspect: width over height of the part.

    >>> frame_around([np.array([[[40.0, 30.0], [60.0, 40.0]]])], (200, 100))
    (35, 24, 64, 46)
    """
    whole = np.array(size)
    points = np.concatenate([xy.reshape(-1, 2) for xy in parts])
    points = points[np.isfinite(points).all(1)].clip(0, whole)
    if not len(points):
        points = np.array([[0, 0], size])
    low, high = points.min(0), points.max(0)
    room = np.maximum(MARGIN * (high - low) + 2, (LEAST * whole.max() - (high - low)) / 2)
    low, high = (low - room).clip(0), np.minimum(high + room, whole)
    extent = high - low
    extent = np.maximum(extent, [extent[1] * aspect, extent[0] / aspect])
    inside = np.clip((low + high - extent) / 2, 0, np.maximum(whole - extent, 0))
    start = np.where(extent > whole, (whole - extent) / 2, inside)
    x, y, w, h = np.concatenate([np.floor(start), np.ceil(extent)]).astype(int).tolist()
    return x, y, x + w, y + h


def _view(
    stages: Stages, case: Case, size: tuple[int, int] | None, look: Look
) -> tuple[ImageRef, Box]:
    """Return the image of a case with its size, and the part of it that is shown."""
    ref = stages.images[case.image]
    parts = [poses.xy[rows] for poses, rows in zip(stages.poses, case.rows, strict=True)]
    parts += [] if stages.truth is None else [stages.truth.xy[case.truth]]
    size = size or told_size(ref)
    if size is None:
        points = np.concatenate([xy.reshape(-1, 2) for xy in parts])
        points = points[np.isfinite(points).all(1)]
        x, y = points.max(0, initial=0.0).clip(0, FARTHEST).tolist()
        size = int(x * (1 + MARGIN)) + 1, int(y * (1 + MARGIN)) + 1
    ref = replace(ref, width=size[0], height=size[1])
    return ref, frame_around(parts, size) if look.crop else (0, 0, *size)


def _on_one(poses: Poses, rows: Indices, ref: ImageRef) -> Poses:
    """Return some poses as those of one image alone."""
    return poses[rows].replace(images=(ref,), image=np.zeros(len(rows), np.intp))


def _told(stages: Stages, case: Case, stage: int) -> str:
    """Say what is seen of a case in a stage."""
    poses, was, rows = stages.poses[stage], stages.before[stage], case.rows[stage]
    there = poses.present[rows]
    text = _count(len(rows), "pose")
    text += f", {_count(int(there.sum()), 'joint')}" * bool(len(rows))
    if was is not None and len(rows):
        had = was.present[rows]
        with np.errstate(invalid="ignore", over="ignore"):
            away = np.linalg.norm(poses.xy[rows] - was.xy[rows], axis=-1) > SAME_PX
        filled, moved = int((there & ~had).sum()), int((there & had & away).sum())
        text += f", {filled} filled, {moved} moved"
    if np.isfinite(case.oks[stage]):
        text += f"; OKS {case.oks[stage]:.2f}"
    return text


def _count(number: int, what: str) -> str:
    return f"{number or 'no'} {what}{'s' * (number != 1)}"
