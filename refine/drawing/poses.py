"""Poses over their picture: `draw` makes pixels, `overlay` a canvas that also becomes SVG."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from refine._types import Floats
from refine.drawing.canvas import Canvas
from refine.drawing.figure import draw_pose, draw_truth
from refine.drawing.marks import ellipses, opacities
from refine.drawing.palette import PAPER
from refine.drawing.raster import paint, resized
from refine.exceptions import ArrayError
from refine.poses import ImageRef, Poses
from refine.refiner.image.pictures import read_picture

Picture = Image.Image | npt.NDArray[np.uint8] | str | Path
"""Pixels (H, W) or (H, W, 3), or a file, which is turned as its EXIF says."""

LARGEST = 4000
"""Px of a plain canvas: absurd sizes and coordinates do not ask for one of absurd size."""


def draw(
    poses: Poses,
    image: Picture | None = None,
    *,
    before: Poses | None = None,
    truth: Poses | None = None,
    box_xyxy: npt.ArrayLike | None = None,
    size_px: int | None = None,
    rows: npt.ArrayLike | None = None,
) -> Image.Image:
    """Draw the poses of one image over it.

    Limbs and joints are coloured by side, the more confident the more opaque. Missing joints and
    their limbs are absent. Where the poses tell how uncertain joints are, ellipses show it, see
    `refine.drawing.marks.ellipses`. Joints that lie further outside the picture than its own size
    are not drawn.

    Args:
        poses: N poses of any skeleton, all on one image.
        image: its picture: a file, a PIL image, uint8 (H, W) or (H, W, 3); or None for a plain
            canvas of the size that `poses.images` tells, or else of the poses' extent.
        before: the same N poses before something was done to them. Joints that they lack are
            drawn hollow and their limbs thin; joints that have moved get an arrow from where they
            were.
        truth: what annotators say of the image, drawn below the poses in one colour.
        box_xyxy: (4,) px, the part of the picture to show; it may reach beyond it.
        size_px: longer side of what is returned; by default the part has its own size.
        rows: indices of the poses to draw; by default all.

    Returns:
        an RGB image.

    Raises:
        ArrayError: poses on several images, `before` with other poses, no such image, an empty
            box or size.
        FormatError: a file that is no picture.
        IndexError: no such row.

    >>> one = Poses.from_arrays("coco17", np.full((1, 17, 2), 20.0))
    >>> draw(one, size_px=42).size
    (42, 42)
    >>> draw(one, np.zeros((60, 80), np.uint8), box_xyxy=[10, 10, 30, 25]).size
    (20, 15)
    """
    canvas = overlay(
        poses, image, before=before, truth=truth, box_xyxy=box_xyxy, size_px=size_px, rows=rows
    )
    return paint(canvas)


def overlay(
    poses: Poses,
    image: Picture | None = None,
    *,
    before: Poses | None = None,
    truth: Poses | None = None,
    box_xyxy: npt.ArrayLike | None = None,
    size_px: int | None = None,
    rows: npt.ArrayLike | None = None,
) -> Canvas:
    """Draw as `draw` does, on a canvas.

    Raises:
        ArrayError, FormatError, IndexError: see `draw`.
    """
    for name, given in (("poses", poses), ("truth", truth)):
        if given is not None and len(set(given.image.tolist())) > 1:
            raise ArrayError(
                f"expected {name} on one image, got several", hint="poses[rows] of poses.by_image()"
            )
    if before is not None and before.xy.shape != poses.xy.shape:
        raise ArrayError(f"expected the same poses before, {poses.xy.shape}, got {before.xy.shape}")
    picture = None if image is None else pixels(image)
    size = _size(poses) if picture is None else picture.size
    x, y, width, height = _part(box_xyxy, size)
    if size_px is not None and size_px < 1:
        raise ArrayError(f"expected a size of at least 1 px, got {size_px}")
    longer = size_px or (max(width, height) if picture else min(max(width, height), LARGEST))
    scale = longer / max(width, height)
    canvas = Canvas(max(1, round(width * scale)), max(1, round(height * scale)))
    if picture is not None:
        _place(canvas, picture, (x, y, width, height))
    whole = np.array(size, np.float64)

    def shown(xy: Floats) -> Floats:
        return on_canvas(xy, size, scale, (x, y))

    if truth is not None:
        for points in shown(truth.xy):
            draw_truth(canvas, points, truth.skeleton)
    new, old = shown(poses.xy), np.full_like(poses.xy, np.nan)
    if before is not None:
        old = (before.xy.clip(-whole, 2 * whole) + 0.5 - (x, y)) * scale
    opacity, spread = opacities(poses), ellipses(poses) * scale**2
    for i in np.arange(len(poses))[slice(None) if rows is None else np.atleast_1d(rows)]:
        was = None if before is None else old[i]
        draw_pose(canvas, new[i], was, poses.skeleton, opacity[i], spread[i])
    return canvas


def on_canvas(
    xy: Floats, size: tuple[int, int], scale: float, corner: tuple[int, int] = (0, 0)
) -> Floats:
    """Return where joints lie on a canvas; pixel centres lie on integers.

    Args:
        xy: (..., 2) px of the picture; what is further outside than its own size becomes NaN.
        size: width and height of the picture.
        scale: px of the canvas over those of the picture.
        corner: of the part that is shown.
    """
    whole = np.array(size, np.float64)
    away = ((xy < -whole) | (xy > 2 * whole)).any(-1, keepdims=True)
    return np.where(away, np.nan, (xy + 0.5 - corner) * scale)


def pixels(image: Picture) -> Image.Image:
    """Return a picture as RGB.

    Raises:
        ArrayError, FormatError: no such image, see `draw`.
    """
    if isinstance(image, str | Path):
        return Image.fromarray(read_picture(Path(image)))
    if isinstance(image, Image.Image):
        return image if image.mode == "RGB" else image.convert("RGB")
    if image.dtype != np.uint8 or image.ndim not in (2, 3) or image.shape[2:] not in ((), (3,)):
        raise ArrayError(
            f"expected a picture (H, W) or (H, W, 3) of uint8, got {image.dtype} {image.shape}"
        )
    if not image.size:
        raise ArrayError(f"expected a picture of some pixels, got {image.shape}")
    return Image.fromarray(image).convert("RGB")


def _size(poses: Poses) -> tuple[int, int]:
    """Return width and height of the image of poses: as told, or what holds their joints."""
    ref = poses.images[poses.image[0]] if len(poses) else (*poses.images, None)[0]
    if ref is not None and (size := told_size(ref)):
        return size
    reach = np.nan_to_num(poses.xy, nan=0.0).clip(0, LARGEST).max((0, 1), initial=0)
    return int(reach[0]) + 1, int(reach[1]) + 1


def told_size(ref: ImageRef) -> tuple[int, int] | None:
    """Return width and height of an image in px, None where they are not told."""
    width, height = ref.width or 0, ref.height or 0
    return (int(width), int(height)) if width > 0 and height > 0 else None


def _part(box_xyxy: npt.ArrayLike | None, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """Return the part of a picture to show, x, y, width, height in whole px.

    It reaches beyond the picture by the picture's own size at most.
    """
    if box_xyxy is None:
        return 0, 0, *size
    box = np.asarray(box_xyxy, np.float64)
    if box.shape != (4,) or not np.isfinite(box).all():
        raise ArrayError(f"expected a box (4,) xyxy, got {box.tolist()}")
    whole = np.array(size * 2, np.float64)
    left, top, right, bottom = box.clip(-whole, 2 * whole).tolist()
    x, y = int(np.floor(left)), int(np.floor(top))
    width, height = int(np.ceil(right)) - x, int(np.ceil(bottom)) - y
    if width < 1 or height < 1:
        raise ArrayError(f"expected a box xyxy that holds something, got {box.tolist()}")
    return x, y, width, height


def _place(canvas: Canvas, picture: Image.Image, part: tuple[int, int, int, int]) -> None:
    """Put a part of a picture onto a canvas that it fills, in the size of the canvas."""
    x, y, width, height = part
    size = (canvas.width, canvas.height)
    if x >= 0 and y >= 0 and x + width <= picture.width and y + height <= picture.height:
        if size == (width, height):
            shown = picture.crop((x, y, x + width, y + height))
        else:
            shown = picture.resize(
                size, Image.Resampling.LANCZOS, (x, y, x + width, y + height), reducing_gap=2.0
            )
    else:
        shown = Image.new("RGB", (width, height), PAPER)
        shown.paste(picture, (-x, -y))
        shown = resized(shown, size)
    canvas.place(shown, 0, 0, *size)
