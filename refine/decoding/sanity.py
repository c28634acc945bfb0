"""What must hold of decoded poses, and what is said of the outputs that they came from."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from refine._types import Bools
from refine.decoding.raw.files import Arrays
from refine.exceptions import FormatError
from refine.formats._keypoints import FAR
from refine.poses import Poses


def count_blank(outputs: Any) -> int:
    """Count the maps, or rows of numbers, that hold nothing but NaN: their joints are missing.

    Args:
        outputs: that have been decoded; arrays of a file that nobody asked for do not count.
    """
    crops = hasattr(outputs, "affine") and np.ndim(outputs.affine) != 2
    floats = (array for array in _arrays(outputs) if array.dtype.kind == "f")
    return sum(_blank(array, array.ndim - crops) for array in floats)


def _blank(array: npt.NDArray[Any], axes: int) -> int:
    """Count blank maps of an array with so many axes besides that of the crops."""
    if axes < 2 or not array.size:
        return 0
    # Channels that come last are fewer than the cells of an axis.
    last = array.ndim == axes == 3 and array.shape[2] < min(array.shape[:2])
    inner = (0, 1) if last else (-2, -1) if axes > 2 else (-1,)
    return int(np.isnan(array).all(inner).sum())


def _arrays(outputs: Any) -> Iterator[npt.NDArray[Any]]:
    if hasattr(outputs, "heatmaps"):
        yield from (a for a in (outputs.heatmaps, outputs.flipped) if a is not None)
    else:
        arrays = outputs.arrays
        yield from (arrays.used if isinstance(arrays, Arrays) else arrays).values()


def checked_poses(poses: Poses, where: str) -> Poses:
    """Return decoded poses whose joints have both coordinates, or are missing.

    Raises:
        FormatError: a coordinate beyond 1e6 px, or a score that is infinite.
    """
    with np.errstate(invalid="ignore"):
        far = np.argwhere((np.abs(poses.xy) > FAR).any(-1))
    if len(far):
        pose, joint = far[0].tolist()
        raise FormatError(
            f"expected coordinates within {FAR:g} px, got {poses.xy[pose, joint].tolist()} for "
            f"{poses.skeleton.joints[joint]}",
            where=f"{where}, record {pose}",
            hint="looking at the outputs and their geometry: this is no place in an image",
        )
    if poses.box is not None:
        with np.errstate(invalid="ignore"):
            wide = np.flatnonzero((np.abs(poses.box) > FAR).any(1))
        if len(wide):
            raise FormatError(
                f"expected boxes within {FAR:g} px, got {poses.box[wide[0]].tolist()}",
                where=f"{where}, record {wide[0]}",
                hint="looking at the outputs and their geometry",
            )
    endless: Bools = np.isinf(poses.score).any(1) | np.isinf(poses.instance_score)
    if endless.any():
        raise FormatError(
            "expected finite scores, got infinity",
            where=f"{where}, record {endless.argmax()}",
            hint="looking at the scores of the outputs",
        )
    half: Bools = np.asarray(~poses.present & np.isfinite(poses.xy).any(-1))
    if half.any():
        poses = poses.replace(
            xy=np.where(half.reshape(*half.shape, 1), np.nan, poses.xy),
            score=np.where(half, np.nan, poses.score),
        )
    if poses.box is not None and not np.isfinite(poses.box).all():
        known = np.asarray(np.isfinite(poses.box).all(1))
        poses = poses.replace(box=np.where(known[:, None], poses.box, np.nan))
    return poses
