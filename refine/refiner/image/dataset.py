"""Training samples: synthetic poses on real pictures."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from refine._types import Bools, Floats, Floats32, Indices
from refine.errors.sources import draw_source
from refine.errors.statistics import ErrorStatistics
from refine.geometry import Crop
from refine.refiner.image.annotations import Labelled
from refine.refiner.image.conditioning import (
    EXTRA_TRUST,
    PADDING,
    Conditioning,
    crop_boxes,
    make_conditioning,
)
from refine.refiner.image.crops import Pixels, crop_image, read_picture
from refine.refiner.pose.refiner import Refiner
from refine.refiner.pose.simulate import show_persons

SOURCES = 48
"""Most imaginary estimators an epoch."""
PERSONS_A_SOURCE = 32
EXTRA_SHOWN = 0.3
"""Share of poses that show joints which the image-free refiner does not know."""


@dataclass(frozen=True, slots=True)
class Rows:
    """R poses to show, with the truth, everything in network-input px.

    Attributes:
        picture: (R,) number of the picture.
        matrix: (R, 2, 3) picture px -> network input.
        clues: of the poses.
        target: (R, K, 2); 0 where not labelled.
        weight: (R, K) trust in the label.
        area: (R,) of the person, px^2.
        claims: (R,) whether the pose is the best of those that show its person.
    """

    picture: Indices
    matrix: Floats
    clues: Conditioning
    target: Floats32
    weight: Floats32
    area: Floats32
    claims: Bools

    def __len__(self) -> int:
        return len(self.picture)

    def __getitem__(self, rows: Indices) -> "Rows":
        return Rows(**{f.name: getattr(self, f.name)[rows] for f in fields(self)})


def draw_rows(
    labelled: Labelled,
    refiner: Refiner,
    statistics: ErrorStatistics,
    size: tuple[int, int],
    rng: np.random.Generator,
) -> Rows:
    """Draw one epoch: every person shown by one of `SOURCES` random estimators, shuffled.

    Args:
        labelled: persons on pictures.
        refiner: image-free; says what is believed before the picture is seen.
        statistics: error rates that the estimators scale.
        size: width and height of the network input.
        rng: all randomness.
    """
    persons = labelled.persons
    sources = min(SOURCES, 1 + len(persons) // PERSONS_A_SOURCE)
    of_person = rng.integers(0, sources, int(persons.image.max()) + 1)[persons.image]
    parts = []
    for number in range(sources):
        rows = np.flatnonzero(of_person == number)
        if len(rows):
            parts.append(_draw_source(labelled, rows, refiner, statistics, size, rng))
    joined = _concatenate(parts)
    return joined[rng.permutation(len(joined))]


def _draw_source(
    labelled: Labelled,
    rows: Indices,
    refiner: Refiner,
    statistics: ErrorStatistics,
    size: tuple[int, int],
    rng: np.random.Generator,
) -> Rows:
    body = refiner.skeleton
    persons = labelled.persons[rows]
    shown = show_persons(persons, None, draw_source(body, rng), body, statistics, rng)
    belief = refiner.believe_scene(shown.scene)
    host = rows[shown.host]
    crop = _augment(crop_boxes(shown.scene, belief), size, rng)
    told = make_conditioning(shown.scene, belief, crop, extra=labelled.extra.shape[1])
    trust, extra = labelled.trust[host], labelled.extra[host]
    picture_to_input = crop
    if shown.mirrored:
        width = labelled.persons.image_size[host, 0]
        trust = trust[:, body.mirror]
        extra = np.stack([width[:, None] - 1 - extra[..., 0], extra[..., 1]], -1)
        mirror = np.tile([[-1.0, 0, 0], [0, 1, 0]], (len(host), 1, 1))
        mirror[:, 0, 2] = width - 1
        picture_to_input = crop @ Crop.from_matrix(mirror, size)
    _show_extra(told, crop(extra), shown.area, crop, len(body), rng)
    target = crop(np.concatenate([shown.truth, extra], 1))
    ours = shown.labelled.any(1, keepdims=True)
    weight = np.concatenate([trust * shown.labelled, labelled.extra_trust[host] * ours], 1)
    weight = np.where(np.isfinite(target).all(-1), weight, 0.0)
    scale = np.abs(np.linalg.det(crop.matrix[:, :, :2]))
    return Rows(
        labelled.persons.image[host],
        picture_to_input.matrix,
        told,
        np.where(weight[..., None] > 0, target, 0.0).astype(np.float32),
        weight.astype(np.float32),
        (shown.area * scale).astype(np.float32),
        shown.claims,
    )


def _augment(box: Floats, size: tuple[int, int], rng: np.random.Generator) -> Crop:
    """Scale, turn and shift the crops; PoseFix's ranges, but turns are milder.

    PoseFix: scale clip(N(1, .3), .7, 1.3), in six of ten cases a turn by clip(N(0, 40), +-80).
    """
    n = len(box)
    center, extent = (box[:, :2] + box[:, 2:]) / 2, box[:, 2:] - box[:, :2]
    width = np.maximum(extent[:, 0], extent[:, 1] * size[0] / size[1])[:, None]
    scale = np.clip(rng.normal(1, 0.25, (n, 1)), 0.7, 1.4)
    turn = np.clip(rng.normal(0, 25, n), -60, 60) * (rng.random(n) < 0.6)
    center = center + rng.normal(0, 0.04, (n, 2)) * width
    sides = np.concatenate([width, width * size[1] / size[0]], 1) * PADDING * scale
    return Crop.from_center_scale(center, sides, size, unit=1.0, rotation=turn)


def _show_extra(
    told: Conditioning,
    truth: Floats,
    area: Floats,
    crop: Crop,
    first: int,
    rng: np.random.Generator,
) -> None:
    """Show some of the joints that the image-free refiner does not know, a little off."""
    body = np.sqrt(area * np.abs(np.linalg.det(crop.matrix[:, :, :2])))[:, None, None]
    place = truth + rng.normal(size=truth.shape) * 0.08 * body
    seen = np.isfinite(truth).all(-1) & (rng.random((len(truth), 1)) < EXTRA_SHOWN)
    told.own[:, first:, :2] = np.where(seen[..., None], place, 0.0)
    told.own[:, first:, 2] = EXTRA_TRUST * seen


def load_crops(
    rows: Rows, pictures: tuple[Path, ...], size: tuple[int, int], pool: ThreadPoolExecutor
) -> Pixels:
    """Cut the crops of R rows out of their pictures, (R, height, width, 3)."""

    def load(i: int) -> Pixels:
        picture = read_picture(pictures[rows.picture[i]])
        return crop_image(picture, rows.matrix[i], size)

    return np.stack(list(pool.map(load, range(len(rows)))))


def _concatenate(parts: list[Rows]) -> Rows:
    def join(name: str) -> npt.NDArray[Any]:
        return np.concatenate([getattr(p, name) for p in parts])

    told = Conditioning(
        **{
            f.name: np.concatenate([getattr(p.clues, f.name) for p in parts])
            for f in fields(Conditioning)
        }
    )
    names = [f.name for f in fields(Rows) if f.name != "clues"]
    return Rows(clues=told, **{name: join(name) for name in names})
