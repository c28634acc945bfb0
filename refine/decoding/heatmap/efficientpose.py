"""EfficientPose: one person on a whole image, maps upsampled by a fixed deconvolution."""

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from refine._types import Floats32
from refine.decoding.heatmap.arrays import SOFT_BETA, Method, find_keypoints
from refine.decoding.presets import Preset
from refine.decoding.raw.image import RawImage
from refine.exceptions import FormatError, SkeletonError
from refine.poses import Poses
from refine.skeletons import skeleton as find_skeleton

MAPS = ("heatmaps", "confs", "pass3_detection2_confs_BiasAdd", "pass2_detection2_confs_BiasAdd")
"""Names of the maps at the resolution of the network: ours, and those of the published graphs."""
DOUBLINGS = 3
SIGMA = 1.0
"""Px of the blur before the maximum: utils/helpers.py `extract_coordinates`."""


def decode_efficientpose_outputs(
    raw: RawImage,
    preset: Preset,
    *,
    method: Method = "argmax",
    joints: Sequence[str] | None = None,
    skeleton: str | None = None,
) -> Poses:
    """Decode the heatmaps of one person.

    Args:
        raw: with the maps (H, W, K) or (K, H, W) of the last detection pass, before upsampling.
        preset: of family "efficientpose".
        method: of the blurred maps at the resolution of the input, see `decode_heatmaps`.
        joints: names of the maps in their order.
        skeleton: of the result.

    Returns:
        one pose in image px with `score_kind` "peak" and the mean of its joints as its score.

    Raises:
        FormatError: the maps are missing or not one a joint.
        SkeletonError: a name in `joints` is not in the skeleton.
    """
    names = tuple(joints or preset.options["joints"])
    result = find_skeleton(skeleton or preset.skeleton)
    if sorted(names) != sorted(result.joints):
        raise SkeletonError(f"expected the joints of {result.name!r}, got {', '.join(names)}")
    maps = raw.array(*MAPS)
    if maps.ndim == 3 and maps.shape[0] != len(names):
        maps = maps.transpose(2, 0, 1)
    if maps.ndim != 3 or len(maps) != len(names):
        raise FormatError(f"expected {len(names)} maps, got {maps.shape}", where=raw.where)
    order = [names.index(joint) for joint in result.joints]
    big, blurred = _enlarged(maps[order])
    cells, _ = find_keypoints(blurred[None], method, None, beta=SOFT_BETA, compat=None, threads=1)
    last = np.array(big.shape[:0:-1]) - 1
    x, y = np.clip(np.rint(np.nan_to_num(cells[0])), 0, last).astype(int).T
    peak = np.where(np.isnan(cells[..., 0]), np.nan, big[np.arange(len(big)), y, x])
    poses = Poses.from_arrays(
        result,
        # The published code takes the centre of a pixel for its number plus a half.
        raw.to_image(cells + 0.5),
        peak,
        instance_score=np.nan_to_num(peak).mean(1),
        images=[raw.image],
        score_kind="peak",
    )
    return poses.done("decode", None, preset=preset.name, method=method)


def _enlarged(maps: npt.NDArray[Any]) -> tuple[Floats32, Floats32]:
    """Return maps (K, H, W) at the resolution of the input, plain and blurred."""
    from refine.decoding.maps.resample import resample

    stack = np.ascontiguousarray(maps, np.float32)
    (rows, soft_rows), (columns, soft_columns) = (_bands(n) for n in stack.shape[1:])
    return resample(stack, rows, columns), resample(stack, soft_rows, soft_columns)


@cache
def _bands(n: int) -> Any:
    from refine.decoding.maps import resample

    matrix = np.eye(n)
    for _ in range(DOUBLINGS):
        matrix = resample.double(len(matrix)) @ matrix
    taps = resample.gaussian_filter_taps(SIGMA)
    soft = resample.blur(len(matrix), taps, "mirror") @ matrix
    return resample.bands(matrix), resample.bands(soft)
