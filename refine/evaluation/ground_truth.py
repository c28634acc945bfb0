"""The only reader of annotations that verbs use, and how predictions find their images in it."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from refine._types import Bools, Floats, Indices
from refine.categories import Category, categories_of
from refine.evaluation.columns import Columns, join_columns, scan_columns
from refine.evaluation.persons import Persons
from refine.evaluation.predictions import CocoObject
from refine.exceptions import FormatError
from refine.files import matching_files, parse_json, plain_data, read_bytes
from refine.formats import coco
from refine.formats._images import Images, whole_ids
from refine.formats.annotations import listed_categories_of, named_skeleton, strays_of
from refine.formats.base import LARGE, Options
from refine.formats.io import read
from refine.geometry import keypoint_box
from refine.images import KnownImages
from refine.oks import BOX_FRACTION
from refine.poses import ImageRef, Poses
from refine.skeletons import Skeleton

PARQUET = ".parquet"
"""Ending of the names of tables."""


@dataclass(frozen=True, eq=False)
class GroundTruth:
    """Annotated persons on images.

    Attributes:
        skeleton: the K joints.
        listing: the images in the order of their ids, as pycocotools sorts them.
        persons: in the order of the source; `persons.image` is an index into `images`.
        warnings: what a reader of figures must know: what had to be guessed or left out.
        where: the file, for messages.
        categories: ids of those that persons have, in order; `persons.category` is an index into
            them.
        listed_categories: id -> name of all categories of the file.
    """

    skeleton: Skeleton
    listing: Sequence[ImageRef]
    persons: Persons
    warnings: tuple[str, ...] = ()
    where: str = "ground truth"
    categories: tuple[Category, ...] = ()
    listed_categories: Mapping[Category, str] = field(default_factory=dict)

    @cached_property
    def images(self) -> tuple[ImageRef, ...]:
        """The images."""
        return tuple(self.listing)

    @property
    def ids(self) -> tuple[int | str, ...]:
        """Id of each image."""
        if isinstance(self.listing, Images):
            return tuple(self.listing.ids.tolist())
        return tuple(ref.id for ref in self.listing)

    @cached_property
    def known(self) -> KnownImages:
        """The images, to find others among."""
        return KnownImages([ref.file_name for ref in self.images], self.ids, self.where)

    def fields_of_images(self, field: str) -> list[Any]:
        """Return an unknown field of the records of all images, None where they have none."""
        if isinstance(self.listing, Images):
            return self.listing.column(field)
        return [ref.extra.get(field) for ref in self.listing]

    def persons_on(self, images: Sequence[int]) -> Persons:
        """Return the persons on some images, those of one image next to one another.

        Args:
            images: indices into `images`.
        """
        image, chosen = self.persons.image, np.zeros(len(self.listing), np.bool_)
        chosen[list(images)] = True
        inside = chosen[image]
        if inside.all() and (np.diff(image) >= 0).all():
            return self.persons
        rows = np.flatnonzero(inside)
        return self.persons[rows[np.argsort(image[rows], kind="stable")]]

    def rows_of(self, ids: Sequence[int | str] | None) -> list[int]:
        """Return the indices of image ids; of all images for None.

        Raises:
            FormatError: ids that the ground truth lacks, or none at all.
        """
        if ids is None:
            return list(range(len(self.listing)))
        if isinstance(self.listing, Images) and (numbers := whole_ids(ids)) is not None:
            at = self.listing.places(numbers)
            if (at >= 0).all():
                found: list[int] = np.unique(at).tolist()
                return found
        rows, unknown = self.find([ImageRef(i) for i in ids])
        if unknown or not rows:
            raise FormatError(
                f"expected ids of images of the ground truth, got {listed(unknown)}",
                where=self.where,
            )
        return sorted(set(rows.values()))

    def find(self, refs: Sequence[ImageRef]) -> tuple[dict[int, int], list[int | str]]:
        """Find images by name and id, see `refine.images.find_images`.

        Returns:
            index in `refs` -> index in `images`, and the ids not found.

        Raises:
            FormatError: an image whose id and name are those of two different images.
        """
        found = self.known.find(refs)
        rows = {i: row for i, row in enumerate(found) if row is not None}
        return rows, [ref.id for ref, row in zip(refs, found, strict=True) if row is None]

    def with_sigmas(self, chosen: Floats | float | Skeleton) -> "GroundTruth":
        """Return the same truth with the OKS sigmas of another skeleton, by joint name, or given.

        Raises:
            SkeletonError: a joint without a positive sigma.
        """
        return replace(self, skeleton=self.skeleton.with_sigmas(chosen))


def read_ground_truth(
    source: str | Path | Mapping[str, Any] | Poses | GroundTruth | CocoObject,
    skeleton: Skeleton | None = None,
    *,
    default: Skeleton | None = None,
    asked: Skeleton | None = None,
    category: int | str | None = None,
) -> GroundTruth:
    """Read ground truth from a COCO keypoint file, its parsed content, or poses.

    What is accepted is what `refine.formats.coco.read_ground_truth` accepts. A person without an
    area gets `BOX_FRACTION` of its box, one without a box the tight box of its labelled joints;
    annotations with neither box nor labelled joints are left out.

    Args:
        source: COCO keypoint annotations, pycocotools' object of them, or `Poses` whose scores are
            the flags v = 0, 1, 2; or Parquet of these, which may be several files, see
            `refine.files.matching_files`; `GroundTruth` is returned as it is.
        skeleton: of the persons, whatever the categories name.
        default: taken where the categories name no joints.
        asked: taken where the categories name no joints, and where it has as many as they name,
            none of them at another place.
        category: id or name of the one whose annotations are the persons.

    Raises:
        FormatError: not COCO annotations, a record that cannot be used, or none that can count.
        SkeletonError: the joints are not named and their number fits no skeleton, or several.
    """
    if isinstance(source, GroundTruth):
        return source
    if isinstance(source, Poses):
        return _from_poses(source, "ground truth")
    if isinstance(source, CocoObject):
        source = source.dataset
    if not isinstance(source, Mapping) and (tables := matching_files(source, PARQUET)):
        return _from_tables(tables, skeleton, category, str(source))
    where = "ground truth" if isinstance(source, Mapping) else str(source)
    data = source if isinstance(source, Mapping) else read_bytes(source)
    if (skeleton, asked, category) == (None, None, None):
        small = isinstance(data, bytes) and len(data) <= LARGE
        plain = None if small else scan_columns(data, where)
        if plain is not None:
            return _assembled(plain, (), where)
    # What is in memory may hold NumPy's numbers and arrays.
    document = parse_json(data, where) if isinstance(data, bytes) else plain_data(data)
    del data
    options = Options(where, skeleton, default=asked or default, category=category)
    if skeleton is None:
        named = named_skeleton(document, where, category)
        fits = asked is not None and named is not None and _renames(asked, named)
        # With a skeleton named, the whole-body parts that a file may hold stay out of the truth.
        options = replace(options, skeleton=asked if fits else named)
    return _from_poses(coco.read_ground_truth(document, options), where)


def _renames(asked: Skeleton, named: Skeleton) -> bool:
    """Whether a skeleton can name the joints of another: none that both name has another place."""
    index = asked.map_from(named)[0]
    return len(asked) == len(named) and bool(((index < 0) | (index == np.arange(len(index)))).all())


def _from_poses(poses: Poses, where: str) -> GroundTruth:
    columns = _columns_of(poses, where)
    strays = strays_of(poses.meta.get("others", ()), columns.listed_categories)
    return _assembled(columns, strays, where)


def _from_tables(
    paths: Sequence[Path], skeleton: Skeleton | None, category: int | str | None, where: str
) -> GroundTruth:
    """Read tables one by one; of each the columns stay."""
    parts = []
    for path in paths:
        poses = read(path, "parquet", skeleton=skeleton)
        if poses.score_kind != "flag" and len(poses):
            raise FormatError(
                "expected annotations, whose scores are the flags v = 0, 1, 2, got scores of the "
                f"kind {poses.score_kind!r}",
                where=str(path),
                hint="refine convert GT.json --to parquet",
            )
        if category is not None:
            poses = poses[[str(c) == str(category) for c in categories_of(poses)]]
        parts.append(_columns_of(poses, str(path)))
    columns = join_columns(parts, [str(path) for path in paths])
    if category is not None and not len(columns.xy):
        raise FormatError(f"expected persons of category {category!r}, got none", where=where)
    return _assembled(columns, (), where)


def _columns_of(poses: Poses, where: str) -> Columns:
    n, present = len(poses), poses.present
    flags = poses.score if poses.score_kind == "flag" else 2.0 * present
    visible = (present & (flags > 0)).astype(np.int8) + (present & (flags > 1))
    heads = [e.get("head_size") for e in poses.extra]
    declared = [e.get("num_keypoints") for e in poses.extra]
    counts = (visible > 0).sum(1).tolist()
    empty = [not (c if d is None else d) for d, c in zip(declared, counts, strict=True)]
    known = listed_categories_of(poses.meta.get("document"))
    categories, category = _categories(poses, where)
    return Columns(
        poses.skeleton,
        poses.images,
        poses.xy,
        visible,
        np.full((n, 4), np.nan) if poses.box is None else poses.box.copy(),
        np.full(n, np.nan) if poses.area is None else poses.area,
        poses.image,
        np.array([_crowd(e, where) for e in poses.extra], np.bool_),
        np.array(empty, np.bool_),
        _numbered([e.get("id") for e in poses.extra]),
        np.array([np.nan if h is None else h for h in heads], np.float64),
        categories,
        category,
        known,
    )


def _assembled(columns: Columns, strays: Sequence[Any], where: str) -> GroundTruth:
    """Say what stands for what is missing, and what does not count."""
    visible, box, xy = columns.visible, columns.box, columns.xy
    listing, place, sizes = _in_order(columns.images)
    labelled = visible > 0
    if (labelled != (np.isfinite(xy[..., 0]) & np.isfinite(xy[..., 1]))).any():
        xy = np.where(labelled[..., None], xy, np.nan)
    bare = ~np.isfinite(box).all(1)
    box[bare] = keypoint_box(xy[bare])
    guessed = ~np.isfinite(columns.area)
    extent = box[:, 2:] - box[:, :2]
    area = np.where(guessed, BOX_FRACTION * extent[:, 0] * extent[:, 1], columns.area)
    persons = Persons(
        xy,
        visible,
        area,
        box,
        place[columns.image],
        sizes[columns.image],
        columns.crowd | columns.empty,
        columns.crowd,
        columns.id,
        columns.head_size,
        columns.category,
    )
    placed: Bools = np.asarray(np.isfinite(box).all(1))
    warnings = []
    if guessed[placed].any():
        warnings.append(
            f"{guessed[placed].sum()} persons have no area; taken as {BOX_FRACTION} of their box"
        )
    if not placed.all():
        warnings.append(
            "annotations with neither box nor labelled joints were left out, by id: "
            + listed(columns.id[~placed].tolist())
        )
        persons = persons[placed]
    warnings += _not_matchable(persons, where)
    if strays:
        warnings.append(
            f"{len(strays)} annotations with keypoints are of no category of the file and do not "
            f"count, by id: {listed(strays)}"
        )
    return GroundTruth(
        columns.skeleton,
        listing,
        persons,
        tuple(warnings),
        where,
        columns.categories,
        columns.listed_categories,
    )


def _in_order(images: Sequence[ImageRef]) -> tuple[Sequence[ImageRef], Indices, Floats]:
    """Sort images by id: these, the place (I,) of each among them, and their sizes (I, 2) in px."""
    if isinstance(images, Images):
        return *images.by_id(), images.sizes()
    order = sorted(range(len(images)), key=lambda i: (isinstance(images[i].id, str), images[i].id))
    sizes = np.array([(ref.width or np.nan, ref.height or np.nan) for ref in images], np.float64)
    return [images[i] for i in order], np.argsort(np.array(order, np.intp)), sizes.reshape(-1, 2)


def _crowd(row: Mapping[str, Any], where: str) -> bool:
    value: Any = row.get("iscrowd")
    value = value.item() if hasattr(value, "item") else value
    if value is not None and (not isinstance(value, int | float) or value not in (0, 1)):
        raise FormatError(
            f"expected 0 or 1 in 'iscrowd', got {value!r:.40}",
            where=f"{where}, annotation id {row.get('id')!r:.40}",
            hint="numbers without quotes" if isinstance(value, str) else None,
        )
    return bool(value)


def _categories(poses: Poses, where: str) -> tuple[tuple[Category, ...], Indices]:
    """Return the categories of persons in the order of their ids, and the index of each's (N,)."""
    found: list[Any] = list(categories_of(poses))
    known = sorted({c for c in found if c is not None}, key=lambda c: (isinstance(c, str), c))
    if None in found and len(known) > 1:
        at = poses.extra[found.index(None)].get("id")
        raise FormatError(
            f"expected a category_id, one of {listed(known)}, got none",
            where=f"{where}, annotation id {at!r:.40}",
        )
    categories = tuple(known) or ((None,) if found else ())
    place = {c: i for i, c in enumerate(categories)} | {None: 0}
    return categories, np.array([place[c] for c in found], np.intp)


def _not_matchable(persons: Persons, where: str) -> list[str]:
    """Say which persons no prediction can match although they have labelled joints.

    Raises:
        FormatError: that is so of all who would count.
    """
    labelled = persons.labelled.any(1) & ~persons.crowd
    flat = labelled & ~persons.ignore & ~(persons.area > 0)
    uncounted = labelled & persons.ignore
    texts = [
        f"{int(which.sum())} persons with labelled joints {what}, by id: "
        + listed(persons.id[which].tolist())
        for which, what in (
            (flat, "have an area of 0 or less and can hardly be matched"),
            (uncounted, "say num_keypoints 0 and do not count"),
        )
        if which.any()
    ]
    if texts and not (labelled & ~flat & ~uncounted).any():
        raise FormatError(
            "expected persons that predictions can match, got none: " + "; ".join(texts),
            where=where,
            hint="leaving `area` or `num_keypoints` out: they are taken from box and joints then",
        )
    return texts


def _numbered(ids: Sequence[int | str | None]) -> npt.NDArray[Any]:
    """Return ids (N,), annotations without one given a number of their own."""
    used = set(ids)
    free = (i for i in count(1) if i not in used)
    all_of = [next(free) if i is None else i for i in ids]
    if set(map(type, all_of)) <= {int}:
        with suppress(OverflowError):
            return np.array(all_of, np.intp)
    found = np.empty(len(all_of), np.object_)
    found[:] = all_of
    return found


def listed(ids: Sequence[object]) -> str:
    """List the first five ids for a message."""
    if not ids:
        return "none"
    more = f" and {len(ids) - 5} more" if len(ids) > 5 else ""
    return ", ".join(map(repr, ids[:5])) + more
