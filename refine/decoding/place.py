"""From the joints in crops to poses in images."""

import numpy as np

from refine._types import Floats
from refine.decoding.family import CropOptions, Recipe
from refine.decoding.raw.crops import Crops
from refine.exceptions import SkeletonError
from refine.poses import Poses, ScoreKind
from refine.rescore import instance_scores
from refine.skeletons import Skeleton


def check_joints(raw: Crops, joints: Skeleton, count: int) -> None:
    """Raise SkeletonError unless the outputs have as many joints as the skeleton."""
    if count != len(joints):
        raise SkeletonError(
            f"expected {len(joints)} joints per pose for skeleton {joints.name!r}, got {count}",
            where=raw.where,
            hint="--skeleton with the joints of these outputs",
        )


def check_mirror(raw: Crops, joints: Skeleton) -> None:
    """Raise SkeletonError unless some joint has a partner: else mirrored outputs cannot be merged.

    A file that spells sides in another way would otherwise have left and right averaged.
    """
    if len(joints) > 1 and (joints.mirror == np.arange(len(joints))).all():
        raise SkeletonError(
            "expected joints left_ and right_ to merge the outputs of the mirrored input, got "
            f"{', '.join(joints.joints)}",
            where=raw.where,
            hint="--skeleton with the joints of these outputs, or --no-flip",
        )


def crop_poses(
    raw: Crops, skeleton: Skeleton, xy: Floats, value: Floats, score: Recipe, kind: ScoreKind
) -> Poses:
    """Put joints (N, K, 2) in image px, their scores and what a file says of its crops together."""
    return Poses(
        skeleton,
        xy,
        value,
        instance_scores(value, raw.box_score, score),
        raw.image,
        raw.images,
        score_kind=kind,
        box=raw.box,
        extra=raw.extra,
    )


def place_poses(
    raw: Crops,
    options: CropOptions,
    xy: Floats,
    value: Floats,
    size: tuple[int, int],
    kind: ScoreKind,
) -> Poses:
    """Bring joints (N, K, 2) from input px to the image.

    Args:
        raw: the geometry of the crops.
        options: with the skeleton of the K joints.
        xy: (N, K, 2) input px.
        value: (N, K) keypoint scores.
        size: width and height of the network input.
        kind: of score.

    Raises:
        GeometryError: the crops cannot be built.
        SkeletonError: another number of joints than the skeleton has.
    """
    check_joints(raw, options.skeleton, xy.shape[1])
    crop = raw.crop(size, options.alignment, options.padding)
    return crop_poses(raw, options.skeleton, crop.inverse()(xy), value, options.score, kind)
