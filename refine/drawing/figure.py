"""One pose on a canvas: limbs, arrows, joints, ellipses."""

import numpy as np

from refine._types import Bools, Floats
from refine.drawing.canvas import Canvas
from refine.drawing.palette import CASING, TRAIL, TRUTH
from refine.geometry import keypoint_box
from refine.skeletons import Skeleton
from refine.sketch import joint_colours, limbs

THICKNESS = 0.02
"""Of limbs over the square root of a pose's box area,"""
THINNEST, THICKEST = 1.5, 5.0
"""within these px."""
MOVED = 1.5
"""Px of the canvas from which a joint counts as moved."""
SMALLEST = 1.0
"""Radius px of the dot of a joint;"""
APART = 0.35
"""and no more of the way to the next joint than this, so that those of hands do not merge."""
HEAD = 7.0
"""Length px of the head of an arrow,"""
SHORT = 0.6
"""and no more of the arrow than this."""
LEAST_SPREAD = 0.25
"""px^2 of the canvas: variances are no lower."""
PALE = 0.18
"""Opacity of ellipses over that of their joints."""
LARGE = 0.2
"""Standard deviation of an ellipse over the size of its pose, beyond which it is not drawn: that
the joint is pale says as much."""


def draw_pose(
    canvas: Canvas,
    new: Floats,
    old: Floats | None,
    skeleton: Skeleton,
    opacity: Floats,
    spread: Floats | None = None,
    own_colour: str | None = None,
) -> None:
    """Draw one pose.

    Args:
        canvas: to draw on.
        new: (K, 2) px of the canvas, NaN where missing.
        old: (K, 2) where the joints were; None for a pose that is compared with nothing.
        skeleton: the K joints.
        opacity: (K,) of the joints; limbs have the lower of their ends.
        spread: (K, 2, 2) covariance px^2, NaN where unknown.
        own_colour: of its limbs, by which a person is told from others; by default each limb has
            that of its side.
    """
    there: Bools = np.asarray(np.isfinite(new).all(-1))
    if not there.any():
        return
    had = there if old is None else np.asarray(np.isfinite(old).all(-1))
    filled = there & ~had
    (box,) = keypoint_box(new[None])
    extent = float(np.sqrt(np.prod(box[2:] - box[:2])))
    thick = float(np.clip(THICKNESS * extent, THINNEST, THICKEST))
    radius = _radii(new, 0.9 * thick + 0.75)
    colour = joint_colours(skeleton)
    if spread is not None:
        within = np.trace(spread.T) < 2 * (LARGE * extent) ** 2
        within &= np.isfinite(spread).all((-1, -2))
        for j in np.flatnonzero(there & within).tolist():
            _draw_ellipse(canvas, _at(new, j), spread[j], colour[j], PALE * float(opacity[j]))
    for casing in (True, False):
        for a, b, paint in limbs(skeleton, there):
            width = min(thick, 2 * radius[a], 2 * radius[b]) * (0.5 if filled[a] | filled[b] else 1)
            faint = float(min(opacity[a], opacity[b]))
            ends = _at(new, a), _at(new, b)
            if casing:
                canvas.line(*ends, CASING, width + min(1.5, 0.6 * width), faint**2)
            else:
                canvas.line(*ends, own_colour or paint, width, faint)
    if old is not None:
        with np.errstate(invalid="ignore", over="ignore"):
            moved = there & had & (np.linalg.norm(new - old, axis=-1) > MOVED)
        for j in np.flatnonzero(moved).tolist():
            away = new[j] - old[j]
            length = float(np.linalg.norm(away))
            draw_arrow(canvas, old[j], new[j] - away * min(radius[j] / length, 0.4))
    for j in np.flatnonzero(there).tolist():
        at, shade = _at(new, j), float(opacity[j])
        canvas.dot(at, radius[j] + min(0.75, 0.4 * radius[j]), CASING, shade**2)
        canvas.dot(at, radius[j], colour[j], shade)
        if filled[j]:
            canvas.dot(at, max(radius[j] - 1.25, 0.6 * radius[j]), CASING, shade)


def draw_truth(canvas: Canvas, points: Floats, skeleton: Skeleton) -> None:
    """Draw what annotators say, (K, 2) px of the canvas: thin, in one colour."""
    there = np.asarray(np.isfinite(points).all(-1))
    for paint, more in ((CASING, 1.0), (TRUTH, 0.0)):
        for a, b, _ in limbs(skeleton, there):
            canvas.line(_at(points, a), _at(points, b), paint, 2.0 + more)
        for j in np.flatnonzero(there).tolist():
            canvas.dot(_at(points, j), 2.0 + more / 2, paint)


def _radii(points: Floats, usual: float) -> Floats:
    """Return the radius px of each dot, (K,)."""
    away = np.linalg.norm(points[:, None] - points, axis=-1)
    away = np.where(np.isfinite(away) & (away > 0), away, np.inf)
    return np.asarray((APART * away.min(1)).clip(SMALLEST, usual))


def _draw_ellipse(
    canvas: Canvas, at: tuple[float, float], spread: Floats, colour: str, opacity: float
) -> None:
    """Fill an ellipse of one standard deviation about a joint, of a covariance (2, 2) px^2."""
    values, axes = np.linalg.eigh(spread)
    minor, major = np.sqrt(values.clip(LEAST_SPREAD)).tolist()
    turn = float(np.arctan2(axes[1, 1], axes[0, 1]))
    canvas.oval(at, (major, minor), turn, colour, opacity)


def draw_arrow(canvas: Canvas, old: Floats, tip: Floats) -> None:
    """Draw an arrow from where a joint was, (2,) px of the canvas, to a tip."""
    reach = float(np.linalg.norm(tip - old))
    along = (tip - old) / reach
    head = min(HEAD, SHORT * reach)
    across = np.array([-along[1], along[0]]) * head * 0.45
    neck = tip - along * head
    for paint, more in ((CASING, 1.0), (TRAIL, 0.0)):
        canvas.line(tuple(old), tuple(neck), paint, 1.25 + 2 * more)
        canvas.dot(tuple(old), 1.5 + more, paint)
        wide = across * (1 + more / 2)
        point, end = tip + along * more, neck - along * more
        canvas.polygon([tuple(point), tuple(end + wide), tuple(end - wide)], paint)


def _at(points: Floats, j: int) -> tuple[float, float]:
    return float(points[j, 0]), float(points[j, 1])
