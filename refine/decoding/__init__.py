"""Raw outputs of networks to poses, and the array functions underneath."""

from typing import TYPE_CHECKING, Any

from refine.decoding.centre.arrays import decode_centernet, decode_movenet, decode_movenet_multipose
from refine.decoding.families import FAMILIES
from refine.decoding.family import Family, Options
from refine.decoding.heatmap.arrays import decode_heatmaps
from refine.decoding.heatmap.roi import decode_roi_heatmaps
from refine.decoding.maps.flip import merge_flipped
from refine.decoding.maps.fuse import fuse_maps
from refine.decoding.offsets.arrays import decode_combined, vote_offsets
from refine.decoding.one_stage.arrays import (
    decode_dcc,
    decode_direct_pose,
    decode_yolox_pose,
    keep_best,
)
from refine.decoding.one_stage.dekr import decode_dekr
from refine.decoding.one_stage.yolo import decode_yolo_output, decode_yolo_pose
from refine.decoding.outputs import decode, read_outputs
from refine.decoding.paf.arrays import decode_paf
from refine.decoding.people import Decoded, Detections
from refine.decoding.personlab.arrays import decode_personlab
from refine.decoding.presets import Preset, get_preset, load_presets
from refine.decoding.raw.crops import (
    RawCrops,
    RawHeatmaps,
    raw_crops,
    raw_heatmaps,
    read_crop_outputs,
    read_raw,
)
from refine.decoding.raw.image import RawImage, raw_image, read_image_outputs
from refine.decoding.regression.arrays import (
    decode_blazepose,
    decode_dsnt,
    decode_integral,
    decode_posefix,
    decode_rle,
)
from refine.decoding.simcc.arrays import decode_simcc
from refine.decoding.tags.arrays import decode_tags
from refine.rescore import instance_scores

if TYPE_CHECKING:
    from refine.decoding.heatmap.torch import TorchHeatmapDecoder

__all__ = [
    "FAMILIES",
    "Decoded",
    "Detections",
    "Family",
    "Options",
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


def __getattr__(name: str) -> Any:
    """Load what needs torch on first use."""
    if name == "TorchHeatmapDecoder":
        from refine.decoding.heatmap.torch import TorchHeatmapDecoder

        return TorchHeatmapDecoder
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
