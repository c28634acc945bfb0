"""A canvas as pixels."""

import io
import math

from PIL import Image, ImageColor, ImageDraw

from refine.drawing.canvas import Box, Canvas, Line, Oval, Path, Point, Polygon, Shape, font

FINE = 3
"""Shapes are drawn so many times larger, then reduced, for smooth edges; what lies beside them
stays as it was to the bit."""
BAND = 512
"""Px of a picture that are drawn at a time: sheets may be tall."""
CORNERS = 40
"""Of the polygon that stands for a turned ellipse."""
SHARP = 2
"""Charts are so many times larger than what is told, for sharp text."""


def paint(canvas: Canvas, factor: float = 1.0) -> Image.Image:
    """Return what is drawn as an RGB picture, `factor` times as large as the canvas."""
    size = max(1, round(canvas.width * factor)), max(1, round(canvas.height * factor))
    image = Image.new("RGB", size, canvas.paper)
    for placed in canvas.pictures:
        x, y, right, bottom = (
            round(v * factor)
            for v in (placed.x, placed.y, placed.x + placed.width, placed.y + placed.height)
        )
        fitted = (max(1, right - x), max(1, bottom - y))
        image.paste(resized(placed.image, fitted), (x, y))
    _paint_shapes(image, canvas.shapes, factor)
    pen = ImageDraw.Draw(image)
    for text in canvas.texts:
        at = (text.at[0] * factor, text.at[1] * factor)
        pen.text(at, text.text, text.colour, font(round(text.size * factor)), anchor=text.anchor)
    for part, x, y in canvas.parts:
        image.paste(paint(part, factor), (round(x * factor), round(y * factor)))
    return image


def resized(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """Return a picture as RGB in another size, itself if it has that size."""
    image = image.convert("RGB") if image.mode != "RGB" else image
    return image if image.size == size else image.resize(size, Image.Resampling.LANCZOS)


def png(canvas: Canvas) -> bytes:
    """Return a chart as a PNG file, `SHARP` times as large as was told."""
    data = io.BytesIO()
    paint(canvas, SHARP).save(data, "PNG", optimize=True)
    return data.getvalue()


def _paint_shapes(image: Image.Image, shapes: list[Shape], factor: float) -> None:
    """Draw shapes over a picture, a band of it after the other, and only where shapes are."""
    reach = [tuple(v * factor for v in _reach(shape)) for shape in shapes]
    for top in range(0, image.height, BAND):
        bottom = min(top + BAND, image.height)
        here = [i for i, r in enumerate(reach) if r[1] < bottom and r[3] > top]
        if not here:
            continue
        left, upper = (math.floor(min(reach[i][side] for i in here)) - 1 for side in (0, 1))
        right, lower = (math.ceil(max(reach[i][side] for i in here)) + 1 for side in (2, 3))
        region = (max(left, 0), max(upper, top), min(right, image.width), min(lower, bottom))
        if region[0] < region[2]:
            _paint_region(image, region, [shapes[i] for i in here], factor)


def _paint_region(
    image: Image.Image, region: tuple[int, int, int, int], shapes: list[Shape], factor: float
) -> None:
    fine = image.crop(region)
    fine = fine.resize((fine.width * FINE, fine.height * FINE), Image.Resampling.NEAREST)
    pen = ImageDraw.Draw(fine, "RGBA")
    for shape in shapes:
        _paint_shape(pen, shape, factor * FINE, (region[0] * FINE, region[1] * FINE))
    image.paste(fine.reduce(FINE), region)


def _reach(shape: Shape) -> tuple[float, float, float, float]:
    """Return the box xyxy that a shape lies in."""
    match shape:
        case Line((ax, ay), (bx, by), _, width):
            r = width / 2 + 1
            return min(ax, bx) - r, min(ay, by) - r, max(ax, bx) + r, max(ay, by) + r
        case Path(points, _, width):
            xs, ys = zip(*points, strict=True)
            r = width / 2 + 1
            return min(xs) - r, min(ys) - r, max(xs) + r, max(ys) + r
        case Oval((x, y), radii):
            r = max(radii)
            return x - r, y - r, x + r, y + r
        case Polygon(points):
            xs, ys = zip(*points, strict=True)
            return min(xs), min(ys), max(xs), max(ys)
        case Box(x, y, width, height):
            return x, y, x + width, y + height


def _paint_shape(pen: ImageDraw.ImageDraw, shape: Shape, scale: float, corner: Point) -> None:
    def fine(point: Point) -> Point:
        return point[0] * scale - corner[0], point[1] * scale - corner[1]

    def rounded(point: Point) -> tuple[int, int]:
        x, y = fine(point)
        return math.floor(x), math.floor(y)

    match shape:
        case Line(a, b, colour, width, opacity):
            wide = max(1, round(width * scale))
            pen.line([rounded(a), rounded(b)], fill=_ink(colour, opacity), width=wide)
        case Path(points, colour, width, opacity):
            wide = max(1, round(width * scale))
            pen.line([rounded(p) for p in points], _ink(colour, opacity), wide, joint="curve")
        case Oval(at, (rx, ry), fill, opacity, turn):
            if rx != ry:
                pen.polygon([rounded(p) for p in outline(at, (rx, ry), turn)], _ink(fill, opacity))
                return
            x, y = fine(at)
            wide = max(1, round(2 * rx * scale))
            # Not round(), which lets the place of halves depend on the corner.
            left, top = (math.floor(v - wide / 2 + 0.5) for v in (x, y))
            pen.ellipse((left, top, left + wide - 1, top + wide - 1), fill=_ink(fill, opacity))
        case Polygon(points, fill, opacity):
            pen.polygon([rounded(p) for p in points], _ink(fill, opacity))
        case Box(x, y, width, height, fill, opacity):
            (left, top), (right, bottom) = (
                (math.floor(v + 0.5) for v in fine(p)) for p in ((x, y), (x + width, y + height))
            )
            if right > left and bottom > top:
                pen.rectangle((left, top, right - 1, bottom - 1), _ink(fill, opacity))


def outline(at: Point, radii: Point, turn: float) -> list[Point]:
    """Return points on an ellipse."""
    cos, sin = math.cos(turn), math.sin(turn)
    angles = [2 * math.pi * i / CORNERS for i in range(CORNERS)]
    along = [(radii[0] * math.cos(t), radii[1] * math.sin(t)) for t in angles]
    return [(at[0] + u * cos - v * sin, at[1] + u * sin + v * cos) for u, v in along]


def _ink(colour: str, opacity: float) -> tuple[int, ...]:
    return (*ImageColor.getrgb(colour)[:3], round(255 * opacity))
