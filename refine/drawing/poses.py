"""Pictures of poses: overlays, and sheets that show poses before and after."""

from collections.abc import Hashable, Mapping, Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from refine._types import Floats
from refine.drawing._canvas import BLUE, INK, PAPER, VERMILION, Canvas
from refine.exceptions import ArrayError
from refine.geometry import keypoint_box
from refine.poses import Poses
from refine.skeletons import Skeleton

Picture = Image.Image | npt.NDArray[np.uint8]

COLOURS = {"left": BLUE, "right": VERMILION, "middle": "#444444"}
"""By side of the body."""
TRAIL = "#000000"
CASING = "#FFFFFF"
"""Rim of limbs and joints, so that they show on dark and on light."""

THICKNESS = 0.02
"""Of limbs over the square root of a pose's box area,"""
THINNEST, THICKEST = 1.5, 4.0
"""within these px."""
MOVED = 1.5
"""Px of the drawing from which a joint counts as moved."""
ASPECT, MARGIN = 4 / 3, 0.12
"""Of the cells of a sheet: width over height, and room around the poses over their extent."""
LEGEND = ("left", "right", "middle", "given", "filled", "moved")


def draw_poses(
    image: Picture | None, poses: Poses, *, before: Poses | None = None, scale: float = 1.0
) -> Image.Image:
    """Draw the poses of one image over it.

    Limbs and joints are coloured by side. Missing joints and their limbs are absent. Joints that
    lie further outside the picture than its own size are not drawn.

    Args:
        image: a PIL image, uint8 (H, W) or (H, W, 3), or None for a plain canvas of the size that
            `poses.images` tells, or else of the poses' extent.
        poses: N poses of any skeleton, all on one image.
        before: the same N poses before something was done to them. Joints that they lack are
            drawn hollow and their limbs thin; joints that have moved get a trail from where they
            were.
        scale: factor on the size of the picture; lines keep their thickness.

    Returns:
        an RGB image.

    Raises:
        ArrayError: poses on several images, `before` with other poses, or no such image.

    >>> import refine
    >>> one = Poses.from_arrays(refine.skeleton("coco17"), np.full((1, 17, 2), 20.0))
    >>> draw_poses(None, one, scale=2).size
    (42, 42)
    """
    if len(set(poses.image.tolist())) > 1:
        raise ArrayError(
            "expected poses on one image, got several", hint="poses[rows] of poses.by_image()"
        )
    if before is not None and before.xy.shape != poses.xy.shape:
        raise ArrayError(f"expected the same poses before, {poses.xy.shape}, got {before.xy.shape}")
    if not 0 < scale < np.inf:
        raise ArrayError(f"expected a scale above 0, got {scale}")
    ground = _ground(image, poses)
    width, height = (max(1, round(side * scale)) for side in ground.size)
    ground = ground.resize((width, height), Image.Resampling.LANCZOS)
    # Pixel centres lie on integers, so the picture's edge is at -0.5.
    new = (poses.xy + 0.5) * scale
    old = np.full_like(new, np.nan) if before is None else (before.xy + 0.5) * scale
    low, high = -np.array([width, height]), 2 * np.array([width, height])
    new = np.where(((new < low) | (new > high)).any(-1, keepdims=True), np.nan, new)
    old = old.clip(low, high)
    layer = Canvas(width, height, paper=None)
    corners = keypoint_box(new)
    extent = np.sqrt(np.prod(corners[:, 2:] - corners[:, :2], axis=1))
    for i in range(len(new)):
        if np.isfinite(extent[i]):
            thick = float(np.clip(THICKNESS * extent[i], THINNEST, THICKEST))
            _draw_pose(layer, new[i], old[i], before is not None, poses.skeleton, thick)
    return Image.alpha_composite(ground.convert("RGBA"), layer.reduced()).convert("RGB")


def before_after(
    before: Poses,
    after: Poses,
    *,
    truth: Poses | None = None,
    source: Sequence[int] | npt.NDArray[np.integer] | None = None,
    pictures: Mapping[Hashable, Picture] | None = None,
    captions: Mapping[Hashable, Sequence[str]] | None = None,
    ids: Sequence[int | str] | None = None,
    width: int = 420,
) -> Image.Image:
    """Draw a sheet: a row an image, its columns truth, before and after; a legend below.

    Args:
        before: N poses.
        after: M poses.
        truth: ground truth; without it there are two columns.
        source: (M,) which pose of `before` each of `after` was; by default they are the same in
            the same order.
        pictures: by image id; images without one get a plain canvas.
        captions: by image id: a line below each column.
        ids: of the images to show; by default the first four of `before`.
        width: of a column in px.

    Raises:
        ArrayError: `source` does not fit, or nothing to show.

    >>> import refine
    >>> two = Poses.from_arrays(refine.skeleton("coco17"), np.full((2, 17, 2), 20.0))
    >>> before_after(two, two[1:], source=[1], width=100).size[0]
    230
    """
    rows = np.arange(len(after)) if source is None else np.asarray(source, np.intp)
    if rows.shape != (len(after),) or (
        len(rows) and not 0 <= rows.min() <= rows.max() < len(before)
    ):
        raise ArrayError(
            f"expected source ({len(after)},) with rows of {len(before)} poses, got {rows.tolist()}"
        )
    was = before[rows]
    shown = [ref.id for ref in before.images[:4]] if ids is None else list(ids)
    if not shown:
        raise ArrayError("expected at least one image to show, got none")
    columns = {"before": (before, None), "after": (after, was)}
    if truth is not None:
        columns = {"ground truth": (truth, None), **columns}
    grid = []
    for name in shown:
        cells = [
            (_of_image(poses, name), None if old is None else _of_image(old, name))
            for poses, old in columns.values()
        ]
        picture = _ground((pictures or {}).get(name), _of_image(before, name))
        frame = _frame(np.concatenate([poses.xy for poses, _ in cells]), picture.size)
        grid.append([_cell(picture, frame, poses, old, width) for poses, old in cells])
    return _sheet(grid, list(columns), [(captions or {}).get(name, ()) for name in shown], width)


def _of_image(poses: Poses, image_id: int | str) -> Poses:
    """Return those poses of a file that are on one image, and that image alone."""
    refs = tuple(ref for ref in poses.images if ref.id == image_id)
    rows = np.flatnonzero(np.array([ref.id == image_id for ref in poses.images])[poses.image])
    return poses[rows].replace(images=refs, image=np.zeros(len(rows), np.intp))


def _frame(xy: Floats, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """Choose the part of a picture around poses (N, K, 2): left, top, width, height in px.

    Its aspect is `ASPECT`; where the picture is too small for that it reaches beyond.
    """
    whole = np.array(size)
    points = xy.reshape(-1, 2)
    points = points[np.isfinite(points).all(1)].clip(0, whole)
    if not len(points):
        points = np.array([[0, 0], size])
    low, high = points.min(0), points.max(0)
    room = MARGIN * (high - low) + 2
    low, high = (low - room).clip(0), np.minimum(high + room, whole)
    extent = high - low
    extent = np.maximum(extent, [extent[1] * ASPECT, extent[0] / ASPECT])
    inside = np.clip((low + high - extent) / 2, 0, np.maximum(whole - extent, 0))
    start = np.where(extent > whole, (whole - extent) / 2, inside)
    x, y, w, h = np.concatenate([np.floor(start), np.ceil(extent)]).astype(int).tolist()
    return x, y, w, h


def _cell(
    picture: Image.Image,
    frame: tuple[int, int, int, int],
    poses: Poses,
    before: Poses | None,
    width: int,
) -> Image.Image:
    x, y, w, h = frame
    part = Image.new("RGB", (w, h), PAPER)
    part.paste(picture, (-x, -y))
    shifted = [None if p is None else p.replace(xy=p.xy - (x, y)) for p in (poses, before)]
    assert shifted[0] is not None
    return draw_poses(part, shifted[0], before=shifted[1], scale=width / w)


def _ground(image: Picture | None, poses: Poses) -> Image.Image:
    if isinstance(image, Image.Image):
        return image.convert("RGB")
    if image is not None:
        if image.dtype != np.uint8 or image.ndim not in (2, 3) or image.shape[2:] not in ((), (3,)):
            raise ArrayError(
                f"expected a picture (H, W) or (H, W, 3) of uint8, got {image.dtype} {image.shape}"
            )
        return Image.fromarray(image).convert("RGB")
    ref = poses.images[poses.image[0]] if len(poses) else (*poses.images, None)[0]
    if ref is not None and ref.width and ref.height:
        return Image.new("RGB", (ref.width, ref.height), PAPER)
    # Poses of absurd coordinates do not ask for a canvas of absurd size.
    reach = np.nan_to_num(poses.xy, nan=0.0).clip(0, 4000).max((0, 1), initial=0)
    return Image.new("RGB", (int(reach[0]) + 1, int(reach[1]) + 1), PAPER)


def _draw_pose(
    canvas: Canvas,
    new: Floats,
    old: Floats,
    compared: bool,
    skeleton: Skeleton,
    thick: float,
) -> None:
    """Draw one pose (K, 2) in px of the picture: limbs, then trails, then joints."""
    there = np.asarray(np.isfinite(new).all(-1))
    had = np.asarray(np.isfinite(old).all(-1))
    filled = there & ~had if compared else np.zeros_like(there)
    sides = [joint.split("_")[0] if "_" in joint else "" for joint in skeleton.joints]
    colour = [COLOURS.get(side, COLOURS["middle"]) for side in sides]
    limbs = [(a, b) for a, b in skeleton.edges if there[a] and there[b]]
    for casing in (True, False):
        for a, b in limbs:
            width = thick * (0.5 if filled[a] or filled[b] else 1.0)
            of_side = {sides[j] for j in (a, b)} & {"left", "right"}
            paint = COLOURS[of_side.pop()] if len(of_side) == 1 else COLOURS["middle"]
            canvas.line(new[a], new[b], CASING if casing else paint, width + 1.5 * casing)
    with np.errstate(invalid="ignore"):
        moved = there & had & (np.linalg.norm(new - old, axis=-1) > MOVED)
    for j in np.flatnonzero(moved):
        canvas.line(old[j], new[j], CASING, 3.0)
        canvas.line(old[j], new[j], TRAIL, 1.25)
        canvas.dot(old[j], 0.6 * thick + 0.5, TRAIL, TRAIL)
    for j in np.flatnonzero(there):
        canvas.dot(new[j], 0.9 * thick + 1.5, CASING, CASING)
        canvas.dot(new[j], 0.9 * thick + 0.75, CASING if filled[j] else colour[j], colour[j])


def _sheet(
    grid: Sequence[Sequence[Image.Image]],
    heads: Sequence[str],
    captions: Sequence[Sequence[str]],
    width: int,
) -> Image.Image:
    gap, head, line = 10, 34, 24
    heights = [max(cell.height for cell in row) for row in grid]
    legend = _legend()
    total = (
        gap + len(heads) * (width + gap),
        head + sum(h + line + gap for h in heights) + legend.height + gap,
    )
    sheet = Image.new("RGB", (max(total[0], 1), total[1]), PAPER)
    draw = ImageDraw.Draw(sheet)
    title, text = ImageFont.load_default(19), ImageFont.load_default(14)
    for column, name in enumerate(heads):
        draw.text((gap + column * (width + gap), head - 6), name, INK, title, anchor="ls")
    y = head
    for row, height, lines in zip(grid, heights, captions, strict=True):
        for column, cell in enumerate(row):
            x = gap + column * (width + gap)
            sheet.paste(cell, (x, y))
            draw.rectangle((x, y, x + cell.width - 1, y + cell.height - 1), outline="#BBBBBB")
            if column < len(lines):
                draw.text((x, y + height + 4), lines[column], INK, text)
        y += height + line + gap
    sheet.paste(legend, (gap, y))
    return sheet


def _legend() -> Image.Image:
    """Draw what the marks mean, in one line."""
    font, height, stroke = ImageFont.load_default(14), 26, 30
    texts = {
        "left": "left side of the body",
        "right": "right side",
        "middle": "middle",
        "given": "joint as predicted",
        "filled": "filled in",
        "moved": "moved from the dot",
    }
    widths = [round(font.getlength(texts[name])) + stroke + 24 for name in LEGEND]
    canvas = Canvas(sum(widths), height)
    y = height / 2
    starts = np.cumsum([0, *widths[:-1]])
    for x, name in zip(starts, LEGEND, strict=True):
        a, b = (x + 4.0, y), (x + stroke - 9.0, y)
        if name in COLOURS:
            canvas.line(a, b, COLOURS[name], THICKEST)
        elif name == "moved":
            canvas.line(a, b, TRAIL, 1.25)
            canvas.dot(a, 3, TRAIL, TRAIL)
            canvas.dot(b, 4.5, COLOURS["left"], COLOURS["left"])
        else:
            fill = COLOURS["left"] if name == "given" else CASING
            canvas.dot((x + stroke / 2 - 2.5, y), 4.5, fill, COLOURS["left"])
        canvas.text((x + stroke, y), texts[name], 14, "lm")
    return canvas.reduced()
