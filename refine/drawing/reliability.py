"""The picture of `refine calibrate`: what was expected against what came."""

from itertools import pairwise
from typing import TYPE_CHECKING

from refine.drawing.canvas import Canvas
from refine.drawing.palette import AFTER, BEFORE, GRID, INK
from refine.drawing.raster import png

if TYPE_CHECKING:
    from refine.calibration.measure import CalibrationReport, Reliability

COLOURS = {"before": BEFORE, "after": AFTER}
SIDE, LEFT, TOP, BOTTOM, EDGE = 320, 56, 66, 54, 20
"""Px."""
DOT = 9.0
"""Radius px of a bin that holds everything; the area of a dot is its share."""


def draw_reliability(report: "CalibrationReport") -> bytes:
    """Draw the reliability of keypoint similarities and of OKS, before and after, as a PNG."""
    panels = {"keypoint similarity": report.similarity, "OKS of poses": report.oks}
    canvas = Canvas(len(panels) * (LEFT + SIDE + EDGE), TOP + SIDE + BOTTOM)
    for i, (title, pair) in enumerate(panels.items()):
        x = i * (LEFT + SIDE + EDGE) + LEFT
        canvas.text((x, 14), title, 16)
        for tick in range(6):
            at = SIDE * tick / 5
            canvas.line((x, TOP + SIDE - at), (x + SIDE, TOP + SIDE - at), GRID, 1)
            canvas.text((x - 8, TOP + SIDE - at), f"{tick / 5:.1f}", 12, "rm")
            canvas.text((x + at, TOP + SIDE + 8), f"{tick / 5:.1f}", 12, "ma")
        canvas.line((x, TOP + SIDE), (x + SIDE, TOP), INK, 1)
        canvas.text((x + SIDE / 2, TOP + SIDE + 28), "expected", 13, "ma")
        canvas.text((x, TOP - 10), "came", 13, "ls")
        place = float(x + 48)
        for (name, colour), found in zip(COLOURS.items(), pair, strict=True):
            _curve(canvas, x, found, colour)
            caption = f"{name}: ECE {found.ece:.3f}"
            place += canvas.text((place, TOP - 10), caption, 13, "ls", colour) + 16
    return png(canvas)


def _curve(canvas: Canvas, x: float, found: "Reliability", colour: str) -> None:
    bins = [
        (x + SIDE * expected, TOP + SIDE * (1 - actual), count)
        for count, expected, actual in zip(
            found.count.tolist(), found.expected.tolist(), found.actual.tolist(), strict=True
        )
        if count
    ]
    total = max(found.count.sum(), 1)
    for (ax, ay, _), (bx, by, _) in pairwise(bins):
        canvas.line((ax, ay), (bx, by), colour, 2)
    for cx, cy, count in bins:
        canvas.dot((cx, cy), max(DOT * (count / total) ** 0.5, 2.0), colour)
