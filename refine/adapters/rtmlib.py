"""rtmlib: the post-processing of `RTMPose` and `ViTPose` models.

Switch with one line:
    patch(body.pose_model)
"""

import inspect
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from refine._types import Floats
from refine.adapters._arrays import to_array
from refine.decoding.heatmap.arrays import Method, decode_heatmaps
from refine.decoding.simcc.arrays import RATIO, Method as SimccMethod, decode_simcc
from refine.exceptions import ArrayError, RefineError


def patch(model: Any, method: Method = "fit", *, simcc: SimccMethod = "argmax") -> Any:
    """Replace the `postprocess` of one model; other models keep theirs.

    Args:
        model: an `RTMPose` or `ViTPose`, such as `Body(...).pose_model`.
        method: for heatmaps, see `decode_heatmaps`.
        simcc: for SimCC, see `decode_simcc`; "argmax" is what rtmlib does.

    Returns:
        the same model.

    Raises:
        RefineError: a model that does not post-process crops, such as `RTMO`.
    """
    if "center" not in inspect.signature(model.postprocess).parameters:
        raise RefineError(
            f"expected a model that post-processes crops, got {type(model).__name__}",
            hint="RTMPose or ViTPose",
        )

    def postprocess(
        outputs: Sequence[Any],
        center: npt.ArrayLike,
        scale: npt.ArrayLike,
        *args: Any,
        **options: Any,
    ) -> tuple[Floats, Floats]:
        if len(outputs) == 1:
            return postprocess_heatmaps(outputs, center, scale, *args, method=method, **options)
        size = model.model_input_size
        return postprocess_simcc(outputs, center, scale, *args, size=size, method=simcc, **options)

    model.postprocess = postprocess
    return model


def postprocess_heatmaps(
    outputs: Sequence[Any],
    center: npt.ArrayLike,
    scale: npt.ArrayLike,
    score_threshold: float = 0.0,
    dark_kernel: int = 11,
    *,
    method: Method = "fit",
) -> tuple[Floats, Floats]:
    """Do what `ViTPose.postprocess` does, with `decode_heatmaps`; the maps are not modified.

    Args:
        outputs: one array (N, K, H, W).
        center: (2,) of the crop, image px.
        scale: (2,) its width and height, px.
        score_threshold: joints that do not exceed it count as having no peak.
        dark_kernel: of "dark" and "dark-udp".
        method: see `decode_heatmaps`.

    Returns:
        keypoints (N, K, 2) image px, where a joint without a peak lies at cell (-1, -1) as in
        rtmlib, and scores (N, K).

    Raises:
        ArrayError: not (N, K, H, W) numbers, or an option out of range.

    >>> y, x = np.mgrid[:64, :48]
    >>> maps = np.exp(-((x - 20.3) ** 2 + (y - 30.4) ** 2) / 8)[None, None]
    >>> postprocess_heatmaps([maps], (23.5, 31.5), (47, 63))[0].round(3).tolist()
    [[[20.3, 30.4]]]
    """
    maps = to_array(outputs[0])
    cells, score = decode_heatmaps(maps, method, dark_kernel, compat="rtmlib")
    cells[~(score > score_threshold)] = -1.0
    extent = np.asarray(scale, np.float64)
    last = np.array(maps.shape[:1:-1]) - 1
    return cells / last * extent + center - extent / 2, score


def postprocess_simcc(
    outputs: Sequence[Any],
    center: npt.ArrayLike,
    scale: npt.ArrayLike,
    simcc_split_ratio: float = RATIO,
    *,
    size: Sequence[int],
    method: SimccMethod = "argmax",
) -> tuple[Floats, Floats]:
    """Do what `RTMPose.postprocess` does, with `decode_simcc`.

    Args:
        outputs: columns (N, K, Wx) and rows (N, K, Hy).
        center: (2,) of the crop, image px.
        scale: (2,) its width and height, px.
        simcc_split_ratio: bins per pixel.
        size: width and height of the network input.
        method: see `decode_simcc`.

    Returns:
        keypoints (N, K, 2) image px and scores (N, K), the mean of both axes.

    Raises:
        ArrayError: shapes that do not agree, or an option out of range.

    >>> x, y = np.zeros((1, 1, 384)), np.zeros((1, 1, 512))
    >>> x[0, 0, 101], y[0, 0, 60] = 5.0, 4.0
    >>> postprocess_simcc([x, y], (96, 128), (192, 256), size=(192, 256))
    (array([[[50.5, 30. ]]]), array([[4.5]]))
    """
    if len(outputs) != 2:
        raise ArrayError(f"expected columns and rows, got {len(outputs)} arrays")
    x, y = map(to_array, outputs)
    xy, score = decode_simcc(x, y, simcc_split_ratio, method, score="mean", compat=True)
    extent = np.asarray(scale, np.float64)
    return xy / np.asarray(size) * extent + center - extent / 2, score
