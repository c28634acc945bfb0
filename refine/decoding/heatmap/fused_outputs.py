"""One person's maps of several stages and input scales: CFA, PRM, CPM, UniPose."""

import re
from dataclasses import replace
from typing import Any, Literal, cast

import numpy as np
import numpy.typing as npt

from refine.decoding.heatmap.arrays import SOFT_BETA, Compat, Method, find_keypoints
from refine.decoding.maps.flip import merge_flipped
from refine.decoding.maps.fuse import Interpolation, MapsPart, fuse_maps
from refine.decoding.place import check_joints, check_mirror, crop_skeleton, place_poses
from refine.decoding.presets import Preset, Recipe
from refine.decoding.raw.crops import RawCrops
from refine.decoding.raw.files import FLIPPED
from refine.exceptions import ArrayError, FormatError, GeometryError
from refine.geometry import Crop, Grid
from refine.poses import Poses
from refine.skeletons import Skeleton

SCALED = re.compile(r"heatmaps(?:_x(\d+(?:\.\d+)?))?")
CHUNK = 8
"""People whose maps are enlarged at a time: 17 maps of 368 x 368 are 9 MB a person."""


def decode_fused_outputs(
    raw: RawCrops,
    preset: Preset,
    *,
    method: Method | None = None,
    kernel: int | None = None,
    compat: Compat | None = None,
    resolution: Literal["map", "input"] | None = None,
    interpolation: Interpolation | None = None,
    stages: int | None = None,
    background: Literal["first", "last"] | None = None,
    flip: bool = True,
    flip_shift: float | None = None,
    padding: float | None = None,
    score: Recipe | None = None,
    skeleton: str | Skeleton | None = None,
    threads: int = 1,
) -> Poses:
    """Average the maps of stages, mirrored inputs and input scales, and decode the result.

    Args:
        raw: with `heatmaps` (N, K, H, W), or (N, S, K, H, W) of S stages, the last of them last;
            `heatmaps_x1.2` and so on of crops about the same centre that are 1.2 times as wide,
            unless `affine_x1.2` (N, 2, 3) says where they lie (PRM crops by 0.8 to 1.3 times the
            person's scale); each perhaps with `_flipped_input`. K + 1 maps have one of the
            background, which is left out.
        preset: the system that made the outputs; the options below override its entries.
        method: see `decode_heatmaps`.
        kernel: see `decode_heatmaps`.
        compat: see `decode_heatmaps`.
        resolution: decode at that of the "map", or bring all maps to that of the network "input",
            where cells are input px.
        interpolation: of the latter, see `fuse_maps`.
        stages: average the last so many; by default all that are there.
        background: where its map stands, if there is one more than joints.
        flip: merge the maps of the mirrored input, if there are any.
        flip_shift: cells, see `merge_flipped`.
        padding: growth of boxes where the crops are built from boxes.
        score: recipe of the instance score, see `instance_scores`.
        skeleton: of the maps; by default the joints that the file names, or the preset's.
        threads: see `decode_heatmaps`.

    Returns:
        poses in image px with `score_kind` "peak".

    Raises:
        FormatError: arrays that are missing or do not fit together.
        GeometryError: the crops cannot be built.
        SkeletonError: the skeleton has another number of joints.
    """
    joints = crop_skeleton(skeleton, raw, preset)
    options: dict[str, Any] = {"resolution": "input", "interpolation": "linear"}
    options |= {"background": "last", "stages": None, **preset.options}
    given: dict[str, Any] = {"resolution": resolution, "interpolation": interpolation}
    given |= {"stages": stages, "background": background}
    options |= {k: v for k, v in given.items() if v is not None}
    shift = preset.flip_shift if flip_shift is None else flip_shift
    scales = sorted({m[1] or "" for m in map(SCALED.fullmatch, raw.arrays) if m})
    if not scales:
        raw.array("heatmaps")
    enlarge = options["resolution"] == "input"
    if not enlarge and scales != [""]:
        raise FormatError(
            f"expected `heatmaps` alone at the resolution of the map, got {len(scales)} scales",
            where=raw.where,
            hint="--set resolution=input",
        )
    try:
        maps = {s: _merged(raw, s, joints, options, flip, shift) for s in scales}
        height, width = maps[scales[0]].shape[2:]
        stride = raw.stride or preset.stride
        size = raw.input_size or (round(width * stride), round(height * stride))
        chosen = (method or preset.method, preset.kernel if kernel is None else kernel)
        other = method is not None and method != preset.method
        whose = compat or (None if other else preset.compat)
        if enlarge:
            crop = raw.crop(size, "stride", preset.padding if padding is None else padding)
            parts = [_placed(raw, s, m, crop, preset) for s, m in maps.items()]
            found = []
            for i in range(0, max(len(raw), 1), CHUNK):
                rows = [p._replace(maps=p.maps[i : i + CHUNK], to_cells=p.to_cells[i : i + CHUNK])
                        for p in parts]  # fmt: skip
                fused = fuse_maps(rows, size, options["interpolation"])
                found.append(find_keypoints(fused, *chosen, beta=SOFT_BETA, compat=whose,
                                            threads=threads))  # fmt: skip
            xy, value = (np.concatenate(a) for a in zip(*found, strict=True))
            xy += preset.offset
        else:
            cells, value = find_keypoints(
                maps[""], *chosen, beta=SOFT_BETA, compat=whose, threads=threads
            )
            grid = Grid((width, height), size, preset.alignment, preset.offset)
            xy = grid.to_input(cells)
    except ArrayError as error:
        raise FormatError(error.message, where=raw.where, hint=error.hint) from None
    value = value * preset.score_scale + preset.score_offset
    value[~np.isfinite(value)] = np.nan
    # Crops built from boxes span the input; what the alignment tells is where cells lie in it.
    poses = place_poses(
        raw, replace(preset, alignment="stride"), joints, xy, value, size, "peak", padding, score
    )
    told = {"method": chosen[0], "resolution": options["resolution"], "scales": len(scales)}
    return poses.done("decode", None, preset=preset.name, **told)


def _merged(
    raw: RawCrops,
    scale: str,
    joints: Skeleton,
    options: dict[str, Any],
    flip: bool,
    shift: float,
) -> npt.NDArray[np.floating[Any]]:
    """Return the maps (N, K, H, W) of one input scale: stages averaged, mirrored ones merged."""
    name = f"heatmaps_x{scale}" if scale else "heatmaps"
    maps = _stages(raw, name, joints, options)
    if not flip or name + FLIPPED not in raw.arrays:
        return maps
    check_mirror(raw, joints)
    return merge_flipped(maps, _stages(raw, name + FLIPPED, joints, options), joints.mirror, shift)


def _stages(
    raw: RawCrops, name: str, joints: Skeleton, options: dict[str, Any]
) -> npt.NDArray[np.floating[Any]]:
    maps = raw.arrays[name]
    wanted = options["stages"]
    if wanted is not None and (not isinstance(wanted, int) or wanted < 1):
        raise ArrayError(f"expected a number of stages from 1, got {wanted!r}")
    if maps.ndim == 5 and 0 not in maps.shape[1:]:
        maps = maps[:, -(wanted or maps.shape[1]) :].mean(1, dtype=np.float32)
    if maps.ndim != 4 or 0 in maps.shape[1:]:
        raise FormatError(
            f"expected `{name}` (N, K, H, W) or (N, S, K, H, W), got {maps.shape}", where=raw.where
        )
    if maps.shape[1] == len(joints) + 1:
        maps = maps[:, 1:] if options["background"] == "first" else maps[:, :-1]
    check_joints(raw, joints, maps.shape[1])
    kind = np.float64 if maps.dtype == np.float64 else np.float32
    return maps.astype(kind, copy=False)


def _placed(
    raw: RawCrops,
    scale: str,
    maps: npt.NDArray[np.floating[Any]],
    crop: Crop,
    preset: Preset,
) -> MapsPart:
    """Say where the cells of one input scale lie in the px of the common crop."""
    width, height = crop.size
    grid = Grid((maps.shape[3], maps.shape[2]), crop.size, preset.alignment)
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
