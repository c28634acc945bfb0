"""Annotated persons as an imaginary estimator would show them, twice, in pieces or not at all."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from refine._types import Bools, Floats, Indices
from refine.errors.sources import Source, imitate, limbs
from refine.errors.statistics import ErrorStatistics
from refine.evaluation.ground_truth import GroundTruth
from refine.evaluation.matching import neighbours
from refine.evaluation.persons import Persons
from refine.exceptions import RefineError
from refine.oks import keypoint_similarity
from refine.refiner.pose.features import Scene, nearest_poses, normalise_scores
from refine.skeletons import Skeleton


@dataclass(frozen=True, slots=True)
class SimulatedPoses:
    """R poses as an estimator gives them, and the truth behind them.

    Attributes:
        scene: what the refiner may see.
        person: (R,) who is behind the pose; for a false positive somebody of the same image.
        truth: (R, K, 2) px; NaN where not annotated.
        labelled: (R, K); none in false positives.
        area: (R,) of the person, px^2.
        is_best: (R,) whether the pose is the best of those that show its person.
        mirrored: whether everything is mirrored left-right in its image.
    """

    scene: Scene
    person: Indices
    truth: Floats
    labelled: Bools
    area: Floats
    is_best: Bools
    mirrored: bool


def training_persons(truth: GroundTruth) -> Persons:
    """Return the persons to train on: those that count, of an area, image by image.

    Raises:
        RefineError: there are none.
    """
    persons = truth.persons
    rows = np.flatnonzero(persons.labelled.any(1) & (persons.area > 0) & ~persons.ignore)
    if not len(rows):
        raise RefineError("expected persons with labelled keypoints, got none", where=truth.where)
    return persons[rows[np.argsort(persons.image[rows], kind="stable")]]


PERSONS_PER_SOURCE = 32
"""Fewer say little of an estimator."""


def split_by_source(image: Indices, most: int, rng: np.random.Generator) -> Iterator[Indices]:
    """Give every image to one of several imaginary estimators.

    Args:
        image: (N,) number of the image of each person.
        most: estimators; fewer where there are few persons.
        rng: all randomness.

    Yields:
        rows of the persons that one estimator sees, one or more.
    """
    sources = min(most, 1 + len(image) // PERSONS_PER_SOURCE)
    of_person = rng.integers(0, sources, int(image.max()) + 1)[image]
    for number in range(sources):
        if len(rows := np.flatnonzero(of_person == number)):
            yield rows


def simulate_source(
    persons: Persons,
    estimated: npt.NDArray[np.floating] | None,
    source: Source,
    skeleton: Skeleton,
    statistics: ErrorStatistics,
    rng: np.random.Generator,
) -> SimulatedPoses:
    """Let one estimator see some images, mirrored in half of the cases.

    Args:
        persons: N annotated persons.
        estimated: (N, K, 2) guesses for joints that nobody annotated, or None to never show them.
        source: the estimator.
        skeleton: with sigmas.
        statistics: error rates that the source scales.
        rng: all randomness.
    """
    truth = persons.xy
    complete = truth if estimated is None else np.where(np.isfinite(truth), truth, estimated)
    visible, size = persons.visible, persons.image_size
    mirrored = bool(rng.random() < 0.5)
    if mirrored:
        truth, complete = (_mirror(a, size, skeleton) for a in (truth, complete))
        visible = visible[:, skeleton.mirror]
    near = neighbours(persons.box, persons.image)
    people = replace(persons, xy=complete, visible=visible)
    xy, present, score = imitate(people, near, source, skeleton, statistics, rng)
    owner = np.arange(len(xy))
    if len(twice := np.flatnonzero(rng.random(len(xy)) < source.duplicate)):
        again = imitate(people, near, source, skeleton, statistics, rng)
        xy, present, score = (
            np.concatenate([a, b[twice]]) for a, b in zip((xy, present, score), again, strict=True)
        )
        owner = np.concatenate([owner, twice])
    detected = np.flatnonzero(present.any(1) & (rng.random(len(xy)) >= rng.uniform(0, 0.25)))
    owner, present, xy, score = owner[detected], present[detected], xy[detected], score[detected]
    if not source.complete:
        owner, present, xy, score = _add_fragments(owner, present, xy, score, skeleton, rng)
    owner, present, xy, score = _add_false_positives(owner, present, xy, score, size, rng)
    person = np.where(owner < 0, -1 - owner, owner)
    labelled = (visible > 0)[person] & (owner >= 0)[:, None]
    quality = _quality(
        xy, truth[person], present & labelled, labelled, persons.area[person], skeleton
    )
    scene = Scene(
        np.where(present[..., None], xy, 0.0),
        present,
        normalise_scores(score, present),
        nearest_poses(xy, present, persons.image[person]),
        size[person],
    )
    if rng.random() < 0.3:
        scene.score[:] = -1
    if rng.random() < 0.15:
        scene = replace(scene, image_size=np.full_like(scene.image_size, np.nan))
    return SimulatedPoses(
        scene,
        person,
        truth[person],
        labelled,
        persons.area[person],
        _mark_best(owner, quality),
        mirrored,
    )


def _quality(
    xy: Floats,
    truth: Floats,
    shown: Bools,
    labelled: Bools,
    area: Floats,
    skeleton: Skeleton,
) -> Floats:
    """Return the OKS of every row as it is shown; 0 for false positives."""
    similarity = keypoint_similarity(truth, xy, area, skeleton.require_sigmas())
    return np.asarray(np.where(shown, similarity, 0.0).sum(1) / np.maximum(labelled.sum(1), 1))


def _mark_best(owner: Indices, quality: Floats) -> Bools:
    """Mark the best row of every person; COCO counts the others as false."""
    order = np.lexsort((-quality, owner))
    first = np.r_[True, np.diff(owner[order]) != 0] if len(owner) else np.empty(0, np.bool_)
    is_best = np.zeros(len(owner), np.bool_)
    is_best[order] = first
    return is_best & (owner >= 0)


def _mirror(xy: Floats, size: Floats, skeleton: Skeleton) -> Floats:
    """Mirror persons left-right in their images; those of unknown width about x = 0."""
    width = np.nan_to_num(size[:, 0], nan=1.0)[:, None, None]
    mirrored = np.concatenate([width - 1 - xy[..., :1], xy[..., 1:]], -1)
    return np.asarray(mirrored[:, skeleton.mirror])


def _add_fragments(
    owner: Indices,
    present: Bools,
    xy: Floats,
    score: Floats,
    skeleton: Skeleton,
    rng: np.random.Generator,
) -> tuple[Indices, Bools, Floats, Floats]:
    """Break some persons into two poses of the same image, limb by limb."""
    there = present.copy()
    broken = np.flatnonzero((rng.random(len(owner)) < 0.06) & (there.sum(1) >= 4))
    first = np.zeros((len(broken), len(skeleton)), np.bool_)
    for limb in limbs(skeleton):
        first[:, limb] = rng.random((len(broken), 1)) < 0.5
    second = there[broken] & ~first
    first &= there[broken]
    both = first.any(1) & second.any(1)
    there[broken[both]] = first[both]
    rows = np.concatenate([np.arange(len(owner)), broken[both]])
    return owner[rows], np.concatenate([there, second[both]]), xy[rows], score[rows]


def _add_false_positives(
    owner: Indices,
    present: Bools,
    xy: Floats,
    score: Floats,
    size: Floats,
    rng: np.random.Generator,
) -> tuple[Indices, Bools, Floats, Floats]:
    """Add others' shapes, distorted and put elsewhere; their owner is -1 - person."""
    count = rng.binomial(len(owner), rng.uniform(0, 0.12))
    if not count:
        return owner, present, xy, score
    pick = rng.integers(0, len(owner), count)
    person = owner[rng.integers(0, len(owner), count)]
    shape = xy[pick] - np.nanmean(xy[pick], 1, keepdims=True)
    extent = np.nanstd(xy[pick], axis=(1, 2))[:, None, None]
    shape = shape * np.exp(rng.normal(-0.4, 0.5, (count, 1, 1)))
    shape = shape + rng.normal(size=shape.shape) * extent * rng.uniform(0.05, 0.6, (count, 1, 1))
    room = np.nan_to_num(size[person], nan=640.0)
    nobody = shape + (rng.random((count, 2)) * room)[:, None]
    seen = present[pick] & (rng.random(present[pick].shape) < rng.uniform(0.3, 1, (count, 1)))
    seen[~seen.any(1)] = present[pick][~seen.any(1)]
    # False positives score lower, by an amount that the network must not rely on.
    dim = score[pick] * rng.uniform(0.3, 1.0, (count, 1))
    return (
        np.concatenate([owner, -1 - person]),
        np.concatenate([present, seen]),
        np.concatenate([xy, nobody]),
        np.concatenate([score, dim]),
    )
