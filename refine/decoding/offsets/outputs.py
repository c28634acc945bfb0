"""Outputs with a class map and offsets per joint to poses: UDP's combined target, and G-RMI."""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from refine.decoding.family import Family, MapOptions
from refine.decoding.heatmap.arrays import SOFT_BETA, Compat, Method, find_keypoints
from refine.decoding.maps.flip import merge_flipped
from refine.decoding.maps.fuse import MapsPart, fuse_maps
from refine.decoding.offsets.arrays import (
    GRMI_RADIUS,
    UDP_KERNEL,
    UDP_OFFSET_KERNEL,
    UDP_RADIUS,
    decode_combined,
    vote_offsets,
)
from refine.decoding.place import check_mirror, place_poses
from refine.decoding.raw.crops import RawCrops, read_crop_outputs
from refine.decoding.raw.files import FLIPPED
from refine.exceptions import ArrayError, SkeletonError
from refine.geometry import Grid
from refine.numerics import sigmoid
from refine.poses import Poses
from refine.skeletons import Skeleton

Maps = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class CombinedOptions(MapOptions):
    """How UDP's combined target is read.

    Attributes:
        kernel: see `decode_combined`.
        offset_kernel: see `decode_combined`.
        radius: of the disc in cells, or in units of a side of the map.
        radius_of: that side: "height" (mmpose 0.x) or "longer" (1.x).
    """

    kernel: int = UDP_KERNEL
    offset_kernel: int = UDP_OFFSET_KERNEL
    radius: float = UDP_RADIUS
    radius_of: Literal["height", "longer"] | None = None

    def history_parameters(self, raw: Any) -> dict[str, Any]:
        """Tell how the target was made."""
        told = {"kernel": self.kernel, "offset_kernel": self.offset_kernel, "radius": self.radius}
        return told | ({} if self.radius_of is None else {"radius_of": self.radius_of})


def decode_combined_outputs(raw: RawCrops, options: CombinedOptions) -> Poses:
    """Decode UDP's combined target: class maps and offsets.

    Args:
        raw: with `heatmaps` (N, 3 K, H, W), of every joint its class map and its offsets in x and
            y in units of the radius, or (N, K, 3, H, W); perhaps with `_flipped_input`, whose x
            offsets change their sign.
        options: how.

    Returns:
        poses in image px with `score_kind` "peak".

    Raises:
        FormatError: arrays that are missing.
        ArrayError: arrays that do not fit together, or an option out of range.
        GeometryError: the crops cannot be built.
        SkeletonError: the skeleton has another number of joints.
    """
    joints = options.skeleton
    maps = _triples(raw, "heatmaps", joints)
    if options.flip and "heatmaps" + FLIPPED in raw.arrays:
        check_mirror(raw, joints)
        back = _triples(raw, "heatmaps" + FLIPPED, joints)
        maps = _merge(maps, back, joints, options.flip_shift)
    height, width = maps.shape[3:]
    unit = {"height": height, "longer": max(height, width), None: 1}[options.radius_of]
    cells, value = decode_combined(
        maps[:, :, 0], maps[:, :, 1:], options.kernel, options.offset_kernel, options.radius * unit
    )
    stride = raw.stride or options.stride
    size = raw.input_size or (round(width * stride), round(height * stride))
    grid = Grid((width, height), size, options.alignment, options.offset)
    return place_poses(raw, options, grid.to_input(cells), value, size, "peak")


@dataclass(frozen=True, slots=True, kw_only=True)
class GrmiOptions(MapOptions):
    """How G-RMI's votes are counted.

    Attributes:
        radius: of the discs in input px.
        method: of reading the votes, see `decode_heatmaps`.
        compat: see `decode_heatmaps`.
        threads: see `decode_heatmaps`.
        odd: maps on corners: n cells span (n - 1) * stride + 1 px of the input.
    """

    radius: float = GRMI_RADIUS
    method: Method = "fit"
    compat: Compat | None = None
    threads: int | None = None
    odd: bool = False

    recorded: ClassVar = ("method", "radius")


def decode_grmi_outputs(raw: RawCrops, options: GrmiOptions) -> Poses:
    """Decode G-RMI: the pixels of a disc vote for its middle.

    Args:
        raw: with `heatmaps_logits` (N, K, H, W), or `heatmaps` as probabilities, and `offsets`
            (N, K, 2, H, W) in input px, or (N, 2 K, H, W) with x and y of every joint; each
            perhaps with `_flipped_input`, whose x offsets change their sign. Smaller maps than
            the input are enlarged linearly, corner on corner.
        options: how.

    Returns:
        poses in image px with `score_kind` "peak": the height of the votes.

    Raises:
        FormatError: arrays that are missing.
        ArrayError: arrays that do not fit together, or an option out of range.
        GeometryError: the crops cannot be built.
        SkeletonError: the skeleton has another number of joints.
    """
    joints = options.skeleton
    maps = _disc_and_offsets(raw, joints, "")
    if options.flip and raw.has_flipped():
        check_mirror(raw, joints)
        maps = _merge(maps, _disc_and_offsets(raw, joints, FLIPPED), joints, options.flip_shift)
    n, k, _, height, width = maps.shape
    size = raw.input_size or _span(raw.stride or options.stride, (width, height), options.odd)
    grid = Grid((width, height), size, options.alignment)
    corners = grid.to_cells(np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]]))
    to_cells = np.column_stack([*(corners[1:] - corners[0]), corners[0]])
    low, high = np.array([-0.5, -0.5]), np.array([width, height]) - 0.5
    xy, value = np.full((n, k, 2), np.nan), np.full((n, k), np.nan)
    for i in range(n):  # the votes on one crop of 257 x 353 take 12 MB
        whole = maps[i : i + 1].reshape(1, k * 3, height, width)
        if size != (width, height):
            part = MapsPart(whole.astype(np.float32), to_cells[None], low, high)
            whole = fuse_maps([part], size)
        full = whole.reshape(1, k, 3, size[1], size[0])
        votes = vote_offsets(full[:, :, 0], full[:, :, 1:], options.radius)
        xy[i : i + 1], value[i : i + 1] = find_keypoints(
            votes,
            options.method,
            None,
            beta=SOFT_BETA,
            compat=options.compat,
            threads=options.threads,
        )
    return place_poses(raw, options, xy, value, size, "peak")


def _span(stride: float, cells: tuple[int, int], odd: bool) -> tuple[int, int]:
    """Return width and height of the network input in px."""
    if odd:
        return round((cells[0] - 1) * stride) + 1, round((cells[1] - 1) * stride) + 1
    return round(cells[0] * stride), round(cells[1] * stride)


def _triples(raw: RawCrops, name: str, joints: Skeleton) -> Maps:
    """Return class map, x and y offsets as (N, K, 3, H, W)."""
    maps = raw.array(name)
    if maps.ndim == 4 and maps.shape[1] == 3 * len(joints):
        maps = maps.reshape(len(maps), len(joints), 3, *maps.shape[2:])
    if maps.ndim == 5 and maps.shape[1] != len(joints):
        raise _wrong(raw, joints, 1, maps.shape[1])
    if maps.ndim == 4:
        raise _wrong(raw, joints, 3, maps.shape[1])
    if maps.ndim != 5 or maps.shape[2] != 3 or 0 in maps.shape[1:]:
        raise ArrayError(f"expected `{name}` (N, 3 K, H, W) or (N, K, 3, H, W), got {maps.shape}")
    return maps


def _wrong(raw: RawCrops, joints: Skeleton, each: int, count: int) -> SkeletonError:
    return SkeletonError(
        f"expected {each} x {len(joints)} maps for the joints of skeleton {joints.name!r}, "
        f"got {count}",
        where=raw.where,
        hint="--skeleton with the joints of these outputs",
    )


def _disc_and_offsets(raw: RawCrops, joints: Skeleton, end: str) -> Maps:
    """Return probability, x and y offsets as (N, K, 3, H, W)."""
    logits = "heatmaps_logits" + end in raw.arrays
    maps = raw.array("heatmaps_logits" if logits else "heatmaps", flipped=bool(end))
    offsets = raw.array("offsets", flipped=bool(end))
    k = len(joints)
    if maps.ndim != 4 or 0 in maps.shape[2:]:
        raise ArrayError(f"expected maps (N, K, H, W), got {maps.shape}")
    if maps.shape[1] != k:
        raise _wrong(raw, joints, 1, maps.shape[1])
    shape = (len(maps), k, 2, *maps.shape[2:])
    if offsets.shape not in (shape, (len(maps), 2 * k, *maps.shape[2:])):
        raise ArrayError(f"expected `offsets` {shape}, got {offsets.shape}")
    out = np.empty((len(maps), k, 3, *maps.shape[2:]), np.float32)
    out[:, :, 0] = sigmoid(maps) if logits else maps
    out[:, :, 1:] = offsets.reshape(shape)
    return out


def _merge(maps: Maps, flipped: Maps, joints: Skeleton, shift: float) -> Maps:
    """Average (N, K, 3, H, W) with those of the mirrored input, where x points the other way."""
    n, k, _, height, width = maps.shape
    if flipped.shape != maps.shape:
        raise ArrayError(f"expected mirrored maps {maps.shape}, got {flipped.shape}")
    partner = (3 * joints.mirror[:, None] + np.arange(3)).ravel()
    turned = flipped * np.array([1, -1, 1], np.float32)[:, None, None]
    flat = (n, 3 * k, height, width)
    merged = merge_flipped(maps.reshape(flat), turned.reshape(flat), partner, shift)
    return merged.reshape(maps.shape)


COMBINED = Family(
    "combined",
    RawCrops,
    read_crop_outputs,
    CombinedOptions,
    decode_combined_outputs,
    (("heatmaps",),),
)
GRMI = Family(
    "g-rmi",
    RawCrops,
    read_crop_outputs,
    GrmiOptions,
    decode_grmi_outputs,
    (("heatmaps", "heatmaps_logits"), ("offsets",)),
)
