"""Training samples: what the network is shown of a pose, and what it should answer."""

from dataclasses import dataclass, fields

import numpy as np

from refine._types import Bools, Floats, Floats32
from refine.errors.sources import draw_source
from refine.errors.statistics import ErrorStatistics
from refine.evaluation.persons import Persons
from refine.refiner.pose.features import PairTable, body_frame, features, own_coordinates
from refine.refiner.pose.simulate import SimulatedPoses, simulate_source, split_by_source
from refine.skeletons import Skeleton

SOURCES = 96
"""Most imaginary estimators per epoch; each sees a share of the images."""


@dataclass(frozen=True, slots=True)
class Samples:
    """What the network is shown and what it should answer, S rows in body frames.

    Attributes:
        features: (S, F), see `refine.refiner.pose.features.features`.
        own: (S, K, 2) the joints as shown.
        present: (S, K).
        target: (S, K, 2) true positions; 0 where not labelled.
        labelled: (S, K); none in false positives.
        area: (S,) true area over squared body size.
    """

    features: Floats32
    own: Floats32
    present: Bools
    target: Floats32
    labelled: Bools
    area: Floats32


def draw_epoch(
    persons: Persons,
    estimated: Floats | Floats32 | None,
    pairs: PairTable,
    skeleton: Skeleton,
    statistics: ErrorStatistics,
    rng: np.random.Generator,
) -> Samples:
    """Draw one epoch: every person once, as one of `SOURCES` random estimators shows its image.

    Args:
        persons: N annotated persons.
        estimated: (N, K, 2) guesses for joints that nobody annotated, or None to never show them.
        pairs: of `PairTable.measure`.
        skeleton: with sigmas.
        statistics: error rates that the sources scale.
        rng: all randomness.
    """
    parts = []
    for rows in split_by_source(persons.image, SOURCES, rng):
        guess = None if estimated is None else estimated[rows]
        source = draw_source(skeleton, rng)
        shown = simulate_source(persons[rows], guess, source, skeleton, statistics, rng)
        parts.append(_samples(shown, pairs))
    order = rng.permutation(sum(len(p.own) for p in parts))
    return Samples(
        **{
            f.name: np.concatenate([getattr(p, f.name) for p in parts])[order]
            for f in fields(Samples)
        }
    )


def _samples(shown: SimulatedPoses, pairs: PairTable) -> Samples:
    scene, labelled = shown.scene, shown.labelled
    centre, body = body_frame(scene.xy, scene.present, pairs)
    target = (shown.truth - centre[:, None]) / body[:, None, None]
    columns = features(scene, centre, body)
    return Samples(
        columns,
        own_coordinates(columns, len(scene.present[0])),
        scene.present,
        np.where(labelled[..., None], target, 0.0).astype(np.float32),
        labelled,
        (shown.area / body**2).astype(np.float32),
    )
