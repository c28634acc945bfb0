"""Charts of matplotlib as SVG that can stand in a page: small, themed, its text as text."""

import io
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from html import escape
from typing import Any
from xml.etree import ElementTree

from refine.drawing.canvas import Canvas, printable
from refine.drawing.palette import (
    AFTER,
    BEFORE,
    GREEN,
    GRID,
    INK,
    KINDS,
    ORANGE,
    PURPLE,
    QUIET,
    SKY,
)  # fmt: skip
from refine.drawing.svg import svg as draw_svg

SERIES_COLOURS = (BEFORE, AFTER, GREEN, PURPLE, ORANGE, SKY)
"""Of files, in their order."""
SERIES_MARKS = ("o", "s", "^", "D", "v", "P")
SERIES_DASHES = ("--", "-", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1)))
"""So that files are told apart without colour, too."""

THEME = (
    {INK: "ink", GRID: "grid", QUIET: "quiet"}
    | {colour: f"series-{i}" for i, colour in enumerate(SERIES_COLOURS)}
)  # fmt: skip
"""Colour of a chart -> the property of the page's style that replaces it."""
KIND_COLOURS = {kind: f"#0{i}0{i}0{i}" for i, kind in enumerate(KINDS, 1)}
"""Of charts that show kinds of errors: some of the palette's are also those of files."""
THEME |= {colour: f"kind-{kind}" for kind, colour in KIND_COLOURS.items()}

SVG = "http://www.w3.org/2000/svg"
LINK = "{http://www.w3.org/1999/xlink}href"
STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "font.size": 11.0,
    "axes.edgecolor": QUIET,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.titlesize": 12.0,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "text.color": INK,
    "text.parse_math": False,
    "xtick.color": QUIET,
    "ytick.color": QUIET,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "lines.linewidth": 1.8,
    "lines.markersize": 5.0,
    "path.simplify_threshold": 0.5,
}
"""Of charts; one unit of length is a px of the page."""
NUMBER = re.compile(r"-?\d+\.\d{2,}(?:e-?\d+)?")


@contextmanager
def chart(width: int, height: int) -> Iterator[tuple[Any, Any]]:
    """Give a figure of a size in px, its axes, and the style of the page.

    Raises:
        ImportError: matplotlib is not installed.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context(STYLE):
        figure = Figure((width / 72, height / 72), layout="constrained")
        figure.patch.set_alpha(0)
        axes = figure.subplots()
        axes.patch.set_alpha(0)
        yield figure, axes


def to_svg(figure: Any, name: str, alt: str) -> str:
    """Return a figure as an SVG element.

    Args:
        figure: of matplotlib.
        name: unique in the page; what stands before all ids.
        alt: what it shows, for who does not see it.
    """
    from matplotlib import rc_context
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    data = io.BytesIO()
    with rc_context(STYLE | {"svg.hashsalt": name}), warnings.catch_warnings():
        # The page's fonts show it, not those that matplotlib measures with.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        FigureCanvasSVG(figure)
        figure.savefig(data, format="svg", metadata={"Date": None})
    # What matplotlib has just written, no file of others.
    root = ElementTree.fromstring(data.getvalue())
    text = ElementTree.tostring(root, encoding="unicode")
    used = set(re.findall(r'url\(#([^)"]+)\)', text))
    used |= {link[1:] for each in root.iter() if (link := each.get(LINK))}
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag in (f"{{{SVG}}}metadata", f"{{{SVG}}}style"):
                parent.remove(child)
    for each in root.iter():
        each.tag = each.tag.removeprefix(f"{{{SVG}}}")
        own = each.attrib.pop("id", None)
        if own in used:
            each.set("id", f"{name}-{own}")
        if link := each.attrib.pop(LINK, None):
            each.set("href", f"#{name}-{link[1:]}")
        if each.get("transform", "").startswith("rotate(-0 "):
            del each.attrib["transform"]
        for key, value in each.attrib.items():
            if key in ("style", "fill", "stroke"):
                each.set(key, _themed(value))
            elif key in ("d", "transform", "points", "x", "y"):
                each.set(key, NUMBER.sub(lambda m: f"{float(m[0]):.1f}", value))
            elif key == "clip-path":
                each.set(key, value.replace("url(#", f"url(#{name}-"))
    view = root.get("viewBox", "")
    root.attrib.clear()
    root.attrib |= {"viewBox": view, "role": "img", "aria-label": alt}
    return re.sub(r"\n\s*", "\n", ElementTree.tostring(root, encoding="unicode"))


def from_canvas(canvas: Canvas, alt: str) -> str:
    """Return what is drawn as an SVG element, in the colours and the font of the page.

    Args:
        canvas: what is drawn.
        alt: what it shows, for who does not see it.
    """
    bare = replace(canvas, paper="none")
    text = draw_svg(bare, alt).decode()
    size = f"0 0 {canvas.width} {canvas.height}"
    head = f'<svg viewBox="{size}" role="img" aria-label="{escape(printable(alt))}">'
    return _themed(head + text.partition("</title>")[2])


def _themed(style: str) -> str:
    """Let the page choose colours and font."""
    for colour, name in THEME.items():
        style = re.sub(re.escape(colour), f"var(--{name})", style, flags=re.IGNORECASE)
    style = re.sub(r"font: (?:\w+ )?([\d.]+)px [^;]*", r"font-size: \1px", style)
    return re.sub(r"font-family: [^;]*;?", "", style)
