"""From the joints in crops to poses in images: which skeleton they are of, and where they lie."""

from collections.abc import Sequence

import numpy as np

from refine._types import Floats
from refine.decoding.presets import Preset, Recipe, instance_scores
from refine.decoding.raw.files import Crops
from refine.exceptions import SkeletonError
from refine.poses import Poses, ScoreKind
from refine.skeletons import Skeleton, skeleton as find_skeleton, skeleton_names


def named_skeleton(joints: Sequence[str]) -> Skeleton:
    """Return the skeleton that ships with these joints in this order, or else make one.

    What is made has the edges of a skeleton with the same joints in another order, and no sigmas:
    skeletons that share their joints do not share these.

    Raises:
        SkeletonError: a name that stands twice.

    >>> named_skeleton(["corner_tl", "corner_br"]).joints
    ('corner_tl', 'corner_br')
    """
    names = tuple(joints)
    shipped = [find_skeleton(name) for name in skeleton_names()]
    for known in shipped:
        if known.joints == names:
            return known
    alike = next((s for s in shipped if sorted(s.joints) == sorted(names)), None)
    edges = () if alike is None else alike.edges
    at = {} if alike is None else {i: names.index(j) for i, j in enumerate(alike.joints)}
    return Skeleton(f"custom{len(names)}", names, tuple((at[a], at[b]) for a, b in edges))


def crop_skeleton(given: str | Skeleton | None, raw: Crops, preset: Preset) -> Skeleton:
    """Choose the skeleton: what is asked for, what the file names, what the preset has.

    Raises:
        SkeletonError: no such skeleton, or the file names a joint twice.
    """
    if isinstance(given, Skeleton):
        return given
    if given is not None:
        return find_skeleton(given)
    if raw.joints is not None:
        try:
            return named_skeleton(raw.joints)
        except SkeletonError as error:
            raise SkeletonError(error.message, where=raw.where, hint=error.hint) from None
    if "joints" in preset.options:
        return named_skeleton(preset.options["joints"])
    return find_skeleton(preset.skeleton)


def check_joints(raw: Crops, joints: Skeleton, count: int) -> None:
    """Raise SkeletonError unless the outputs have as many joints as the skeleton."""
    if count != len(joints):
        raise SkeletonError(
            f"expected {len(joints)} joints a pose for skeleton {joints.name!r}, got {count}",
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


def place_poses(
    raw: Crops,
    preset: Preset,
    joints: Skeleton,
    xy: Floats,
    value: Floats,
    size: tuple[int, int],
    kind: ScoreKind,
    padding: float | None,
    recipe: Recipe | None,
) -> Poses:
    """Bring joints (N, K, 2) from input px to the image.

    Args:
        raw: the geometry of the crops.
        preset: the system that made the outputs.
        joints: the K joints.
        xy: (N, K, 2) input px.
        value: (N, K) keypoint scores.
        size: width and height of the network input.
        kind: of score.
        padding: growth of boxes; by default the preset's.
        recipe: of the instance score; by default the preset's.

    Raises:
        GeometryError: the crops cannot be built.
        SkeletonError: another number of joints than the skeleton has.
    """
    check_joints(raw, joints, xy.shape[1])
    grown = preset.padding if padding is None else padding
    crop = raw.crop(size, preset.alignment, grown)
    return Poses(
        joints,
        crop.inverse()(xy),
        value,
        instance_scores(value, raw.box_score, recipe or preset.score),
        raw.image,
        raw.images,
        score_kind=kind,
        box=raw.box,
        extra=raw.extra,
    )
