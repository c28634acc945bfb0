"""The picture of `refine diagnose`: one stacked bar per joint, before and after side by side."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from refine.drawing.canvas import Canvas
from refine.drawing.palette import GRID, KINDS
from refine.drawing.raster import png

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from refine.evaluation.diagnosis import Diagnosis

BAR, GAP, WIDTH, LABELS, EDGE = 15, 10, 620, 130, 18
"""Px."""


def draw_errors(found: Mapping[str, "Diagnosis"]) -> bytes:
    """Draw the shares of good and wrong joints as a PNG.

    Args:
        found: name -> diagnosis, one or two of the same joints; the first is drawn on top.
    """
    joints = next(iter(found.values())).joints
    row = BAR * len(found) + GAP
    captions = [
        f"{letter}  {Path(name).name}   AP {d.ap.mean():.3f}"
        for letter, (name, d) in zip("AB", found.items(), strict=False)
    ]
    top = EDGE + 24 * (len(captions) + 1) + 10
    bottom = top + row * (len(joints) + 1) + GAP
    canvas = Canvas(LABELS + WIDTH + 3 * EDGE, bottom + 34)
    for i, caption in enumerate(captions):
        canvas.text((EDGE, EDGE + 24 * i), caption, 16)
    left, y = LABELS + EDGE, EDGE + 24 * len(captions) + 4
    x = float(left)
    for kind, colour in KINDS.items():
        canvas.box(x, y, 14, 14, colour)
        x += canvas.text((x + 19, y - 1), kind, 13) + 19 + 18
    for tenth in range(0, 11, 2):
        x = left + WIDTH * tenth / 10
        canvas.box(x, top, 1, bottom - top, GRID)
        canvas.text((x, bottom + 6), f"{10 * tenth} %", 12, "ma")
    for i, joint in enumerate((*joints, "all")):
        y = top + GAP + i * row
        canvas.text((left - 10, y + (row - GAP) / 2), joint.replace("_", " "), 13, "rm")
        for j, d in enumerate(found.values()):
            counts = d.counts.sum(0) if i == len(joints) else d.counts[i]
            _bar(canvas, left, y + j * BAR, counts)
            if len(found) > 1:
                canvas.text((left + WIDTH + 8, y + j * BAR + BAR / 2), "AB"[j], 11, "lm")
    return png(canvas)


def _bar(canvas: Canvas, x: float, y: float, counts: "npt.NDArray[np.int64]") -> None:
    total = max(int(counts.sum()), 1)
    for count, colour in zip(counts.tolist(), KINDS.values(), strict=True):
        width = WIDTH * count / total
        canvas.box(x, y, width, BAR - 2, colour)
        x += width
