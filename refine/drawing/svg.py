"""A canvas as SVG: one file that holds all, pictures too."""

import base64
import io
import math
from collections.abc import Iterator
from html import escape

from refine.drawing.canvas import (
    Box,
    Canvas,
    Line,
    Oval,
    Path,
    Placed,
    Polygon,
    Shape,
    Text,
    printable,
)  # fmt: skip
from refine.drawing.raster import resized

QUALITY = 88
"""Of the JPEGs within."""
FONT = "Helvetica, Arial, sans-serif"
ANCHORS = {"l": "start", "m": "middle", "r": "end"}
RISE = {"a": 0.8, "m": 0.35, "s": 0.0}
"""From the baseline, by the second letter of a text's anchor, over its size."""


def svg(canvas: Canvas, title: str = "poses") -> bytes:
    """Return what is drawn as an SVG file.

    Args:
        canvas: what is drawn.
        title: what it is called where it cannot be seen.
    """
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" width="{canvas.width}" '
        f'height="{canvas.height}" viewBox="0 0 {canvas.width} {canvas.height}" '
        f'font-family="{FONT}" stroke-linecap="round"><title>{escape(printable(title))}</title>'
    )
    return "\n".join([head, *_elements(canvas), "</svg>\n"]).encode()


def _elements(canvas: Canvas) -> Iterator[str]:
    yield f'<rect width="{canvas.width}" height="{canvas.height}" fill="{canvas.paper}"/>'
    yield from map(_picture, canvas.pictures)
    yield from map(_shape, canvas.shapes)
    yield from map(_text, canvas.texts)
    for part, x, y in canvas.parts:
        yield f'<svg x="{x}" y="{y}" width="{part.width}" height="{part.height}">'
        yield from _elements(part)
        yield "</svg>"


def _picture(placed: Placed) -> str:
    data = io.BytesIO()
    size = (placed.width, placed.height)
    resized(placed.image, size).save(data, "JPEG", quality=QUALITY)
    encoded = base64.b64encode(data.getvalue()).decode()
    return (
        f'<image x="{placed.x}" y="{placed.y}" width="{placed.width}" height="{placed.height}" '
        f'href="data:image/jpeg;base64,{encoded}"/>'
    )


def _shape(shape: Shape) -> str:
    match shape:
        case Line((ax, ay), (bx, by), colour, width, opacity):
            return (
                f'<line x1="{ax:.2f}" y1="{ay:.2f}" x2="{bx:.2f}" y2="{by:.2f}" '
                f'stroke="{colour}" stroke-width="{width:.2f}"{_see("stroke", opacity)}/>'
            )
        case Path(points, colour, width, opacity):
            told = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
            return (
                f'<polyline points="{told}" fill="none" stroke="{colour}" '
                f'stroke-width="{width:.2f}"{_see("stroke", opacity)}/>'
            )
        case Oval((x, y), (rx, ry), fill, opacity, turn):
            turned = f' transform="rotate({math.degrees(turn):.1f} {x:.2f} {y:.2f})"' * (rx != ry)
            return (
                f'<ellipse cx="{x:.2f}" cy="{y:.2f}" rx="{rx:.2f}" ry="{ry:.2f}" fill="{fill}"'
                f"{_see('fill', opacity)}{turned}/>"
            )
        case Polygon(points, fill, opacity):
            told = " ".join(f"{x:.2f},{y:.2f}" for x, y in points)
            return f'<polygon points="{told}" fill="{fill}"{_see("fill", opacity)}/>'
        case Box(x, y, width, height, fill, opacity):
            return (
                f'<rect x="{x:.2f}" y="{y:.2f}" width="{width:.2f}" height="{height:.2f}" '
                f'fill="{fill}"{_see("fill", opacity)}/>'
            )


def _see(what: str, opacity: float) -> str:
    return f' {what}-opacity="{opacity:.2f}"' if opacity < 1 else ""


def _text(text: Text) -> str:
    x, y = text.at[0], text.at[1] + RISE[text.anchor[1]] * text.size
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{text.size}" fill="{text.colour}" '
        f'text-anchor="{ANCHORS[text.anchor[0]]}">{escape(text.text)}</text>'
    )
