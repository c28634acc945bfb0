"""One-stage networks' outputs for one image to poses."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from refine.decoding.one_stage.arrays import (
    STRIDES,
    Detections,
    Suppress,
    decode_dcc,
    decode_direct_pose,
    decode_yolox_pose,
    keep_best,
)
from refine.decoding.one_stage.dekr import decode_dekr, merge_flipped_dekr, rescore_dekr
from refine.decoding.one_stage.yolo import Layout, Version, decode_yolo_output, decode_yolo_pose
from refine.decoding.presets import Preset
from refine.decoding.raw.files import FLIPPED, read_arrays
from refine.decoding.raw.image import RawImage
from refine.exceptions import ArrayError, FormatError
from refine.poses import Poses
from refine.skeletons import Skeleton, skeleton as find_skeleton


def decode_yolo_outputs(
    raw: RawImage,
    preset: Preset,
    *,
    layout: Layout | None = None,
    version: Version | None = None,
    strides: Sequence[int] | None = None,
    normalised: bool | None = None,
    threshold: float | None = None,
    suppress: Suppress | None = None,
    nms_threshold: float | None = None,
    max_poses: int = 300,
    skeleton: str | Skeleton | None = None,
) -> Poses:
    """Decode a YOLO pose network.

    Args:
        raw: with `output0`, what an exported network returns; or `raw`, what its last
            convolutions say, see `decode_yolo_pose`.
        preset: the system that made the outputs; the options below override its entries.
        layout: of `output0`, see `decode_yolo_output`; by its shape where the preset does not
            say.
        version: of `raw`, see `decode_yolo_pose`.
        strides: of `raw`.
        normalised: coordinates are fractions of the input (TFLite exports);
            `coordinates_normalised` in the JSON by default.
        threshold: instance score.
        suppress: see `keep_best`; "none" for outputs that are end-to-end.
        nms_threshold: see `keep_best`.
        max_poses: at most.
        skeleton: of the joints.

    Returns:
        poses in image px with `score_kind` "probability".

    Raises:
        FormatError: arrays that are missing or do not fit together.
    """
    joints = _skeleton(skeleton, preset)
    options = _options(preset, suppress=suppress, nms_threshold=nms_threshold)
    least = _pick(threshold, preset.options.get("threshold", 0.25))
    k = len(joints)
    try:
        if "raw" in raw.arrays:
            found = decode_yolo_pose(
                raw.array("raw"),
                k,
                _input_size(raw),
                _pick(strides, preset.options.get("strides", STRIDES)),
                version or preset.options.get("version", "v8"),
                threshold=least,
            )
        else:
            output = np.atleast_2d(raw.array("output0", "output", "predictions"))
            ends = output.ndim == 2 and output.shape[1] in (6 + 3 * k, 6 + 2 * k)
            form = layout or preset.options.get("layout") or ("end2end" if ends else "v8")
            if form == "end2end" and suppress is None:
                options["suppress"] = "none"
            found = decode_yolo_output(output, k, form, threshold=least)
            if _pick(normalised, bool(raw.meta.get("coordinates_normalised", False))):
                size = np.array(_input_size(raw), np.float64)
                found = found._replace(xy=found.xy * size, box=found.box * np.tile(size, 2))
        return _finished(raw, preset, joints, found, max_poses, options)
    except ArrayError as error:
        raise FormatError(error.message, where=raw.where, hint=error.hint) from None


def decode_yolox_outputs(
    raw: RawImage,
    preset: Preset,
    *,
    strides: Sequence[int] | None = None,
    threshold: float | None = None,
    suppress: Suppress | None = None,
    nms_threshold: float | None = None,
    max_poses: int = 300,
    skeleton: str | Skeleton | None = None,
) -> Poses:
    """Decode YOLOX-pose.

    Args:
        raw: with `cls`, `objectness`, `boxes`, `offsets` and `visibility`, one row a cell, see
            `decode_yolox_pose`.
        preset: the system that made the outputs; the options below override its entries.
        strides: px a cell of each grid.
        threshold: instance score.
        suppress: see `keep_best`.
        nms_threshold: see `keep_best`.
        max_poses: at most.
        skeleton: of the joints.

    Returns:
        poses in image px with `score_kind` "probability".

    Raises:
        FormatError: arrays that are missing or do not fit together.
    """
    joints = _skeleton(skeleton, preset)
    try:
        found = decode_yolox_pose(
            raw.array("cls"),
            raw.array("objectness"),
            raw.array("boxes"),
            raw.array("offsets"),
            raw.array("visibility"),
            _input_size(raw),
            _pick(strides, preset.options.get("strides", STRIDES)),
            threshold=_pick(threshold, preset.options.get("threshold", 0.01)),
        )
        options = _options(preset, suppress=suppress, nms_threshold=nms_threshold)
        return _finished(raw, preset, joints, found, max_poses, options)
    except ArrayError as error:
        raise FormatError(error.message, where=raw.where, hint=error.hint) from None


def decode_rtmo_outputs(
    raw: RawImage,
    preset: Preset,
    *,
    threshold: float | None = None,
    suppress: Suppress | None = None,
    nms_threshold: float | None = None,
    padding: float | None = None,
    max_poses: int = 300,
    skeleton: str | Skeleton | None = None,
) -> Poses:
    """Decode RTMO.

    Args:
        raw: with `dets` (M, 5), boxes in input px and scores, and either `keypoints` (M, K, 3),
            as exported networks return them, or the 1-D maps `x_maps` (M, K, Bx) and `y_maps`
            (M, K, By) and perhaps `visibility` (M, K).
        preset: the system that made the outputs; the options below override its entries.
        threshold: instance score.
        suppress: see `keep_best`.
        nms_threshold: see `keep_best`.
        padding: see `decode_dcc`.
        max_poses: at most.
        skeleton: of the joints.

    Returns:
        poses in image px with `score_kind` "probability".

    Raises:
        FormatError: arrays that are missing or do not fit together.
    """
    joints = _skeleton(skeleton, preset)
    # One pose looks like a batch of one to the reader, which takes that axis off.
    dets = np.atleast_2d(np.asarray(raw.array("dets"), np.float64))
    if dets.ndim != 2 or dets.shape[1] < 5:
        raise FormatError(f"expected `dets` (M, 5), got {dets.shape}", where=raw.where)
    try:
        if "keypoints" in raw.arrays:
            table = np.asarray(raw.array("keypoints"), np.float64)
            table = table[None] if table.ndim == 2 else table
            if table.ndim != 3 or table.shape[2] != 3 or len(table) != len(dets):
                raise ArrayError(f"expected `keypoints` ({len(dets)}, K, 3), got {table.shape}")
            xy, seen = table[..., :2], table[..., 2]
        else:
            grown = _pick(padding, preset.options.get("bbox_padding", 1.25))
            x, y = (m[None] if m.ndim == 2 else m for m in map(raw.array, ("x_maps", "y_maps")))
            xy = decode_dcc(x, y, dets[:, :4], grown)
            seen = np.full(xy.shape[:2], np.nan)
            if "visibility" in raw.arrays:
                seen = np.atleast_2d(np.asarray(raw.array("visibility"), np.float64))
                if seen.shape != xy.shape[:2]:
                    raise ArrayError(f"expected `visibility` {xy.shape[:2]}, got {seen.shape}")
        found = Detections(xy, seen, dets[:, :4], dets[:, 4])
        found = found.take(dets[:, 4] > _pick(threshold, preset.options.get("threshold", 0.1)))
        options = _options(preset, suppress=suppress, nms_threshold=nms_threshold)
        return _finished(raw, preset, joints, found, max_poses, options)
    except ArrayError as error:
        raise FormatError(error.message, where=raw.where, hint=error.hint) from None


def decode_direct_pose_outputs(
    raw: RawImage,
    preset: Preset,
    *,
    strides: Sequence[int] | None = None,
    threshold: float | None = None,
    suppress: Suppress | None = None,
    nms_threshold: float | None = None,
    max_poses: int = 100,
    skeleton: str | Skeleton | None = None,
) -> Poses:
    """Decode DirectPose.

    Args:
        raw: with `cls`, `centerness` and `offsets`, one row a cell, see `decode_direct_pose`.
        preset: the system that made the outputs; the options below override its entries.
        strides: px a cell of each grid.
        threshold: class score.
        suppress: see `keep_best`.
        nms_threshold: see `keep_best`.
        max_poses: at most.
        skeleton: of the joints.

    Returns:
        poses in image px without joint scores.

    Raises:
        FormatError: arrays that are missing or do not fit together.
    """
    joints = _skeleton(skeleton, preset)
    try:
        found = decode_direct_pose(
            raw.array("cls"),
            raw.array("centerness"),
            raw.array("offsets"),
            _input_size(raw),
            _pick(strides, preset.options["strides"]),
            threshold=_pick(threshold, preset.options["threshold"]),
        )
        options = _options(preset, suppress=suppress, nms_threshold=nms_threshold)
        return _finished(raw, preset, joints, found, max_poses, options)
    except ArrayError as error:
        raise FormatError(error.message, where=raw.where, hint=error.hint) from None


def decode_dekr_outputs(
    raw: RawImage,
    preset: Preset,
    *,
    threshold: float = 0.01,
    match: bool = False,
    flip: bool = True,
    rescore: str | Path | None = None,
    max_poses: int = 30,
    skeleton: str | Skeleton | None = None,
) -> Poses:
    """Decode DEKR.

    Args:
        raw: with `heatmaps` (K + 1, H, W) and `offsets` (2 K, H, W), perhaps with
            `_flipped_input` for the input mirrored and moved 3 px to the left.
        preset: the system that made the outputs.
        threshold: of centres.
        match: see `decode_dekr`.
        flip: average with the outputs of the mirrored input, if they are there.
        rescore: file .npz or .safetensors with the rescoring network: `l1.weight`, `l1.bias` and
            so on, see `rescore_dekr`.
        max_poses: at most.
        skeleton: of the joints.

    Returns:
        poses in image px with `score_kind` "peak".

    Raises:
        FormatError: arrays that are missing or do not fit together.
    """
    joints = _skeleton(skeleton, preset)
    try:
        maps, shifts = raw.array("heatmaps"), raw.array("offsets")
        if flip and any(name.endswith(FLIPPED) for name in raw.arrays):
            back = raw.array("heatmaps" + FLIPPED), raw.array("offsets" + FLIPPED)
            maps, shifts = merge_flipped_dekr(maps, shifts, *back, joints.mirror)
        if len(maps) != len(joints) + 1:
            raise ArrayError(f"expected {len(joints) + 1} heatmaps, got {len(maps)}")
        xy, score, instance = decode_dekr(
            maps, shifts, threshold=threshold, most=max_poses, match=match
        )
        xy = raw.to_image(xy)
        if rescore is not None:
            instance = rescore_dekr(xy, score, instance, _layers(Path(rescore)))
    except ArrayError as error:
        raise FormatError(error.message, where=raw.where, hint=error.hint) from None
    poses = Poses.from_arrays(
        joints, xy, score, instance_score=instance, images=(raw.image,), score_kind="peak"
    )
    return poses.done("decode", None, preset=preset.name, match=match)


def _layers(path: Path) -> list[tuple[Any, Any]]:
    arrays = read_arrays(path)
    names = sorted(n.removesuffix(".weight") for n in arrays if n.endswith(".weight"))
    if not names or any(f"{n}.bias" not in arrays for n in names):
        raise FormatError(
            f"expected `l1.weight`, `l1.bias` and so on, got {', '.join(arrays) or 'nothing'}",
            where=str(path),
        )
    return [(arrays[f"{n}.weight"], arrays[f"{n}.bias"]) for n in names]


def _skeleton(given: str | Skeleton | None, preset: Preset) -> Skeleton:
    return find_skeleton(given or preset.skeleton)


def _pick(given: Any, default: Any) -> Any:
    return default if given is None else given


def _options(preset: Preset, **given: Any) -> dict[str, Any]:
    """Return the arguments of `keep_best`."""
    found = {k: _pick(v, preset.options.get(k)) for k, v in given.items()}
    return {k: v for k, v in found.items() if v is not None}


def _input_size(raw: RawImage) -> tuple[int, int]:
    if raw.input_size is None:
        raise FormatError(
            "expected the size of the network input, got none",
            where=raw.where,
            hint="`input_size` (width, height) in the file or its JSON",
        )
    return raw.input_size


def _finished(
    raw: RawImage,
    preset: Preset,
    joints: Skeleton,
    found: Detections,
    max_poses: int,
    options: dict[str, Any],
) -> Poses:
    """Remove duplicates and bring what stays to the image."""
    if found.xy.shape[1:] != (len(joints), 2):
        raise ArrayError(
            f"expected {len(joints)} joints for skeleton {joints.name!r}, got {found.xy.shape}",
            hint="--skeleton with the joints of these outputs",
        )
    if options.get("suppress") == "oks":
        options = {**options, "sigmas": joints.require_sigmas()}
    kept = keep_best(found, most=max_poses, **options)
    corners = raw.to_image(kept.box.reshape(-1, 2, 2))
    poses = Poses.from_arrays(
        joints,
        raw.to_image(kept.xy),
        None if np.isnan(kept.score).all() and len(kept.score) else kept.score,
        instance_score=kept.instance_score,
        images=(raw.image,),
        score_kind="probability",
        box=np.concatenate([corners.min(1), corners.max(1)], 1),
    )
    told = {k: v for k, v in options.items() if k != "sigmas"}
    return poses.done("decode", None, preset=preset.name, **told)
