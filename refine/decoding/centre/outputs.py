"""Raw heads of CenterNet and MoveNet for a whole image to poses."""

from typing import Any, cast

import numpy as np
import numpy.typing as npt

from refine.decoding.centre.arrays import (
    BLUNT,
    COUNTED,
    LEAST,
    MOST,
    REACH,
    SPREAD,
    Compat,
    Instances,
    decode_centernet,
    decode_movenet,
    decode_movenet_multipose,
    merge_centernet_flip,
)
from refine.decoding.presets import Preset
from refine.decoding.raw.channels import channels_first
from refine.decoding.raw.image import RawImage
from refine.poses import Poses
from refine.skeletons import Skeleton, skeleton as find_skeleton

CENTRE = ("center_logits", "centre_logits", "hm", "center", "centre")
MAPS = ("heatmap_logits", "heatmaps_logits", "hm_hp", "heatmaps", "heatmap")
REGRESS = ("regress", "kpt_regress", "hps")
STEPS = ("offset", "kpt_offset", "hp_offset")
"""Names under which files hold heads. Those that end in "_logits", and CenterNet's `hm` and
`hm_hp` as its network gives them, are before the sigmoid; the others are probabilities."""


def decode_centernet_outputs(
    raw: RawImage,
    preset: Preset,
    *,
    k: int | None = None,
    threshold: float | None = None,
    reach: float | None = None,
    min_score: float | None = None,
    flip: bool = True,
    skeleton: str | None = None,
) -> Poses:
    """Decode CenterNet's `hm`, `hps`, `wh`, and `reg`, `hm_hp`, `hp_offset` if they are there.

    Args:
        raw: the heads, channels first or last; of the mirrored input with suffix `_flipped`.
        preset: of family "centernet"; the options below override its own.
        k: see `decode_centernet`, as the next two.
        threshold: probability.
        reach: of the longer side of the box.
        min_score: lowest instance score.
        flip: merge the heads of the mirrored input, if there are any.
        skeleton: of the maps.

    Returns:
        poses in image px with `score_kind` "probability".

    Raises:
        FormatError: heads are missing or do not fit the skeleton.
        ArrayError: an option out of range.
    """
    joints = find_skeleton(skeleton or preset.skeleton)
    n = len(joints)
    centre = _probability(raw, 1, *CENTRE)[0]
    hops, sides = channels_first(raw, 2 * n, *REGRESS), channels_first(raw, 2, "wh")
    flip = flip and "hm_flipped" in raw.arrays
    maps = _probability(raw, n, *MAPS) if flip or any(m in raw.arrays for m in MAPS) else None
    if flip and maps is not None:
        mirrored = (
            _probability(raw, 1, "hm_flipped")[0],
            channels_first(raw, 2 * n, "hps_flipped"),
            channels_first(raw, 2, "wh_flipped"),
            _probability(raw, n, "hm_hp_flipped"),
        )
        centre, hops, sides, maps = merge_centernet_flip(
            centre, hops, sides, maps, mirrored, joints.mirror
        )
    found = decode_centernet(
        centre,
        hops,
        sides,
        channels_first(raw, 2, "reg") if "reg" in raw.arrays else None,
        maps,
        channels_first(raw, 2, "hp_offset") if "hp_offset" in raw.arrays else None,
        int(_option(preset, "k", k, MOST)),
        stride=_stride(raw, preset),
        threshold=_option(preset, "threshold", threshold, LEAST),
        reach=_option(preset, "reach", reach, REACH),
    )
    return _poses(raw, preset, joints, found, min_score)


def decode_movenet_multipose_outputs(
    raw: RawImage,
    preset: Preset,
    *,
    k: int | None = None,
    spread: float | None = None,
    counted: float | None = None,
    min_score: float | None = None,
    compat: Compat | None = None,
    skeleton: str | None = None,
) -> Poses:
    """Decode MoveNet.MultiPose's heads before its own decoder.

    Args:
        raw: `center_logits`, `box_scale`, `box_offset`, `regress`, `heatmap_logits`, `offset`,
            channels first or last.
        preset: of family "movenet-multipose"; the options below override its own.
        k: see `decode_movenet_multipose`, as the next two.
        spread: of shorter map sides.
        counted: score.
        min_score: lowest instance score.
        compat: see `decode_movenet_multipose`.
        skeleton: of the maps.

    Returns:
        poses in image px with `score_kind` "probability".

    Raises:
        FormatError: heads are missing or do not fit the skeleton.
        ArrayError: an option out of range.
    """
    joints = find_skeleton(skeleton or preset.skeleton)
    found = decode_movenet_multipose(
        _probability(raw, 1, *CENTRE)[0],
        channels_first(raw, 2, "box_scale"),
        channels_first(raw, 2, "box_offset"),
        channels_first(raw, 2 * len(joints), *REGRESS),
        _probability(raw, len(joints), *MAPS),
        channels_first(raw, 2 * len(joints), *STEPS),
        int(_option(preset, "k", k, 6)),
        stride=_stride(raw, preset),
        spread=_option(preset, "spread", spread, SPREAD),
        counted=_option(preset, "counted", counted, COUNTED),
        logits=False,
        compat=compat or cast(Compat | None, preset.compat),
    )
    return _poses(raw, preset, joints, found, min_score)


def decode_movenet_outputs(
    raw: RawImage,
    preset: Preset,
    *,
    blunt: float | None = None,
    min_score: float | None = None,
    skeleton: str | None = None,
) -> Poses:
    """Decode MoveNet.SinglePose's heads before its own decoder.

    Args:
        raw: `center_logits`, `regress`, `heatmap_logits`, `offset`, channels first or last.
        preset: of family "movenet"; the options below override its own.
        blunt: see `decode_movenet`.
        min_score: lowest instance score.
        skeleton: of the maps.

    Returns:
        one pose in image px with `score_kind` "probability", or none below `min_score`.

    Raises:
        FormatError: heads are missing or do not fit the skeleton.
        ArrayError: an option out of range.
    """
    joints = find_skeleton(skeleton or preset.skeleton)
    found = decode_movenet(
        _probability(raw, 1, *CENTRE)[0],
        channels_first(raw, 2 * len(joints), *REGRESS),
        _probability(raw, len(joints), *MAPS),
        channels_first(raw, 2 * len(joints), *STEPS),
        stride=_stride(raw, preset),
        blunt=_option(preset, "blunt", blunt, BLUNT),
        logits=False,
    )
    return _poses(raw, preset, joints, found, min_score)


def _option(preset: Preset, name: str, given: float | None, default: float) -> float:
    return float(preset.options.get(name, default) if given is None else given)


def _stride(raw: RawImage, preset: Preset) -> float:
    return float(raw.meta.get("stride", preset.stride))


def _probability(raw: RawImage, channels: int, *names: str) -> npt.NDArray[np.floating[Any]]:
    maps = channels_first(raw, channels, *names).astype(np.float32)
    name = next(n for n in names if n in raw.arrays)
    if not (name.endswith("_logits") or name.removesuffix("_flipped") in ("hm", "hm_hp")):
        return maps
    # Through tanh, which does not overflow.
    return np.asarray(0.5 * np.tanh(0.5 * maps) + 0.5, np.float32)


def _poses(
    raw: RawImage, preset: Preset, joints: Skeleton, found: Instances, min_score: float | None
) -> Poses:
    least = _option(preset, "min_score", min_score, 0.0)
    poses = Poses.from_arrays(
        joints,
        raw.to_image(found.xy),
        found.score,
        instance_score=found.instance_score,
        images=[raw.image],
        score_kind="probability",
        box=raw.to_image(found.box.reshape(-1, 2, 2)).reshape(-1, 4),
    )
    return poses[found.instance_score >= least].done(
        "decode", None, preset=preset.name, min_score=least
    )
