"""What stands around the labels of a YOLO-pose data set: data.yaml, and the folder of images.

docs.ultralytics.com/datasets/pose: `kpt_shape`, `flip_idx`, `names` and `kpt_names`; labels stand
in a folder `labels` beside a folder `images` of the same inner structure.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from refine.exceptions import SkeletonError
from refine.formats._keypoints import skeleton_of
from refine.formats.base import Options
from refine.poses import ImageRef
from refine.skeletons import Skeleton, skeleton, skeleton_from_category, skeleton_names

YAML = ("data.yaml", "data.yml", "dataset.yaml")
UPWARD = 3
"""Folders in which data.yaml is looked for: that of the labels, and two up (``labels/train``)."""
LABELS, IMAGES = "labels", "images"
PICTURES = ("JPEG", "PNG", "BMP", "WEBP", "TIFF")
ORIENTATION, SIDEWAYS = 0x0112, range(5, 9)
"""Tag of EXIF, and its values for pictures that are turned by a quarter (EXIF 2.32, 4.6.4)."""


class DataSet(NamedTuple):
    """What data.yaml tells.

    Attributes:
        path: of the file.
        shape: number of joints, and of values of each.
        flip: the mirrored joints, () if it does not tell.
        classes: numbers of the classes that have names.
        joints: their names, () if it does not tell.
    """

    path: Path
    shape: tuple[int, int]
    flip: tuple[int, ...]
    classes: tuple[int, ...]
    joints: tuple[str, ...]


def data_set_of(folder: Path) -> DataSet | None:
    """Return what data.yaml near a folder of labels tells, None where there is none with joints."""
    places = [folder, *folder.absolute().parents][:UPWARD]
    for path in (place / name for place in places for name in YAML):
        if path.is_file():
            told = _parsed(path)
            if told is not None:
                return told
    return None


def skeleton_of_set(told: DataSet, options: Options) -> Skeleton:
    """Find the skeleton of a data set: by its names, or by number and mirror of its joints.

    Raises:
        SkeletonError: the one asked for has another number of joints, or none or several fit.
    """
    k = told.shape[0]
    if options.skeleton is not None or (options.default is not None and len(options.default) == k):
        return skeleton_of(k, options, where=str(told.path))
    if len(told.joints) == k:
        return skeleton_from_category({"keypoints": list(told.joints)}, "yolo")
    known = [skeleton(name) for name in skeleton_names()]
    mirrored = [b for b in known if len(b) == k and (tuple(b.mirror.tolist()) == told.flip)]
    if len(mirrored) == 1 or (mirrored and "coco17" in [b.name for b in mirrored]):
        return next((b for b in mirrored if b.name == "coco17"), mirrored[0])
    if told.flip and not mirrored:
        raise SkeletonError(
            f"expected a skeleton that ships for `kpt_shape` {list(told.shape)} and `flip_idx` "
            f"{list(told.flip)!s:.120}, got none",
            where=str(told.path),
            hint="--skeleton FILE.toml with these joints, or `kpt_names` in it",
        )
    return skeleton_of(k, options, "coco17", where=str(told.path))


def with_pictures(refs: Sequence[ImageRef], folder: Path) -> list[ImageRef]:
    """Complete images by the pictures that stand in `images` beside `labels`: names and sizes.

    Sizes are those of upright pictures, which Ultralytics' labels are shares of.
    """
    parts = folder.absolute().parts
    if LABELS not in parts:
        return list(refs)
    at = len(parts) - 1 - parts[::-1].index(LABELS)
    beside = Path(*parts[:at], IMAGES, *parts[at + 1 :])
    files = {path.stem: path for path in sorted(beside.iterdir())} if beside.is_dir() else {}
    return [_sized(ref, files[str(ref.id)]) if str(ref.id) in files else ref for ref in refs]


def _sized(ref: ImageRef, path: Path) -> ImageRef:
    from PIL import Image

    try:
        with Image.open(path, formats=PICTURES) as picture:
            size = picture.size
            turned = picture.getexif().get(ORIENTATION) in SIDEWAYS
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return ref
    width, height = size[::-1] if turned else size
    return ImageRef(ref.id, path.name, width, height, ref.frame, ref.extra)


def _parsed(path: Path) -> DataSet | None:
    text = re.sub(r"(^|\s)#.*", "", path.read_text("utf-8", "replace"), flags=re.MULTILINE)
    blocks = dict(re.findall(r"^(\w+):(.*(?:\n(?=[ \t\-\]}\n]).*)*)", text, re.MULTILINE))
    shape = _numbers(blocks.get("kpt_shape", ""))
    if len(shape) != 2 or shape[1] not in (2, 3) or not 0 < shape[0] < 1000:
        return None
    names = blocks.get("names", "")
    numbered = _numbers(" ".join(re.findall(r"(?:^|[{,\s])(\d+)\s*:", names)))
    listed = [each for each in re.findall(r"[\w][\w .-]*", names) if not each.isdigit()]
    joints = re.sub(r"\d+\s*:", "", blocks.get("kpt_names", ""))
    return DataSet(
        path,
        (shape[0], shape[1]),
        _numbers(blocks.get("flip_idx", "")),
        numbered or tuple(range(len(listed))),
        tuple(each.strip() for each in re.findall(r"[A-Za-z][\w ]*", joints)),
    )


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\b\d{1,6}\b", text))
