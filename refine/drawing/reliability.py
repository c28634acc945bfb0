"""The picture of `refine calibrate`: what was expected against what came."""

import io
from itertools import pairwise
from typing import TYPE_CHECKING

from PIL import Image, ImageDraw, ImageFont

if TYPE_CHECKING:
    from refine.calibration.measure import CalibrationReport, Reliability

COLOURS = {"before": "#D55E00", "after": "#0072B2"}
"""Okabe & Ito's vermilion and blue (jfly.uni-koeln.de/color, 2008)."""
PAPER, INK, GRID = "#FFFFFF", "#222222", "#C8C8C8"
SIDE, LEFT, TOP, BOTTOM, EDGE, FINE = 320, 56, 66, 54, 20, 2
"""Px; drawn FINE times larger for sharp text."""
DOT = 9.0
"""Radius px of a bin that holds everything; the area of a dot is its share."""


def draw_reliability(report: "CalibrationReport") -> bytes:
    """Draw the reliability of keypoint similarities and of OKS, before and after, as a PNG."""
    panels = {"keypoint similarity": report.similarity, "OKS of poses": report.oks}
    size = (len(panels) * (LEFT + SIDE + EDGE), TOP + SIDE + BOTTOM)
    picture = Image.new("RGB", (size[0] * FINE, size[1] * FINE), PAPER)
    draw = ImageDraw.Draw(picture)
    for i, (title, pair) in enumerate(panels.items()):
        x = i * (LEFT + SIDE + EDGE) + LEFT
        _text(draw, x, 14, title, 16)
        for tick in range(6):
            at = SIDE * tick / 5
            _line(draw, (x, TOP + SIDE - at), (x + SIDE, TOP + SIDE - at), GRID, 1)
            _text(draw, x - 8, TOP + SIDE - at, f"{tick / 5:.1f}", 12, "rm")
            _text(draw, x + at, TOP + SIDE + 8, f"{tick / 5:.1f}", 12, "ma")
        _line(draw, (x, TOP + SIDE), (x + SIDE, TOP), INK, 1)
        _text(draw, x + SIDE / 2, TOP + SIDE + 28, "expected", 13, "ma")
        _text(draw, x, TOP - 10, "came", 13, "ls")
        place = float(x + 48)
        for (name, colour), found in zip(COLOURS.items(), pair, strict=True):
            _curve(draw, x, found, colour)
            caption = f"{name}: ECE {found.ece:.3f}"
            place += _text(draw, place, TOP - 10, caption, 13, "ls", colour) + 16
    data = io.BytesIO()
    picture.save(data, "PNG", optimize=True)
    return data.getvalue()


def _curve(draw: ImageDraw.ImageDraw, x: float, found: "Reliability", colour: str) -> None:
    bins = [
        (x + SIDE * expected, TOP + SIDE * (1 - actual), count)
        for count, expected, actual in zip(
            found.count.tolist(), found.expected.tolist(), found.actual.tolist(), strict=True
        )
        if count
    ]
    total = max(found.count.sum(), 1)
    for (ax, ay, _), (bx, by, _) in pairwise(bins):
        _line(draw, (ax, ay), (bx, by), colour, 2)
    for cx, cy, count in bins:
        r = max(DOT * (count / total) ** 0.5, 2.0)
        corners = [v * FINE for v in (cx - r, cy - r, cx + r, cy + r)]
        draw.ellipse(corners, fill=colour, outline=PAPER, width=FINE)


def _line(
    draw: ImageDraw.ImageDraw,
    a: tuple[float, float],
    b: tuple[float, float],
    colour: str,
    width: int,
) -> None:
    draw.line([(x * FINE, y * FINE) for x, y in (a, b)], fill=colour, width=width * FINE)


def _text(
    draw: ImageDraw.ImageDraw,
    x: float,
    y: float,
    text: str,
    size: int,
    anchor: str = "la",
    colour: str = INK,
) -> float:
    """Return the width in px."""
    font = ImageFont.load_default(size * FINE)
    draw.text((x * FINE, y * FINE), text, colour, font, anchor=anchor)
    return float(font.getlength(text)) / FINE
