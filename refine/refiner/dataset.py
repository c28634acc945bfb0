"""Training samples: annotated persons as imaginary estimators show them, and the truth."""

from dataclasses import dataclass, fields, replace

import numpy as np
import numpy.typing as npt

from refine.errors.sources import People, Source, draw_source, imitate, limbs
from refine.errors.statistics import ErrorStatistics
from refine.errors.synthesis import neighbours
from refine.exceptions import RefineError
from refine.poses import Poses
from refine.refiner.features import (
    PairTable,
    Scene,
    body_frame,
    features,
    nearest_poses,
    normalise_scores,
    own_coordinates,
)
from refine.skeleton import Skeleton

Floats = npt.NDArray[np.float64]
Floats32 = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]

SOURCES = 96
"""Most imaginary estimators an epoch; each sees a share of the images."""
PERSONS_A_SOURCE = 32
"""Fewer than this, and scores could not be ranked within the source."""


@dataclass(frozen=True, slots=True)
class Persons:
    """Annotated persons, those of one image next to one another.

    Attributes:
        xy: (N, K, 2) px; NaN where not annotated.
        visible: (N, K) 0, 1 or 2.
        area: (N,) px^2.
        box: (N, 4) xyxy px.
        image: (N,) number of the image, ascending.
        image_size: (N, 2) px, NaN where unknown.
    """

    xy: Floats
    visible: npt.NDArray[np.int8]
    area: Floats
    box: Floats
    image: npt.NDArray[np.intp]
    image_size: Floats

    def __len__(self) -> int:
        return len(self.xy)

    def __getitem__(self, rows: npt.NDArray[np.intp]) -> "Persons":
        return Persons(**{f.name: getattr(self, f.name)[rows] for f in fields(self)})


@dataclass(frozen=True, slots=True)
class Samples:
    """What the network is shown and what it should say, S rows in body frames.

    Attributes:
        features: (S, F), see `refine.refiner.features.features`.
        own: (S, K, 2) the joints as shown.
        present: (S, K).
        target: (S, K, 2) true positions; 0 where not labelled.
        labelled: (S, K); none in background rows.
        area: (S,) true area over squared body size.
    """

    features: Floats32
    own: Floats32
    present: Bools
    target: Floats32
    labelled: Bools
    area: Floats32


def persons_from_poses(truth: Poses) -> Persons:
    """Take the persons with at least one labelled joint out of ground truth.

    Raises:
        RefineError: there are none, or areas or boxes are absent.
    """
    if truth.area is None or truth.box is None:
        raise RefineError("expected annotations with area and bbox, got none")
    visible = np.where(truth.present, np.nan_to_num(truth.score), 0).astype(np.int8)
    crowd = np.array([bool(e.get("iscrowd")) for e in truth.extra], np.bool_)
    rows = np.flatnonzero((visible > 0).any(1) & (truth.area > 0) & ~crowd)
    if not len(rows):
        raise RefineError("expected persons with labelled keypoints, got none")
    rows = rows[np.argsort(truth.image[rows], kind="stable")]
    sizes = np.array([(r.width or np.nan, r.height or np.nan) for r in truth.images], np.float64)
    return Persons(
        np.where((visible > 0)[..., None], truth.xy, np.nan)[rows],
        visible[rows],
        truth.area[rows],
        truth.box[rows],
        truth.image[rows],
        sizes[truth.image[rows]],
    )


def draw_epoch(
    persons: Persons,
    estimated: Floats | Floats32 | None,
    pairs: PairTable,
    skeleton: Skeleton,
    statistics: ErrorStatistics,
    rng: np.random.Generator,
) -> Samples:
    """Draw one epoch: every person once, shown by one of `SOURCES` random estimators an image.

    Args:
        persons: N annotated persons.
        estimated: (N, K, 2) guesses for joints that nobody annotated, or None to never show them.
        pairs: of `PairTable.measure`.
        skeleton: with sigmas.
        statistics: error rates that the sources scale.
        rng: all randomness.
    """
    sources = min(SOURCES, 1 + len(persons) // PERSONS_A_SOURCE)
    of_image = rng.integers(0, sources, int(persons.image.max()) + 1)
    of_person = of_image[persons.image]
    parts = []
    for number in range(sources):
        rows = np.flatnonzero(of_person == number)
        if not len(rows):
            continue
        guess = None if estimated is None else estimated[rows]
        source = draw_source(skeleton, rng)
        parts.append(_show(persons[rows], guess, source, pairs, skeleton, statistics, rng))
    order = rng.permutation(sum(len(p.own) for p in parts))
    return Samples(
        **{
            f.name: np.concatenate([getattr(p, f.name) for p in parts])[order]
            for f in fields(Samples)
        }
    )


def _show(
    persons: Persons,
    estimated: Floats | Floats32 | None,
    source: Source,
    pairs: PairTable,
    skeleton: Skeleton,
    statistics: ErrorStatistics,
    rng: np.random.Generator,
) -> Samples:
    """Let one estimator see some images, mirrored in half of the cases."""
    truth = persons.xy
    complete = truth if estimated is None else np.where(np.isfinite(truth), truth, estimated)
    visible, size = persons.visible, persons.image_size
    if rng.random() < 0.5:
        truth, complete = (_mirror(a, size, skeleton) for a in (truth, complete))
        visible = visible[:, skeleton.mirror]
    near, near_start = neighbours(persons.box, persons.image)
    people = People(complete, visible, persons.area, near, near_start, size)
    xy, present, score = imitate(people, source, skeleton, statistics, rng)
    owner = np.arange(len(xy))
    if len(twice := np.flatnonzero(rng.random(len(xy)) < source.duplicate)):
        again = imitate(people, source, skeleton, statistics, rng)
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
    centre, body = body_frame(scene.xy, present, pairs)
    labelled = (visible > 0)[host] & (owner >= 0)[:, None]
    target = (truth[host] - centre[:, None]) / body[:, None, None]
    return Samples(
        features(scene, centre, body),
        own_coordinates(scene, centre, body).astype(np.float32),
        present,
        np.where(labelled[..., None], target, 0.0).astype(np.float32),
        labelled,
        (persons.area[host] / body**2).astype(np.float32),
    )


def _mirror(xy: Floats, size: Floats, skeleton: Skeleton) -> Floats:
    """Mirror persons left-right in their images; those of unknown width about x = 0."""
    width = np.nan_to_num(size[:, 0], nan=1.0)[:, None, None]
    mirrored = np.concatenate([width - 1 - xy[..., :1], xy[..., 1:]], -1)
    return np.asarray(mirrored[:, skeleton.mirror])


def _split(
    owner: npt.NDArray[np.intp],
    present: Bools,
    xy: Floats,
    score: Floats,
    skeleton: Skeleton,
    rng: np.random.Generator,
) -> tuple[npt.NDArray[np.intp], Bools, Floats, Floats]:
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
    owner: npt.NDArray[np.intp],
    present: Bools,
    xy: Floats,
    score: Floats,
    size: Floats,
    rng: np.random.Generator,
) -> tuple[npt.NDArray[np.intp], Bools, Floats, Floats]:
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
