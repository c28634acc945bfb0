"""What an imaginary network says about annotated people: poses with errors, and heatmaps."""

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from refine.errors.sources import Source, imitate, omission_profile
from refine.errors.statistics import read_statistics
from refine.evaluation.ground_truth import read_ground_truth
from refine.evaluation.matching import neighbours
from refine.exceptions import ArrayError
from refine.geometry import Crop, Grid, xyxy_to_xywh
from refine.oks import ks_distance
from refine.poses import Poses
from refine.skeletons import Skeleton

MAP_SIZE, INPUT_SIZE = (48, 64), (192, 256)
"""Width and height of heatmaps and of the network input that they imitate."""
MAP_SIGMA = 2.0
"""Cells, as SimpleBaseline and HRNet train at this size."""
MAP_NOISE = 0.02
"""Spread of every cell about the Gaussian of peak 1."""
PADDING = 1.25
"""Growth of boxes, see `Crop.from_box`."""
BOX_ERROR = (0.15, 0.08)
"""Spread of the logarithm of a detected box's sides and of its centre over them: a median IoU of
about .7 with the true one, so that some joints come to lie near or beyond the crop's border."""


def typical_source(skeleton: Skeleton) -> Source:
    """Return a bottom-up estimator whose figures lie amid those of `draw_source`."""
    return Source(
        severity=0.6,
        size_exponent=0.2,
        noise=0.3,
        drift=0.015,
        spoilt=0.04,
        limb_rate=0.015,
        complete=False,
        omission=0.12,
        hidden_factor=2.0,
        part_factor=omission_profile(skeleton),
        fragment=0.05,
        duplicate=0.1,
        unlabelled=0.2,
        clamp=True,
        informative=0.6,
        hidden_penalty=0.6,
        score_offset=0.6,
        score_slope=1.1,
        scored=True,
    )


def make_predictions(truth: Poses, rng: np.random.Generator) -> Poses:
    """Make predictions with jitter, inversions, swaps, misses, lost joints and limbs, duplicates.

    Args:
        truth: N persons with area and box, their scores the flags v.
        rng: all randomness.

    Returns:
        poses with scores, those of every image next to one another; `extra["id"]` numbers them
        from 1. A person of whom no joint is found gives none.

    Raises:
        ArrayError: no area, no box, or scores that are no flags.

    >>> from refine.sample import make_people
    >>> rng = np.random.default_rng(0)
    >>> truth, _ = make_people(3, rng)
    >>> poses = make_predictions(truth, rng)
    >>> bool(poses.present.any(1).all()), bool(poses.present.all())
    (True, False)
    """
    if truth.area is None or truth.box is None or truth.score_kind != "flag":
        raise ArrayError("expected ground truth with area, box and flags v, got poses without")
    body = truth.skeleton
    source = typical_source(body)
    near = neighbours(truth.box, truth.image)
    # The sample knows where unlabelled joints are, too.
    persons = replace(read_ground_truth(truth).persons, xy=truth.xy)
    xy, present, score = imitate(persons, near, source, body, read_statistics("posefix"), rng)
    # A second answer for the same person is the first, slightly displaced and less sure.
    found = np.flatnonzero(present.any(1))
    again = found[rng.random(len(found)) < source.duplicate]
    row = np.concatenate([found, again])
    step = ks_distance(0.97, truth.area[again], body.require_sigmas()) / 2
    xy, shown, score = xy[row], present[row], score[row]
    xy[len(found) :] += rng.normal(size=xy[len(found) :].shape) * step[..., None]
    score[len(found) :] *= rng.uniform(0.6, 0.95, (len(again), 1))
    order = np.argsort(truth.image[row], kind="stable")
    return Poses.from_arrays(
        body,
        np.where(shown[..., None], xy.round(2), np.nan)[order],
        score[order].round(4),
        instance_score=np.nanmean(score, 1)[order].round(4),
        image=truth.image[row][order],
        images=truth.images,
        score_kind="peak",
    ).replace(extra=tuple({"id": i + 1} for i in range(len(row))))


def make_heatmaps(truth: Poses, rng: np.random.Generator) -> dict[str, npt.NDArray[Any]]:
    """Render heatmaps of crops around people, as a top-down network gives them.

    Gaussians of sigma 2 cells have their centre where the joint is, between cells (Zhang et al.,
    DARK, CVPR 2020, section 3.2); those of hidden joints are lower, unlabelled joints have noise
    only. Boxes are those of the truth, as inaccurate as a detector's.

    Args:
        truth: N persons with boxes, their scores the flags v.
        rng: all randomness.

    Returns:
        arrays under the names that `refine.decoding.read_raw` knows, `cells` (N, K, 2), the true
        centres, NaN where not labelled, among them.

    Raises:
        ArrayError: no boxes.

    >>> from refine.sample import make_people
    >>> rng = np.random.default_rng(0)
    >>> maps = make_heatmaps(make_people(1, rng)[0][:1], rng)
    >>> maps["heatmaps"].shape, maps["affine_image_to_input"].shape
    ((1, 17, 64, 48), (1, 2, 3))
    """
    if truth.box is None:
        raise ArrayError("expected ground truth with boxes, got none")
    n, k = truth.xy.shape[:2]
    low, high = truth.box[:, :2], truth.box[:, 2:]
    extent = (high - low) * np.exp(rng.normal(0, BOX_ERROR[0], (n, 2)))
    centre = (low + high) / 2 + (high - low) * rng.normal(0, BOX_ERROR[1], (n, 2))
    box = np.concatenate([centre - extent / 2, centre + extent / 2], 1)
    crop = Crop.from_box(box, INPUT_SIZE, padding=PADDING)
    cells = Grid(MAP_SIZE, INPUT_SIZE).to_cells(crop(truth.xy))
    height = np.where(truth.score == 1, rng.uniform(0.3, 0.8, (n, k)), rng.uniform(0.7, 1, (n, k)))
    x, y = np.arange(MAP_SIZE[0]), np.arange(MAP_SIZE[1])
    dx, dy = x - cells[..., :1], y - cells[..., 1:]
    bell_x, bell_y = (np.exp(-(d**2) / 2 / MAP_SIGMA**2) for d in (dx, dy))
    maps = height[..., None, None] * bell_y[..., :, None] * bell_x[..., None, :]
    maps = np.nan_to_num(maps) + rng.normal(0, MAP_NOISE, maps.shape)
    ids = np.array([ref.id for ref in truth.images])
    return {
        "heatmaps": maps.astype(np.float16),
        "affine_image_to_input": crop.matrix,
        "box_xywh": xyxy_to_xywh(box),
        "image_id": ids[truth.image],
        "input_size": np.array(INPUT_SIZE),
        "cells": cells,
    }
