"""Files to poses and back: one file a format, one table to find it."""

from importlib import import_module
from pathlib import Path
from typing import Any

import refine.skeletons as skeletons
from refine.exceptions import FormatError
from refine.files import dump_json, write_bytes
from refine.formats._images import with_images
from refine.formats._keypoints import Options
from refine.formats._load import Folder, Lines, is_lines_name, load
from refine.formats._sniff import sniff_document
from refine.poses import Poses
from refine.skeletons import Skeleton

__all__ = ["FORMATS", "read", "sniff", "with_images", "write"]

FORMATS = {
    "coco": ("coco", "results"),
    "coco-gt": ("coco", "ground_truth"),
    "openpose": ("openpose", "openpose"),
    "controlnet": ("openpose", "controlnet"),
    "alphapose": ("alphapose", "alphapose"),
    "alphapose-cmu": ("alphapose", "cmu"),
    "alphapose-open": ("alphapose", "open"),
    "mmpose": ("mmpose", "mmpose"),
    "ndjson": ("ndjson", "ndjson"),
}
"""Format -> its module and the ending of its functions ``read_*`` and ``write_*``.

The functions map between `Poses` and what the file holds: parsed JSON, or `Lines` or a `Folder` of
it.
"""


def read(
    path: str | Path,
    format: str | None = None,
    *,
    skeleton: Skeleton | str | Path | None = None,
    zero_is_missing: bool = True,
    images: str | Path | None = None,
) -> Poses:
    """Read poses from a file, or from a folder of OpenPose files.

    Fields that are not understood are carried in `extra` and `meta` and written back.

    Args:
        path: ``"-"`` is standard input; ``*.gz`` is gunzipped.
        format: one of `FORMATS`; by default `sniff` tells.
        skeleton: of the poses, where the file does not tell.
        zero_is_missing: whether (0, 0) means a missing joint whatever its score.
        images: a COCO file whose `images` tell sizes and names, see `with_images`.

    Raises:
        FormatError: unreadable, not of this format, or ambiguous.
        SkeletonError: the number of joints fits no skeleton, or several.
    """
    body = None if skeleton is None else skeletons.skeleton(skeleton)
    options = Options(str(path), body, zero_is_missing)
    if format is not None:
        _home(format)
    document = load(path)
    found = format or sniff_document(document, options.where)
    if isinstance(document, Folder | Lines) and found not in ("openpose", "ndjson"):
        kind = "a folder" if isinstance(document, Folder) else "lines of JSON"
        raise FormatError(f"expected one JSON document for {found}, got {kind}", where=str(path))
    module, kind = _home(found)
    poses: Poses = getattr(module, f"read_{kind}")(document, options)
    poses = poses.replace(meta={**poses.meta, "format": found})
    return poses if images is None else with_images(poses, images)


def write(
    poses: Poses, path: str | Path, format: str | None = None, *, precision: int | None = None
) -> None:
    """Write poses as a whole or not at all.

    Args:
        poses: with what their source file held beside them in `extra` and `meta`.
        path: ``"-"`` is standard output; ``*.gz`` is gzipped; for OpenPose a folder, unless there
            is one image and the name ends in .json.
        format: one of `FORMATS`; by default NDJSON for ``*.ndjson``, else that of the source, else
            COCO results.
        precision: round all coordinates to so many decimals; None leaves them as they are.

    Raises:
        FormatError: no such format, a target that cannot be written, or poses that the format
            cannot hold.
    """
    found = format or format_for(poses, path)
    module, kind = _home(found)
    if found != poses.meta.get("format"):
        # What one format writes for a missing joint, say, another takes for a place.
        poses = poses.replace(meta={})
    document = getattr(module, f"write_{kind}")(poses, precision)
    if isinstance(document, Folder):
        module.save(document.files, path)
    elif found == "ndjson":
        write_bytes(path, b"".join(dump_json(line) + b"\n" for line in document))
    else:
        write_bytes(path, dump_json(document))


def format_for(poses: Poses, path: str | Path) -> str:
    """Name the format that `write` takes by default."""
    return "ndjson" if is_lines_name(path) else str(poses.meta.get("format", "coco"))


def sniff(path: str | Path) -> str:
    """Tell the format of a file or folder.

    Raises:
        FormatError: unreadable, unknown, or several formats fit.
    """
    return sniff_document(load(path), str(path))


def _home(format: str) -> tuple[Any, str]:
    if format not in FORMATS:
        raise FormatError(f"expected a format, got {format!r}", hint=f"one of {', '.join(FORMATS)}")
    module, kind = FORMATS[format]
    return import_module(f"refine.formats.{module}"), kind
