"""What notebooks show of poses, a small drawing and a table; and the colours of joints."""

from collections.abc import Iterator, Sequence
from html import escape

import numpy as np

from refine._types import Bools, Floats
from refine.skeletons import Skeleton
from refine.skeletons.model import split_side

LEFT, RIGHT, CENTRE, SIDELESS = "#0072B2", "#D55E00", "#444444", "#56B4E9"
"""By side of the body, the last where no joint has one, as of a hand: Okabe & Ito's blue,
vermilion and sky blue, which the colour-blind tell apart (jfly.uni-koeln.de/color, 2008)."""
WIDE, HIGH, EDGE = 240, 180, 6
"""Px of the drawing, and of the room within its edge."""
ROWS_SHOWN = 8
"""Poses in the table."""


def joint_colours(skeleton: Skeleton) -> list[str]:
    """Return the colour of each joint: by side, or one for all where no joint has a side."""
    sides = [split_side(joint)[0] for joint in skeleton.joints]
    middle = CENTRE if any(sides) else SIDELESS
    return [{"left": LEFT, "right": RIGHT}.get(side, middle) for side in sides]


def limbs(skeleton: Skeleton, there: Bools) -> Iterator[tuple[int, int, str]]:
    """Yield the ends and the colour of each limb of which both ends are there, (K,).

    A limb has the colour of the side that its ends are on, if that is one.
    """
    colour = joint_colours(skeleton)
    for a, b in skeleton.edges:
        if there[a] and there[b]:
            sides = {colour[a], colour[b]} - {CENTRE}
            yield a, b, sides.pop() if len(sides) == 1 else CENTRE


def show(caption: str, rows: Sequence[Sequence[object]], xy: Floats, skeleton: Skeleton) -> str:
    """Return HTML: a table, and a drawing of some poses above it.

    Args:
        caption: of the table.
        rows: its head, and a row per pose, of which the first `ROWS_SHOWN` are shown.
        xy: (N, K, 2) px, NaN where missing.
        skeleton: the K joints.
    """
    shown = list(rows[: ROWS_SHOWN + 1]) + [("...",)] * (len(rows) > ROWS_SHOWN + 1)
    lines = ("".join(f"<td>{escape(str(cell))}</td>" for cell in row) for row in shown)
    table = "".join(f"<tr>{line}</tr>" for line in lines)
    return f"{sketch(xy, skeleton)}<table><caption>{escape(caption)}</caption>{table}</table>"


def sketch(xy: Floats, skeleton: Skeleton) -> str:
    """Draw poses (N, K, 2) as a small SVG, "" where no joint has a place.

    >>> from refine.skeletons import skeleton
    >>> sketch(np.zeros((1, 17, 2)), skeleton("coco17")).count("<circle")
    17
    """
    there = np.asarray(np.isfinite(xy).all(-1))
    if not there.any():
        return ""
    low, high = xy[there].min(0), xy[there].max(0)
    room = np.array([WIDE, HIGH]) - 2.0 * EDGE
    with np.errstate(over="ignore"):
        scale = float((room / np.maximum(high - low, 1e-9)).min().clip(0, HIGH))
        points = (xy - low) * scale + EDGE
    parts = []
    for body, own in zip(points.round(1).tolist(), there, strict=True):
        parts += [
            f'<line x1="{body[a][0]}" y1="{body[a][1]}" x2="{body[b][0]}" y2="{body[b][1]}" '
            f'stroke="{colour}" stroke-width="2"/>'
            for a, b, colour in limbs(skeleton, own)
        ]
        parts += [
            f'<circle cx="{body[j][0]}" cy="{body[j][1]}" r="2.5" fill="{colour}"/>'
            for j, colour in enumerate(joint_colours(skeleton))
            if own[j]
        ]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="poses of an image" '
        f'width="{WIDE}" height="{HIGH}" style="background:#fff">{"".join(parts)}</svg>'
    )
