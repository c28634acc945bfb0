"""Raw outputs of networks to poses, and the array functions underneath."""

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from refine.decoding.centre.arrays import decode_centernet, decode_movenet, decode_movenet_multipose
from refine.decoding.centre.outputs import (
    decode_centernet_outputs,
    decode_movenet_multipose_outputs,
    decode_movenet_outputs,
)
from refine.decoding.heatmap.arrays import decode_heatmaps
from refine.decoding.heatmap.efficientpose import decode_efficientpose_outputs
from refine.decoding.heatmap.fused_outputs import decode_fused_outputs
from refine.decoding.heatmap.outputs import decode_heatmap_outputs
from refine.decoding.heatmap.roi import decode_roi_heatmaps
from refine.decoding.heatmap.roi_outputs import decode_roi_outputs
from refine.decoding.maps.flip import merge_flipped
from refine.decoding.maps.fuse import fuse_maps
from refine.decoding.offsets.arrays import decode_combined, vote_offsets
from refine.decoding.offsets.outputs import decode_combined_outputs, decode_grmi_outputs
from refine.decoding.one_stage.arrays import (
    decode_dcc,
    decode_direct_pose,
    decode_yolox_pose,
    keep_best,
)
from refine.decoding.one_stage.dekr import decode_dekr
from refine.decoding.one_stage.outputs import (
    decode_dekr_outputs,
    decode_direct_pose_outputs,
    decode_rtmo_outputs,
    decode_yolo_outputs,
    decode_yolox_outputs,
)
from refine.decoding.one_stage.yolo import decode_yolo_output, decode_yolo_pose
from refine.decoding.paf.arrays import decode_paf
from refine.decoding.paf.outputs import decode_paf_outputs
from refine.decoding.partition.outputs import decode_partition_outputs
from refine.decoding.personlab.arrays import decode_personlab
from refine.decoding.personlab.outputs import decode_personlab_outputs
from refine.decoding.presets import Preset, get_preset, instance_scores, load_presets
from refine.decoding.raw.crops import RawCrops, raw_crops, read_crop_outputs
from refine.decoding.raw.files import RawHeatmaps, raw_heatmaps, read_raw
from refine.decoding.raw.image import RawImage, raw_image, read_image_outputs
from refine.decoding.regression.arrays import (
    decode_blazepose,
    decode_dsnt,
    decode_integral,
    decode_posefix,
    decode_rle,
)
from refine.decoding.regression.outputs import (
    decode_blazepose_outputs,
    decode_coordinates_outputs,
    decode_expectation_outputs,
)
from refine.decoding.simcc.arrays import decode_simcc
from refine.decoding.simcc.outputs import decode_simcc_outputs
from refine.decoding.tags.arrays import decode_tags
from refine.decoding.tags.outputs import decode_tags_outputs
from refine.exceptions import FormatError, RefineError
from refine.poses import Poses

if TYPE_CHECKING:
    from refine.decoding.heatmap.torch import TorchHeatmapDecoder

__all__ = [
    "Preset",
    "RawCrops",
    "RawHeatmaps",
    "RawImage",
    "TorchHeatmapDecoder",
    "decode",
    "decode_blazepose",
    "decode_centernet",
    "decode_combined",
    "decode_dcc",
    "decode_dekr",
    "decode_direct_pose",
    "decode_dsnt",
    "decode_heatmaps",
    "decode_integral",
    "decode_movenet",
    "decode_movenet_multipose",
    "decode_paf",
    "decode_personlab",
    "decode_posefix",
    "decode_rle",
    "decode_roi_heatmaps",
    "decode_simcc",
    "decode_tags",
    "decode_yolo_output",
    "decode_yolo_pose",
    "decode_yolox_pose",
    "fuse_maps",
    "get_preset",
    "instance_scores",
    "keep_best",
    "load_presets",
    "merge_flipped",
    "raw_crops",
    "raw_heatmaps",
    "raw_image",
    "read_crop_outputs",
    "read_image_outputs",
    "read_outputs",
    "read_raw",
    "vote_offsets",
]


class Family(NamedTuple):
    """How outputs of one kind are read and decoded."""

    outputs: type
    read: Callable[..., Any]
    decode: Callable[..., Poses]


FAMILIES = {
    "heatmap": Family(RawHeatmaps, read_raw, decode_heatmap_outputs),
    "efficientpose": Family(RawImage, read_image_outputs, decode_efficientpose_outputs),
    "paf": Family(RawImage, read_image_outputs, decode_paf_outputs),
    "tags": Family(RawImage, read_image_outputs, decode_tags_outputs),
    "partition": Family(RawImage, read_image_outputs, decode_partition_outputs),
    "personlab": Family(RawImage, read_image_outputs, decode_personlab_outputs),
    "centernet": Family(RawImage, read_image_outputs, decode_centernet_outputs),
    "movenet-multipose": Family(RawImage, read_image_outputs, decode_movenet_multipose_outputs),
    "movenet": Family(RawImage, read_image_outputs, decode_movenet_outputs),
    "fused": Family(RawCrops, read_crop_outputs, decode_fused_outputs),
    "combined": Family(RawCrops, read_crop_outputs, decode_combined_outputs),
    "g-rmi": Family(RawCrops, read_crop_outputs, decode_grmi_outputs),
    "simcc": Family(RawCrops, read_crop_outputs, decode_simcc_outputs),
    "expectation": Family(RawCrops, read_crop_outputs, decode_expectation_outputs),
    "coordinates": Family(RawCrops, read_crop_outputs, decode_coordinates_outputs),
    "blazepose": Family(RawCrops, read_crop_outputs, decode_blazepose_outputs),
    "roi": Family(RawCrops, read_crop_outputs, decode_roi_outputs),
    "yolo-pose": Family(RawImage, read_image_outputs, decode_yolo_outputs),
    "yolox-pose": Family(RawImage, read_image_outputs, decode_yolox_outputs),
    "rtmo": Family(RawImage, read_image_outputs, decode_rtmo_outputs),
    "dekr": Family(RawImage, read_image_outputs, decode_dekr_outputs),
    "directpose": Family(RawImage, read_image_outputs, decode_direct_pose_outputs),
}
"""By the `family` of a preset."""


def decode(
    raw: RawHeatmaps | RawCrops | RawImage | str | Path,
    preset: str | Preset = "refine",
    *,
    meta: str | Path | None = None,
    **options: Any,
) -> Poses:
    """Decode raw network outputs into poses.

    Args:
        raw: the outputs, or the path of a file that holds them: `read_raw` for heatmaps of
            crops, `read_crop_outputs` for what else networks say about crops,
            `read_image_outputs` for networks that see a whole image.
        preset: the system that made the outputs, see `load_presets`.
        meta: JSON with what the file lacks.
        options: override the preset; for heatmaps see `decode_heatmap_outputs`, for other
            families the function in `FAMILIES`.

    Returns:
        poses in image px.

    Raises:
        FormatError: the file cannot be read, or the outputs are not of the preset's family.
        GeometryError: nothing says where in the image the outputs lie.
        SkeletonError: the skeleton has another number of joints than there are maps.
        RefineError: no such preset, or an option that its family does not have.

    >>> import numpy as np
    >>> y, x = np.mgrid[:64, :48]
    >>> maps = np.exp(-((x - 20.3) ** 2 + (y - 30.4) ** 2) / 8) * np.ones((1, 17, 1, 1))
    >>> raw = raw_heatmaps({"heatmaps": maps, "affine": [[[1, 0, -5], [0, 1, 7]]]})
    >>> decode(raw).xy[0, 0].round(2).tolist()
    [86.2, 114.6]
    """
    system = preset if isinstance(preset, Preset) else get_preset(preset)
    family = FAMILIES[system.family]
    outputs = read_outputs(raw, system, meta) if isinstance(raw, str | Path) else raw
    if not isinstance(outputs, family.outputs):
        raise FormatError(
            f"expected {family.outputs.__name__} for preset {system.name!r}, "
            f"got {type(outputs).__name__}",
            hint=f"{family.read.__name__}(path)",
        )
    allowed = _options(family.decode)
    if unknown := sorted(set(options) - set(allowed)):
        raise RefineError(
            f"expected an option of {system.family} outputs, got {', '.join(unknown)}",
            hint=f"one of {', '.join(allowed)}",
        )
    return family.decode(outputs, system, **options)


def read_outputs(
    path: str | Path, preset: str | Preset = "refine", meta: str | Path | None = None
) -> Any:
    """Read a file as outputs of a preset's family, for `decode`.

    Raises:
        FormatError: the file cannot be read.
        GeometryError: nothing says where in the image the outputs lie.
        RefineError: no such preset.
    """
    system = preset if isinstance(preset, Preset) else get_preset(preset)
    return FAMILIES[system.family].read(path, meta)


def _options(function: Callable[..., Any]) -> list[str]:
    parameters = inspect.signature(function).parameters.values()
    return [p.name for p in parameters if p.kind is p.KEYWORD_ONLY]


def __getattr__(name: str) -> Any:
    """Load what needs torch on first use."""
    if name == "TorchHeatmapDecoder":
        from refine.decoding.heatmap.torch import TorchHeatmapDecoder

        return TorchHeatmapDecoder
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
