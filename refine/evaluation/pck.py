"""PCKh, the metric of MPII: the share of joints within half a head of the truth."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from refine._types import Bools, Floats, Indices
from refine.categories import Category, categories_of
from refine.evaluation.comparison import category_places, compare
from refine.evaluation.ground_truth import GroundTruth, read_ground_truth
from refine.evaluation.persons import Persons
from refine.exceptions import ArrayError, FormatError
from refine.poses import Poses

NOT_SCORED = ("pelvis", "thorax")
"""Joints that MPII's evaluation leaves out (``annolist`` toolkit, evalMPII)."""


@dataclass(frozen=True, slots=True)
class PckhReport:
    """What a PCKh evaluation found.

    Attributes:
        mean: share of all scored joints that are right.
        joints: the same joint by joint; NaN where none is labelled.
        threshold: in units of the head size.
        poses: persons with a prediction.
        persons: persons of the ground truth with a head size; those without a prediction count
            as wrong in every joint.
    """

    mean: float
    joints: Mapping[str, float]
    threshold: float
    poses: int
    persons: int

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return {
            "metrics": {f"PCKh@{self.threshold:g}": self.mean},
            "joints": dict(self.joints),
            "poses": self.poses,
            "persons": self.persons,
        }


def pckh(
    gt_xy: Floats,
    gt_visible: Bools,
    dt_xy: Floats,
    head_size: Floats,
    threshold: float = 0.5,
) -> tuple[Indices, Indices]:
    """Count joints that lie within a share of the head size.

    Args:
        gt_xy: (N, K, 2) px.
        gt_visible: (N, K), labelled joints.
        dt_xy: (N, K, 2) px, NaN where missing: wrong.
        head_size: (N,) px; 0.6 times the diagonal of the head box in MPII.
        threshold: times the head size; a distance equal to it is right.

    Returns:
        right (K,) and labelled (K,).

    Raises:
        ArrayError: shapes that do not agree, or a head size that is not positive.

    >>> gt = np.zeros((1, 2, 2))
    >>> dt = np.array([[[3.0, 4.0], [6.0, 8.0]]])
    >>> right, labelled = pckh(gt, np.ones((1, 2), bool), dt, np.array([10.0]))
    >>> right.tolist(), labelled.tolist()
    ([1, 0], [1, 1])
    """
    gt, dt, head = np.asarray(gt_xy), np.asarray(dt_xy), np.asarray(head_size)
    if gt.ndim != 3 or gt.shape != dt.shape or gt_visible.shape != gt.shape[:2]:
        raise ArrayError(f"expected two (N, K, 2) and (N, K), got {gt.shape}, {dt.shape}")
    if head.shape != gt.shape[:1]:
        raise ArrayError(f"expected {len(gt)} head sizes, got {head.shape}")
    _check_sizes(head)
    right = _within(gt, gt_visible, dt, head, threshold)
    return right.sum(0), np.asarray(gt_visible).sum(0)


def evaluate_pckh(
    gt: str | Path | Mapping[str, Any] | GroundTruth,
    poses: Poses,
    *,
    threshold: float = 0.5,
    image_ids: Sequence[int | str] | None = None,
    skip: Sequence[str] = NOT_SCORED,
    strict: bool = True,
) -> PckhReport:
    """Score poses by PCKh against COCO-style annotations that carry a `head_size`.

    A pose belongs to the person that its field `ann_id` names; without that field, to the only
    person on its image.

    Args:
        gt: annotations with `head_size` in px (file, parsed, or read).
        poses: predictions.
        threshold: times the head size.
        image_ids: score only these images.
        skip: joints left out.
        strict: refuse predictions on images that the ground truth lacks, unless `image_ids` says
            what to score.

    Raises:
        FormatError: no head sizes, unknown images, or a pose that belongs to no person or to one
            that has its pose already.
    """
    return evaluate_pckh_parts(
        gt, [poses], threshold=threshold, image_ids=image_ids, skip=skip, strict=strict
    )


def evaluate_pckh_parts(
    gt: str | Path | Mapping[str, Any] | GroundTruth,
    parts: Iterable[Poses | tuple[str, Poses]],
    *,
    threshold: float = 0.5,
    image_ids: Sequence[int | str] | None = None,
    skip: Sequence[str] = NOT_SCORED,
    strict: bool = True,
) -> PckhReport:
    """Score poses that come in parts, one after the other; figures are those of the whole.

    Args:
        gt: see `evaluate_pckh`, as all others.
        parts: poses, all of one skeleton; or poses and what messages call them.
        threshold: times the head size.
        image_ids: score only these images.
        skip: joints left out.
        strict: refuse predictions on images that the ground truth lacks.

    Raises:
        FormatError: see `evaluate_pckh`; or parts of several skeletons.
    """
    truth = read_ground_truth(gt)
    measured = np.nan_to_num(truth.persons.head_size) != 0
    persons = truth.persons[measured & truth.persons.labelled.any(1)]
    if not len(persons):
        raise FormatError(
            "expected annotations with a `head_size` in px", where=truth.where, hint="--metric oks"
        )
    persons = persons[np.isin(persons.image, truth.rows_of(image_ids))]
    _check_sizes(persons.head_size)
    found: list[_Found] = []
    body = None
    for i, each in enumerate(parts):
        name, poses = each if isinstance(each, tuple) else (f"part {i}", each)
        body = body or poses.skeleton
        if poses.skeleton != body:
            raise FormatError(
                f"expected parts of one skeleton, got {poses.skeleton.name} after {body.name}",
                where=name,
            )
        compared = compare(truth, poses, image_ids, strict=strict)
        image = np.where(compared.inside, compared.image, -1)
        person, row = _owners(persons, poses, image, truth.where)
        categories = categories_of(poses)
        own, xy = persons[person], truth.skeleton.take(poses.xy[row], poses.skeleton)
        right = _within(own.xy, own.labelled, xy, own.head_size, threshold)
        found.append(_Found(name, Counter(categories), person, categories, row, right))
    hits, poses_found = _count(truth, persons, found)
    labelled = persons.labelled.sum(0)
    scored = np.array([j not in skip for j in truth.skeleton.joints])
    return PckhReport(
        float(hits[scored].sum() / max(labelled[scored].sum(), 1)),
        {
            joint: float(hits[i] / labelled[i]) if labelled[i] else float("nan")
            for i, joint in enumerate(truth.skeleton.joints)
            if scored[i]
        },
        threshold,
        poses_found,
        len(persons),
    )


class _Found(NamedTuple):
    """Persons (n,) that a part has poses of, the row (n,) of each, and what is right (n, K)."""

    name: str
    told: Counter[Category]
    person: Indices
    categories: tuple[Category, ...]
    row: Indices
    right: Bools


def _count(truth: GroundTruth, persons: Persons, found: Sequence[_Found]) -> tuple[Indices, int]:
    """Return how often each joint (K,) is right, and of how many persons there is a pose.

    Raises:
        FormatError: a person of whom two parts have a pose.
    """
    places, _ = category_places(truth, sum((part.told for part in found), Counter()))
    taken = np.zeros(len(persons), np.bool_)
    hits = np.zeros(len(truth.skeleton), np.intp)
    for part in found:
        of = [places[part.categories[i]] >= 0 for i in part.row.tolist()]
        counts = np.array(of, np.bool_)
        person = part.person[counts]
        if (twice := person[taken[person]]).size:
            raise _second(persons, int(twice[0]), part.name)
        taken[person] = True
        hits += part.right[counts].sum(0)
    return hits, int(taken.sum())


def _check_sizes(head: Floats) -> None:
    if not (head > 0).all():
        raise ArrayError(f"expected {len(head)} positive head sizes, got some that are not")


def _within(
    gt_xy: Floats, gt_visible: Bools, dt_xy: Floats, head_size: Floats, threshold: float
) -> Bools:
    """Return which joints (N, K) are labelled and lie within a share of the head size."""
    distance = np.sqrt(((gt_xy - dt_xy) ** 2).sum(-1))
    return np.asarray(gt_visible & (distance <= threshold * head_size[:, None]))


def _owners(persons: Persons, poses: Poses, image: Indices, where: str) -> tuple[Indices, Indices]:
    """Return persons (n,), and the pose (n,) of each."""
    by_id = {name: i for i, name in enumerate(persons.id.tolist())}
    on_image: dict[int, list[int]] = {}
    for i, at in enumerate(persons.image.tolist()):
        on_image.setdefault(at, []).append(i)
    owner: dict[int, int] = {}
    for row in np.flatnonzero(image >= 0).tolist():
        named = poses.extra[row].get("ann_id")
        there = on_image.get(int(image[row]), [])
        person = by_id.get(named) if named is not None else there[0] if len(there) == 1 else None
        if person is None:
            raise FormatError(
                f"expected an `ann_id` of {where}, got {named!r}, and {len(there)} persons on the "
                "image of the pose",
                where=f"pose {row}",
            )
        if person in owner:
            raise _second(persons, person, f"pose {row}")
        owner[person] = row
    return np.array(list(owner), np.intp), np.array(list(owner.values()), np.intp)


def _second(persons: Persons, person: int, where: str) -> FormatError:
    return FormatError(
        f"expected one pose for person {persons.id[person]}, got a second", where=where
    )
