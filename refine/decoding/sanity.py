"""What must hold of raw outputs before decoding, and of poses after it."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from refine.exceptions import FormatError
from refine.formats._keypoints import FAR
from refine.poses import Poses

GREATEST = float(np.finfo(np.float32).max)
"""Numbers of float64 beyond this are infinite in the single precision of most decoders."""
CHUNK = 1 << 22
"""Numbers that are looked at in one go."""


def check_finite(outputs: Any) -> None:
    """Raise FormatError where an array of raw outputs holds infinity; NaN passes."""
    for name, array in _arrays(outputs):
        if array.dtype.kind != "f":
            continue
        greatest = min(GREATEST, float(np.finfo(array.dtype).max))
        step = max(1, CHUNK // max(1, array[:1].size))
        for i in range(0, len(array), step):
            with np.errstate(invalid="ignore"):
                bad = np.abs(array[i : i + step]) > greatest
            if bad.any():
                record = i + int(bad.reshape(len(bad), -1).any(1).argmax())
                raise FormatError(
                    f"expected finite numbers in `{name}`, got infinity or beyond 3.4e38",
                    where=f"{outputs.where}, record {record}",
                    hint="looking at the network's half precision or its export",
                )


def count_blank(outputs: Any) -> int:
    """Count the maps, or rows of numbers, that hold nothing but NaN: their joints are missing."""
    crops = hasattr(outputs, "affine") and np.ndim(outputs.affine) != 2
    floats = (array for _, array in _arrays(outputs) if array.dtype.kind == "f")
    return sum(_blank(array, array.ndim - crops) for array in floats)


def _blank(array: npt.NDArray[Any], axes: int) -> int:
    """Count blank maps of an array with so many axes besides that of the crops."""
    if axes < 2 or not array.size:
        return 0
    # Channels that come last are fewer than the cells of an axis.
    last = array.ndim == axes == 3 and array.shape[2] < min(array.shape[:2])
    inner = (0, 1) if last else (-2, -1) if axes > 2 else (-1,)
    return int(np.isnan(array).all(inner).sum())


def _arrays(outputs: Any) -> Iterator[tuple[str, npt.NDArray[Any]]]:
    if hasattr(outputs, "heatmaps"):
        yield "heatmaps", outputs.heatmaps
        if outputs.flipped is not None:
            yield "heatmaps_flipped_input", outputs.flipped
    else:
        yield from outputs.arrays.items()


def checked_poses(poses: Poses, where: str) -> Poses:
    """Return decoded poses whose joints have both coordinates, or are missing.

    Raises:
        FormatError: a coordinate beyond 1e6 px, or a score that is infinite.
    """
    with np.errstate(invalid="ignore"):
        far = np.argwhere((np.abs(poses.xy) > FAR).any(-1))
        boxes = np.empty((0, 4)) if poses.box is None else poses.box
        wide = np.flatnonzero((np.abs(boxes) > FAR).any(1))
    if len(far):
        pose, joint = far[0].tolist()
        raise FormatError(
            f"expected coordinates within {FAR:g} px, got {poses.xy[pose, joint].tolist()} for "
            f"{poses.skeleton.joints[joint]}",
            where=f"{where}, record {pose}",
            hint="looking at the outputs and their geometry: this is no place in an image",
        )
    if len(wide):
        raise FormatError(
            f"expected boxes within {FAR:g} px, got {boxes[wide[0]].tolist()}",
            where=f"{where}, record {wide[0]}",
            hint="looking at the outputs and their geometry",
        )
    endless = np.isinf(poses.score).any(1) | np.isinf(poses.instance_score)
    if endless.any():
        raise FormatError(
            "expected finite scores, got infinity",
            where=f"{where}, record {endless.argmax()}",
            hint="looking at the scores of the outputs",
        )
    half = np.asarray(~poses.present & np.isfinite(poses.xy).any(-1))
    if half.any():
        poses = poses.replace(
            xy=np.where(half[..., None], np.nan, poses.xy),
            score=np.where(half, np.nan, poses.score),
        )
    if poses.box is not None and not np.isfinite(poses.box).all():
        known = np.isfinite(poses.box).all(1)
        poses = poses.replace(box=np.where(np.asarray(known)[:, None], poses.box, np.nan))
    return poses
