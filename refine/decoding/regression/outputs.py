"""Networks that see one crop a pose and have no heatmaps, or read them out in another way."""

from typing import Any, cast

import numpy as np
import numpy.typing as npt

from refine._types import Floats
from refine.decoding.place import check_mirror, crop_skeleton, place_poses
from refine.decoding.presets import Preset, Recipe, instance_scores
from refine.decoding.raw.crops import RawCrops
from refine.decoding.raw.files import FLIPPED
from refine.decoding.regression.arrays import (
    Debias,
    Head,
    decode_blazepose,
    decode_dsnt,
    decode_integral,
    decode_posefix,
    decode_rle,
    dsnt_to_input,
    merge_mirrored,
)
from refine.exceptions import ArrayError, FormatError, GeometryError
from refine.geometry import Grid
from refine.poses import Poses
from refine.skeletons import Skeleton


def decode_expectation_outputs(
    raw: RawCrops,
    preset: Preset,
    *,
    head: str | None = None,
    beta: float | None = None,
    debias: Debias | None = None,
    flip: bool = True,
    padding: float | None = None,
    score: Recipe | None = None,
    skeleton: str | Skeleton | None = None,
) -> Poses:
    """Decode maps by their expectation: integral regression, DSNT, PoseFix.

    Args:
        raw: with `heatmaps` (N, K, H, W) logits, perhaps with `_flipped_input`.
        preset: the system that made the outputs; the options below override its entries.
        head: "integral"; "dsnt"; "fine" or "coarse", PoseFix's two.
        beta: see `decode_integral`.
        debias: see `decode_integral`.
        flip: average with the coordinates found on the mirrored input, if it is there.
        padding: growth of boxes where the crops are built from boxes.
        score: recipe of the instance score, see `instance_scores`.
        skeleton: of the maps.

    Returns:
        poses in image px with `score_kind` "probability".

    Raises:
        FormatError: arrays that are missing or do not fit together.
        GeometryError: the crops cannot be built.
        SkeletonError: the skeleton has another number of joints.
    """
    joints = crop_skeleton(skeleton, raw, preset)
    kind = head or preset.options.get("head", "integral")
    heat = 1.0 if beta is None else beta
    unbiased = debias or preset.options.get("debias", "none")
    names = ("heatmaps", "logits", "maps")
    height, width = np.shape(raw.array(*names))[-2:]
    stride = raw.stride or preset.stride
    size = raw.input_size or (round(width * stride), round(height * stride))
    grid = Grid((width, height), size, preset.alignment, preset.offset)

    def decoded(maps: npt.NDArray[Any]) -> tuple[Floats, Floats]:
        if kind == "dsnt":
            at, peak = decode_dsnt(maps)
            return dsnt_to_input(at, size), peak
        if kind == "integral":
            cells, peak = decode_integral(maps, heat, debias=unbiased)
        else:
            cells, peak = decode_posefix(maps, cast(Head, kind))
        return grid.to_input(cells), peak

    try:
        xy, value = decoded(raw.array(*names))
        if flip and raw.has_flipped():
            check_mirror(raw, joints)
            back, other = decoded(raw.array(*names, flipped=True))
            xy = merge_mirrored(xy, back, joints.mirror, size[0])
            value = (value + other[:, joints.mirror]) / 2
    except ArrayError as error:
        raise FormatError(error.message, where=raw.where, hint=error.hint) from None
    poses = place_poses(raw, preset, joints, xy, value, size, "probability", padding, score)
    return poses.done("decode", None, preset=preset.name, head=kind)


def decode_coordinates_outputs(
    raw: RawCrops,
    preset: Preset,
    *,
    input_size: tuple[int, int] | None = None,
    sigmoid: bool | None = None,
    centred: bool | None = None,
    flip: bool = True,
    padding: float | None = None,
    score: Recipe | None = None,
    skeleton: str | Skeleton | None = None,
) -> Poses:
    """Decode regressed coordinates and deviations (RLE).

    Args:
        raw: with `coordinates` (N, K, 2), and `sigma` (N, K, 2), or both as (N, K, 4); perhaps
            with `_flipped_input`.
        preset: the system that made the outputs; the options below override its entries.
        input_size: width and height of the network input, where the file does not say.
        sigmoid: see `decode_rle`.
        centred: see `decode_rle`.
        flip: average with the coordinates found on the mirrored input, if it is there.
        padding: growth of boxes where the crops are built from boxes.
        score: recipe of the instance score, see `instance_scores`.
        skeleton: of the coordinates.

    Returns:
        poses in image px with `score_kind` "probability".

    Raises:
        FormatError: arrays that are missing or do not fit together.
        GeometryError: the crops cannot be built, or nothing tells the size of the input.
        SkeletonError: the skeleton has another number of joints.
    """
    joints = crop_skeleton(skeleton, raw, preset)
    size = raw.input_size or input_size
    if size is None:
        raise GeometryError(
            "expected the size of the network input, got none",
            where=raw.where,
            hint="`input_size` in the file, or --set input_size=[192,256]",
        )
    size = (int(size[0]), int(size[1]))
    inside = preset.options.get("sigmoid", True) if sigmoid is None else sigmoid
    middle = preset.options.get("centred", False) if centred is None else centred

    def decoded(flipped: bool) -> tuple[Floats, Floats]:
        at = raw.array("coordinates", "keypoints", "output", flipped=flipped)
        named = [n for n in ("sigma", "sigmas") if n + FLIPPED * flipped in raw.arrays]
        deviation = raw.array(*named, flipped=flipped) if named else None
        if at.ndim == 3 and at.shape[2] == 4 and deviation is None:
            at, deviation = at[..., :2], at[..., 2:]
        return decode_rle(at, deviation, size, sigmoid=inside, centred=middle)

    try:
        xy, value = decoded(False)
        if flip and raw.has_flipped():
            check_mirror(raw, joints)
            back, other = decoded(True)
            xy = merge_mirrored(xy, back, joints.mirror, size[0])
            value = (value + other[:, joints.mirror]) / 2
    except ArrayError as error:
        raise FormatError(error.message, where=raw.where, hint=error.hint) from None
    poses = place_poses(raw, preset, joints, xy, value, size, "probability", padding, score)
    return poses.done("decode", None, preset=preset.name)


def decode_blazepose_outputs(
    raw: RawCrops,
    preset: Preset,
    *,
    refine: bool = True,
    padding: float | None = None,
    score: Recipe | None = None,
    skeleton: str | Skeleton | None = None,
) -> Poses:
    """Decode BlazePose: landmarks, moved to the heatmaps where these are sure.

    Args:
        raw: with `landmarks` (N, L, 5) or (N, 5 L), perhaps `heatmap_logits` (N, H, W, L) or
            (N, L, H, W), and `pose_flag` (N, 1), which stands for the score of the box.
        preset: the system that made the outputs; the options below override its entries.
        refine: use the heatmaps, if there are any.
        padding: growth of boxes where the crops are built from boxes.
        score: recipe of the instance score, see `instance_scores`.
        skeleton: of the first landmarks; more than these are left out, as they only place the
            next frame's crop.

    Returns:
        poses in image px with `score_kind` "probability": the visibility.

    Raises:
        FormatError: arrays that are missing or do not fit together.
        GeometryError: the crops cannot be built.
        SkeletonError: the skeleton has more joints than there are landmarks.
    """
    joints = crop_skeleton(skeleton or preset.skeleton, raw, preset)
    marks = raw.array("landmarks", "ld_3d", "Identity")
    if marks.ndim == 2 and marks.shape[1] % 5 == 0:
        marks = marks.reshape(len(marks), -1, 5)
    maps, stride = None, raw.stride or float(preset.stride)
    names = [n for n in ("heatmap_logits", "heatmaps") if n in raw.arrays]
    if refine and names:
        maps = raw.array(*names)
        if maps.ndim == 4 and maps.shape[3] == marks.shape[1] != maps.shape[1]:
            maps = np.moveaxis(maps, 3, 1)
    try:
        xy, value = decode_blazepose(marks, maps, stride)
    except ArrayError as error:
        raise FormatError(error.message, where=raw.where, hint=error.hint) from None
    size = raw.input_size or (256, 256)
    k = len(joints)
    poses = place_poses(
        raw, preset, joints, xy[:, :k], value[:, :k], size, "probability", padding, score
    )
    flags = [n for n in ("pose_flag", "output_poseflag") if n in raw.arrays]
    if flags and np.isnan(raw.box_score).all():
        flag = raw.array(*flags).reshape(len(raw), -1)[:, 0].astype(np.float64)
        poses = poses.replace(instance_score=instance_scores(value, flag, score or preset.score))
    return poses.done("decode", None, preset=preset.name)
