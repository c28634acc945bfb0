"""Networks that see one crop per pose and have no heatmaps, or read them out in another way."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from refine._types import Floats
from refine.decoding.family import CropOptions, Family, FlipOptions, Stride
from refine.decoding.place import check_mirror, place_poses
from refine.decoding.raw.crops import FLAGS, RawCrops, read_crop_outputs
from refine.decoding.raw.files import FLIPPED
from refine.decoding.regression.arrays import (
    Debias,
    decode_blazepose,
    decode_dsnt,
    decode_integral,
    decode_posefix,
    decode_rle,
    dsnt_to_input,
    merge_mirrored,
)
from refine.exceptions import ArrayError, GeometryError
from refine.geometry import Grid
from refine.poses import Poses
from refine.rescore import instance_scores
from refine.skeletons import Skeleton, skeleton as find_skeleton

MAPS = ("heatmaps", "logits", "maps")
POINTS = ("coordinates", "keypoints", "output")
MARKS = ("landmarks", "ld_3d", "Identity")
"""Names under which files hold maps, coordinates and landmarks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectationOptions(FlipOptions):
    """How maps are read by their expectation.

    Attributes:
        head: "integral"; "dsnt"; "fine" or "coarse", PoseFix's two.
        beta: see `decode_integral`.
        debias: see `decode_integral`.
        stride: input px per cell, where the file does not give the size of the input.
        offset: px, see `Grid`.
    """

    head: Literal["integral", "dsnt", "fine", "coarse"] = "integral"
    beta: float = 1.0
    debias: Debias = "none"
    stride: Stride = 4
    offset: float = 0.0

    recorded: ClassVar = ("head",)


def decode_expectation_outputs(raw: RawCrops, options: ExpectationOptions) -> Poses:
    """Decode maps by their expectation: integral regression, DSNT, PoseFix.

    Args:
        raw: with `heatmaps` (N, K, H, W) logits, perhaps with `_flipped_input`.
        options: how.

    Returns:
        poses in image px with `score_kind` "probability".

    Raises:
        FormatError: arrays that are missing.
        ArrayError: arrays that do not fit together, or an option out of range.
        GeometryError: the crops cannot be built.
        SkeletonError: the skeleton has another number of joints.
    """
    height, width = np.shape(raw.array(*MAPS))[-2:]
    stride = raw.stride or options.stride
    size = raw.input_size or (round(width * stride), round(height * stride))
    grid = Grid((width, height), size, options.alignment, options.offset)

    def decoded(flipped: bool) -> tuple[Floats, Floats]:
        maps = raw.array(*MAPS, flipped=flipped)
        if options.head == "dsnt":
            at, peak = decode_dsnt(maps)
            return dsnt_to_input(at, size), peak
        if options.head == "integral":
            cells, peak = decode_integral(maps, options.beta, debias=options.debias)
        else:
            cells, peak = decode_posefix(maps, options.head)
        return grid.to_input(cells), peak

    xy, value = _flip_averaged(raw, options, size[0], decoded)
    return place_poses(raw, options, xy, value, size, "probability")


@dataclass(frozen=True, slots=True, kw_only=True)
class CoordinatesOptions(FlipOptions):
    """How regressed coordinates are read.

    Attributes:
        input_size: width and height of the network input, where the file does not say.
        sigmoid: see `decode_rle`.
        centred: see `decode_rle`.
    """

    input_size: tuple[int, int] | None = None
    sigmoid: bool = True
    centred: bool = False


def decode_coordinates_outputs(raw: RawCrops, options: CoordinatesOptions) -> Poses:
    """Decode regressed coordinates and deviations (RLE).

    Args:
        raw: with `coordinates` (N, K, 2), and `sigma` (N, K, 2), or both as (N, K, 4); perhaps
            with `_flipped_input`.
        options: how.

    Returns:
        poses in image px with `score_kind` "probability".

    Raises:
        FormatError: arrays that are missing.
        ArrayError: arrays that do not fit together.
        GeometryError: the crops cannot be built, or nothing tells the size of the input.
        SkeletonError: the skeleton has another number of joints.
    """
    size = raw.input_size or options.input_size
    if size is None:
        raise GeometryError(
            "expected the size of the network input, got none",
            where=raw.where,
            hint="`input_size` in the file, or --set input_size=[192,256]",
        )

    def decoded(flipped: bool) -> tuple[Floats, Floats]:
        at = raw.array(*POINTS, flipped=flipped)
        named = [n for n in ("sigma", "sigmas") if n + FLIPPED * flipped in raw.arrays]
        deviation = raw.array(*named, flipped=flipped) if named else None
        if at.ndim == 3 and at.shape[2] == 4 and deviation is None:
            at, deviation = at[..., :2], at[..., 2:]
        return decode_rle(at, deviation, size, sigmoid=options.sigmoid, centred=options.centred)

    xy, value = _flip_averaged(raw, options, size[0], decoded)
    return place_poses(raw, options, xy, value, size, "probability")


def _flip_averaged(
    raw: RawCrops,
    options: FlipOptions,
    width: int,
    decoded: Callable[[bool], tuple[Floats, Floats]],
) -> tuple[Floats, Floats]:
    """Average what is decoded of the input and of the mirrored one, if that is there."""
    xy, value = decoded(False)
    if not options.flip or not raw.has_flipped():
        return xy, value
    check_mirror(raw, options.skeleton)
    mirror = options.skeleton.mirror
    back, other = decoded(True)
    return merge_mirrored(xy, back, mirror, width), (value + other[:, mirror]) / 2


@dataclass(frozen=True, slots=True, kw_only=True)
class BlazePoseOptions(CropOptions):
    """How landmarks are read.

    Attributes:
        skeleton: of the first landmarks; more than these are left out, as they only place the
            next frame's crop. Names in the file count for nothing, as they tell of all.
        refine: use the heatmaps, if there are any.
        stride: input px per cell of the heatmaps.
    """

    skeleton: Skeleton = field(default_factory=lambda: find_skeleton("mediapipe33"))
    refine: bool = True
    stride: Stride = 4

    file_names_joints: ClassVar = False


def decode_blazepose_outputs(raw: RawCrops, options: BlazePoseOptions) -> Poses:
    """Decode BlazePose: landmarks, moved to the heatmaps where these are sure.

    Args:
        raw: with `landmarks` (N, L, 5) or (N, 5 L), perhaps `heatmap_logits` (N, H, W, L) or
            (N, L, H, W), and `pose_flag` (N, 1) or (N,), which stands for the score of the box.
        options: how.

    Returns:
        poses in image px with `score_kind` "probability": the visibility.

    Raises:
        FormatError: arrays that are missing.
        ArrayError: arrays that do not fit together.
        GeometryError: the crops cannot be built.
        SkeletonError: the skeleton has more joints than there are landmarks.
    """
    k = len(options.skeleton)
    marks = raw.array(*MARKS)
    if marks.ndim == 2 and marks.shape[1] % 5 == 0:
        marks = marks.reshape(len(marks), -1, 5)
    maps = _landmark_maps(raw, marks.shape[1]) if options.refine else None
    xy, value = decode_blazepose(marks, maps, raw.stride or float(options.stride))
    size = raw.input_size or (256, 256)
    poses = place_poses(raw, options, xy[:, :k], value[:, :k], size, "probability")
    flags = [n for n in FLAGS if n in raw.arrays]
    if flags and np.isnan(raw.box_score).all():
        found = raw.array(*flags)
        if not found.size:
            raise ArrayError(f"expected a pose flag for each of {len(raw)}, got {found.shape}")
        flag = found.reshape(len(raw), -1)[:, 0].astype(np.float64)
        poses = poses.replace(instance_score=instance_scores(value, flag, options.score))
    return poses


def _landmark_maps(raw: RawCrops, landmarks: int) -> npt.NDArray[Any] | None:
    """Return the heatmaps (N, L, H, W), if there are any."""
    names = [n for n in ("heatmap_logits", "heatmaps") if n in raw.arrays]
    if not names:
        return None
    maps = raw.array(*names)
    last = maps.ndim == 4 and maps.shape[3] == landmarks != maps.shape[1]
    return np.moveaxis(maps, 3, 1) if last else maps


EXPECTATION = Family(
    "expectation",
    RawCrops,
    read_crop_outputs,
    ExpectationOptions,
    decode_expectation_outputs,
    (MAPS,),
)
COORDINATES = Family(
    "coordinates",
    RawCrops,
    read_crop_outputs,
    CoordinatesOptions,
    decode_coordinates_outputs,
    (POINTS,),
)
BLAZEPOSE = Family(
    "blazepose", RawCrops, read_crop_outputs, BlazePoseOptions, decode_blazepose_outputs, (MARKS,)
)
