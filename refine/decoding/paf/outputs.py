"""Raw heatmaps and part affinity fields of a whole image to poses."""

from dataclasses import replace
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from refine._types import Floats32
from refine.decoding.paf.arrays import (
    Assignment,
    Decoded,
    Limbs,
    PafRules,
    Plan,
    check_paf,
    decode_paf,
    decode_planned,
    find_rules,
    paf_limbs,
)
from refine.decoding.presets import Preset
from refine.decoding.raw.image import RawImage
from refine.exceptions import ArrayError, FormatError, GeometryError, RefineError
from refine.geometry import Grid
from refine.poses import Poses
from refine.skeletons import Skeleton, skeleton as find_skeleton

Resolution = Literal["input", "image"]
RESOLUTIONS: tuple[str, ...] = get_args(Resolution)

HEATMAPS = ("heatmaps", "heatmap", "confidence_maps", "confs")
FIELDS = ("pafs", "paf", "part_affinity_fields")
TOGETHER = ("output", "net_output")
"""Names under which files hold joints and background, fields, and all of them in that order."""


def decode_paf_outputs(
    raw: RawImage,
    preset: Preset,
    *,
    rules: str | PafRules | None = None,
    resolution: Resolution | None = None,
    assignment: Assignment | None = None,
    position: Literal["cell", "centroid", "fit"] | None = None,
    image_offset: float | None = None,
    skeleton: str | None = None,
    to: str | Skeleton | None = "coco17",
) -> Poses:
    """Decode the heatmaps and part affinity fields of one image.

    Args:
        raw: with arrays `heatmaps` and `pafs`, or one `output` with joints, background and
            fields in this order; channels first or last. Options override the preset's.
        preset: of family "paf".
        rules: see `decode_paf`.
        resolution: "input": the rules' upsampling; "image": to the input by 8, without its
            padding, then to the image, as published evaluations do.
        assignment: see `decode_paf`.
        position: see `refine_peaks`.
        image_offset: px added to the result.
        skeleton: of the maps.
        to: skeleton of the result, filled by names; None leaves that of the maps.

    Returns:
        poses in image px with `score_kind` "peak", in the order in which they were found.

    Raises:
        FormatError: arrays are missing or do not fit the skeleton.
        GeometryError: "image" for an input that is not the scaled and padded image.
        ArrayError: an option out of range.
    """
    options = dict(preset.options)
    chosen = {
        "resolution": resolution,
        "assignment": assignment,
        "image_offset": image_offset,
    }
    options.update({k: v for k, v in chosen.items() if v is not None})
    name = skeleton or preset.skeleton
    limbs, joints = paf_limbs(name), find_skeleton(name)
    system = find_rules(rules or options["rules"])
    if position is not None:
        system = replace(system, position=position)
    maps, fields = paf_arrays(raw, limbs)
    matching: Assignment = options.get("assignment", "greedy")
    scale = options.get("resolution", "input")
    if scale not in RESOLUTIONS:
        raise ArrayError(
            f"expected a resolution, got {scale!r}", hint=f"one of {', '.join(RESOLUTIONS)}"
        )
    if scale == "image":
        found = _at_image(raw, maps, fields, limbs, system, matching)
        xy = found.xy
    else:
        found = decode_paf(maps, fields, limbs, system, assignment=matching)
        size = raw.input_size or (maps.shape[2] * preset.stride, maps.shape[1] * preset.stride)
        grid = Grid((maps.shape[2], maps.shape[1]), size, preset.alignment, preset.offset)
        xy = raw.to_image(grid.to_input(found.xy))
    poses = Poses.from_arrays(
        joints,
        xy + options.get("image_offset", 0.0),
        found.score,
        instance_score=found.instance_score,
        images=[raw.image],
        score_kind="peak",
    )
    poses = poses if to is None else _renamed(poses, to)
    told: dict[str, Any] = {"preset": preset.name, "assignment": matching, "resolution": scale}
    if isinstance(rules or options["rules"], str):
        told["rules"] = rules or options["rules"]
    return poses.done("decode", None, **told)


def _at_image(
    raw: RawImage,
    maps: Floats32,
    fields: Floats32,
    limbs: Limbs,
    rules: PafRules,
    assignment: Assignment,
) -> Decoded:
    shape, size = maps.shape[:0:-1], (raw.image.width, raw.image.height)
    matrix = raw.affine
    plans = []
    for axis in (0, 1):
        cells, length = shape[axis], size[axis]
        side = raw.input_size[axis] if raw.input_size else cells * 8
        scale, pad = matrix[axis, axis], matrix[axis, 2]
        low = round(pad)
        high = low + round(scale * (length or 0))
        whole = length and matrix[axis, 1 - axis] == 0 and side % cells == 0
        if not (whole and 0 <= low < high <= side):
            raise GeometryError(
                "expected an input that is the scaled and padded image, got image size "
                f"{size}, input {raw.input_size} and affine {matrix.tolist()}",
                where=raw.where,
                hint="resolution input",
            )
        plans.append(Plan(cells, side // cells, low, high, length or 0))
    return decode_planned(maps, fields, limbs, rules, assignment, *plans)


def paf_arrays(raw: RawImage, limbs: Limbs) -> tuple[Floats32, Floats32]:
    """Return heatmaps (K or K + 1, H, W) and fields of an image, channels first.

    Raises:
        FormatError: arrays are missing or do not fit the skeleton.
    """
    joints, channels = len(limbs.uncounted), int(limbs.channels.max()) + 1
    try:
        if any(name in raw.arrays for name in HEATMAPS):
            maps = _channels_first(raw.array(*HEATMAPS), (joints, joints + 1))
            return check_paf(maps, _channels_first(raw.array(*FIELDS), (channels,)), limbs)
        together = raw.array(*TOGETHER, *HEATMAPS)
        both = _channels_first(together, (joints + 1 + channels,))
        return check_paf(both[: joints + 1], both[joints + 1 :], limbs)
    except ArrayError as error:
        raise FormatError(error.message, where=raw.where, hint="another --skeleton") from None


def _channels_first(array: npt.NDArray[Any], counts: tuple[int, ...]) -> npt.NDArray[Any]:
    if array.ndim == 3 and array.shape[0] not in counts and array.shape[2] in counts:
        return array.transpose(2, 0, 1)
    if array.ndim != 3 or array.shape[0] not in counts:
        wanted = " or ".join(map(str, counts))
        raise ArrayError(f"expected an array with {wanted} channels, got {array.shape}")
    return array


def _renamed(poses: Poses, to: str | Skeleton) -> Poses:
    skeleton = find_skeleton(to)
    index, _ = skeleton.map_from(poses.skeleton)
    if (index < 0).all():
        raise RefineError(
            f"expected a skeleton that shares joints with {poses.skeleton.name!r}, "
            f"got {skeleton.name!r}"
        )
    missing = index < 0
    xy, score = poses.xy[:, index], poses.score[:, index]
    xy[:, missing], score[:, missing] = np.nan, np.nan
    return poses.replace(skeleton=skeleton, xy=xy, score=score)
