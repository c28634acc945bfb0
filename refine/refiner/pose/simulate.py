"""Annotated persons as an imaginary estimator would show them, with rivals, pieces and ghosts."""

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
class Shown:
    """R poses as an estimator gives them, and the truth behind them.

    Attributes:
        scene: what the refiner may see.
        host: (R,) the person behind the pose; for a pose of nobody one of the same image.
        truth: (R, K, 2) px; NaN where not annotated.
        labelled: (R, K); none in poses of nobody.
        area: (R,) of the person, px^2.
        claims: (R,) whether the pose is the best of those that show its person.
        mirrored: whether everything is mirrored left-right in its image.
    """

    scene: Scene
    host: Indices
    truth: Floats
    labelled: Bools
    area: Floats
    claims: Bools
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


def show_persons(
    persons: Persons,
    estimated: npt.NDArray[np.floating] | None,
    source: Source,
    skeleton: Skeleton,
    statistics: ErrorStatistics,
    rng: np.random.Generator,
) -> Shown:
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
        owner, present, xy, score = _split(owner, present, xy, score, skeleton, rng)
    owner, present, xy, score = _haunt(owner, present, xy, score, size, rng)
    host = np.where(owner < 0, -1 - owner, owner)
    labelled = (visible > 0)[host] & (owner >= 0)[:, None]
    quality = _quality(xy, truth[host], present & labelled, labelled, persons.area[host], skeleton)
    scene = Scene(
        np.where(present[..., None], xy, 0.0),
        present,
        normalise_scores(score, present),
        nearest_poses(xy, present, persons.image[host]),
        size[host],
    )
    if rng.random() < 0.3:
        scene.score[..., 0] = -1
    if rng.random() < 0.15:
        scene = replace(scene, image_size=np.full_like(scene.image_size, np.nan))
    return Shown(
        scene,
        host,
        truth[host],
        labelled,
        persons.area[host],
        _claims(owner, quality),
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
    """Return the OKS of every row as it is shown; 0 for poses of nobody."""
    similarity = keypoint_similarity(truth, xy, area, skeleton.require_sigmas())
    return np.asarray(np.where(shown, similarity, 0.0).sum(1) / np.maximum(labelled.sum(1), 1))


def _claims(owner: Indices, quality: Floats) -> Bools:
    """Mark the best row of every person; COCO counts the others as false."""
    order = np.lexsort((-quality, owner))
    first = np.r_[True, np.diff(owner[order]) != 0] if len(owner) else np.empty(0, np.bool_)
    claims = np.zeros(len(owner), np.bool_)
    claims[order] = first
    return claims & (owner >= 0)


def _mirror(xy: Floats, size: Floats, skeleton: Skeleton) -> Floats:
    """Mirror persons left-right in their images; those of unknown width about x = 0."""
    width = np.nan_to_num(size[:, 0], nan=1.0)[:, None, None]
    mirrored = np.concatenate([width - 1 - xy[..., :1], xy[..., 1:]], -1)
    return np.asarray(mirrored[:, skeleton.mirror])


def _split(
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


def _haunt(
    owner: Indices,
    present: Bools,
    xy: Floats,
    score: Floats,
    size: Floats,
    rng: np.random.Generator,
) -> tuple[Indices, Bools, Floats, Floats]:
    """Add poses of nobody: others' shapes, distorted and put elsewhere; owner is -1 - host."""
    count = rng.binomial(len(owner), rng.uniform(0, 0.12))
    if not count:
        return owner, present, xy, score
    pick = rng.integers(0, len(owner), count)
    host = owner[rng.integers(0, len(owner), count)]
    shape = xy[pick] - np.nanmean(xy[pick], 1, keepdims=True)
    extent = np.nanstd(xy[pick], axis=(1, 2))[:, None, None]
    shape = shape * np.exp(rng.normal(-0.4, 0.5, (count, 1, 1)))
    shape = shape + rng.normal(size=shape.shape) * extent * rng.uniform(0.05, 0.6, (count, 1, 1))
    room = np.nan_to_num(size[host], nan=640.0)
    ghost = shape + (rng.random((count, 2)) * room)[:, None]
    seen = present[pick] & (rng.random(present[pick].shape) < rng.uniform(0.3, 1, (count, 1)))
    seen[~seen.any(1)] = present[pick][~seen.any(1)]
    # Ghosts score lower, by an amount that the network must not rely on.
    dim = score[pick] * rng.uniform(0.3, 1.0, (count, 1))
    return (
        np.concatenate([owner, -1 - host]),
        np.concatenate([present, seen]),
        np.concatenate([xy, ghost]),
        np.concatenate([score, dim]),
    )
