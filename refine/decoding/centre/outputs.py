"""Raw heads of CenterNet and MoveNet for a whole image to poses."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from refine.decoding.centre.arrays import (
    COUNT_THRESHOLD,
    DISTANCE_OFFSET,
    MAX_POSES,
    RADIUS,
    SPREAD,
    THRESHOLD,
    Compat,
    decode_centernet,
    decode_movenet,
    decode_movenet_multipose,
    merge_centernet_flip,
)
from refine.decoding.family import Count, Family, Options, Stride
from refine.decoding.people import Detections
from refine.decoding.raw.image import RawImage, channels_first, read_image_outputs
from refine.poses import Poses

CENTRE = ("center_logits", "centre_logits", "hm", "center", "centre")
MAPS = ("heatmap_logits", "heatmaps_logits", "hm_hp", "heatmaps", "heatmap")
REGRESS = ("regress", "kpt_regress", "hps")
STEPS = ("offset", "kpt_offset", "hp_offset")
"""Names under which files hold heads. Those that end in "_logits", and CenterNet's `hm` and
`hm_hp` as its network gives them, are before the sigmoid; the others are probabilities."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CentreOptions(Options):
    """How heads about the centres of people are read.

    Attributes:
        min_score: lowest instance score.
        stride: input px per cell, where the file does not say.
    """

    min_score: float = 0.0
    stride: Stride = 4

    recorded: ClassVar = ("min_score",)


@dataclass(frozen=True, slots=True, kw_only=True)
class CenterNetOptions(CentreOptions):
    """How CenterNet is read.

    Attributes:
        max_poses: see `decode_centernet`.
        threshold: see `decode_centernet`.
        radius: see `decode_centernet`.
        flip: merge the heads of the mirrored input, if there are any.
    """

    max_poses: Count = MAX_POSES
    threshold: float = THRESHOLD
    radius: float = RADIUS
    flip: bool = True


def decode_centernet_outputs(raw: RawImage, options: CenterNetOptions) -> Poses:
    """Decode CenterNet's `hm`, `hps`, `wh`, and `reg`, `hm_hp`, `hp_offset` if they are there.

    Args:
        raw: the heads, channels first or last; of the mirrored input with suffix `_flipped`.
        options: how.

    Returns:
        poses in image px with `score_kind` "probability".

    Raises:
        FormatError: heads are missing or do not fit the skeleton.
        ArrayError: an option out of range.
    """
    n = len(options.skeleton)
    centre = _probability(raw, 1, *CENTRE)[0]
    hops, sides = channels_first(raw, 2 * n, *REGRESS), channels_first(raw, 2, "wh")
    flip = options.flip and "hm_flipped" in raw.arrays
    maps = _probability(raw, n, *MAPS) if flip or any(m in raw.arrays for m in MAPS) else None
    if flip and maps is not None:
        mirrored = (
            _probability(raw, 1, "hm_flipped")[0],
            channels_first(raw, 2 * n, "hps_flipped"),
            channels_first(raw, 2, "wh_flipped"),
            _probability(raw, n, "hm_hp_flipped"),
        )
        centre, hops, sides, maps = merge_centernet_flip(
            centre, hops, sides, maps, mirrored, options.skeleton.mirror
        )
    found = decode_centernet(
        centre,
        hops,
        sides,
        channels_first(raw, 2, "reg") if "reg" in raw.arrays else None,
        maps,
        channels_first(raw, 2, "hp_offset") if "hp_offset" in raw.arrays else None,
        options.max_poses,
        stride=_stride(raw, options),
        threshold=options.threshold,
        radius=options.radius,
    )
    return _poses(raw, options, found)


@dataclass(frozen=True, slots=True, kw_only=True)
class MultiPoseOptions(CentreOptions):
    """How MoveNet.MultiPose is read.

    Attributes:
        max_poses: see `decode_movenet_multipose`.
        spread: see `decode_movenet_multipose`.
        count_threshold: see `decode_movenet_multipose`.
        compat: see `decode_movenet_multipose`.
    """

    max_poses: Count = 6
    spread: float = SPREAD
    count_threshold: float = COUNT_THRESHOLD
    compat: Compat | None = None


def decode_movenet_multipose_outputs(raw: RawImage, options: MultiPoseOptions) -> Poses:
    """Decode MoveNet.MultiPose's heads before its own decoder.

    Args:
        raw: `center_logits`, `box_scale`, `box_offset`, `regress`, `heatmap_logits`, `offset`,
            channels first or last.
        options: how.

    Returns:
        poses in image px with `score_kind` "probability".

    Raises:
        FormatError: heads are missing or do not fit the skeleton.
        ArrayError: an option out of range.
    """
    n = len(options.skeleton)
    found = decode_movenet_multipose(
        _probability(raw, 1, *CENTRE)[0],
        channels_first(raw, 2, "box_scale"),
        channels_first(raw, 2, "box_offset"),
        channels_first(raw, 2 * n, *REGRESS),
        _probability(raw, n, *MAPS),
        channels_first(raw, 2 * n, *STEPS),
        options.max_poses,
        stride=_stride(raw, options),
        spread=options.spread,
        count_threshold=options.count_threshold,
        logits=False,
        compat=options.compat,
    )
    return _poses(raw, options, found)


@dataclass(frozen=True, slots=True, kw_only=True)
class SinglePoseOptions(CentreOptions):
    """How MoveNet.SinglePose is read.

    Attributes:
        distance_offset: see `decode_movenet`.
    """

    distance_offset: float = DISTANCE_OFFSET


def decode_movenet_outputs(raw: RawImage, options: SinglePoseOptions) -> Poses:
    """Decode MoveNet.SinglePose's heads before its own decoder.

    Args:
        raw: `center_logits`, `regress`, `heatmap_logits`, `offset`, channels first or last.
        options: how.

    Returns:
        one pose in image px with `score_kind` "probability", or none below `min_score`.

    Raises:
        FormatError: heads are missing or do not fit the skeleton.
        ArrayError: an option out of range.
    """
    n = len(options.skeleton)
    found = decode_movenet(
        _probability(raw, 1, *CENTRE)[0],
        channels_first(raw, 2 * n, *REGRESS),
        _probability(raw, n, *MAPS),
        channels_first(raw, 2 * n, *STEPS),
        stride=_stride(raw, options),
        distance_offset=options.distance_offset,
        logits=False,
    )
    return _poses(raw, options, found)


def _stride(raw: RawImage, options: CentreOptions) -> float:
    return raw.stride(options.stride)


def _probability(raw: RawImage, channels: int, *names: str) -> npt.NDArray[np.floating[Any]]:
    maps = channels_first(raw, channels, *names).astype(np.float32)
    name = next(n for n in names if n in raw.arrays)
    if not (name.endswith("_logits") or name.removesuffix("_flipped") in ("hm", "hm_hp")):
        return maps
    # Through tanh, which does not overflow.
    return np.asarray(0.5 * np.tanh(0.5 * maps) + 0.5, np.float32)


def _poses(raw: RawImage, options: CentreOptions, found: Detections) -> Poses:
    poses = Poses.from_arrays(
        options.skeleton,
        raw.to_image(found.xy),
        found.score,
        instance_score=found.instance_score,
        images=[raw.image],
        score_kind="probability",
        box=raw.to_image(found.box.reshape(-1, 2, 2)).reshape(-1, 4),
    )
    return poses[found.instance_score >= options.min_score]


CENTERNET = Family(
    "centernet", RawImage, read_image_outputs, CenterNetOptions, decode_centernet_outputs
)
MULTIPOSE = Family(
    "movenet-multipose",
    RawImage,
    read_image_outputs,
    MultiPoseOptions,
    decode_movenet_multipose_outputs,
)
SINGLEPOSE = Family(
    "movenet", RawImage, read_image_outputs, SinglePoseOptions, decode_movenet_outputs
)
