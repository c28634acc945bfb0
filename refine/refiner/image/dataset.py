"""Training samples: synthetic poses on real pictures."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from refine._types import Bools, Floats, Floats32, Indices
from refine.crops.arrays import Pixels, crop_image
from refine.errors.sources import draw_source
from refine.errors.statistics import ErrorStatistics
from refine.geometry import Crop
from refine.refiner.image.annotations import Labelled
from refine.refiner.image.conditioning import (
    EXTRA_TRUST,
    PADDING,
    Conditioning,
    make_conditioning,
)
from refine.refiner.image.pictures import read_picture
from refine.refiner.pose.boxes import crop_boxes
from refine.refiner.pose.refiner import Refiner
from refine.refiner.pose.simulate import simulate_source, split_by_source

SOURCES = 48
"""Most imaginary estimators per epoch."""
EXTRA_SHOWN = 0.3
"""Share of poses that show joints which the image-free refiner does not know."""
EXTRA_SPREAD = 0.08
"""How far these lie off, in body sizes."""


@dataclass(frozen=True, slots=True)
class Rows:
    """R poses to show, with the truth, everything in network-input px.

    Attributes:
        image: (R,) number of the picture.
        matrix: (R, 2, 3) picture px -> network input.
        conditioning: of the poses.
        target: (R, K, 2); 0 where not labelled.
        weight: (R, K) trust in the label.
        area: (R,) of the person, px^2.
        is_best: (R,) whether the pose is the best of those that show its person.
    """

    image: Indices
    matrix: Floats
    conditioning: Conditioning
    target: Floats32
    weight: Floats32
    area: Floats32
    is_best: Bools

    def __len__(self) -> int:
        return len(self.image)

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
    parts = [
        _draw_source(labelled, rows, refiner, statistics, size, rng)
        for rows in split_by_source(labelled.persons.image, SOURCES, rng)
    ]
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
    shown = simulate_source(persons, None, draw_source(body, rng), body, statistics, rng)
    belief = refiner.believe_scene(shown.scene)
    person = rows[shown.person]
    crop = _augment(crop_boxes(shown.scene, belief), size, rng)
    conditioning = make_conditioning(shown.scene, belief, crop, extra=labelled.extra.shape[1])
    trust, extra = labelled.trust[person], labelled.extra[person]
    picture_to_input = crop
    if shown.mirrored:
        width = labelled.persons.image_size[person, 0]
        trust = trust[:, body.mirror]
        extra = np.stack([width[:, None] - 1 - extra[..., 0], extra[..., 1]], -1)
        mirror = np.tile([[-1.0, 0, 0], [0, 1, 0]], (len(person), 1, 1))
        mirror[:, 0, 2] = width - 1
        picture_to_input = crop @ Crop.from_matrix(mirror, size)
    area = shown.area * np.abs(np.linalg.det(crop.matrix[:, :, :2]))
    conditioning = _show_extra(conditioning, crop(extra), np.sqrt(area), rng)
    target = crop(np.concatenate([shown.truth, extra], 1))
    ours = shown.labelled.any(1, keepdims=True)
    weight = np.concatenate([trust * shown.labelled, labelled.extra_trust[person] * ours], 1)
    weight = np.where(np.isfinite(target).all(-1), weight, 0.0)
    return Rows(
        labelled.persons.image[person],
        picture_to_input.matrix,
        conditioning,
        np.where(weight[..., None] > 0, target, 0.0).astype(np.float32),
        weight.astype(np.float32),
        area.astype(np.float32),
        shown.is_best,
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
    conditioning: Conditioning, truth: Floats, body_size: Floats, rng: np.random.Generator
) -> Conditioning:
    """Show some of the joints that the image-free refiner does not know, a little off.

    Args:
        conditioning: of N poses; these joints are the last ones.
        truth: (N, E, 2) where they are, NaN where nobody knows.
        body_size: (N,) root of the persons' area.
        rng: all randomness.
    """
    place = truth + rng.normal(size=truth.shape) * EXTRA_SPREAD * body_size[:, None, None]
    seen = np.isfinite(truth).all(-1) & (rng.random((len(truth), 1)) < EXTRA_SHOWN)
    extra = np.where(seen[..., None], place, 0.0)
    extra = np.concatenate([extra, EXTRA_TRUST * seen[..., None]], -1).astype(np.float32)
    own = np.concatenate(
        [conditioning.own[:, : conditioning.own.shape[1] - truth.shape[1]], extra], 1
    )
    return replace(conditioning, own=own)


def load_crops(
    rows: Rows, labelled: Labelled, size: tuple[int, int], pool: ThreadPoolExecutor
) -> Pixels:
    """Cut the crops of R rows out of their pictures, (R, height, width, 3)."""

    def load(i: int) -> Pixels:
        at = rows.image[i]
        picture = read_picture(labelled.pictures[at], exif=labelled.exif[at])
        return crop_image(picture, rows.matrix[i], size)

    return np.stack(list(pool.map(load, range(len(rows)))))


def _concatenate(parts: list[Rows]) -> Rows:
    def join(name: str, of: Sequence[Any]) -> npt.NDArray[Any]:
        return np.concatenate([getattr(p, name) for p in of])

    conditioning = [p.conditioning for p in parts]
    names = [f.name for f in fields(Rows) if f.name != "conditioning"]
    return Rows(
        conditioning=Conditioning(
            **{f.name: join(f.name, conditioning) for f in fields(Conditioning)}
        ),
        **{name: join(name, parts) for name in names},
    )
