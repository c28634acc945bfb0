"""Pictures of a folder: their sizes, and how EXIF turns them."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from refine._types import Floats, Indices
from refine.exceptions import FormatError
from refine.images import find_images
from refine.poses import ImageRef

ORIENTATION = 0x0112
"""Tag of EXIF: 1 as stored, 2 to 8 mirrored or turned (EXIF 2.32, 4.6.4)."""
ASIDE = 5
"""Orientations from here on turn the picture by a quarter."""
MIRRORED = frozenset({2, 4, 5, 7})
"""Orientations that mirror the picture."""
SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"})


class Pictures(NamedTuple):
    """Of I images: sizes (I, 2) upright in px, NaN where there is no picture, and orientation."""

    sizes: Floats
    orientation: Indices


def look_at_pictures(folder: Path, images: tuple[ImageRef, ...]) -> Pictures:
    """Read the headers of the pictures of some images.

    Raises:
        FormatError: no folder, or a file that is no picture.
    """
    if not folder.is_dir():
        raise FormatError("expected a folder of pictures, got none", where=str(folder))
    files = sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES)
    names = [p.relative_to(folder).as_posix() for p in files]
    sizes = np.full((len(images), 2), np.nan)
    orientation = np.ones(len(images), np.intp)
    for i, row in enumerate(find_images(images, names, where=str(folder))):
        if row is None:
            continue
        try:
            with Image.open(files[row]) as picture:
                size = picture.size
                way = picture.getexif().get(ORIENTATION, 1)
        except OSError as error:
            raise FormatError(f"expected a picture, got: {error}", where=str(files[row])) from None
        orientation[i] = way if way in range(1, 9) else 1
        sizes[i] = size[::-1] if way >= ASIDE else size
    return Pictures(sizes, orientation)


def upright(xy: Floats, size: Floats, orientation: int) -> Floats:
    """Return places on a picture as stored as places on the upright one.

    Args:
        xy: (..., 2) px.
        size: (..., 2) width and height of the upright picture in px.
        orientation: 1 to 8, as EXIF has it.

    >>> upright(np.array([[10.0, 20.0]]), np.array([480.0, 640.0]), 6).tolist()
    [[459.0, 10.0]]
    """
    if orientation >= ASIDE:
        xy = xy[..., ::-1]
    last = size - 1
    across, down = orientation in (2, 3, 6, 7), orientation in (3, 4, 7, 8)
    x = last[..., 0] - xy[..., 0] if across else xy[..., 0]
    y = last[..., 1] - xy[..., 1] if down else xy[..., 1]
    return np.stack([x, y], -1)
