"""Raw heatmaps and part affinity fields of a whole image to poses."""

from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy.typing as npt

from refine._types import Floats32
from refine.decoding.family import Family, Options, Stride
from refine.decoding.maps.local_maxima import Position
from refine.decoding.paf.arrays import (
    Assignment,
    Limbs,
    PafRules,
    Plan,
    check_paf,
    decode_paf,
    decode_planned,
    find_rules,
    paf_limbs,
)
from refine.decoding.raw.image import RawImage, read_image_outputs
from refine.exceptions import ArrayError, FormatError, GeometryError
from refine.geometry import Alignment, Grid
from refine.poses import Poses
from refine.skeletons import Skeleton, skeleton as find_skeleton

HEATMAPS = ("heatmaps", "heatmap", "confidence_maps", "confs")
FIELDS = ("pafs", "paf", "part_affinity_fields")
TOGETHER = ("output", "net_output")
"""Names under which files hold joints and background, fields, and all of them in that order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PafOptions(Options):
    """How heatmaps and part affinity fields become people.

    Attributes:
        rules: see `decode_paf`.
        resolution: "input": the rules' upsampling; "image": to the input by 8, without its
            padding, then to the image, as published evaluations do.
        assignment: see `decode_paf`.
        position: see `refine_peaks`; by default that of the rules.
        image_offset: image px added to the result.
        to: skeleton of the result, see `Poses.to`; None leaves that of the maps.
        stride: input px per cell, where the file does not give the size of the input.
        alignment: of the cells, see `Grid`.
        offset: px, see `Grid`.
    """

    skeleton: Skeleton = field(default_factory=lambda: find_skeleton("openpose18"))
    rules: str | PafRules = "refine"
    resolution: Literal["input", "image"] = "input"
    assignment: Assignment = "greedy"
    position: Position | None = None
    image_offset: float = 0.0
    to: Skeleton | None = field(default_factory=lambda: find_skeleton("coco17"))
    stride: Stride = 8
    alignment: Alignment = "stride"
    offset: float = 0.0

    def history_parameters(self, raw: RawImage) -> dict[str, Any]:
        """Tell the name of the rules, if they have one."""
        told = {"assignment": self.assignment, "resolution": self.resolution}
        return told | ({"rules": self.rules} if isinstance(self.rules, str) else {})


def decode_paf_outputs(raw: RawImage, options: PafOptions) -> Poses:
    """Decode the heatmaps and part affinity fields of one image.

    Args:
        raw: with arrays `heatmaps` and `pafs`, or one `output` with joints, background and
            fields in this order; channels first or last.
        options: how.

    Returns:
        poses in image px with `score_kind` "peak", in the order in which they were found.

    Raises:
        FormatError: arrays are missing or do not fit the skeleton.
        GeometryError: "image" for an input that is not the scaled and padded image.
        SkeletonError: no affinity fields are known for the skeleton, or `to` shares no joints.
        ArrayError: no such rules.
    """
    limbs, rules = paf_limbs(options.skeleton.name), find_rules(options.rules)
    if options.position is not None:
        rules = replace(rules, position=options.position)
    maps, fields = paf_arrays(raw, limbs)
    if options.resolution == "image":
        columns, rows = (_image_plan(raw, maps.shape[2 - axis], axis) for axis in (0, 1))
        found = decode_planned(maps, fields, limbs, rules, options.assignment, columns, rows)
        xy = found.xy
    else:
        found = decode_paf(maps, fields, limbs, rules, assignment=options.assignment)
        cells = maps.shape[2], maps.shape[1]
        size = raw.input_size or (cells[0] * options.stride, cells[1] * options.stride)
        grid = Grid(cells, size, options.alignment, options.offset)
        xy = raw.to_image(grid.to_input(found.xy))
    poses = Poses.from_arrays(
        options.skeleton,
        xy + options.image_offset,
        found.score,
        instance_score=found.instance_score,
        images=[raw.image],
        score_kind="peak",
    )
    return poses if options.to is None else poses.to(options.to)


def _image_plan(raw: RawImage, cells: int, axis: int) -> Plan:
    """Return how one axis of the maps becomes that of the image."""
    size, matrix = (raw.image.width, raw.image.height), raw.affine
    length = size[axis] or 0
    side = raw.input_size[axis] if raw.input_size else cells * 8
    low = round(matrix[axis, 2])
    high = low + round(matrix[axis, axis] * length)
    whole = length and matrix[axis, 1 - axis] == 0 and side % cells == 0
    if not (whole and 0 <= low < high <= side):
        raise GeometryError(
            "expected an input that is the scaled and padded image, got image size "
            f"{size}, input {raw.input_size} and affine {matrix.tolist()}",
            where=raw.where,
            hint="resolution input",
        )
    return Plan(cells, side // cells, low, high, length)


def paf_arrays(raw: RawImage, limbs: Limbs) -> tuple[Floats32, Floats32]:
    """Return heatmaps (K or K + 1, H, W) and fields of an image, channels first.

    Raises:
        FormatError: arrays are missing or do not fit the skeleton.
    """
    joints, channels = len(limbs.uncounted), int(limbs.channels.max()) + 1
    try:
        alone = not any(name in raw.arrays for name in FIELDS)
        if any(name in raw.arrays for name in HEATMAPS) and not (alone and len(raw.arrays) == 1):
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


FAMILY = Family(
    "paf", RawImage, read_image_outputs, PafOptions, decode_paf_outputs, (HEATMAPS, FIELDS)
)
