"""Sheets: the same images before and after, side by side."""

from collections.abc import Hashable, Mapping, Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from refine._types import Floats
from refine.drawing.canvas import Canvas
from refine.drawing.palette import CASING, CENTRE, INK, LEFT, PAPER, RIGHT, TRAIL
from refine.drawing.poses import Picture, draw, ground
from refine.drawing.raster import paint
from refine.exceptions import ArrayError
from refine.poses import Poses

ASPECT, MARGIN = 4 / 3, 0.12
"""Of the cells of a sheet: width over height, and room around the poses over their extent."""
LEGEND = ("left", "right", "middle", "given", "filled", "moved")
COLOURS = {"left": LEFT, "right": RIGHT, "middle": CENTRE}


def before_after(
    before: Poses,
    after: Poses,
    *,
    truth: Poses | None = None,
    source: Sequence[int] | npt.NDArray[np.integer] | None = None,
    pictures: Mapping[Hashable, Picture] | None = None,
    captions: Mapping[Hashable, Sequence[str]] | None = None,
    ids: Sequence[int | str] | None = None,
    width: int = 420,
) -> Image.Image:
    """Draw a sheet: a row an image, its columns truth, before and after; a legend below.

    Args:
        before: N poses.
        after: M poses.
        truth: ground truth; without it there are two columns.
        source: (M,) which pose of `before` each of `after` was; by default they are the same in
            the same order.
        pictures: by image id; images without one get a plain canvas.
        captions: by image id: a line below each column.
        ids: of the images to show; by default the first four of `before`.
        width: of a column in px.

    Raises:
        ArrayError: `source` does not fit, or nothing to show.

    >>> import refine
    >>> two = Poses.from_arrays(refine.skeleton("coco17"), np.full((2, 17, 2), 20.0))
    >>> before_after(two, two[1:], source=[1], width=100).size[0]
    230
    """
    rows = np.arange(len(after)) if source is None else np.asarray(source, np.intp)
    if rows.shape != (len(after),) or (
        len(rows) and not 0 <= rows.min() <= rows.max() < len(before)
    ):
        raise ArrayError(
            f"expected source ({len(after)},) with rows of {len(before)} poses, got {rows.tolist()}"
        )
    was = before[rows]
    shown = [ref.id for ref in before.images[:4]] if ids is None else list(ids)
    if not shown:
        raise ArrayError("expected at least one image to show, got none")
    columns = {"before": (before, None), "after": (after, was)}
    if truth is not None:
        columns = {"ground truth": (truth, None), **columns}
    grid = []
    for name in shown:
        cells = [
            (_of_image(poses, name), None if old is None else _of_image(old, name))
            for poses, old in columns.values()
        ]
        picture = ground((pictures or {}).get(name), _of_image(before, name))
        frame = _frame(np.concatenate([poses.xy for poses, _ in cells]), picture.size)
        grid.append([_cell(picture, frame, poses, old, width) for poses, old in cells])
    return _sheet(grid, list(columns), [(captions or {}).get(name, ()) for name in shown], width)


def _of_image(poses: Poses, image_id: int | str) -> Poses:
    """Return those poses of a file that are on one image, and that image alone."""
    refs = tuple(ref for ref in poses.images if ref.id == image_id)
    rows = np.flatnonzero(np.array([ref.id == image_id for ref in poses.images])[poses.image])
    return poses[rows].replace(images=refs, image=np.zeros(len(rows), np.intp))


def _frame(xy: Floats, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """Choose the part of a picture around poses (N, K, 2): left, top, width, height in px.

    Its aspect is `ASPECT`; where the picture is too small for that it reaches beyond.
    """
    whole = np.array(size)
    points = xy.reshape(-1, 2)
    points = points[np.isfinite(points).all(1)].clip(0, whole)
    if not len(points):
        points = np.array([[0, 0], size])
    low, high = points.min(0), points.max(0)
    room = MARGIN * (high - low) + 2
    low, high = (low - room).clip(0), np.minimum(high + room, whole)
    extent = high - low
    extent = np.maximum(extent, [extent[1] * ASPECT, extent[0] / ASPECT])
    inside = np.clip((low + high - extent) / 2, 0, np.maximum(whole - extent, 0))
    start = np.where(extent > whole, (whole - extent) / 2, inside)
    x, y, w, h = np.concatenate([np.floor(start), np.ceil(extent)]).astype(int).tolist()
    return x, y, w, h


def _cell(
    picture: Image.Image,
    frame: tuple[int, int, int, int],
    poses: Poses,
    before: Poses | None,
    width: int,
) -> Image.Image:
    x, y, w, h = frame
    return draw(poses, picture, before=before, box_xyxy=[x, y, x + w, y + h], size_px=width)


def _sheet(
    grid: Sequence[Sequence[Image.Image]],
    heads: Sequence[str],
    captions: Sequence[Sequence[str]],
    width: int,
) -> Image.Image:
    gap, head, line = 10, 34, 24
    heights = [max(cell.height for cell in row) for row in grid]
    legend = _legend()
    total = (
        gap + len(heads) * (width + gap),
        head + sum(h + line + gap for h in heights) + legend.height + gap,
    )
    sheet = Image.new("RGB", (max(total[0], 1), total[1]), PAPER)
    draw = ImageDraw.Draw(sheet)
    title, text = ImageFont.load_default(19), ImageFont.load_default(14)
    for column, name in enumerate(heads):
        draw.text((gap + column * (width + gap), head - 6), name, INK, title, anchor="ls")
    y = head
    for row, height, lines in zip(grid, heights, captions, strict=True):
        for column, cell in enumerate(row):
            x = gap + column * (width + gap)
            sheet.paste(cell, (x, y))
            draw.rectangle((x, y, x + cell.width - 1, y + cell.height - 1), outline="#BBBBBB")
            if column < len(lines):
                draw.text((x, y + height + 4), lines[column], INK, text)
        y += height + line + gap
    sheet.paste(legend, (gap, y))
    return sheet


def _legend() -> Image.Image:
    """Draw what the marks mean, in one line."""
    font, height, stroke = ImageFont.load_default(14), 26, 30
    texts = {
        "left": "left side of the body",
        "right": "right side",
        "middle": "middle",
        "given": "joint as predicted",
        "filled": "filled in",
        "moved": "moved from the dot",
    }
    widths = [round(font.getlength(texts[name])) + stroke + 24 for name in LEGEND]
    canvas = Canvas(sum(widths), height)
    y = height / 2
    starts = np.cumsum([0, *widths[:-1]])
    for x, name in zip(starts, LEGEND, strict=True):
        a, b = (x + 4.0, y), (x + stroke - 9.0, y)
        if name in COLOURS:
            canvas.line(a, b, COLOURS[name], 4.0)
        elif name == "moved":
            canvas.line(a, b, TRAIL, 1.25)
            canvas.dot(a, 3, TRAIL)
            canvas.dot(b, 4.5, LEFT)
        else:
            canvas.dot((x + stroke / 2 - 2.5, y), 4.5, LEFT)
            if name == "filled":
                canvas.dot((x + stroke / 2 - 2.5, y), 3.25, CASING)
        canvas.text((x + stroke, y), texts[name], 14, "lm")
    return paint(canvas)
