"""Flip test: bring the maps of the mirrored input back and average."""

import numpy as np
import numpy.typing as npt

from refine.exceptions import ArrayError


def merge_flipped(
    maps: npt.NDArray[np.floating],
    maps_flipped: npt.NDArray[np.floating],
    mirror: npt.ArrayLike,
    shift: float = 0.0,
) -> npt.NDArray[np.floating]:
    """Average heatmaps with those of the mirrored input.

    Args:
        maps: (N, K, H, W) of the input.
        maps_flipped: (N, K, H, W) of the mirrored input, as the network gave them.
        mirror: (K,) index of every joint's left-right partner (`Skeleton.mirror`).
        shift: cells by which the maps that were mirrored back are moved right, by linear
            interpolation; the first column is repeated. `Grid.flip_shift` is the unbiased one:
            0.75 for stride 4 without half pixels, 0 for UDP. With 1 this is SHIFT_HEATMAP of
            SimpleBaseline and HRNet (lib/core/function.py), whose column 0 keeps its old value.

    Returns:
        (N, K, H, W) of the floating type of the arguments, at least float32.

    Raises:
        ArrayError: shapes that do not agree.

    >>> maps = np.zeros((1, 2, 1, 4), np.float32)
    >>> maps[0, 0, 0, 1] = 1
    >>> merge_flipped(maps, maps[:, ::-1, :, ::-1], [1, 0])[0, 0, 0].tolist()
    [0.0, 1.0, 0.0, 0.0]
    """
    first, second = np.asarray(maps), np.asarray(maps_flipped)
    partner = np.asarray(mirror, np.intp)
    if first.ndim != 4 or first.shape != second.shape or partner.shape != first.shape[1:2]:
        raise ArrayError(
            "expected maps (N, K, H, W), the same of the mirrored input, and mirror (K,), "
            f"got {first.shape}, {second.shape} and {partner.shape}"
        )
    if not np.isfinite(shift):
        raise ArrayError(f"expected a finite flip shift, got {shift}")
    kind = np.result_type(first.dtype, second.dtype, np.float32)
    back = second[:, partner, :, ::-1].astype(kind, copy=False)
    if shift and back.shape[3]:
        source = np.clip(np.arange(back.shape[3]) - shift, 0, back.shape[3] - 1)
        low = np.floor(source).astype(np.intp)
        share = (source - low).astype(kind)
        high = np.minimum(low + 1, back.shape[3] - 1)
        back = back[..., low] * (1 - share) + back[..., high] * share
    return np.asarray((first + back) * kind.type(0.5))
