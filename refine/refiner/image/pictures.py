"""Reading pictures as those who predicted on them read them, and noticing those that do not fit."""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from refine._types import Floats
from refine.crops.arrays import Pixels
from refine.exceptions import FormatError, RefineWarning
from refine.poses import ImageRef, Poses
from refine.refiner.image.crops import Picture, Stored, stored_pictures
from refine.refiner.image.shards import Member

T = TypeVar("T")

FORMATS = ("JPEG", "PNG", "BMP", "DIB", "WEBP", "TIFF", "GIF", "PPM")
"""Of Pillow's: all that only decode. Others start programs (EPS: Ghostscript) or fetch files."""
ORIENTATION = 0x0112
"""Tag of EXIF and TIFF: 1 as stored, 2 to 8 mirrored or turned, 5 to 8 by a quarter."""
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What makes a picture upright, by `ORIENTATION` (EXIF 2.32, 4.6.4)."""
DEPTHS = (8, 10, 12, 14, 16)
"""Bits of grey; a deep picture has the fewest that hold its brightest pixel."""
INSIDE = 0.25
"""A pose belongs to a picture where this part of its joints lies in it. Of a face that fills the
picture, 5 of COCO's 17 do."""
NAMED = 3
"""Pictures that a notice names."""


@dataclass(frozen=True, slots=True)
class Sight:
    """The pictures that poses can be looked at in.

    Attributes:
        poses: with the sizes of their images, as far as they were told or can be read.
        pictures: one per image, None where there is none or it cannot be used.
        unread: names of those that cannot be read, and why.
        unfit: names of those that are not what the poses were predicted on, and why.
        otherwise: how many would fit, were EXIF orientation treated the other way.
    """

    poses: Poses
    pictures: list[Picture | None]
    unread: dict[str, str]
    unfit: dict[str, str]
    otherwise: int


def look_at(poses: Poses, pictures: Sequence[Picture | None], *, exif: bool = True) -> Sight:
    """Compare pictures with what is told of the images and with where the joints are.

    Args:
        poses: of I images.
        pictures: of these images, None where there is none.
        exif: whether EXIF orientation is applied.
    """
    images: list[ImageRef] = []
    usable: list[Picture | None] = []
    unread: dict[str, str] = {}
    unfit: dict[str, str] = {}
    other = 0
    for picture, (ref, rows) in zip(pictures, poses.by_image(), strict=True):
        size = None
        if picture is not None:
            name = picture_name(picture, ref)
            try:
                size, turned = picture_sizes(picture, exif=exif)
            except FormatError as error:
                unread[name] = short(error)
                picture = None
            else:
                told = ref.width and ref.height and (ref.width, ref.height)
                xy = poses.xy[rows]
                if told and told != size:
                    unfit[name] = f"{size[0]} x {size[1]} px, told {told[0]} x {told[1]}"
                    picture = None
                    other += turned == told
                elif not told and not belongs(xy, size):
                    unfit[name] = f"joints outside of its {size[0]} x {size[1]} px"
                    picture = size = None
                    other += belongs(xy, turned)
                elif turned != size and inside(xy, turned).sum() > inside(xy, size).sum():
                    unfit[name] = "joints where it lies if turned the other way"
                    picture = None
                    other += 1
        if size and not (ref.width and ref.height):
            ref = replace(ref, width=size[0], height=size[1])
        images.append(ref)
        usable.append(picture)
    return Sight(poses.replace(images=tuple(images)), usable, unread, unfit, other)


def inside(xy: Floats, size: tuple[int, int]) -> npt.NDArray[np.bool_]:
    """Return which joints (N, K, 2) lie in a picture, (N, K); missing ones do not."""
    return np.asarray(((xy >= -0.5) & (xy <= np.array(size) - 0.5)).all(-1))


def belongs(xy: Floats, size: tuple[int, int]) -> bool:
    """Whether half of the poses (N, K, 2) that have joints lie in a picture, see `INSIDE`."""
    present = np.isfinite(xy).all(-1).sum(1)
    there = inside(xy, size).sum(1)[present > 0] >= INSIDE * present[present > 0]
    return bool(there.mean() >= 0.5) if len(there) else True


def picture_name(picture: Picture, ref: ImageRef) -> str:
    """Name a picture for people: its file, or the id of its image."""
    return f"image {ref.id}" if isinstance(picture, np.ndarray) else picture.name


def short(error: FormatError) -> str:
    """Say in a notice on pictures what is wrong with one."""
    return error.message.removeprefix("expected a picture, got").lstrip(": ")


def names_of(names: Sequence[str]) -> str:
    """List some names for people: the first few, and how many more."""
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more


def check_found(folder: str | Path, pictures: Sequence[Picture | None], poses: Poses) -> None:
    """Refuse a folder that has no picture of the poses, and say how many it lacks.

    Raises:
        FormatError: none is there.
    """
    lacking = [
        ref.file_name or str(ref.id)
        for ref, p in zip(poses.images, pictures, strict=True)
        if p is None
    ]
    if not lacking:
        return
    there = sorted(Path(name).name for name in stored_pictures(folder)[1])
    if len(lacking) == len(pictures):
        holds = f"{len(there)} others, such as {', '.join(there[:2])}" if there else "no picture"
        raise FormatError(
            f"expected pictures of {len(pictures)} images, such as {', '.join(lacking[:2])}, "
            f"got {holds}",
            where=str(folder),
            hint="another --images; where ids are not in the names of the pictures (9501 for "
            "im09501.jpg), --sizes FILE.json, a COCO file whose images have a `file_name`",
        )
    _warn(
        f"{len(pictures) - len(lacking)} of {len(pictures)} images have a picture in {folder}; "
        f"not found: {names_of(lacking)}",
        lacking,
    )


def tell(sight: Sight, *, exif: bool, done: str = "refined") -> None:
    """Name the pictures that are left out of what is done."""
    for left_out, what in ((sight.unread, "could not be read"), (sight.unfit, "do not fit")):
        if left_out:
            named = [f"{name} ({reason})" for name, reason in left_out.items()]
            _warn(
                f"{done} without {len(left_out)} of the pictures, which {what}: {names_of(named)}",
                named,
            )
    if sight.otherwise:
        option = "exif=False (--no-exif)" if exif else "exif=True (--exif)"
        _warn(
            f"{sight.otherwise} pictures would fit with {option}: the poses were predicted on "
            f"pictures {'as they are stored' if exif else 'turned as their EXIF says'}"
        )


def _warn(message: str, details: Sequence[str] = ()) -> None:
    warnings.warn(RefineWarning(message, details), stacklevel=3)


def read_picture(path: str | Picture, *, exif: bool = True) -> Pixels:
    """Read a picture as RGB, (H, W, 3) uint8.

    Grey of more than 8 bits is scaled by its range: the fewest bits of `DEPTHS` that hold it, and
    floats by 1 or by 255.

    Args:
        path: of a file, or pixels, which are returned.
        exif: apply EXIF orientation, as cv2 and all who read with it do; TIFF's own is always
            applied.

    Raises:
        FormatError: not a picture, one that breaks off, or numbers of an unknown range.
    """
    if isinstance(path, np.ndarray):
        return path

    def decode(picture: Image.Image) -> Pixels:
        turn = _orientation(picture) if exif and picture.format != "TIFF" else 1
        picture.load()
        upright = picture.transpose(TURNS[turn]) if turn in TURNS else picture
        if upright.mode in ("I", "F") or upright.mode.startswith("I;"):
            return np.repeat(_eight_bits(np.asarray(upright), str(path))[..., None], 3, 2)
        return np.asarray(upright.convert("RGB"))

    return _opened(path, decode)


def picture_sizes(
    path: str | Picture, *, exif: bool = True
) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return width and height of a picture without decoding it.

    Args:
        path: of a file, or pixels.
        exif: as for `read_picture`.

    Returns:
        the size, and the size were EXIF orientation treated the other way.

    Raises:
        FormatError: not a picture.
    """
    if isinstance(path, np.ndarray):
        size = path.shape[1], path.shape[0]
        return size, size
    stored, upright = _opened(path, _sizes)
    return (upright, stored) if exif else (stored, upright)


def _sizes(picture: Image.Image) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return the size as stored and upright; of a TIFF the latter twice, see `read_picture`."""
    quarter = _orientation(picture) in range(5, 9)
    if picture.format == "TIFF":
        tags: Any = getattr(picture, "tag_v2", {})
        width, height = int(tags[256]), int(tags[257])
        size = (height, width) if quarter else (width, height)
        return size, size
    width, height = picture.size
    return (width, height), (height, width) if quarter else (width, height)


def _orientation(picture: Image.Image) -> int:
    try:
        return int(picture.getexif().get(ORIENTATION, 1))
    except Exception:  # damaged EXIF: the pixels are there, and cv2 reads them as stored
        return 1


def _opened(path: str | Stored, use: Callable[[Image.Image], T]) -> T:
    file = path.tar if isinstance(path, Member) else Path(path)
    if not file.is_file():
        raise FormatError("expected a picture, got no regular file", where=str(path))
    if not (path.size if isinstance(path, Member) else file.stat().st_size):
        raise FormatError("expected a picture, got an empty file", where=str(path))
    try:
        with (
            path.open() if isinstance(path, Member) else file.open("rb") as source,
            Image.open(source, formats=FORMATS) as picture,
        ):
            return use(picture)
    except FormatError:
        raise
    except Exception as error:  # Pillow raises a dozen types for damaged files
        reason = (str(error) or type(error).__name__).splitlines()[0]
        if isinstance(error, UnidentifiedImageError):
            reason = f"something else than {', '.join(FORMATS)}"
        raise FormatError(f"expected a picture, got: {reason}", where=str(path)) from None


def _eight_bits(grey: npt.NDArray[Any], where: str) -> Pixels:
    """Scale grey of more than 8 bits, (H, W), by its range."""
    refuse = partial(
        FormatError,
        where=where,
        hint="an 8-bit copy of it, made as for the network that predicted",
    )
    least, most = grey.min(initial=0), grey.max(initial=0)
    if grey.dtype.kind == "f":
        if not (least >= 0 and most <= 255):  # NaN is neither
            raise refuse(f"expected grey in [0, 1] or [0, 255], got {least:g} to {most:g}")
        top = 1.0 if most <= 1 else 255.0
    else:
        bits = next((b for b in DEPTHS if most < 1 << b), None)
        if least < 0 or bits is None:
            raise refuse(f"expected grey of at most 16 bits, got {least} to {most}")
        top = float((1 << bits) - 1)
    return np.asarray((grey * (255 / top)).round(), np.uint8)
