"""MMPose 1.x: a codec that encodes with theirs and decodes with ours.

Switch a built model, or a config, with one line:
    model.head.decoder = RefineCodec(model.head.decoder)
    cfg.model.head.decoder = dict(type="refine.adapters.mmpose.RefineCodec", codec=codec)
"""

from collections.abc import Mapping, Set
from importlib import import_module
from typing import Any

import numpy as np
import numpy.typing as npt

from refine._types import Floats, Floats32
from refine.adapters._arrays import to_array
from refine.decoding.heatmap.arrays import Method, decode_heatmaps
from refine.exceptions import RefineError


class RefineCodec:
    """Decode the heatmaps of MSRAHeatmap or UDPHeatmap with `decode_heatmaps`.

    It can stand in `KEYPOINT_CODECS` (`KEYPOINT_CODECS.register_module(module=RefineCodec)`), but
    the registry also finds it by its full name, as above.

    Args:
        codec: a heatmap codec of MMPose, or its config, which their registry then builds.
        method: see `decode_heatmaps`.
        kernel: see `decode_heatmaps`.

    Raises:
        RefineError: a codec of another kind.

    >>> from types import SimpleNamespace
    >>> size = {"input_size": (192, 256), "heatmap_size": (48, 64)}
    >>> codec = RefineCodec(SimpleNamespace(**size, scale_factor=np.array([4.0, 4.0])))
    >>> y, x = np.mgrid[:64, :48]
    >>> codec.decode(np.exp(-((x - 20.3) ** 2 + (y - 30.4) ** 2) / 8)[None])[0].round(2)
    array([[[ 81.2, 121.6]]], dtype=float32)
    """

    support_batch_decoding = True

    def __init__(self, codec: Any, method: Method = "fit", kernel: int | None = None) -> None:
        if isinstance(codec, Mapping):
            codec = import_module("mmpose.registry").KEYPOINT_CODECS.build(dict(codec))
        name = type(codec).__name__
        kind = getattr(codec, "heatmap_type", "gaussian")
        if not hasattr(codec, "scale_factor") or kind != "gaussian":
            raise RefineError(
                f"expected a codec with one Gaussian heatmap per joint, got {name} ({kind})",
                hint="MSRAHeatmap or UDPHeatmap",
            )
        self.codec = codec
        self.method = method
        self.kernel = kernel
        # What their data pipelines read of a codec.
        self.auxiliary_encode_keys: Set[str] = getattr(codec, "auxiliary_encode_keys", frozenset())
        self.field_mapping_table: Mapping[str, str] = getattr(codec, "field_mapping_table", {})
        self.instance_mapping_table: Mapping[str, str] = getattr(
            codec, "instance_mapping_table", {}
        )
        self.label_mapping_table: Mapping[str, str] = getattr(codec, "label_mapping_table", {})
        self._factor = _pixels_per_cell(codec)

    def encode(self, *args: Any, **kwargs: Any) -> Any:
        """Encode keypoints as the wrapped codec does."""
        return self.codec.encode(*args, **kwargs)

    def decode(self, encoded: Any) -> tuple[Floats32, Floats32]:
        """Decode the maps (K, H, W) of one pose.

        Returns:
            keypoints (1, K, 2) in px of the network input and scores (1, K).
        """
        return self._decode(to_array(encoded)[None])

    def batch_decode(self, batch_encoded: Any) -> tuple[list[Floats32], list[Floats32]]:
        """Decode maps (N, K, H, W), arrays or tensors.

        Returns:
            N keypoints (1, K, 2) in px of the network input and N scores (1, K).
        """
        xy, score = self._decode(to_array(batch_encoded))
        return [p[None] for p in xy], [s[None] for s in score]

    def _decode(self, maps: npt.NDArray[Any]) -> tuple[Floats32, Floats32]:
        cells, score = decode_heatmaps(maps, self.method, self.kernel, compat="mmpose")
        return (cells * self._factor).astype(np.float32), score.astype(np.float32)


def _pixels_per_cell(codec: Any) -> Floats:
    """Return the factors (2,) that their `decode` applies to cells."""
    size, cells = np.array(codec.input_size, float), np.array(codec.heatmap_size, float)
    # UDPHeatmap.decode scales by W / (w - 1), though its encode scales by (W - 1) / (w - 1), for
    # the estimator then divides by W.
    corners = np.allclose(codec.scale_factor, (size - 1) / (cells - 1))
    return np.asarray(size / (cells - 1 if corners else cells))
