"""Which predictions are compared with which persons: images and categories that agree."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from refine._types import Bools, Indices
from refine.categories import Category
from refine.evaluation.ground_truth import GroundTruth, listed
from refine.evaluation.persons import Persons
from refine.evaluation.predictions import Predictions, predictions_of
from refine.exceptions import FormatError
from refine.formats._images import Images, numbers_of
from refine.poses import Poses


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """Predictions and the persons that they are compared with.

    Attributes:
        images: indices of the images that count.
        persons: on these images, those of one image next to one another.
        image: (N,) index of each prediction's image; -1 where it is left out.
        category: (N,) index into the categories of the ground truth; -1 likewise.
        warnings: what was left out, and what had to be assumed.
    """

    images: list[int]
    persons: Persons
    image: Indices
    category: Indices
    warnings: tuple[str, ...]

    @property
    def inside(self) -> Bools:
        """Which predictions count, (N,)."""
        most = max(self.images, default=-1)
        counts = np.zeros(max(most, int(self.image.max(initial=-1))) + 2, np.bool_)
        counts[self.images] = True
        return np.asarray(counts[self.image])

    def by_category(self) -> "Comparison":
        """Return the same with a number for each image and category in the place of images."""
        persons, most = self.persons, int(self.persons.category.max(initial=0)) + 1
        if most == 1:
            return self
        image = np.where(self.image < 0, -1, self.image * most + self.category)
        return replace(
            self,
            images=[i * most + c for i in self.images for c in range(most)],
            persons=replace(persons, image=persons.image * most + persons.category),
            image=image,
        )


def compare(
    truth: GroundTruth,
    poses: Poses,
    image_ids: Sequence[int | str] | None = None,
    *,
    strict: bool = True,
) -> Comparison:
    """Find the image and the category of every pose in the ground truth, see `compare_predictions`.

    Raises:
        FormatError: likewise.
    """
    return compare_predictions(truth, predictions_of(poses), image_ids, strict=strict)


def compare_predictions(
    truth: GroundTruth,
    found: Predictions,
    image_ids: Sequence[int | str] | None = None,
    *,
    strict: bool = True,
) -> Comparison:
    """Find the image and the category of every prediction in the ground truth.

    Predictions of other categories than the persons' are left out, as COCOeval has it. Where
    persons have one category and predictions have one, these are the same, unless the ground truth
    knows it for another. Where no prediction tells a category, persons of all are alike.

    Args:
        truth: the ground truth.
        found: N predictions.
        image_ids: compare on these images only.
        strict: refuse predictions on images that the ground truth lacks, unless `image_ids` says
            what to compare.

    Raises:
        FormatError: unknown images; some predictions without category for persons of several.
    """
    image, _ = image_places(truth, found, strict=strict and image_ids is None)
    numbers = np.bincount(found.category, minlength=len(found.categories)).tolist()
    told = dict(zip(found.categories, numbers, strict=True))
    place, notes = category_places(truth, told)
    category = np.array([place[each] for each in found.categories], np.intp)[found.category]
    chosen = truth.rows_of(image_ids)
    persons = truth.persons_on(chosen)
    if alike(told):
        persons = replace(persons, category=np.zeros(len(persons), np.intp))
    warnings = (*left_out(int((image < 0).sum())), *notes)
    image = np.where(category < 0, -1, image)
    return Comparison(chosen, persons, image, category, warnings)


def left_out(poses: int) -> tuple[str, ...]:
    """Say of how many poses the ground truth lacks the image, if of any."""
    return (f"{poses} poses on images that the ground truth lacks were left out",) if poses else ()


def alike(categories: Iterable[Category]) -> bool:
    """Say whether predictions of some categories are compared with persons of all."""
    return all(each is None for each in categories)


def image_places(truth: GroundTruth, found: Predictions, *, strict: bool) -> tuple[Indices, bool]:
    """Return the index (N,) of each prediction's image, -1 where the ground truth lacks it.

    Also whether numbers were taken for names, which is done where none is an id.

    Raises:
        FormatError: unknown images, if `strict`.
    """
    images, index, listing = found.images, found.image, truth.listing
    ids = numbers_of(images)
    if ids is not None and isinstance(listing, Images):
        image = listing.places(ids)[index]
        if (image >= 0).all():
            return np.asarray(image), False
    if isinstance(images, Images):
        images, index = images.once()
    used = np.unique(index).tolist()
    rows, unknown = truth.find([images[i] for i in used])
    if unknown and strict:
        raise FormatError(
            f"expected predictions on images of {truth.where}, got image ids {listed(unknown)}",
            hint="the ground truth of these images, or --keep-going to leave them out; names such "
            "as im09501.jpg for id 9501 are found by `file_name` alone",
        )
    where = np.full(len(images), -1)
    for i, row in rows.items():
        where[used[i]] = row
    some = next(iter(rows), None)
    numbered = some is not None and truth.known.find_named([images[used[some]]]) == [None]
    return (where[index] if len(index) else np.zeros(0, np.intp)), numbered


def category_places(
    truth: GroundTruth, told: Mapping[Category, int]
) -> tuple[dict[Category, int], list[str]]:
    """Return the index of each category of predictions, -1 where persons have no such one.

    Args:
        truth: the ground truth.
        told: category -> number of its predictions.

    Returns:
        category -> index into those of the ground truth, and what had to be assumed.

    Raises:
        FormatError: some predictions without category for persons of several.
    """
    ours, theirs = truth.categories, list(told)
    one = len(ours) <= 1
    if one and (None in ours or not ours or theirs in ([], [None], list(ours))):
        return dict.fromkeys(theirs, 0), []
    if one and len(theirs) == 1 and theirs[0] not in truth.listed_categories:
        text = f"poses of category {theirs[0]!r} taken for {_named(truth, ours)}, the only one"
        return dict.fromkeys(theirs, 0), [text]
    if theirs in ([], [None]):
        return dict.fromkeys(theirs, 0), [
            f"poses without categories are compared with persons of {_named(truth, ours)} alike"
        ]
    if None in theirs and not one:
        raise FormatError(
            f"expected poses with a `category_id`, for persons of several categories "
            f"({_named(truth, ours)}), got {told[None]} without",
            hint="--category to choose one",
        )
    known = {each: i for i, each in enumerate(ours)}
    # One that names none, among others that do, can only be of the one category.
    known |= {None: 0} if one else {}
    others = [each for each in theirs if each not in known]
    notes = []
    if others:
        notes.append(
            f"{sum(told[each] for each in others)} poses of other categories "
            f"({_named(truth, others)}) do not count; persons are of {_named(truth, ours)}"
        )
    return {each: known.get(each, -1) for each in theirs}, notes


def _named(truth: GroundTruth, categories: Sequence[Category]) -> str:
    """List categories by number and name."""
    names = truth.listed_categories
    told = [f"{c!r} {names[c]}" if names.get(c) else repr(c) for c in categories[:5]]
    return ", ".join(told) + (f" and {len(categories) - 5} more" if len(categories) > 5 else "")
