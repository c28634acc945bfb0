"""EfficientPose: one person on a whole image, maps upsampled by a fixed deconvolution."""

from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from refine._types import Floats32
from refine.decoding.family import Family, Options
from refine.decoding.heatmap.arrays import SOFT_BETA, Method, find_keypoints
from refine.decoding.maps import resample
from refine.decoding.maps.check import check_enlarged, checked_maps
from refine.decoding.raw.image import RawImage, read_image_outputs
from refine.exceptions import FormatError, SkeletonError
from refine.poses import Poses

MAPS = ("heatmaps", "confs", "pass3_detection2_confs_BiasAdd", "pass2_detection2_confs_BiasAdd")
"""Names of the maps at the resolution of the network: ours, and those of the published graphs."""
DOUBLINGS = 3
SIGMA = 1.0
"""Px of the blur before the maximum: utils/helpers.py `extract_coordinates`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EfficientPoseOptions(Options):
    """How the maps are read; `skeleton` is that of the result.

    Attributes:
        method: of the blurred maps at the resolution of the input, see `decode_heatmaps`.
        joints: names of the maps in their order.
    """

    method: Method = "argmax"
    joints: tuple[str, ...] = ()

    recorded: ClassVar = ("method",)


def decode_efficientpose_outputs(raw: RawImage, options: EfficientPoseOptions) -> Poses:
    """Decode the heatmaps of one person.

    Args:
        raw: with the maps (H, W, K) or (K, H, W) of the last detection pass, before upsampling.
        options: how.

    Returns:
        one pose in image px with `score_kind` "peak" and the mean of its joints as its score.

    Raises:
        FormatError: the maps are missing or not one per joint.
        SkeletonError: a name in `joints` is not in the skeleton.
    """
    names, result = options.joints, options.skeleton
    if sorted(names) != sorted(result.joints):
        raise SkeletonError(f"expected the joints of {result.name!r}, got {', '.join(names)}")
    maps = raw.array(*MAPS)
    if maps.ndim == 3 and maps.shape[0] != len(names):
        maps = maps.transpose(2, 0, 1)
    if maps.ndim != 3 or len(maps) != len(names):
        raise FormatError(f"expected {len(names)} maps, got {maps.shape}", where=raw.where)
    maps = checked_maps(maps, "maps", "K, H, W", empty=False, order="K")
    check_enlarged(len(maps), (maps.shape[2] << DOUBLINGS, maps.shape[1] << DOUBLINGS))
    order = [names.index(joint) for joint in result.joints]
    big, blurred = _enlarged(maps[order])
    cells, _ = find_keypoints(
        blurred[None], options.method, None, beta=SOFT_BETA, compat=None, threads=None
    )
    last = np.array(big.shape[:0:-1]) - 1
    x, y = np.clip(np.rint(np.nan_to_num(cells[0])), 0, last).astype(int).T
    peak = np.where(np.isnan(cells[..., 0]), np.nan, big[np.arange(len(big)), y, x])
    return Poses.from_arrays(
        result,
        # The published code takes the centre of a pixel for its number plus a half.
        raw.to_image(cells + 0.5),
        peak,
        instance_score=np.nan_to_num(peak).mean(1),
        images=[raw.image],
        score_kind="peak",
    )


def _enlarged(maps: npt.NDArray[Any]) -> tuple[Floats32, Floats32]:
    """Return maps (K, H, W) at the resolution of the input, plain and blurred."""
    stack = np.ascontiguousarray(maps, np.float32)
    (rows, soft_rows), (columns, soft_columns) = (_bands(n) for n in stack.shape[1:])
    return (
        resample.resample(stack, rows, columns),
        resample.resample(stack, soft_rows, soft_columns),
    )


@cache
def _bands(n: int) -> Any:
    matrix = np.eye(n)
    for _ in range(DOUBLINGS):
        matrix = resample.double(len(matrix)) @ matrix
    taps = resample.gaussian_filter_taps(SIGMA)
    soft = resample.blur(len(matrix), taps, "mirror") @ matrix
    return resample.bands(matrix), resample.bands(soft)


FAMILY = Family(
    "efficientpose",
    RawImage,
    read_image_outputs,
    EfficientPoseOptions,
    decode_efficientpose_outputs,
    (MAPS,),
)
