"""Joints that files call by name, or leave out where they are missing."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from refine._types import Floats
from refine.exceptions import SkeletonError
from refine.formats._keypoints import matrix
from refine.formats.base import Options, Where
from refine.poses import Poses
from refine.skeletons import Skeleton, skeleton, skeleton_from_category, skeleton_names
from refine.skeletons.model import joint_key

PERSON = "person"
"""The label of category 1, as COCO calls it."""

USUAL = "coco17"
"""The skeleton taken first where a file names some of its joints only."""


def skeleton_of_names(
    names: Iterable[str], options: Options, called: str, *, whole: bool = False
) -> Skeleton:
    """Find the skeleton whose joints a file names.

    It is the one asked for; else COCO's, or the smallest that ships, which has all of them; else
    one of these names alone.

    Args:
        names: of joints; the first of several spellings counts.
        options: see `Options`.
        called: name of a skeleton that does not ship.
        whole: whether the names are all joints in their order, those of nobody too.

    Raises:
        SkeletonError: a name that the skeleton asked for lacks.
    """
    order = list(dict.fromkeys(names))
    if options.skeleton is not None:
        lacking = [name for name in order if joint_index(options.skeleton, name) < 0]
        if lacking:
            raise SkeletonError(
                f"expected joints of {options.skeleton.name!r}, got {lacking[0]!r:.60}",
                where=options.where,
                hint="another --skeleton, or none: the file names its joints",
            )
        return options.skeleton
    if whole and order:
        return skeleton_from_category({"keypoints": order}, called)
    known = [skeleton(name) for name in skeleton_names()]
    known = [options.default or skeleton(USUAL), skeleton(USUAL), *sorted(known, key=len)]
    for body in known:
        if all(joint_index(body, name) >= 0 for name in order):
            return body
    return skeleton_from_category({"keypoints": order}, called)


def joint_index(body: Skeleton, name: str) -> int:
    """Return the index of a joint by its name or an alias, -1 where there is none."""
    if name in body.joints:
        return body.joints.index(name)
    key = joint_key(name)
    for i, joint in enumerate(body.joints):
        if key in map(joint_key, (joint, *body.aliases.get(joint, ()))):
            return i
    return -1


def place_joints(
    marks: Sequence[Mapping[str, Sequence[Any]]], body: Skeleton, field: str, where: Where
) -> Floats:
    """Put joints by name in the order of a skeleton.

    Args:
        marks: of N poses: name of a joint -> x, y, score; None for what is not known.
        body: the K joints.
        field: for messages.
        where: of a pose.

    Returns:
        (N, K, 3); joints that are not named are NaN at NaN, score 0.

    Raises:
        FormatError: a value that is not a finite number.
    """
    lists = []
    for of in marks:
        values: list[Any] = [None, None, 0.0] * len(body)
        for name, mark in of.items():
            at = 3 * joint_index(body, name)
            values[at : at + 3] = mark
        lists.append(values)
    return matrix(lists, 3 * len(body), field, where).reshape(len(marks), len(body), 3)


def unplaced(poses: Poses, form: str) -> tuple[str, ...]:
    """Say how many missing joints have scores, where a format leaves missing joints out."""
    count = np.count_nonzero(~poses.present & (poses.score > 0))
    return (f"scores of {count} missing joints, which {form} leaves out",) if count else ()


def category_of_label(label: str) -> int | str:
    """Return the category that an annotator's label stands for: 1 for a person.

    >>> category_of_label("person"), category_of_label("3"), category_of_label("dog")
    (1, 3, 'dog')
    """
    plain = label.isascii() and label.isdecimal() and len(label) < 9
    return 1 if label == PERSON else int(label) if plain else label


def label_of_category(category: Any) -> str:
    """Return the label of a category, the counterpart of `category_of_label`."""
    return PERSON if category in (None, 1) else str(category)
