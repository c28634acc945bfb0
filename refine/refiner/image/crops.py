"""Pictures: finding the file of an image, cutting crops out of it."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from refine.crops.arrays import Pixels
from refine.exceptions import ArrayError, FormatError
from refine.files import matching_files
from refine.images import find_images
from refine.poses import ImageRef
from refine.refiner.image.shards import TAR, Member, members_of

Stored = Path | Member
"""A file, or one in a tar file."""
Picture = Stored | Pixels
"""What is stored, or (H, W, 3) uint8 RGB."""
Pictures = str | Path | Mapping[Any, Any] | Callable[[ImageRef], Any]
"""Where pictures come from, see `choose_pictures`."""

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"})


def choose_pictures(pictures: Pictures, images: Sequence[ImageRef]) -> list[Picture | None]:
    """Choose the pictures of images.

    Args:
        pictures: folder, see `find_pictures`; or a mapping by image id or file name, or a function
            of the `ImageRef`, to a file or to (H, W, 3) uint8 RGB, None where there is none.
        images: I images.

    Returns:
        I pictures, None where there is none.

    Raises:
        FormatError: no such folder.
        ArrayError: an array that is not (H, W, 3) uint8.

    >>> pixels = np.zeros((2, 3, 3), np.uint8)
    >>> [p is pixels for p in choose_pictures({7: pixels}, [ImageRef(7), ImageRef(8)])]
    [True, False]
    """
    if isinstance(pictures, str | Path):
        return list(find_pictures(pictures, images))
    if isinstance(pictures, Mapping):
        found = [pictures.get(ref.id, pictures.get(ref.file_name)) for ref in images]
    else:
        found = [pictures(ref) for ref in images]
    return [_checked(picture) for picture in found]


def _checked(picture: Any) -> Picture | None:
    if picture is None or isinstance(picture, Stored):
        return picture
    if isinstance(picture, str):
        return Path(picture)
    if not isinstance(picture, np.ndarray) or picture.dtype != np.uint8:
        got = picture.dtype if isinstance(picture, np.ndarray) else type(picture).__name__
        raise ArrayError(f"expected pictures as files or uint8 arrays, got {got}")
    if picture.ndim != 3 or picture.shape[2] != 3:
        raise ArrayError(f"expected pictures (H, W, 3), got {picture.shape}")
    return picture


def find_pictures(folder: str | Path, images: Sequence[ImageRef]) -> list[Stored | None]:
    """Find the files of images in a folder and those below it, or in tar files.

    An image is found by its file name, or by an id where it has none: as a path, an end of it, or
    without suffix, each where it fits one picture; and for numbers by a name that is the same
    number with zeros in front (COCO's ``000000000139.jpg``). See `refine.images.find_images`.

    Args:
        folder: of pictures; or tar files, see `stored_pictures`.
        images: I images.

    Returns:
        I paths or members, None where there is no picture.

    Raises:
        FormatError: no such folder, or a tar file that cannot be read.
    """
    paths, names = stored_pictures(folder)
    found = find_images(images, names, where=str(folder))
    return [None if row is None else paths[row] for row in found]


def stored_pictures(folder: str | Path) -> tuple[Sequence[Stored], list[str]]:
    """Return the pictures in a folder and those below it, or in tar files, and what each is called.

    Args:
        folder: of pictures; or of tar files, where it has none itself; or a tar file, or several by
            ``*`` or ``{000..009}``, see `refine.files.matching_files`.

    Raises:
        FormatError: no such folder, or a tar file that cannot be read.
    """
    root = Path(folder)
    if root.is_dir():
        paths = sorted(p for p in root.rglob("*") if is_picture(p.name))
        if paths:
            return paths, [path.relative_to(root).as_posix() for path in paths]
    tars = matching_files(folder, TAR)
    if not tars and not root.is_dir():
        raise FormatError("expected a folder of pictures or tar files, got none", where=str(folder))
    members = [m for tar in tars for m in members_of(tar) if is_picture(m.name)]
    return members, [member.name for member in members]


def is_picture(name: str) -> bool:
    """Whether a file that is named so is a picture."""
    return Path(name).suffix.lower() in SUFFIXES
