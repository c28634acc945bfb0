"""The same images in several stages: as predicted, as refined, ...; and what annotators say."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from refine._types import Floats, Indices
from refine.drawing.marks import highest
from refine.evaluation.ground_truth import GroundTruth
from refine.evaluation.pairing import pair_poses
from refine.exceptions import ArrayError
from refine.images import find_images
from refine.poses import ImageRef, Poses

TRUTH_NAME = "ground truth"


@dataclass(frozen=True, slots=True, eq=False)
class Stages:
    """Poses of the same images in several stages, see `line_up`.

    Attributes:
        names: of the stages; the first is what the others are compared with.
        poses: of each stage, all of the same images in the same order.
        sources: of each stage: which pose of the first each one was, (M,), -1 for none.
        before: of each stage: its poses as they were in the first, NaN where they were not; None
            for the first itself.
        truth: annotated persons on these images, NaN where a joint is not labelled; None without.
    """

    names: tuple[str, ...]
    poses: tuple[Poses, ...]
    sources: tuple[Indices, ...]
    before: tuple[Poses | None, ...]
    truth: Poses | None

    @property
    def images(self) -> tuple[ImageRef, ...]:
        """The images."""
        return self.poses[0].images

    @property
    def heads(self) -> list[str]:
        """Names of the columns of a sheet; none where there is but one."""
        truth = [TRUTH_NAME] * (self.truth is not None)
        return [*self.names, *truth] if truth or len(self.names) > 1 else []


def line_up(stages: Mapping[str, Poses], truth: GroundTruth | None = None) -> Stages:
    """Put poses of several stages on the same images, and find which pose became which.

    Images are those of the first stage, then those that only others have; names and sizes that
    the poses do not tell are taken from the truth. Keypoint scores beyond 1 become shares of the
    highest of their stage.

    Args:
        stages: name -> poses, at least one.
        truth: what annotators say of the images.

    Raises:
        ArrayError: no stage.
        FormatError: an image that is two by id and by name.
        SkeletonError: stages that share no joint.
    """
    lined = on_same_images(stages, truth)
    sources = [np.arange(len(lined[0]))]
    sources += [pair_poses(lined[0].to(after.skeleton), after) for after in lined[1:]]
    annotated = None if truth is None else annotated_on(truth, lined[0].images)
    before = [None, *map(partial(_as_in, lined[0]), lined[1:], sources[1:])]
    return Stages(tuple(stages), lined, tuple(sources), tuple(before), annotated)


def on_same_images(
    stages: Mapping[str, Poses], truth: GroundTruth | None = None
) -> tuple[Poses, ...]:
    """Put poses of several stages on the same images, as `line_up` does.

    Raises:
        ArrayError: no stage.
        FormatError: an image that is two by id and by name.
    """
    if not stages:
        raise ArrayError("expected at least one stage, got none")
    images: list[ImageRef] = []
    moved = []
    for name, poses in stages.items():
        names, ids = [ref.file_name for ref in images], [ref.id for ref in images]
        found = find_images(poses.images, names, ids, where=name) if images else []
        rows = []
        for at, ref in enumerate(poses.images):
            row = found[at] if found else None
            rows.append(len(images) if row is None else row)
            images += [ref] if row is None else []
        moved.append(np.array(rows, np.intp)[poses.image])
    known = _told_by(truth, images)
    return tuple(
        poses.replace(images=known, image=image, score=_shares(poses))
        for poses, image in zip(stages.values(), moved, strict=True)
    )


def on_images(poses: Poses, images: Sequence[int]) -> Poses:
    """Return the poses on some images, and these images alone, in that order."""
    place = np.full(len(poses.images), -1)
    place[list(images)] = np.arange(len(images))
    kept = poses[place[poses.image] >= 0]
    refs = tuple(poses.images[i] for i in images)
    return kept.replace(images=refs, image=place[kept.image])


def _shares(poses: Poses) -> Floats:
    """Return keypoint scores that are alike on all images: beyond 1 as shares of the highest."""
    return poses.score if poses.score_kind == "logit" else poses.score / highest(poses)


def _as_in(first: Poses, poses: Poses, source: Indices) -> Poses:
    """Return poses as they were in the first stage."""
    xy = first.to(poses.skeleton).xy
    none = np.full((1, *xy.shape[1:]), np.nan)
    return poses.replace(xy=np.concatenate([xy, none])[source])


def _told_by(truth: GroundTruth | None, images: Sequence[ImageRef]) -> tuple[ImageRef, ...]:
    """Give images the names and sizes that only the truth tells."""
    rows = {} if truth is None else truth.find(images)[0]
    out = list(images)
    for at, row in rows.items():
        assert truth is not None
        told, ref = truth.images[row], images[at]
        sizes = (ref.width, ref.height) if ref.width and ref.height else (told.width, told.height)
        out[at] = replace(
            ref, file_name=ref.file_name or told.file_name, width=sizes[0], height=sizes[1]
        )
    return tuple(out)


def annotated_on(truth: GroundTruth, images: Sequence[ImageRef]) -> Poses:
    """Return the persons on some images who have labelled joints, no crowds, as poses."""
    rows = truth.find(images)[0]
    place = np.full(len(truth.images), -1)
    for at, row in rows.items():
        place[row] = at
    persons = truth.persons
    counts = persons.labelled.any(1) & ~persons.ignore
    counts &= place[persons.image] >= 0 if len(persons) else counts
    chosen = persons[counts]
    xy: Floats = np.where(chosen.labelled[..., None], chosen.xy, np.nan)
    return Poses.from_arrays(
        truth.skeleton,
        xy,
        chosen.visible,
        image=place[chosen.image],
        images=images,
        score_kind="flag",
        box=chosen.box,
        area=chosen.area,
    )
