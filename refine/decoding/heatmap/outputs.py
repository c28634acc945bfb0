"""Raw heatmaps with the geometry of their crops to poses."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from refine._types import Floats
from refine.decoding.family import Family, MapOptions
from refine.decoding.heatmap.arrays import SOFT_BETA, Compat, Method, find_keypoints
from refine.decoding.maps.flip import merge_flipped
from refine.decoding.place import check_joints, check_mirror, crop_poses
from refine.decoding.raw.crops import RawHeatmaps, read_raw
from refine.decoding.raw.files import KEYS
from refine.geometry import Crop, Grid
from refine.poses import Poses


@dataclass(frozen=True, slots=True, kw_only=True)
class HeatmapOptions(MapOptions):
    """How one heatmap per joint and pose is read.

    Attributes:
        method: see `decode_heatmaps`. Another method than the preset's starts from that method's
            own kernel and `compat`.
        kernel: see `decode_heatmaps`.
        compat: see `decode_heatmaps`; joints without a peak are NaN in any case.
        beta: see `decode_heatmaps`.
        threads: see `decode_heatmaps`.
        score_scale: keypoint score = scale * map + offset.
        score_offset: keypoint score = scale * map + offset.
    """

    method: Method = "fit"
    kernel: int | None = None
    compat: Compat | None = None
    beta: float = SOFT_BETA
    threads: int | None = None
    score_scale: float = 1.0
    score_offset: float = 0.0

    def changed_by(self, changes: Mapping[str, Any]) -> Self:
        """Drop kernel and borders of a code base, which are those of the method they came with."""
        if changes.get("method", self.method) == self.method:
            return self
        return replace(self, kernel=None, compat=None)

    def history_parameters(self, raw: Any) -> dict[str, Any]:
        """Tell of the flip shift only where there were maps to move."""
        told: dict[str, Any] = {"method": self.method, "kernel": self.kernel}
        if self.flip and raw.flipped is not None:
            told["flip_shift"] = self.flip_shift
        return told

    def joint_score(self, value: Floats) -> Floats:
        """Turn values of maps into keypoint scores, NaN where they are not finite."""
        scaled = value * self.score_scale + self.score_offset
        return np.where(np.isfinite(scaled), scaled, np.nan)


class PlacedMaps(NamedTuple):
    """Heatmaps that are ready to be read, and where in the image they lie.

    Attributes:
        maps: (N, K, H, W), those of the mirrored input merged.
        grid: cells to network input.
        crop: image to network input.
    """

    maps: npt.NDArray[Any]
    grid: Grid
    crop: Crop

    def to_image(self, cells: Floats) -> Floats:
        """Map cells (N, ..., 2) to image px."""
        return self.crop.inverse()(self.grid.to_input(cells))

    def to_cells(self, xy: Floats) -> Floats:
        """Map image px (N, ..., 2) to cells."""
        return self.grid.to_cells(self.crop(xy))


def decode_heatmap_outputs(raw: RawHeatmaps, options: HeatmapOptions) -> Poses:
    """Decode one heatmap per joint and pose.

    Args:
        raw: from `read_raw` or `raw_heatmaps`.
        options: how.

    Returns:
        poses in image px with `score_kind` "peak".

    Raises:
        GeometryError: the crops cannot be built.
        SkeletonError: the skeleton has another number of joints than there are maps.
        ArrayError: see `decode_heatmaps`.
    """
    placed = place_maps(raw, options)
    cells, peak = find_keypoints(
        placed.maps,
        options.method,
        options.kernel,
        beta=options.beta,
        compat=options.compat,
        threads=options.threads,
    )
    xy, value = placed.to_image(cells), options.joint_score(peak)
    return crop_poses(raw, options.skeleton, xy, value, options.score, "peak")


def place_maps(raw: RawHeatmaps, options: HeatmapOptions) -> PlacedMaps:
    """Prepare raw heatmaps for reading: merge the mirrored ones and find out where they lie.

    Raises:
        GeometryError: the crops cannot be built.
        SkeletonError: the skeleton has another number of joints than there are maps.
    """
    joints = options.skeleton
    _, k, height, width = raw.heatmaps.shape
    check_joints(raw, joints, k)
    size = raw.size_of_input(options.stride)
    grid = Grid((width, height), size, options.alignment, options.offset)
    crop = raw.crop(size, options.alignment, options.padding)
    maps = raw.heatmaps
    if options.flip and raw.flipped is not None:
        check_mirror(raw, joints)
        maps = merge_flipped(maps, raw.flipped, joints.mirror, options.flip_shift)
    return PlacedMaps(maps, grid, crop)


FAMILY = Family(
    "heatmap", RawHeatmaps, read_raw, HeatmapOptions, decode_heatmap_outputs, (KEYS["heatmaps"],)
)
