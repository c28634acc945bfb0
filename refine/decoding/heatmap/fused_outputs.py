"""One person's maps of several stages and input scales: CFA, PRM, CPM, UniPose."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, cast

import numpy as np
import numpy.typing as npt

from refine._types import Floats
from refine.decoding.family import Family
from refine.decoding.heatmap.arrays import find_keypoints
from refine.decoding.heatmap.outputs import HeatmapOptions
from refine.decoding.maps.flip import merge_flipped
from refine.decoding.maps.fuse import Interpolation, MapsPart, fuse_maps
from refine.decoding.place import check_joints, check_mirror, place_poses
from refine.decoding.raw.crops import RawCrops, read_crop_outputs
from refine.decoding.raw.files import FLIPPED
from refine.exceptions import ArrayError, FormatError, GeometryError
from refine.geometry import Alignment, Crop, Grid
from refine.poses import Poses

Maps = npt.NDArray[np.floating[Any]]

SCALED = re.compile(r"heatmaps(?:_x(\d+(?:\.\d+)?))?")
CHUNK = 8
"""People whose maps are enlarged at a time: 17 maps of 368 x 368 are 9 MB per person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FusedOptions(HeatmapOptions):
    """How maps of several stages and input scales are averaged and read.

    Attributes:
        resolution: decode at that of the "map", or bring all maps to that of the network "input",
            where cells are input px.
        interpolation: of the latter, see `fuse_maps`.
        stages: average the last so many; by default all that are there.
        background: where its map stands, if there is one more than joints.
    """

    resolution: Literal["map", "input"] = "input"
    interpolation: Interpolation = "linear"
    stages: int | None = None
    background: Literal["first", "last"] = "last"

    def history_parameters(self, raw: Any) -> dict[str, Any]:
        """Tell of the number of input scales."""
        return {
            "method": self.method,
            "resolution": self.resolution,
            "scales": len(_scales(raw)),
        }


def decode_fused_outputs(raw: RawCrops, options: FusedOptions) -> Poses:
    """Average the maps of stages, mirrored inputs and input scales, and decode the result.

    Args:
        raw: with `heatmaps` (N, K, H, W), or (N, S, K, H, W) of S stages, the last of them last;
            `heatmaps_x1.2` and so on of crops about the same centre that are 1.2 times as wide,
            unless `affine_x1.2` (N, 2, 3) says where they lie (PRM crops by 0.8 to 1.3 times the
            person's scale); each perhaps with `_flipped_input`. K + 1 maps have one of the
            background, which is left out.
        options: how.

    Returns:
        poses in image px with `score_kind` "peak".

    Raises:
        FormatError: arrays that are missing or do not fit together.
        ArrayError: an option out of range.
        GeometryError: the crops cannot be built.
        SkeletonError: the skeleton has another number of joints.
    """
    scales = _scales(raw)
    if not scales:
        raw.array("heatmaps")
    if options.resolution == "map" and scales != [""]:
        raise FormatError(
            f"expected `heatmaps` alone at the resolution of the map, got {len(scales)} scales",
            where=raw.where,
            hint="--set resolution=input",
        )
    maps = {scale: _merged(raw, scale, options) for scale in scales}
    height, width = maps[scales[0]].shape[2:]
    stride = raw.stride or options.stride
    size = raw.input_size or (round(width * stride), round(height * stride))
    if options.resolution == "input":
        xy, value = _read_enlarged(raw, maps, size, options)
    else:
        cells, value = _read(maps[""], options)
        xy = Grid((width, height), size, options.alignment, options.offset).to_input(cells)
    # Crops built from boxes span the input; what the alignment tells is where cells lie in it.
    about = replace(options, alignment="stride")
    return place_poses(raw, about, xy, options.joint_score(value), size, "peak")


def _scales(raw: RawCrops) -> list[str]:
    """Return the input scales, as the names of arrays spell them; "" is that of the crop."""
    return sorted({m[1] or "" for m in map(SCALED.fullmatch, raw.arrays) if m})


def _read(maps: Maps, options: FusedOptions) -> tuple[Floats, Floats]:
    return find_keypoints(
        maps,
        options.method,
        options.kernel,
        beta=options.beta,
        compat=options.compat,
        threads=options.threads,
    )


def _read_enlarged(
    raw: RawCrops, maps: Mapping[str, Maps], size: tuple[int, int], options: FusedOptions
) -> tuple[Floats, Floats]:
    """Bring all maps to the px of the input and read their mean there."""
    crop = raw.crop(size, "stride", options.padding)
    parts = [_placed(raw, scale, m, crop, options.alignment) for scale, m in maps.items()]
    found = []
    for i in range(0, max(len(raw), 1), CHUNK):
        rows = [
            part._replace(maps=part.maps[i : i + CHUNK], to_cells=part.to_cells[i : i + CHUNK])
            for part in parts
        ]
        found.append(_read(fuse_maps(rows, size, options.interpolation), options))
    xy, value = (np.concatenate(a) for a in zip(*found, strict=True))
    return xy + options.offset, value


def _merged(raw: RawCrops, scale: str, options: FusedOptions) -> Maps:
    """Return the maps (N, K, H, W) of one input scale: stages averaged, mirrored ones merged."""
    name = f"heatmaps_x{scale}" if scale else "heatmaps"
    maps = _stages(raw, name, options)
    if not options.flip or name + FLIPPED not in raw.arrays:
        return maps
    check_mirror(raw, options.skeleton)
    back = _stages(raw, name + FLIPPED, options)
    return merge_flipped(maps, back, options.skeleton.mirror, options.flip_shift)


def _stages(raw: RawCrops, name: str, options: FusedOptions) -> Maps:
    maps, joints, wanted = raw.arrays[name], options.skeleton, options.stages
    if wanted is not None and wanted < 1:
        raise ArrayError(f"expected a number of stages from 1, got {wanted}")
    if maps.ndim == 5 and 0 not in maps.shape[1:]:
        maps = maps[:, -(wanted or maps.shape[1]) :].mean(1, dtype=np.float32)
    if maps.ndim != 4 or 0 in maps.shape[1:]:
        raise FormatError(
            f"expected `{name}` (N, K, H, W) or (N, S, K, H, W), got {maps.shape}", where=raw.where
        )
    if maps.shape[1] == len(joints) + 1:
        maps = maps[:, 1:] if options.background == "first" else maps[:, :-1]
    check_joints(raw, joints, maps.shape[1])
    kind = np.float64 if maps.dtype == np.float64 else np.float32
    return maps.astype(kind, copy=False)


def _placed(raw: RawCrops, scale: str, maps: Maps, crop: Crop, alignment: Alignment) -> MapsPart:
    """Say where the cells of one input scale lie in the px of the common crop."""
    width, height = crop.size
    grid = Grid((maps.shape[3], maps.shape[2]), crop.size, alignment)
    own = crop
    if f"affine_x{scale}" in raw.arrays:
        matrix = raw.arrays[f"affine_x{scale}"]
        if matrix.shape != (len(raw), 2, 3):
            raise FormatError(
                f"expected `affine_x{scale}` ({len(raw)}, 2, 3), got {matrix.shape}",
                where=raw.where,
            )
        own = Crop.from_matrix(matrix, crop.size)
    elif scale:
        factor, middle = float(scale), np.array([width, height]) / 2
        if not factor > 0:
            raise GeometryError(f"expected a positive scale in `heatmaps_x{scale}`")
        about = np.column_stack([np.eye(2) / factor, middle - middle / factor])
        own = Crop.from_matrix(np.repeat(about[None], len(raw), 0), crop.size) @ crop
    corners = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    origin, right, down = np.moveaxis(
        grid.to_cells((own @ crop.inverse())(np.repeat(corners[None], len(raw), 0))), 1, 0
    )
    to_cells = np.stack([right - origin, down - origin, origin], 2)
    low = grid.to_cells(np.array([-0.5, -0.5]))
    high = grid.to_cells(np.array([width - 0.5, height - 0.5]))
    return MapsPart(cast(Any, maps), to_cells, low, high)


FAMILY = Family(
    "fused", RawCrops, read_crop_outputs, FusedOptions, decode_fused_outputs, (("heatmaps",),)
)
