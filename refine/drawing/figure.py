"""One pose on a canvas: limbs, arrows, joints, ellipses."""

import numpy as np

from refine._types import Bools, Floats
from refine.drawing.canvas import Canvas
from refine.drawing.palette import CASING, CENTRE, LEFT, RIGHT, TRAIL, TRUTH
from refine.geometry import keypoint_box
from refine.skeletons import Skeleton
from refine.skeletons.model import split_side

SIDES = {"left": LEFT, "right": RIGHT}
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
PALE = 0.3
"""Opacity of ellipses over that of their joints."""
LARGE = 0.15
"""Standard deviation of an ellipse over the canvas from which it is not drawn: it says nothing."""


def draw_pose(
    canvas: Canvas,
    new: Floats,
    old: Floats | None,
    skeleton: Skeleton,
    opacity: Floats,
    spread: Floats,
) -> None:
    """Draw one pose.

    Args:
        canvas: to draw on.
        new: (K, 2) px of the canvas, NaN where missing.
        old: (K, 2) where the joints were; None for a pose that is compared with nothing.
        skeleton: the K joints.
        opacity: (K,) of the joints; limbs have the lower of their ends.
        spread: (K, 2, 2) covariance px^2, NaN where unknown.
    """
    there: Bools = np.asarray(np.isfinite(new).all(-1))
    if not there.any():
        return
    had = there if old is None else np.asarray(np.isfinite(old).all(-1))
    filled = there & ~had
    thick = _thickness(new)
    radius = _radii(new, 0.9 * thick + 0.75)
    colour = [SIDES.get(split_side(joint)[0], CENTRE) for joint in skeleton.joints]
    _draw_ellipses(canvas, new, spread, colour, opacity)
    limbs = [(a, b) for a, b in skeleton.edges if there[a] and there[b]]
    for casing in (True, False):
        for a, b in limbs:
            width = min(thick, 2 * radius[a], 2 * radius[b]) * (0.5 if filled[a] | filled[b] else 1)
            sides = {colour[a], colour[b]} - {CENTRE}
            paint = sides.pop() if len(sides) == 1 else CENTRE
            faint = float(min(opacity[a], opacity[b]))
            ends = _at(new, a), _at(new, b)
            if casing:
                canvas.line(*ends, CASING, width + 1.5, faint**2)
            else:
                canvas.line(*ends, paint, width, faint)
    if old is not None:
        with np.errstate(invalid="ignore", over="ignore"):
            moved = there & had & (np.linalg.norm(new - old, axis=-1) > MOVED)
        for j in np.flatnonzero(moved).tolist():
            _draw_arrow(canvas, old[j], new[j], radius[j])
    for j in np.flatnonzero(there).tolist():
        at, shade = _at(new, j), float(opacity[j])
        canvas.dot(at, radius[j] + 0.75, CASING, shade**2)
        canvas.dot(at, radius[j], colour[j], shade)
        if filled[j]:
            canvas.dot(at, max(radius[j] - 1.25, 0.6 * radius[j]), CASING, shade)


def draw_truth(canvas: Canvas, points: Floats, skeleton: Skeleton) -> None:
    """Draw what annotators say, (K, 2) px of the canvas: thin, in one colour."""
    there = np.asarray(np.isfinite(points).all(-1))
    limbs = [(a, b) for a, b in skeleton.edges if there[a] and there[b]]
    for paint, more in ((CASING, 1.5), (TRUTH, 0.0)):
        for a, b in limbs:
            canvas.line(_at(points, a), _at(points, b), paint, 1.5 + more)
        for j in np.flatnonzero(there).tolist():
            canvas.dot(_at(points, j), 2.0 + more / 2, paint)


def _thickness(points: Floats) -> float:
    (box,) = keypoint_box(points[None])
    return float(np.clip(THICKNESS * np.sqrt(np.prod(box[2:] - box[:2])), THINNEST, THICKEST))


def _radii(points: Floats, usual: float) -> Floats:
    """Return the radius px of each dot, (K,)."""
    away = np.linalg.norm(points[:, None] - points, axis=-1)
    away = np.where(np.isfinite(away) & (away > 0), away, np.inf)
    return np.asarray((APART * away.min(1)).clip(SMALLEST, usual))


def _draw_ellipses(
    canvas: Canvas, at: Floats, spread: Floats, colour: list[str], opacity: Floats
) -> None:
    """Fill an ellipse of one standard deviation about each joint that tells of one."""
    told = np.isfinite(at).all(-1) & np.isfinite(spread).all((-1, -2))
    most = LARGE * max(canvas.width, canvas.height)
    for j in np.flatnonzero(told).tolist():
        values, axes = np.linalg.eigh(spread[j])
        major, minor = np.sqrt(values[::-1].clip(0))
        if 1 <= major <= most:
            turn = float(np.arctan2(axes[1, 1], axes[0, 1]))
            faint = PALE * float(opacity[j])
            canvas.oval(_at(at, j), (major, max(minor, 0.5)), turn, colour[j], faint)


def _draw_arrow(canvas: Canvas, old: Floats, new: Floats, radius: float) -> None:
    """Draw an arrow from where a joint was to the rim of its dot."""
    length = float(np.linalg.norm(new - old))
    along = (new - old) / length
    tip = new - along * min(radius, 0.4 * length)
    reach = float(np.linalg.norm(tip - old))
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
