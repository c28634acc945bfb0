"""What is drawn on: shapes in px, of which `raster` makes pixels and `svg` a vector picture."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import NamedTuple

from PIL import Image, ImageFont

from refine.drawing.palette import INK, PAPER

Point = tuple[float, float]
"""x to the right, y down, the corner of the canvas being (0, 0)."""


class Line(NamedTuple):
    """A straight line with round ends."""

    a: Point
    b: Point
    colour: str
    width: float
    opacity: float


class Path(NamedTuple):
    """Straight lines from point to point."""

    points: tuple[Point, ...]
    colour: str
    width: float
    opacity: float


class Oval(NamedTuple):
    """A disc or an ellipse: radii along its axes, the first turned by radians towards y."""

    at: Point
    radii: Point
    fill: str
    opacity: float
    turn: float = 0.0


class Polygon(NamedTuple):
    """A filled polygon."""

    points: tuple[Point, ...]
    fill: str
    opacity: float


class Box(NamedTuple):
    """A filled box along the axes."""

    x: float
    y: float
    width: float
    height: float
    fill: str
    opacity: float


class Text(NamedTuple):
    """A line of text, anchored as Pillow has it: "la" is its upper left corner."""

    at: Point
    text: str
    size: int
    anchor: str
    colour: str


class Placed(NamedTuple):
    """A picture that fills a box."""

    image: Image.Image
    x: int
    y: int
    width: int
    height: int


Shape = Line | Path | Oval | Polygon | Box


@dataclass(slots=True)
class Canvas:
    """What is to be drawn: pictures, shapes over them, texts over these, and parts of their own.

    Attributes:
        width: px.
        height: px.
        paper: colour of the ground.
        pictures: lowest first.
        shapes: lowest first.
        texts: over the shapes.
        parts: other canvases, each with the place x, y of its corner.
    """

    width: int
    height: int
    paper: str = PAPER
    pictures: list[Placed] = field(default_factory=list)
    shapes: list[Shape] = field(default_factory=list)
    texts: list[Text] = field(default_factory=list)
    parts: list[tuple["Canvas", int, int]] = field(default_factory=list)

    def line(self, a: Point, b: Point, colour: str, width: float, opacity: float = 1.0) -> None:
        """Draw a line between two points."""
        self.shapes.append(Line(_plain(a), _plain(b), colour, float(width), float(opacity)))

    def path(
        self, points: Sequence[Point], colour: str, width: float, opacity: float = 1.0
    ) -> None:
        """Draw lines from point to point."""
        points = tuple(map(_plain, points))
        self.shapes.append(Path(points, colour, float(width), float(opacity)))

    def dot(self, at: Point, radius: float, fill: str, opacity: float = 1.0) -> None:
        """Draw a disc about a point."""
        self.shapes.append(Oval(_plain(at), (float(radius),) * 2, fill, float(opacity)))

    def oval(self, at: Point, radii: Point, turn: float, fill: str, opacity: float) -> None:
        """Fill an ellipse about a point, the first of its axes turned by radians towards y."""
        self.shapes.append(Oval(_plain(at), _plain(radii), fill, float(opacity), float(turn)))

    def polygon(self, points: Sequence[Point], fill: str, opacity: float = 1.0) -> None:
        """Fill a polygon."""
        self.shapes.append(Polygon(tuple(map(_plain, points)), fill, float(opacity)))

    def box(
        self, x: float, y: float, width: float, height: float, colour: str, opacity: float = 1.0
    ) -> None:
        """Fill a box; one narrower than half of a fine pixel is not seen."""
        placed = float(x), float(y), float(width), float(height)
        self.shapes.append(Box(*placed, colour, float(opacity)))

    def text(self, at: Point, text: str, size: int, anchor: str = "la", colour: str = INK) -> float:
        """Write at a point, anchored as Pillow has it, and return the width in px."""
        text = printable(text)
        self.texts.append(Text(_plain(at), text, size, anchor, colour))
        return text_width(text, size)

    def place(self, image: Image.Image, x: int, y: int, width: int, height: int) -> None:
        """Put a picture into a box, resized to fill it."""
        self.pictures.append(Placed(image, x, y, width, height))

    def put(self, part: "Canvas", x: int, y: int) -> None:
        """Put another canvas onto this one."""
        self.parts.append((part, x, y))


def printable(text: str) -> str:
    """Return text in which what cannot be printed, such as bytes that are no text, is "?"."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def fitting(text: str, size: int, width: float) -> str:
    """Return text that is no wider than so many px: its beginning and "..." if need be."""
    if text_width(text, size) <= width:
        return text
    while text and text_width(f"{text}...", size) > width:
        text = text[:-1]
    return f"{text}..."


def text_width(text: str, size: int) -> float:
    """Return the width of a line of text in px."""
    return float(font(size).getlength(text))


@cache
def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Return the one typeface of all pictures, which Pillow brings."""
    return ImageFont.load_default(size)


def _plain(point: Point) -> Point:
    return float(point[0]), float(point[1])
