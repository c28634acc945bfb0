"""HRNet, SimpleBaseline, DarkPose and UDP-Pose: the two functions of `lib/core/inference.py`.

Switch with one line:
    from refine.adapters.hrnet import get_final_preds, get_max_preds
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from refine._types import Floats32
from refine.adapters._arrays import to_array
from refine.decoding.heatmap.arrays import Method, decode_heatmaps
from refine.geometry import Alignment, Crop

UNIT = 200.0
"""px: `pixel_std` of lib/dataset/JointsDataset.py."""


def get_max_preds(batch_heatmaps: Any) -> tuple[Floats32, npt.NDArray[Any]]:
    """Find the highest cell of every map, as the original does.

    Args:
        batch_heatmaps: (N, K, H, W).

    Returns:
        preds (N, K, 2) float32 in cells, (0, 0) where the maximum is not positive, and maxvals
        (N, K, 1) of the maps' type.

    Raises:
        ArrayError: not (N, K, H, W) numbers.

    >>> maps = np.zeros((1, 1, 4, 4), np.float32)
    >>> maps[0, 0, 1, 3] = 0.5
    >>> get_max_preds(maps)
    (array([[[3., 1.]]], dtype=float32), array([[[0.5]]], dtype=float32))
    """
    maps = to_array(batch_heatmaps)
    cells, peak = decode_heatmaps(maps, "argmax", compat="hrnet")
    return cells.astype(np.float32), peak[..., None].astype(maps.dtype)


def get_final_preds(
    config: Any,
    batch_heatmaps: Any,
    center: npt.ArrayLike,
    scale: npt.ArrayLike,
    *,
    method: Method = "fit",
    kernel: int | None = None,
    alignment: Alignment = "stride",
) -> tuple[Floats32, npt.NDArray[Any]]:
    """Decode maps into image px, with `decode_heatmaps` in place of the quarter step.

    Args:
        config: `TEST.POST_PROCESS` decides whether anything follows the argmax.
        batch_heatmaps: (N, K, H, W).
        center: (N, 2) of the crops, image px.
        scale: (N, 2) or (N,) in units of 200 px. As in the original the width alone counts,
            except with alignment "corners".
        method: see `decode_heatmaps`; "quarter" gives the original's results, "dark" DarkPose's.
        kernel: see `decode_heatmaps`; by default `TEST.BLUR_KERNEL` where `config` has it
            (DarkPose), for "dark" only.
        alignment: "stride"; "corners" for networks trained with UDP.

    Returns:
        preds (N, K, 2) float32 in image px, where a joint without a peak lies at the crop's first
        cell, and maxvals (N, K, 1) of the maps' type.

    Raises:
        ArrayError: not (N, K, H, W) numbers, or an option out of range.
        GeometryError: centres and scales that do not fit the maps.

    >>> from types import SimpleNamespace
    >>> config = SimpleNamespace(TEST=SimpleNamespace(POST_PROCESS=True))
    >>> y, x = np.mgrid[:64, :48]
    >>> maps = np.exp(-((x - 20.3) ** 2 + (y - 30.4) ** 2) / 8)[None, None]
    >>> get_final_preds(config, maps, [[24, 32]], [[0.24, 0.32]])[0].round(3).tolist()
    [[[20.299999237060547, 30.399999618530273]]]
    """
    maps = to_array(batch_heatmaps)
    chosen = method if config.TEST.POST_PROCESS else "argmax"
    if kernel is None and chosen == "dark":
        kernel = getattr(config.TEST, "BLUR_KERNEL", None)
    cells, peak = decode_heatmaps(maps, chosen, kernel, compat="hrnet")
    height, width = maps.shape[2:]
    extent = np.asarray(scale, np.float64)
    if alignment != "corners":
        across = extent.reshape(len(extent), -1)[:, 0]
        extent = np.stack([across, across * height / width], 1)
    crop = Crop.from_center_scale(center, extent, (width, height), unit=UNIT, alignment=alignment)
    return crop.inverse()(cells).astype(np.float32), peak[..., None].astype(maps.dtype)
