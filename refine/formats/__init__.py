"""Files to poses and back: one file a format, one table to find it."""

from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from refine.exceptions import FormatError, SkeletonError
from refine.files import STDIO, dump_json, parse_json, read_bytes, write_bytes
from refine.formats._keypoints import Options
from refine.formats._sniff import sniff_document
from refine.poses import ImageRef, Poses
from refine.skeleton import Skeleton, skeleton

__all__ = ["FORMATS", "convert", "read", "sniff", "with_images", "write"]

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
"""Format -> the module of it and the ending of its functions ``read_*`` and ``write_*``.

The functions map between `Poses` and what the file holds: parsed JSON, or lines of it for NDJSON,
or file name -> parsed JSON for a folder.
"""

LINES = "ndjson"


def read(
    path: str | Path,
    format: str | None = None,
    *,
    skeleton: Skeleton | str | Path | None = None,
    zero_is_missing: bool = True,
    images: str | Path | None = None,
) -> Poses:
    """Read poses from a file, or from a folder of OpenPose files.

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
    body = find_skeleton(skeleton) if isinstance(skeleton, str | Path) else skeleton
    options = Options(str(path), body, zero_is_missing)
    document = load(path)
    found = format or sniff_document(document, options.where)
    module, kind = _home(found)
    poses: Poses = getattr(module, f"read_{kind}")(document, options)
    meta = {**poses.meta, "format": found}
    poses = poses.replace(meta=meta)
    return poses if images is None else with_images(poses, images)


def write(
    poses: Poses, path: str | Path, format: str | None = None, *, precision: int | None = None
) -> None:
    """Write poses as a whole or not at all.

    Args:
        poses: with what their source file held beside them in `extra` and `meta`.
        path: ``"-"`` is standard output; ``*.gz`` is gzipped; for OpenPose a folder, unless there
            is one image and the name ends in .json.
        format: one of `FORMATS`; by default that of the source, or NDJSON for ``*.ndjson``, or
            COCO results.
        precision: round all coordinates to so many decimals; by default none is changed.

    Raises:
        FormatError: no such format, a target that cannot be written, or poses that the format
            cannot hold.
    """
    guess = LINES if str(path).removesuffix(".gz").endswith((".ndjson", ".jsonl")) else "coco"
    module, kind = _home(format or poses.meta.get("format") or guess)
    document = getattr(module, f"write_{kind}")(poses, precision)
    if kind == "openpose":
        module.save(document, path)
    elif kind == LINES:
        write_bytes(path, b"".join(dump_json(line) + b"\n" for line in document))
    else:
        write_bytes(path, dump_json(document))


def sniff(path: str | Path) -> str:
    """Tell the format of a file or folder.

    Raises:
        FormatError: unreadable, unknown, or several formats fit.
    """
    return sniff_document(load(path), str(path))


def load(path: str | Path) -> Any:
    """Read what a file holds: parsed JSON, lines of it, or a folder's files by name."""
    if str(path) != STDIO and Path(path).is_dir():
        files = sorted(f for f in Path(path).iterdir() if f.suffix == ".json")
        if not files:
            raise FormatError("expected a folder with .json files, got none", where=str(path))
        return {"folder": {f.name: parse_json(read_bytes(f), str(f)) for f in files}}
    data = read_bytes(path)
    name = str(path).removesuffix(".gz")
    if name.endswith((".ndjson", ".jsonl")) or _is_lines(data):
        lines = data.decode("utf-8", "replace").splitlines()
        return {
            "lines": [
                parse_json(line.encode(), f"{path}, line {i + 1}")
                for i, line in enumerate(lines)
                if line.strip()
            ]
        }
    return parse_json(data, str(path))


def convert(poses: Poses, body: Skeleton | str | Path) -> Poses:
    """Map poses onto another skeleton by joint name.

    Joints that the source lacks are missing. Derived joints, like OpenPose's neck, are the mean of
    those they derive from, their score the least of theirs.

    Raises:
        SkeletonError: no joint is shared.

    >>> import refine
    >>> people = refine.Poses.from_arrays(refine.skeleton("coco17"), np.ones((1, 17, 2)))
    >>> convert(people, "openpose18").present.all()
    np.True_
    """
    target = body if isinstance(body, Skeleton) else find_skeleton(body)
    if target == poses.skeleton:
        return poses
    index, _ = target.map_from(poses.skeleton)
    if not (index >= 0).any():
        raise SkeletonError(
            f"expected a skeleton that shares joints with {poses.skeleton.name!r}, "
            f"got {target.name!r}"
        )
    has = index >= 0
    xy = np.full((len(poses), len(target), 2), np.nan)
    score = np.full((len(poses), len(target)), np.nan)
    xy[:, has], score[:, has] = poses.xy[:, index[has]], poses.score[:, index[has]]
    for joint, sources in target.derived.items():
        i, of = target.index(joint), [target.index(s) for s in sources]
        if not has[i]:
            xy[:, i], score[:, i] = xy[:, of].mean(1), score[:, of].min(1)
    return poses.replace(skeleton=target, xy=xy, score=score)


def with_images(poses: Poses, path: str | Path) -> Poses:
    """Complete the images of poses from a COCO file, found by id or by file name.

    Images that the file lacks stay as they are.

    Raises:
        FormatError: not a COCO file, or none of the images is in it.
    """
    from refine.formats.coco import read_images

    known = read_images(parse_json(read_bytes(path), str(path)), Options(str(path)))
    by_key: dict[int | str, ImageRef] = {}
    for ref in known:
        by_key[ref.id] = ref
        if ref.file_name:
            name = Path(ref.file_name)
            by_key.setdefault(ref.file_name, ref)
            by_key.setdefault(name.name, ref)
            by_key.setdefault(name.stem, ref)
    out = []
    for ref in poses.images:
        found = by_key.get(ref.id) or by_key.get(ref.file_name or "") or by_key.get(_as_int(ref.id))
        if found is not None:
            ref = replace(
                ref,
                file_name=ref.file_name or found.file_name,
                width=ref.width or found.width,
                height=ref.height or found.height,
            )
        out.append(ref)
    if out and all(new is old for new, old in zip(out, poses.images, strict=True)):
        raise FormatError(
            f"expected some of the images of the poses, e.g. {out[0].id!r}, got none of them",
            where=str(path),
        )
    return poses.replace(images=tuple(out))


def find_skeleton(name: str | Path) -> Skeleton:
    """Look up a skeleton; named apart from the argument `skeleton` of `read`."""
    return skeleton(name)


def _as_int(value: int | str) -> int | str:
    text = str(value)
    return int(text) if text.isdigit() else value


def _home(format: str) -> tuple[Any, str]:
    if format not in FORMATS:
        raise FormatError(f"expected a format, got {format!r}", hint=f"one of {', '.join(FORMATS)}")
    module, kind = FORMATS[format]
    return import_module(f"refine.formats.{module}"), kind


def _is_lines(data: bytes) -> bool:
    """Whether the first line is a whole JSON object and another line follows."""
    first, _, rest = data.lstrip().partition(b"\n")
    return (
        first.startswith(b"{") and first.rstrip().endswith(b"}") and rest.lstrip().startswith(b"{")
    )
