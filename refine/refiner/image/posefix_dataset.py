"""Training samples as PoseFix draws them: the annotated box, augmented, and wrong joints in it.

Source of the procedure and of its constants: mks0601/PoseFix_RELEASE, main/gen_batch.py and
main/config.py.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields

import numpy as np

from refine._types import Bools, Floats, Floats32, Indices
from refine.crops.arrays import Pixels, crop_image
from refine.errors.statistics import ErrorStatistics
from refine.errors.synthesis import INVALID, corrupt
from refine.evaluation.matching import neighbours
from refine.geometry import Crop
from refine.refiner.image.annotations import Labelled
from refine.refiner.image.pictures import read_picture
from refine.refiner.pose.features import Scene
from refine.refiner.pose.refiner import Refiner
from refine.skeletons import Skeleton

PADDING = 1.25
"""Sides of a crop over those of the annotated box."""
SCALE = (0.3, 0.7, 1.3)
"""Deviation of the random scale about 1, and where it is cut off."""
TURN = (40.0, 80.0, 0.6)
"""Deviation of the random turn, where it is cut off, degrees; and how often there is one."""
FLIP = 0.5
"""How often a crop is mirrored."""


@dataclass(frozen=True, slots=True)
class Rows:
    """R poses to show, with the truth, everything in network-input px.

    Attributes:
        image: (R,) number of the picture.
        matrix: (R, 2, 3) picture px -> network input.
        own: (R, K, 3) x, y and 1 of the joints shown; 0 where none is.
        target: (R, K, 2); 0 where not labelled.
        weight: (R, K) 1 where labelled, else 0.
        area: (R,) of the person, px^2.
    """

    image: Indices
    matrix: Floats
    own: Floats32
    target: Floats32
    weight: Floats32
    area: Floats32

    def __len__(self) -> int:
        return len(self.image)

    def __getitem__(self, rows: Indices) -> "Rows":
        return Rows(**{f.name: getattr(self, f.name)[rows] for f in fields(self)})


def guess_joints(labelled: Labelled, refiner: Refiner) -> Floats:
    """Return where joints that are not labelled may be, (N, K, 2) px.

    PoseFix asks a second network that saw the picture; here the image-free refiner is asked.
    """
    persons = labelled.persons
    scene = Scene.unscored(persons.xy, persons.image, persons.image_size)
    return refiner.believe_scene(scene).xy


def augmented_crops(
    box_xyxy: Floats, size: tuple[int, int], rng: np.random.Generator
) -> tuple[Crop, Bools]:
    """Draw the crops of N annotated boxes, and which of them (N,) are mirrored left-right."""
    n = len(box_xyxy)
    center = (box_xyxy[:, :2] + box_xyxy[:, 2:]) / 2
    extent = np.maximum(box_xyxy[:, 2:] - box_xyxy[:, :2], 1.0)
    width = np.maximum(extent[:, 0], extent[:, 1] * size[0] / size[1])
    deviation, least, most = SCALE
    width *= PADDING * np.clip(rng.normal(1, deviation, n), least, most)
    spread, limit, often = TURN
    turn = np.clip(rng.normal(0, spread, n), -limit, limit) * (rng.random(n) < often)
    sides = np.stack([width, width * size[1] / size[0]], 1)
    crop = Crop.from_center_scale(center, sides, size, unit=1.0, rotation=turn)
    mirrored = rng.random(n) < FLIP
    matrix = crop.matrix.copy()
    matrix[mirrored, 0] *= -1
    matrix[mirrored, 0, 2] += size[0] - 1
    return Crop(matrix, size), mirrored


def draw_posefix_rows(
    labelled: Labelled,
    guessed: Floats,
    skeleton: Skeleton,
    statistics: ErrorStatistics,
    size: tuple[int, int],
    rng: np.random.Generator,
) -> Rows:
    """Draw one epoch: every person once, with PoseFix's own errors in its crop, shuffled.

    Args:
        labelled: N persons on pictures.
        guessed: (N, K, 2) px of `guess_joints`.
        skeleton: of the persons, with sigmas.
        statistics: error rates.
        size: width and height of the network input.
        rng: all randomness.
    """
    persons = labelled.persons
    n, k = persons.xy.shape[:2]
    crop, mirrored = augmented_crops(persons.box, size, rng)

    def place(xy: Floats, rows: Indices) -> Floats:
        inside = Crop(crop.matrix[rows], size)(xy)
        return np.where(mirrored[rows, None, None], inside[:, skeleton.mirror], inside)

    everyone = np.arange(n)
    target, estimated = place(persons.xy, everyone), place(guessed, everyone)
    # NaN lies nowhere. Joints outside of the crop count as not annotated.
    visible: Bools = np.asarray(((target >= 0) & (target < np.array(size))).all(-1))
    box = persons.box
    index, start = neighbours(box, persons.image, iou=statistics.neighbour_iou)
    near = place(persons.xy[index], np.repeat(everyone, np.diff(start)))
    scale = np.abs(np.linalg.det(crop.matrix[:, :, :2]))
    wrong, kind = corrupt(
        target,
        visible,
        (box[:, 2] - box[:, 0]) * (box[:, 3] - box[:, 1]) * scale,
        near,
        np.asarray(np.isfinite(near).all(-1)),
        start,
        skeleton=skeleton,
        statistics=statistics,
        rng=rng,
        estimated=estimated,
    )
    shown = (kind != INVALID)[..., None]
    own = np.where(shown, np.concatenate([wrong, np.ones((n, k, 1))], -1), 0.0)
    rows = Rows(
        persons.image,
        crop.matrix,
        own.astype(np.float32),
        np.where(visible[..., None], target, 0.0).astype(np.float32),
        visible.astype(np.float32),
        (persons.area * scale).astype(np.float32),
    )
    return rows[rng.permutation(n)]


def load_crops(
    rows: Rows, labelled: Labelled, size: tuple[int, int], pool: ThreadPoolExecutor
) -> Pixels:
    """Cut the crops of R rows out of their pictures, (R, height, width, 3)."""

    def load(i: int) -> Pixels:
        at = rows.image[i]
        picture = read_picture(labelled.pictures[at], exif=labelled.exif[at])
        return crop_image(picture, rows.matrix[i], size)

    return np.stack(list(pool.map(load, range(len(rows)))))
