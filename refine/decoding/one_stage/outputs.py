"""One-stage networks' outputs for one image to poses."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar

import msgspec
import numpy as np

from refine.decoding.family import Count, Family, Options
from refine.decoding.one_stage.arrays import (
    DCC_PADDING,
    Suppress,
    decode_dcc,
    decode_direct_pose,
    decode_yolox_pose,
    grid_points,
)
from refine.decoding.one_stage.dekr import decode_dekr, merge_flipped_dekr, rescore_dekr
from refine.decoding.one_stage.detections import (
    DetectionOptions,
    GridOptions,
    finished,
    in_pixels,
    network_input,
)
from refine.decoding.one_stage.yolo import (
    Layout,
    Version,
    decode_yolo_output,
    decode_yolo_pose,
    is_end_to_end,
)
from refine.decoding.people import Detections
from refine.decoding.raw.files import FLIPPED, read_arrays
from refine.decoding.raw.image import RawImage, read_image_outputs
from refine.exceptions import ArrayError, FormatError
from refine.poses import Poses

OUTPUT = ("output0", "output", "predictions")
"""Names of what exported YOLO networks return."""


@dataclass(frozen=True, slots=True, kw_only=True)
class YoloOptions(GridOptions):
    """How a YOLO pose network is read.

    Attributes:
        layout: of `output0`, see `decode_yolo_output`; by default "end2end" where the shape
            allows it and either the version is "v26" or `is_end_to_end`, else "v8".
        version: of `raw`, see `decode_yolo_pose`.
        classes: of the network, see there; by default one in `raw`, and in `output0` as many as
            the shape leaves over; they become categories, see `refine.categories`.
        normalised: coordinates are fractions of the input (TFLite exports); by default
            `coordinates_normalised` in the JSON. Where neither says, fractions are an error.
    """

    layout: Layout | None = None
    version: Version = "v8"
    classes: Annotated[int, msgspec.Meta(ge=1)] | None = None
    normalised: bool | None = None

    def layout_of(self, raw: RawImage) -> Layout:
        """Return the layout of `output0`."""
        if self.layout is not None:
            return self.layout
        table, k = _table(raw), len(self.skeleton)
        told = self.version == "v26" and table.shape[1:] in {(6 + 3 * k,), (6 + 2 * k,)}
        return "end2end" if told or is_end_to_end(table, k) else "v8"

    def suppression(self, raw: RawImage) -> Suppress:
        """Return "none" for end-to-end outputs, unless something else is asked for."""
        ends = "raw" not in raw.arrays and self.layout_of(raw) == "end2end"
        return self.suppress or ("none" if ends else "box")


def decode_yolo_outputs(raw: RawImage, options: YoloOptions) -> Poses:
    """Decode a YOLO pose network.

    Args:
        raw: with `output0`, what an exported network returns; or `raw`, what its last
            convolutions say, see `decode_yolo_pose`.
        options: how.

    Returns:
        poses in image px with `score_kind` "probability".

    Raises:
        FormatError: arrays that are missing.
        ArrayError: arrays that do not fit together.
    """
    k, least = len(options.skeleton), options.threshold
    if "raw" in raw.arrays:
        found = decode_yolo_pose(
            raw.array("raw"),
            k,
            network_input(raw),
            options.strides,
            options.version,
            classes=options.classes or 1,
            threshold=least,
        )
    else:
        size = raw.input_size
        found = decode_yolo_output(
            _table(raw),
            k,
            options.layout_of(raw),
            classes=options.classes,
            cells=None if size is None else len(grid_points(size, options.strides)[0]),
            threshold=least,
        )
        found = in_pixels(raw, options.normalised, found)
    return finished(raw, options, found)


def _table(raw: RawImage) -> Any:
    # One pose looks like a batch of one to the reader, which takes that axis off.
    return np.atleast_2d(raw.array(*OUTPUT))


def decode_yolox_outputs(raw: RawImage, options: GridOptions) -> Poses:
    """Decode YOLOX-pose.

    Args:
        raw: with `cls`, `objectness`, `boxes`, `offsets` and `visibility`, one row per cell, see
            `decode_yolox_pose`.
        options: how.

    Returns:
        poses in image px with `score_kind` "probability".

    Raises:
        FormatError: arrays that are missing.
        ArrayError: arrays that do not fit together.
    """
    found = decode_yolox_pose(
        raw.array("cls"),
        raw.array("objectness"),
        raw.array("boxes"),
        raw.array("offsets"),
        raw.array("visibility"),
        network_input(raw),
        options.strides,
        threshold=options.threshold,
    )
    return finished(raw, options, found)


@dataclass(frozen=True, slots=True, kw_only=True)
class RtmoOptions(DetectionOptions):
    """How RTMO is read.

    Attributes:
        padding: of the boxes that the bins span, see `decode_dcc`.
        normalised: see `YoloOptions`.
    """

    padding: float = DCC_PADDING
    normalised: bool | None = None


def decode_rtmo_outputs(raw: RawImage, options: RtmoOptions) -> Poses:
    """Decode RTMO.

    Args:
        raw: with `dets` (M, 5), boxes in input px and scores, and either `keypoints` (M, K, 3),
            as exported networks return them, or the 1-D maps `x_maps` (M, K, Bx) and `y_maps`
            (M, K, By) and perhaps `visibility` (M, K).
        options: how.

    Returns:
        poses in image px with `score_kind` "probability".

    Raises:
        FormatError: arrays that are missing.
        ArrayError: arrays that do not fit together.
    """
    dets = np.atleast_2d(np.asarray(raw.array("dets"), np.float64))
    if dets.ndim != 2 or dets.shape[1] < 5:
        raise ArrayError(f"expected `dets` (M, 5), got {dets.shape}")
    if "keypoints" in raw.arrays:
        table = np.asarray(raw.array("keypoints"), np.float64)
        table = table[None] if table.ndim == 2 else table
        if table.ndim != 3 or table.shape[2] != 3 or len(table) != len(dets):
            raise ArrayError(f"expected `keypoints` ({len(dets)}, K, 3), got {table.shape}")
        xy, seen = table[..., :2], table[..., 2]
    else:
        x, y = (m[None] if m.ndim == 2 else m for m in map(raw.array, ("x_maps", "y_maps")))
        xy = decode_dcc(x, y, dets[:, :4], options.padding)
        seen = np.full(xy.shape[:2], np.nan)
        if "visibility" in raw.arrays:
            seen = np.atleast_2d(np.asarray(raw.array("visibility"), np.float64))
            if seen.shape != xy.shape[:2]:
                raise ArrayError(f"expected `visibility` {xy.shape[:2]}, got {seen.shape}")
    found = Detections(xy, seen, dets[:, 4], dets[:, :4]).take(dets[:, 4] > options.threshold)
    found = in_pixels(raw, options.normalised, found)
    return finished(raw, options, found)


def decode_direct_pose_outputs(raw: RawImage, options: GridOptions) -> Poses:
    """Decode DirectPose.

    Args:
        raw: with `cls`, `centerness` and `offsets`, one row per cell, see `decode_direct_pose`.
        options: how; the threshold is that of the class score.

    Returns:
        poses in image px without joint scores.

    Raises:
        FormatError: arrays that are missing.
        ArrayError: arrays that do not fit together.
    """
    found = decode_direct_pose(
        raw.array("cls"),
        raw.array("centerness"),
        raw.array("offsets"),
        network_input(raw),
        options.strides,
        threshold=options.threshold,
    )
    return finished(raw, options, found, scored=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class DekrOptions(Options):
    """How DEKR is read.

    Attributes:
        threshold: of centres.
        match: see `decode_dekr`.
        flip: average with the outputs of the mirrored input, if they are there.
        rescore: file .npz or .safetensors with the rescoring network: `l1.weight`, `l1.bias` and
            so on, see `rescore_dekr`.
        max_poses: at most.
    """

    threshold: float = 0.01
    match: bool = False
    flip: bool = True
    rescore: Path | None = None
    max_poses: Count = 30

    recorded: ClassVar = ("match",)


def decode_dekr_outputs(raw: RawImage, options: DekrOptions) -> Poses:
    """Decode DEKR.

    Args:
        raw: with `heatmaps` (K + 1, H, W) and `offsets` (2 K, H, W), perhaps with
            `_flipped_input` for the input mirrored and moved 3 px to the left.
        options: how.

    Returns:
        poses in image px with `score_kind` "peak".

    Raises:
        FormatError: arrays that are missing.
        ArrayError: arrays that do not fit together.
    """
    joints = options.skeleton
    maps, shifts = raw.array("heatmaps"), raw.array("offsets")
    if options.flip and any(name.endswith(FLIPPED) for name in raw.arrays):
        back = raw.array("heatmaps" + FLIPPED), raw.array("offsets" + FLIPPED)
        maps, shifts = merge_flipped_dekr(maps, shifts, *back, joints.mirror)
    if len(maps) != len(joints) + 1:
        raise ArrayError(f"expected {len(joints) + 1} heatmaps, got {len(maps)}")
    xy, score, instance = decode_dekr(
        maps,
        shifts,
        threshold=options.threshold,
        max_poses=options.max_poses,
        match=options.match,
    )
    xy = raw.to_image(xy)
    if options.rescore is not None:
        instance = rescore_dekr(xy, score, instance, _layers(options.rescore))
    return Poses.from_arrays(
        joints, xy, score, instance_score=instance, images=(raw.image,), score_kind="peak"
    )


def _layers(path: Path) -> list[tuple[Any, Any]]:
    arrays: Mapping[str, Any] = read_arrays(path)
    names = sorted(n.removesuffix(".weight") for n in arrays if n.endswith(".weight"))
    if not names or any(f"{n}.bias" not in arrays for n in names):
        raise FormatError(
            f"expected `l1.weight`, `l1.bias` and so on, got {', '.join(arrays) or 'nothing'}",
            where=str(path),
        )
    return [(arrays[f"{n}.weight"], arrays[f"{n}.bias"]) for n in names]


YOLO = Family(
    "yolo-pose", RawImage, read_image_outputs, YoloOptions, decode_yolo_outputs, ((*OUTPUT, "raw"),)
)
YOLOX = Family("yolox-pose", RawImage, read_image_outputs, GridOptions, decode_yolox_outputs)
RTMO = Family(
    "rtmo",
    RawImage,
    read_image_outputs,
    RtmoOptions,
    decode_rtmo_outputs,
    (("dets",), ("keypoints",)),
)
DEKR = Family(
    "dekr",
    RawImage,
    read_image_outputs,
    DekrOptions,
    decode_dekr_outputs,
    (("heatmaps",), ("offsets",)),
)
DIRECT_POSE = Family(
    "directpose", RawImage, read_image_outputs, GridOptions, decode_direct_pose_outputs
)
