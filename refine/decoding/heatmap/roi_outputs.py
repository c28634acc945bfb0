"""Keypoint heads of Mask R-CNN to poses."""

from dataclasses import dataclass

from refine.decoding.family import Family, Options, Recipe
from refine.decoding.heatmap.roi import Score, decode_roi_heatmaps
from refine.decoding.place import check_joints, crop_poses
from refine.decoding.raw.crops import RawCrops, read_crop_outputs
from refine.exceptions import GeometryError
from refine.poses import Poses

MAPS = ("heatmaps", "keypoint_logits", "maps")


@dataclass(frozen=True, slots=True, kw_only=True)
class RoiOptions(Options):
    """How maps that span boxes are read.

    Attributes:
        joint_score: `score` of `decode_roi_heatmaps`.
        offset: px added to the coordinates; detectron2 subtracts half a pixel for COCO, for there
            a pixel's middle is whole, torchvision does not.
        score: recipe of the instance score, see `instance_scores`.
    """

    joint_score: Score = "logit"
    offset: float = 0.0
    score: Recipe = "box*mean"


def decode_roi_outputs(raw: RawCrops, options: RoiOptions) -> Poses:
    """Decode the keypoint heads of Mask R-CNN.

    Args:
        raw: with `heatmaps` (N, K, H, W) logits and the boxes that they span.
        options: how.

    Returns:
        poses in image px with `score_kind` "probability" or "logit".

    Raises:
        FormatError: there are no maps.
        ArrayError: arrays that do not fit together.
        GeometryError: no boxes.
        SkeletonError: the skeleton has another number of joints.
    """
    if raw.box is None:
        raise GeometryError(
            "expected the boxes that the maps span, got none",
            where=raw.where,
            hint="`box_xyxy` (N, 4)",
        )
    maps = raw.array(*MAPS)
    xy, value = decode_roi_heatmaps(maps, raw.box, score=options.joint_score)
    check_joints(raw, options.skeleton, xy.shape[1])
    moved = xy + options.offset
    return crop_poses(raw, options.skeleton, moved, value, options.score, options.joint_score)


FAMILY = Family("roi", RawCrops, read_crop_outputs, RoiOptions, decode_roi_outputs, (MAPS,))
