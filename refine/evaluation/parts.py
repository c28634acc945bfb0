"""Predictions that come in parts: each is matched alone, and its matches are put together.

Matching looks at one image at a time, so that parts that hold whole images leave the same matches
as all of them at once; what remains to be done for the whole is to sort them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from refine._types import AreaRule, Bools, Floats, Indices
from refine.categories import Category
from refine.evaluation.comparison import alike, category_places, image_places, left_out
from refine.evaluation.counting import (
    AREAS,
    Counts,
    Detections,
    collect,
    match,
    without_gaps,
)
from refine.evaluation.ground_truth import GroundTruth, read_ground_truth
from refine.evaluation.matching import THRESHOLDS
from refine.evaluation.persons import Persons
from refine.evaluation.predictions import Predictions, finite_scores
from refine.exceptions import ArrayError, FormatError
from refine.oks import pose_area
from refine.skeletons import Skeleton, skeleton

Area = Literal["auto"] | AreaRule
Backend = Literal["refine", "pycocotools"]


@dataclass(frozen=True, slots=True)
class Options:
    """What of poses is scored, and how: the options of `refine.evaluate`."""

    sigmas: Floats | float | str | Path | Skeleton | None = None
    image_ids: Sequence[int | str] | None = None
    max_dets: int = 20
    area: Area = "auto"
    strict: bool = True
    backend: Backend = "refine"


@dataclass(frozen=True, eq=False)
class Target:
    """What predictions are scored against.

    Attributes:
        truth: the ground truth.
        options: of the evaluation.
        images: indices of the truth's images that count.
        persons: on these, those of one image next to one another.
        sigmas: (K,).
        chosen: what `sigmas` were taken from, None for the truth's own skeleton.
    """

    truth: GroundTruth
    options: Options
    images: list[int]
    persons: Persons
    sigmas: Floats
    chosen: Floats | float | Skeleton | None

    @cached_property
    def counted(self) -> Bools:
        """Which images count, (I + 1,); the last, -1, never does."""
        counted = np.zeros(len(self.truth.listing) + 1, np.bool_)
        counted[self.images] = True
        return counted

    def persons_on(self, images: Indices) -> Persons:
        """Return the persons on some images; all of them where that is most of the images."""
        if 2 * len(images) > len(self.images):
            return self.persons
        among = np.zeros(len(self.truth.listing), np.bool_)
        among[images] = True
        return self.persons[np.flatnonzero(among[self.persons.image])]


@dataclass(frozen=True, slots=True, eq=False)
class Tally:
    """What a part of the predictions is, but for their matches.

    Attributes:
        skeleton: of the predictions.
        area: what their area was taken from.
        told: category as the predictions have it -> number of predictions.
        inside: (C,) those on images that count.
        unknown: predictions on images that the ground truth lacks.
        numbered: whether numbers of images were taken for names, see `refine.images.find_images`.
        where: the part, for messages.
    """

    skeleton: Skeleton
    area: AreaRule
    told: dict[Category, int]
    inside: Indices
    unknown: int
    numbered: bool
    where: str


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """What matching leaves of predictions that are all of their images; it pickles.

    Attributes:
        tally: of the predictions.
        score: (D,) of the best of each image.
        image: (D,) index into the truth's images.
        category: (D,) index into `tally.told`.
        fate: (A, T, D), see `refine.evaluation.counting.Counts`.
    """

    tally: Tally
    score: Floats
    image: Indices
    category: Indices
    fate: npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class Whole:
    """What parts make together.

    Attributes:
        counts: of all.
        persons: of the target; of one category where predictions tell none.
        poses: predictions on images and of categories that count.
        seen: (I,) images with such predictions.
        area: what their area was taken from.
        skeleton: of the predictions.
        notes: what was left out, and what had to be assumed.
    """

    counts: Counts
    persons: Persons
    poses: int
    seen: Bools
    area: AreaRule
    skeleton: Skeleton
    notes: tuple[str, ...]


def aim(gt: Any, options: Options) -> Target:
    """Prepare what predictions are scored against.

    Args:
        gt: see `refine.evaluate`.
        options: of the evaluation.

    Raises:
        FormatError, SkeletonError, ArrayError: see `refine.evaluate`.
    """
    if options.max_dets < 1:
        raise ArrayError(f"expected max_dets of at least 1, got {options.max_dets}")
    sigmas = options.sigmas
    chosen = skeleton(sigmas) if isinstance(sigmas, str | Path) else sigmas
    truth = read_ground_truth(gt, default=chosen if isinstance(chosen, Skeleton) else None)
    own = truth.skeleton
    values = (own if chosen is None else own.with_sigmas(chosen)).require_sigmas()
    images = truth.rows_of(options.image_ids)
    return Target(truth, options, images, truth.persons_on(images), values, chosen)


def match_part(target: Target, found: Predictions, where: str = "the predictions") -> Part:
    """Match predictions with the persons of their images.

    Args:
        target: of `aim`.
        found: all predictions of their images.
        where: for messages.

    Raises:
        FormatError: unknown images, or some predictions without category for persons of several.
        SkeletonError: no joint that the ground truth has.
        ArrayError: an instance score that is not finite, or no such area.
    """
    detections, category, tally = detect(target, found, where)
    persons = target.persons_on(np.unique(detections.image))
    if alike(tally.told):
        persons = _of_one_category(persons)
    rows, fate = match(persons, detections, target.sigmas, target.options.max_dets)
    return Part(tally, detections.score[rows], detections.image[rows], category[rows], fate)


def detect(target: Target, found: Predictions, where: str) -> tuple[Detections, Indices, Tally]:
    """Return predictions that count as `COCO.loadRes` prepares them, see `match_part`.

    Returns:
        D detections, the index (D,) of the category of each as it is told, and what all are.
    """
    truth, options = target.truth, target.options
    strict = options.strict and options.image_ids is None
    image, numbered = image_places(truth, found, strict=strict)
    unknown, size = int((image < 0).sum()), len(found.categories)
    numbers = np.bincount(found.category, minlength=size).tolist()
    told = dict(zip(found.categories, numbers, strict=True))
    places, _ = category_places(truth, told)
    place = np.array(list(places.values()), np.intp)[found.category]
    counted = target.counted[image]
    inside = np.bincount(found.category[counted], minlength=size)
    counted &= place >= 0
    xy, around = without_gaps(truth.skeleton.take(found.xy, found.skeleton))
    extent, area = _areas(found, xy, around, options.area)
    rows: Any = slice(None) if counted.all() else counted
    detections = Detections(
        xy[rows], finite_scores(found.score)[rows], extent[rows], image[rows], place[rows]
    )
    tally = Tally(found.skeleton, area, told, inside, unknown, numbered, where)
    return detections, found.category[rows], tally


def join_parts(target: Target, parts: Sequence[Part]) -> Whole:
    """Put parts together.

    Args:
        target: that they were matched with.
        parts: in any order.

    Raises:
        FormatError: an image of which two parts have predictions, skeletons or areas that differ,
            or some predictions without category for persons of several.
    """
    told: dict[Category, int] = {}
    for part in parts:
        for category, number in part.tally.told.items():
            told[category] = told.get(category, 0) + number
    places, notes = category_places(target.truth, told)
    placed = [_placed(part, places) for part in parts]
    owner = np.full(len(target.truth.listing), -1)
    for i, part in enumerate(placed):
        twice = np.flatnonzero(owner[part.image] >= 0)
        if len(twice):
            image = part.image[twice[0]]
            raise FormatError(
                f"expected all poses of an image in one part, got image "
                f"{target.truth.ids[image]!r} in {parts[owner[image]].tally.where} as well",
                where=part.tally.where,
                hint="parts that are cut between images",
            )
        owner[part.image] = i
    like = _alike([part.tally for part in parts])
    persons = _of_one_category(target.persons) if alike(told) else target.persons
    return Whole(
        collect(
            persons,
            np.concatenate([_NONE, *(part.score for part in placed)]),
            np.concatenate([_NOBODY, *(part.image for part in placed)]),
            np.concatenate([_NOBODY, *(part.category for part in placed)]),
            np.concatenate([_NO_FATE, *(part.fate for part in placed)], -1),
        ),
        persons,
        sum(int(part.tally.inside.sum()) for part in placed),
        owner >= 0,
        like.area if like else "keypoints",
        like.skeleton if like else target.truth.skeleton,
        (*left_out(sum(part.tally.unknown for part in parts)), *notes),
    )


_NONE, _NOBODY = np.zeros(0), np.zeros(0, np.intp)
_NO_FATE = np.zeros((len(AREAS), len(THRESHOLDS), 0), np.uint8)


def _placed(part: Part, places: Mapping[Category, int]) -> Part:
    """Return a part with the truth's categories, without predictions of others."""
    place = np.array([places[each] for each in part.tally.told], np.intp)
    at = place[part.category]
    rows: Any = slice(None) if (at >= 0).all() else at >= 0
    tally = replace(part.tally, inside=part.tally.inside[place >= 0])
    return Part(tally, part.score[rows], part.image[rows], at[rows], part.fate[..., rows])


def _alike(tallies: Sequence[Tally]) -> Tally | None:
    """Return the first part that has predictions, or the first of none.

    Raises:
        FormatError: skeletons or areas that differ from its, or images found in another way.
    """
    some = [each for each in tallies if each.told] or list(tallies[:1])
    placed = [each for each in some if each.inside.any()]
    for each in placed[1:]:
        if each.numbered != placed[0].numbered:
            raise FormatError(
                f"expected images that are found as those of {placed[0].where}, got ids that are "
                f"{'numbers in names' if each.numbered else 'ids or names'} of the ground truth",
                where=each.where,
                hint="the ids of the ground truth in all files",
            )
    for each in some[1:]:
        for what in ("skeleton", "area"):
            here, there = getattr(each, what), getattr(some[0], what)
            if here != there:
                raise FormatError(
                    f"expected one {what} for all parts, got {getattr(here, 'name', here)!r} after "
                    f"{getattr(there, 'name', there)!r} of {some[0].where}",
                    where=each.where,
                    hint="--area keypoints" if what == "area" else "files of one skeleton",
                )
    return some[0] if some else None


def _of_one_category(persons: Persons) -> Persons:
    return replace(persons, category=np.zeros(len(persons), np.intp))


def _areas(poses: Predictions, xy: Floats, around: Floats, area: Area) -> tuple[Floats, AreaRule]:
    """Return the area (N,) of predictions in px^2, and where it is from."""
    if area == "auto":
        first = poses.box is not None and len(poses) and np.isfinite(poses.box[0]).all()
        area = "box" if first else "keypoints"
    if area == "keypoints" or not len(poses):
        return around, area
    if area == "box" and poses.box is not None:
        # Nine decimals undo x + width - x, so that 32 x 32 is an area of 1024 and not below.
        extent = np.round(poses.box[:, 2:] - poses.box[:, :2], 9)
        return pose_area(xy, "given", area=extent[:, 0] * extent[:, 1]), area
    return pose_area(xy, area, poses.box, poses.area), area
