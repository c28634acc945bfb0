"""Contact sheets: rows of cells below one another, heads above, a legend below."""

from collections.abc import Mapping, Sequence

import numpy as np

from refine.drawing.canvas import Canvas, fitting, text_width
from refine.drawing.cells import Row
from refine.drawing.figure import PALE, draw_arrow
from refine.drawing.palette import CASING, CENTRE, GRID, LEFT, QUIET, RIGHT
from refine.skeletons import Skeleton
from refine.sketch import joint_colours

ACROSS = 4
"""Cells in a row of a sheet of pictures that stand for themselves."""
GAP, HEAD, LINE = 12, 40, 24
"""Px: between cells, height of the head, height of a line."""
NAME, TITLE, TEXT = 20, 15, 13
"""Px: sizes of text."""
MARK, ROOM, ROW = 32, 26, 26
"""Px: width of a mark in the legend, room behind its text, and height of its rows."""


def sheet(rows: Sequence[Row], heads: Sequence[str], marks: Mapping[str, str]) -> Canvas:
    """Lay out rows below one another, with a head for each column and a legend.

    Args:
        rows: of as many cells as there are heads.
        heads: names of the columns; without any the rows have one cell each, which stand side by
            side.
        marks: what the legend shows, and what it says of each, see `legend`.
    """
    rows = rows if heads else side_by_side(rows)
    width = max((cell.width for row in rows for cell in row.cells), default=1)
    columns = max(len(row.cells) for row in rows) if rows else 1
    total = GAP + columns * (width + GAP)
    head, title = HEAD if heads else GAP, LINE if heads else 0
    sizes = [max(cell.height for cell in row.cells) for row in rows]
    below = _legend(total - 2 * GAP, marks)
    canvas = Canvas(total, head + sum(sizes) + len(rows) * (title + LINE + GAP) + below.height)
    for column, name in enumerate(heads):
        x = GAP + column * (width + GAP)
        canvas.text((x, head - 10), fitting(name, NAME, width), NAME, "ls")
    y = head
    for row, size in zip(rows, sizes, strict=True):
        y += title
        canvas.text((GAP, y - 7), fitting(row.title, TITLE, total - 2 * GAP), TITLE, "ls")
        for column, cell in enumerate(row.cells):
            x = GAP + column * (width + GAP)
            canvas.box(x - 1, y - 1, cell.width + 2, cell.height + 2, GRID)
            canvas.put(cell, x, y)
            caption = fitting(row.captions[column], TEXT, width)
            canvas.text((x, y + cell.height + 5), caption, TEXT, colour=QUIET)
        y += size + LINE + GAP
    canvas.put(below, GAP, y - GAP // 2)
    return canvas


def side_by_side(rows: Sequence[Row]) -> list[Row]:
    """Return rows of one cell as rows of several, their titles below the cells."""
    cells = [(row.cells[0], f"{row.title}: {row.captions[0]}") for row in rows]
    groups = [cells[i : i + ACROSS] for i in range(0, len(cells), ACROSS)]
    return [Row("", [c for c, _ in group], [text for _, text in group]) for group in groups]


def legend(bodies: Sequence[Skeleton], *, compared: bool, uncertain: bool) -> dict[str, str]:
    """Say what the marks mean that a sheet may have.

    Args:
        bodies: skeletons of the poses.
        compared: whether joints may be filled in or moved.
        uncertain: whether there may be ellipses.
    """
    used = {colour for body in bodies for colour in joint_colours(body)}
    marks = {LEFT: "left side of the body", RIGHT: "right side", CENTRE: "middle"}
    marks = {colour: text for colour, text in marks.items() if colour in used}
    marks |= {"given": "joint: the paler, the less sure"}
    if compared:
        marks |= {"filled": "filled in", "moved": "moved from the dot"}
    if uncertain:
        marks |= {"uncertain": "uncertain by as much"}
    return marks


def _legend(width: int, marks: Mapping[str, str]) -> Canvas:
    """Draw what the marks mean, in as many rows as it takes."""
    places, x, y = [], 0.0, 0
    for text in marks.values():
        needed = MARK + text_width(text, TEXT)
        if x and x + needed > width:
            x, y = 0.0, y + ROW
        places.append((x, y + ROW / 2))
        x += needed + ROOM
    canvas = Canvas(width, y + ROW)
    for (x, middle), (mark, text) in zip(places, marks.items(), strict=True):
        _draw_mark(canvas, mark, x, middle)
        canvas.text((x + MARK, middle), text, TEXT, "lm")
    return canvas


def _draw_mark(canvas: Canvas, mark: str, x: float, y: float) -> None:
    a, b = (x + 4.0, y), (x + MARK - 9.0, y)
    if mark in (LEFT, RIGHT, CENTRE):
        canvas.line(a, b, mark, 4.0)
    elif mark == "moved":
        canvas.dot(b, 4.0, LEFT)
        draw_arrow(canvas, np.array(a), np.array([b[0] - 4, y]))
    else:
        middle = (x + MARK - 14.0, y)
        if mark == "uncertain":
            canvas.dot(middle, 8.0, LEFT, 2 * PALE)
        canvas.dot(middle, 4.0, LEFT)
        if mark == "filled":
            canvas.dot(middle, 2.75, CASING)
