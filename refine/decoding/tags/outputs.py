"""Tag networks' outputs: flip test, resolutions and input scales brought together, and decoded."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from refine._types import Floats, Floats32, Indices
from refine.decoding.family import Count, Family, Options, Stride
from refine.decoding.maps.check import check_enlarged
from refine.decoding.maps.flip import merge_flipped
from refine.decoding.maps.resample import bands, resample
from refine.decoding.raw.files import FLIPPED
from refine.decoding.raw.image import RawImage, read_image_outputs
from refine.decoding.tags.arrays import Rules, decode_tags
from refine.exceptions import ArrayError, FormatError, SkeletonError
from refine.geometry import Alignment, Grid
from refine.poses import Poses
from refine.skeletons import Skeleton

SCALED = re.compile(r"heatmaps(?:_half)?_x(\d+(?:\.\d+)?)")


@dataclass(frozen=True, slots=True, kw_only=True)
class TagsOptions(Options):
    """How heatmaps and tags are brought together and grouped.

    Attributes:
        rules: see `decode_tags`.
        project: group at the size of the network input (HigherHRNet's PROJECT2IMAGE), instead of
            at the size of the largest scale's maps.
        flip: use the outputs of the mirrored input, if there are any.
        threshold: see `decode_tags`.
        tag_threshold: see `decode_tags`.
        max_poses: see `decode_tags`.
        fill: see `decode_tags`.
        compat: see `decode_tags`.
        stride: input px per cell of the tags, where the file does not give the size of the input.
        alignment: of the cells, see `Grid`.
    """

    rules: Rules = "higherhrnet"
    project: bool = False
    flip: bool = True
    threshold: float = 0.1
    tag_threshold: float = 1.0
    max_poses: Count = 30
    fill: bool = True
    compat: bool = False
    stride: Stride = 4
    alignment: Alignment = "stride"

    recorded: ClassVar = ("rules",)


def decode_tags_outputs(raw: RawImage, options: TagsOptions) -> Poses:
    """Decode heatmaps and tags of one image.

    Args:
        raw: with the arrays
            `heatmaps` (K, H, W), or `heatmaps_quarter` (K, h, w) and `heatmaps_half` (K, H, W),
            which are averaged (HigherHRNet);
            `tags` (K, h, w), (K, h, w, T) if they are stacked already;
            each with `_flipped_input` for the mirrored input, as the network gave them;
            heatmaps with `_x2` and `_x0.5` before that for input of other scales. One map more
            than the skeleton has joints, the last, is the centre of the person and left out.
        options: how.

    Returns:
        poses in image px with `score_kind` "peak".

    Raises:
        FormatError: arrays that are missing.
        SkeletonError: the skeleton has another number of joints than there are maps.
        ArrayError: arrays that do not fit together, and see `decode_tags`.
    """
    joints = options.skeleton
    flipped = options.flip and any(k.endswith(FLIPPED) for k in raw.arrays)
    mirror = joints.mirror if flipped else None
    tags = _of_joints(raw, "tags", joints)
    tags_flipped = None if mirror is None else _of_joints(raw, "tags" + FLIPPED, joints)
    size = raw.input_size or tuple(s * options.stride for s in tags.shape[2:0:-1])
    scales = [m[1] for m in map(SCALED.fullmatch, raw.arrays) if m and float(m[1]) != 1]
    suffixes = [f"_x{s}" if s else "" for s in sorted({*scales, ""}, key=_scale, reverse=True)]
    maps = [_heatmaps(raw, suffix, joints, mirror) for suffix in suffixes]
    if options.project:
        # Tags pass through the size of the second stage, as the network's own code has it.
        stages = [maps[suffixes.index("")].shape[:-3:-1], size]
        maps = [resize_bilinear(m, size) for m in maps]
    else:
        stages = [maps[0].shape[:-3:-1]]
    merged = average_scales(maps, clip=options.rules == "associative-embedding")
    if tags.ndim == 3:
        tags = stack_tags(tags, tags_flipped, mirror)
    for stage in stages:
        tags = np.moveaxis(resize_bilinear(np.moveaxis(tags, 3, 1), stage), 1, 3)
    xy, score, instance_score = decode_tags(
        merged,
        tags,
        options.rules,
        threshold=options.threshold,
        tag_threshold=options.tag_threshold,
        max_poses=options.max_poses,
        fill=options.fill,
        compat=options.compat,
    )
    cells = merged.shape[2], merged.shape[1]
    grid = Grid(cells, (int(size[0]), int(size[1])), options.alignment)
    return Poses.from_arrays(
        joints,
        raw.to_image(grid.to_input(xy)),
        score,
        instance_score=instance_score,
        images=(raw.image,),
        score_kind="peak",
    )


def _scale(text: str) -> float:
    return float(text) if text else 1.0


def _of_joints(raw: RawImage, name: str, joints: Skeleton) -> Floats32:
    array, k = raw.array(name), len(joints)
    if array.ndim not in ((3, 4) if name == "tags" else (3,)) or 0 in array.shape:
        raise FormatError(f"expected `{name}` (K, H, W), got {array.shape}", where=raw.where)
    if len(array) not in (k, k + 1):
        raise SkeletonError(
            f"expected {k} or {k + 1} maps in `{name}` for skeleton {joints.name!r}, "
            f"got {len(array)}",
            where=raw.where,
            hint="--skeleton with the joints of these maps",
        )
    return np.asarray(array[:k], np.float32)


def _heatmaps(raw: RawImage, suffix: str, joints: Skeleton, mirror: Indices | None) -> Floats32:
    """Return the heatmaps of one scale, both resolutions and both inputs averaged."""
    sides = []
    for side in (suffix,) if mirror is None else (suffix, suffix + FLIPPED):
        if f"heatmaps_half{side}" in raw.arrays:
            parts = (_of_joints(raw, f"heatmaps_{p}{side}", joints) for p in ("quarter", "half"))
            sides.append(average_resolutions(*parts))
        else:
            sides.append(_of_joints(raw, f"heatmaps{side}", joints))
    if mirror is None:
        return sides[0]
    return np.asarray(merge_flipped(sides[0][None], sides[1][None], mirror)[0])


def resize_bilinear(maps: npt.ArrayLike, size: tuple[int, int]) -> Floats32:
    """Resize maps with half-pixel centres: `interpolate(mode="bilinear", align_corners=False)`.

    Args:
        maps: (..., H, W), read as float32. Not modified.
        size: width and height in cells.

    Returns:
        (..., height, width).

    Raises:
        ArrayError: no such maps, or a size below 1.

    >>> resize_bilinear([[0.0, 4.0]], (4, 1)).tolist()
    [[0.0, 1.0, 3.0, 4.0]]
    """
    stack = np.ascontiguousarray(maps, np.float32)
    if stack.ndim < 2 or 0 in stack.shape[-2:] or min(size) < 1:
        raise ArrayError(f"expected maps (..., H, W) and a size, got {stack.shape} and {size}")
    check_enlarged(math.prod(stack.shape[:-2]), size)
    if stack.shape[-2:] == size[::-1]:
        return stack.copy()
    rows, columns = (
        bands(_linear(n, m)) for n, m in zip(stack.shape[-2:], size[::-1], strict=True)
    )
    planes = resample(stack.reshape(-1, *stack.shape[-2:]), rows, columns)
    return planes.reshape(*stack.shape[:-2], size[1], size[0])


def _linear(n: int, size: int) -> Floats:
    at = np.clip((np.arange(size) + 0.5) * n / size - 0.5, 0, n - 1)
    low = np.minimum(at.astype(np.intp), max(n - 2, 0))
    out = np.zeros((size, n))
    out[np.arange(size), low] = 1 - (at - low)
    out[np.arange(size), np.minimum(low + 1, n - 1)] += at - low
    return out


def average_resolutions(quarter: npt.ArrayLike, half: npt.ArrayLike) -> Floats32:
    """Average HigherHRNet's two heatmaps at the size of the larger.

    Args:
        quarter: (..., h, w) heatmaps of the first stage.
        half: (..., H, W) of the second.

    Raises:
        ArrayError: shapes that do not agree.
    """
    fine = np.asarray(half, np.float32)
    if fine.ndim < 2 or np.shape(quarter)[:-2] != fine.shape[:-2]:
        raise ArrayError(
            f"expected maps of the same joints, got {np.shape(quarter)} and {fine.shape}"
        )
    return np.asarray((resize_bilinear(quarter, fine.shape[:-3:-1]) + fine) / 2)


def average_scales(heatmaps: Sequence[npt.ArrayLike], *, clip: bool = False) -> Floats32:
    """Average heatmaps of several input scales at the size of the first.

    Args:
        heatmaps: (K, H, W) each; both code bases start from the largest scale.
        clip: to 1 at most, as pose-ae-train test.py does.

    Raises:
        ArrayError: no maps, or maps of different joints.
    """
    if not heatmaps:
        raise ArrayError("expected heatmaps of at least one scale, got none")
    first = np.asarray(heatmaps[0], np.float32)
    if any(np.shape(m)[:-2] != first.shape[:-2] for m in heatmaps):
        raise ArrayError(f"expected maps (K, H, W), got {[np.shape(m) for m in heatmaps]}")
    total = sum((resize_bilinear(m, first.shape[:-3:-1]) for m in heatmaps[1:]), first)
    mean = np.asarray(total / np.float32(len(heatmaps)))
    return np.minimum(mean, np.float32(1)) if clip else mean


def stack_tags(
    tags: npt.ArrayLike,
    flipped: npt.ArrayLike | None = None,
    mirror: npt.ArrayLike | None = None,
    size: tuple[int, int] | None = None,
) -> Floats32:
    """Stack the tags of an image and of its mirror image as dimensions of one tag.

    Args:
        tags: (K, H, W) of scale 1; both code bases leave the tags of other scales out.
        flipped: the same of the mirrored input, as the network gave them.
        mirror: (K,) index of every joint's left-right partner, needed with `flipped`.
        size: width and height of the result, by default that of `tags`.

    Returns:
        (K, height, width, T) with T of 1, or 2 with `flipped`.

    Raises:
        ArrayError: shapes that do not agree.

    >>> stack_tags([[[1.0, 2.0]]], [[[3.0, 4.0]]], [0]).tolist()
    [[[[1.0, 4.0], [2.0, 3.0]]]]
    """
    parts = [np.asarray(tags, np.float32)]
    if flipped is not None:
        partner = np.asarray(() if mirror is None else mirror, np.intp)
        parts.append(np.asarray(flipped, np.float32))
        if parts[1].shape != parts[0].shape or partner.shape != parts[0].shape[:1]:
            raise ArrayError(
                "expected tags (K, H, W), the same of the mirrored input, and mirror (K,), "
                f"got {parts[0].shape}, {parts[1].shape} and {partner.shape}"
            )
        parts[1] = parts[1][partner, :, ::-1]
    wanted = parts[0].shape[:-3:-1] if size is None else size
    # Planes stay whole in memory: decode_tags reads them so.
    return np.moveaxis(np.stack([resize_bilinear(p, wanted) for p in parts], 1), 1, -1)


FAMILY = Family(
    "tags",
    RawImage,
    read_image_outputs,
    TagsOptions,
    decode_tags_outputs,
    (("heatmaps",), ("tags",)),
)
