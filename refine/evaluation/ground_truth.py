"""The only reader of annotations that verbs use, and how predictions find their images in it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np

from refine._types import Bools, Floats, Indices
from refine.evaluation.persons import Persons
from refine.exceptions import ArrayError, FormatError
from refine.files import dump_json, parse_json, read_bytes
from refine.formats import coco
from refine.formats.base import Options
from refine.geometry import keypoint_box
from refine.oks import BOX_FRACTION
from refine.poses import ImageRef, Poses
from refine.skeletons import Skeleton


@runtime_checkable
class CocoObject(Protocol):
    """`pycocotools.coco.COCO`, or what else holds the parsed file as it does."""

    dataset: dict[str, Any]


@dataclass(frozen=True, slots=True, eq=False)
class GroundTruth:
    """Annotated persons on images.

    Attributes:
        skeleton: the K joints.
        images: in the order of their ids, as pycocotools sorts them.
        persons: in the order of the source; `persons.image` is an index into `images`.
        warnings: what a reader of figures must know: what had to be guessed or left out.
        where: the file, for messages.
    """

    skeleton: Skeleton
    images: tuple[ImageRef, ...]
    persons: Persons
    warnings: tuple[str, ...] = ()
    where: str = "ground truth"

    @property
    def ids(self) -> tuple[int | str, ...]:
        """Id of each image."""
        return tuple(ref.id for ref in self.images)

    def persons_on(self, images: Sequence[int]) -> Persons:
        """Return the persons on some images, those of one image next to one another.

        Args:
            images: indices into `images`.
        """
        rows = np.flatnonzero(np.isin(self.persons.image, images))
        return self.persons[rows[np.argsort(self.persons.image[rows], kind="stable")]]

    def rows_of(self, ids: Sequence[int | str] | None) -> list[int]:
        """Return the indices of image ids; of all images for None.

        Raises:
            FormatError: ids that the ground truth lacks, or none at all.
        """
        if ids is None:
            return list(range(len(self.images)))
        rows, unknown = self.find([ImageRef(i) for i in ids])
        if unknown or not rows:
            raise FormatError(
                f"expected ids of images of the ground truth, got {listed(unknown)}",
                where=self.where,
            )
        return sorted(set(rows.values()))

    def find(self, refs: Sequence[ImageRef]) -> tuple[dict[int, int], list[int | str]]:
        """Find images by id, by the number that an id spells, or by file name.

        Returns:
            index in `refs` -> index in `images`, and the ids not found.
        """
        names = [ref.file_name or "" for ref in self.images]
        by_id: dict[object, int] = {name: i for i, name in enumerate(self.ids)}
        by_name = {Path(n).name: i for i, n in enumerate(names) if n}
        by_stem = {Path(n).stem: i for i, n in enumerate(names) if n}
        by_text = {str(name): i for i, name in enumerate(self.ids)}
        rows: dict[int, int] = {}
        unknown: list[int | str] = []
        for i, ref in enumerate(refs):
            text = Path(str(ref.id)).name
            digits = str(int(text)) if text.isdecimal() else text
            row = by_id.get(ref.id, by_text.get(digits))
            for name in (ref.file_name, text):
                if row is None and name:
                    row = by_name.get(Path(name).name, by_stem.get(Path(name).stem))
            if row is None:
                unknown.append(ref.id)
            else:
                rows[i] = row
        return rows, unknown

    def with_sigmas(self, chosen: Floats | Skeleton) -> "GroundTruth":
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
) -> GroundTruth:
    """Read ground truth from a COCO keypoint file, its parsed content, or poses.

    What is accepted is what `refine.formats.coco.read_ground_truth` accepts. A person without an
    area gets `BOX_FRACTION` of its box, one without a box the tight box of its labelled joints;
    annotations with neither box nor labelled joints are left out.

    Args:
        source: COCO keypoint annotations, pycocotools' object of them, or `Poses` whose scores are
            the flags v = 0, 1, 2; `GroundTruth` is returned as it is.
        skeleton: of the persons, whatever the categories name.
        default: taken where the categories name no joints.

    Raises:
        FormatError: not COCO annotations, or a record that cannot be used.
        SkeletonError: the joints are not named and their number fits no skeleton, or several.
    """
    if isinstance(source, GroundTruth):
        return source
    if isinstance(source, Poses):
        return _from_poses(source, "ground truth")
    if isinstance(source, CocoObject):
        source = source.dataset
    where = "ground truth" if isinstance(source, Mapping) else str(source)
    # What is in memory may hold NumPy's numbers and arrays.
    data = dump_json(source) if isinstance(source, Mapping) else read_bytes(source)
    document = parse_json(data, where)
    # With a skeleton named, the whole-body parts that a file may hold stay out of the truth.
    body = skeleton or coco.named_skeleton(document, where) or default
    return _from_poses(coco.read_ground_truth(document, Options(where, body)), where)


def _from_poses(poses: Poses, where: str) -> GroundTruth:
    order = sorted(
        range(len(poses.images)),
        key=lambda i: (isinstance(poses.images[i].id, str), poses.images[i].id),
    )
    n, present = len(poses), poses.present
    flags = poses.score if poses.score_kind == "flag" else 2.0 * present
    # Any flag above 0 is a label, as in pycocotools.
    visible = (present & (flags > 0)).astype(np.int8) + (present & (flags > 1))
    labelled = visible > 0
    xy = poses.xy
    if (labelled != present).any():
        xy = np.where(labelled[..., None], xy, np.nan)
    box = np.full((n, 4), np.nan) if poses.box is None else poses.box.copy()
    bare = ~np.isfinite(box).all(1)
    box[bare] = keypoint_box(xy[bare])
    area = np.full(n, np.nan) if poses.area is None else poses.area
    guessed = ~np.isfinite(area)
    extent = box[:, 2:] - box[:, :2]
    area = np.where(guessed, BOX_FRACTION * extent[:, 0] * extent[:, 1], area)
    crowd = np.array([bool(e.get("iscrowd")) for e in poses.extra], np.bool_)
    declared = [e.get("num_keypoints") for e in poses.extra]
    counts = labelled.sum(1).tolist()
    empty = np.array([not (c if d is None else d) for d, c in zip(declared, counts, strict=True)])
    heads = [e.get("head_size") for e in poses.extra]
    ids = np.empty(n, np.object_)
    ids[:] = _numbered([e.get("id") for e in poses.extra])
    sizes = poses.image_sizes
    persons = Persons(
        xy,
        visible,
        area,
        box,
        np.argsort(order)[poses.image] if n else np.zeros(0, np.intp),
        sizes[poses.image],
        crowd | empty.astype(np.bool_),
        crowd,
        ids,
        np.array([np.nan if h is None else h for h in heads], np.float64),
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
            + listed(ids[~placed].tolist())
        )
    images = tuple(poses.images[i] for i in order)
    return GroundTruth(poses.skeleton, images, persons[placed], tuple(warnings), where)


def _numbered(ids: Sequence[int | str | None]) -> list[int | str]:
    """Give annotations without an id a number of their own."""
    used = set(ids)
    free = (i for i in count(1) if i not in used)
    return [next(free) if i is None else i for i in ids]


def match_images(poses: Poses, gt: GroundTruth, *, strict: bool) -> tuple[Indices, int]:
    """Return the index in `gt.images` of every pose, -1 where unknown, and how many those are.

    Raises:
        FormatError: `strict`, and an image with poses is unknown.
    """
    used = sorted(set(poses.image.tolist()))
    rows, unknown = gt.find([poses.images[i] for i in used])
    if unknown and strict:
        raise FormatError(
            f"expected predictions on images of {gt.where}, got image ids {listed(unknown)}",
            hint="the ground truth of these images, or --keep-going to leave them out",
        )
    where = np.full(len(poses.images), -1)
    for i, row in rows.items():
        where[used[i]] = row
    image = where[poses.image] if len(poses) else np.zeros(0, np.intp)
    return image, int((image < 0).sum())


def finite_scores(poses: Poses) -> Floats:
    """Return the instance scores.

    Raises:
        ArrayError: a score that is not finite.
    """
    bad = np.flatnonzero(~np.isfinite(poses.instance_score))
    if len(bad):
        raise ArrayError(
            f"expected a finite instance score for every pose, {len(bad)} of {len(poses)} have "
            "none: average precision ranks poses by it",
            where=f"pose {bad[0]}",
            hint="`refine run`, which writes scores",
        )
    return poses.instance_score


def listed(ids: Sequence[object]) -> str:
    """List the first five ids for a message."""
    if not ids:
        return "none"
    more = f" and {len(ids) - 5} more" if len(ids) > 5 else ""
    return ", ".join(map(repr, ids[:5])) + more
