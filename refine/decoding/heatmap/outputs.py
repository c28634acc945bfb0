"""Raw heatmaps with the geometry of their crops to poses."""

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from refine._types import Floats
from refine.decoding.heatmap.arrays import SOFT_BETA, Compat, Method, find_keypoints
from refine.decoding.maps.flip import merge_flipped
from refine.decoding.place import check_joints, check_mirror, crop_skeleton
from refine.decoding.presets import Preset, Recipe, instance_scores
from refine.decoding.raw.files import RawHeatmaps
from refine.geometry import Crop, Grid
from refine.poses import Poses
from refine.skeletons import Skeleton


class PlacedMaps(NamedTuple):
    """Heatmaps that are ready to be read, and where in the image they lie.

    Attributes:
        maps: (N, K, H, W), those of the mirrored input merged.
        grid: cells to network input.
        crop: image to network input.
        skeleton: the K joints.
        preset: with what was overridden.
    """

    maps: npt.NDArray[Any]
    grid: Grid
    crop: Crop
    skeleton: Skeleton
    preset: Preset

    def to_image(self, cells: Floats) -> Floats:
        """Map cells (N, ..., 2) to image px."""
        return self.crop.inverse()(self.grid.to_input(cells))

    def to_cells(self, xy: Floats) -> Floats:
        """Map image px (N, ..., 2) to cells."""
        return self.grid.to_cells(self.crop(xy))


def decode_heatmap_outputs(
    raw: RawHeatmaps,
    preset: Preset,
    *,
    method: Method | None = None,
    kernel: int | None = None,
    compat: Compat | None = None,
    flip: bool = True,
    flip_shift: float | None = None,
    padding: float | None = None,
    score: Recipe | None = None,
    skeleton: str | Skeleton | None = None,
    beta: float = SOFT_BETA,
    threads: int = 1,
) -> Poses:
    """Decode one heatmap a joint and pose.

    Args:
        raw: from `read_raw` or `raw_heatmaps`.
        preset: the system that made the outputs; the options below override its entries.
        method: see `decode_heatmaps`. Another method than the preset's starts from that
            method's own kernel and `compat`.
        kernel: see `decode_heatmaps`.
        compat: see `decode_heatmaps`; joints without a peak are NaN in any case.
        flip: merge the maps of the mirrored input, if there are any.
        flip_shift: see `merge_flipped`.
        padding: growth of boxes where the crops are built from boxes.
        score: recipe of the instance score, see `instance_scores`.
        skeleton: of the maps.
        beta: see `decode_heatmaps`.
        threads: see `decode_heatmaps`.

    Returns:
        poses in image px with `score_kind` "peak".

    Raises:
        GeometryError: the crops cannot be built.
        SkeletonError: the skeleton has another number of joints than there are maps.
        ArrayError: see `decode_heatmaps`.
    """
    placed = place_maps(
        raw,
        preset,
        method=method,
        kernel=kernel,
        compat=compat,
        flip=flip,
        flip_shift=flip_shift,
        padding=padding,
        score=score,
        skeleton=skeleton,
    )
    system, joints, maps = placed.preset, placed.skeleton, placed.maps
    cells, peak = find_keypoints(
        maps, system.method, system.kernel, beta=beta, compat=system.compat, threads=threads
    )
    xy = placed.to_image(cells)
    value = peak * system.score_scale + system.score_offset
    value[~np.isfinite(value)] = np.nan
    poses = Poses(
        joints,
        xy,
        value,
        instance_scores(value, raw.box_score, system.score),
        raw.image,
        raw.images,
        score_kind="peak",
        box=raw.box,
        extra=raw.extra,
    )
    told: dict[str, str | int | float | None] = {
        "preset": system.name,
        "method": system.method,
        "kernel": system.kernel,
    }
    if maps is not raw.heatmaps:
        told["flip_shift"] = system.flip_shift
    return poses.done("decode", None, **told)


def place_maps(
    raw: RawHeatmaps,
    preset: Preset,
    *,
    flip: bool = True,
    skeleton: str | Skeleton | None = None,
    method: Method | None = None,
    **changes: Any,
) -> PlacedMaps:
    """Prepare raw heatmaps for reading: merge the mirrored ones and find out where they lie.

    Args:
        raw: from `read_raw` or `raw_heatmaps`.
        preset: the system that made the outputs.
        flip: see `decode_heatmap_outputs`, as the next two.
        skeleton: of the maps.
        method: of reading them.
        changes: other entries of the preset to override; None leaves one alone.

    Raises:
        GeometryError: the crops cannot be built.
        SkeletonError: the skeleton has another number of joints than there are maps.
    """
    system = _overridden(preset, method=method, **changes)
    joints = crop_skeleton(skeleton, raw, system)
    _, k, height, width = raw.heatmaps.shape
    check_joints(raw, joints, k)
    size = raw.size_of_input(system.stride)
    grid = Grid((width, height), size, system.alignment, system.offset)
    crop = raw.crop(size, system.alignment, system.padding)
    maps = raw.heatmaps
    if flip and raw.flipped is not None:
        check_mirror(raw, joints)
        maps = merge_flipped(maps, raw.flipped, joints.mirror, system.flip_shift)
    return PlacedMaps(maps, grid, crop, joints, system)


def _overridden(system: Preset, *, method: Method | None, **changes: Any) -> Preset:
    if method is not None and method != system.method:
        # A kernel or a code base's borders are those of the method that they were given for.
        system = replace(system, method=method, kernel=None, compat=None)
    return replace(system, **{k: v for k, v in changes.items() if v is not None})
