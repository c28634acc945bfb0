"""What the pictures share: colours, paper and ink, and drawing larger than what is told."""

import io

from PIL import Image, ImageDraw, ImageFont

BLUE, VERMILION, ORANGE, YELLOW, PURPLE = "#0072B2", "#D55E00", "#E69F00", "#F0E442", "#CC79A7"
"""Okabe & Ito's, told apart by the colour-blind (jfly.uni-koeln.de/color, 2008)."""
PAPER, INK, GRID = "#FFFFFF", "#222222", "#C8C8C8"
FINE = 2
"""Everything is drawn so many times larger: for sharp text, or reduced again for smooth edges."""
RIM = 1.25
"""Width px of the rim of a dot."""

Point = tuple[float, float]


class Canvas:
    """A picture that is drawn on in px of its size, and has `FINE` times as many.

    Args:
        width: in px.
        height: in px.
        paper: colour of the ground; None for a transparent one.
    """

    def __init__(self, width: int, height: int, paper: str | None = PAPER) -> None:
        size = (width * FINE, height * FINE)
        self.image = Image.new("RGBA", size) if paper is None else Image.new("RGB", size, paper)
        self._draw = ImageDraw.Draw(self.image)

    def line(self, a: Point, b: Point, colour: str, width: float) -> None:
        """Draw a line between two points, at least one of the fine pixels wide."""
        ends = [(float(x) * FINE, float(y) * FINE) for x, y in (a, b)]
        self._draw.line(ends, fill=colour, width=max(1, round(width * FINE)))

    def dot(self, at: Point, radius: float, fill: str, rim: str) -> None:
        """Draw a disc about a point, its rim of another colour."""
        x, y, r = float(at[0]) * FINE, float(at[1]) * FINE, radius * FINE
        corners = (x - r, y - r, x + r, y + r)
        self._draw.ellipse(corners, fill=fill, outline=rim, width=round(RIM * FINE))

    def box(self, x: float, y: float, width: float, height: float, colour: str) -> None:
        """Fill a box, unless it is narrower than half of a fine pixel."""
        left, top, right, bottom = (round(v * FINE) for v in (x, y, x + width, y + height))
        if right > left:
            self._draw.rectangle((left, top, right - 1, bottom - 1), colour)

    def text(self, at: Point, text: str, size: int, anchor: str = "la", colour: str = INK) -> float:
        """Write at a point, anchored as Pillow has it, and return the width in px."""
        font = ImageFont.load_default(size * FINE)
        self._draw.text((at[0] * FINE, at[1] * FINE), text, colour, font, anchor=anchor)
        return float(font.getlength(text)) / FINE

    def reduced(self) -> Image.Image:
        """Return the picture in the size that was told, its edges smooth."""
        return self.image.reduce(FINE)

    def png(self) -> bytes:
        """Return the picture as a PNG file, `FINE` times as large as was told."""
        data = io.BytesIO()
        self.image.save(data, "PNG", optimize=True)
        return data.getvalue()
