"""Keypoint heads of Mask R-CNN to poses."""

from refine.decoding.heatmap.roi import Score as RoiScore, decode_roi_heatmaps
from refine.decoding.place import check_joints, crop_skeleton
from refine.decoding.presets import Preset, Recipe, instance_scores
from refine.decoding.raw.crops import RawCrops
from refine.exceptions import ArrayError, FormatError, GeometryError
from refine.poses import Poses, ScoreKind
from refine.skeletons import Skeleton


def decode_roi_outputs(
    raw: RawCrops,
    preset: Preset,
    *,
    joint_score: RoiScore | None = None,
    offset: float | None = None,
    score: Recipe | None = None,
    skeleton: str | Skeleton | None = None,
) -> Poses:
    """Decode the keypoint heads of Mask R-CNN.

    Args:
        raw: with `heatmaps` (N, K, H, W) logits and the boxes that they span.
        preset: the system that made the outputs; the options below override its entries.
        joint_score: `score` of `decode_roi_heatmaps`.
        offset: added to the coordinates; detectron2 subtracts half a pixel for COCO, for there a
            pixel's middle is whole, torchvision does not.
        score: recipe of the instance score, see `instance_scores`.
        skeleton: of the maps.

    Returns:
        poses in image px with `score_kind` "probability" or "logit".

    Raises:
        FormatError: arrays that are missing or do not fit together.
        GeometryError: no boxes.
        SkeletonError: the skeleton has another number of joints.
    """
    joints = crop_skeleton(skeleton, raw, preset)
    if raw.box is None:
        raise GeometryError(
            "expected the boxes that the maps span, got none",
            where=raw.where,
            hint="`box_xyxy` (N, 4)",
        )
    kind = joint_score or preset.options.get("joint_score", "logit")
    try:
        xy, value = decode_roi_heatmaps(
            raw.array("heatmaps", "keypoint_logits", "maps"), raw.box, score=kind
        )
    except ArrayError as error:
        raise FormatError(error.message, where=raw.where, hint=error.hint) from None
    check_joints(raw, joints, xy.shape[1])
    moved = xy + (preset.offset if offset is None else offset)
    recipe = instance_scores(value, raw.box_score, score or preset.score)
    kinds: dict[str, ScoreKind] = {"logit": "logit", "probability": "probability"}
    poses = Poses(
        joints, moved, value, recipe, raw.image, raw.images,
        score_kind=kinds[kind], box=raw.box, extra=raw.extra,
    )  # fmt: skip
    return poses.done("decode", None, preset=preset.name)
