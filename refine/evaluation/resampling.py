"""How sure figures are: AP and AR of images drawn anew, the same images for every file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from refine._types import Floats, Indices
from refine.evaluation import kernels
from refine.evaluation.coco import METRICS, Evaluation
from refine.evaluation.counting import AREAS, Counts
from refine.evaluation.matching import RECALLS, THRESHOLDS
from refine.exceptions import ArrayError

RESAMPLES = 500
"""Draws; quantiles at 2.5 % then rest on a dozen of them, and move by about a tenth of an
interval from seed to seed."""
LEVEL = 0.95
"""Share of the draws inside an interval."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure or a difference, and where `LEVEL` of the draws lie; NaN where it has no value."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Paired:
    """`METRICS` -> the figures of a file, and -> what it gains over the first one."""

    figures: Mapping[str, Interval]
    gains: Mapping[str, Interval]


def draw_images(images: int, resamples: int = RESAMPLES, seed: int = 0) -> Indices:
    """Draw images with replacement: how often each occurs, (R, I).

    >>> draw_images(3, 2).sum(1).tolist()
    [3, 3]
    """
    rng = np.random.default_rng(seed)
    if not images:
        return np.zeros((resamples, 0), np.intp)
    return rng.multinomial(images, np.full(images, 1 / images), resamples).astype(np.intp)


def resample(evaluation: Evaluation, draws: Indices) -> Mapping[str, Floats]:
    """Score poses on images that occur as often as `draws` say.

    Args:
        evaluation: see `refine.evaluation.coco.evaluate_counted`.
        draws: (R, I) of its images.

    Returns:
        `METRICS` -> (R,), NaN where none of the persons drawn count.

    Raises:
        ArrayError: another number of images, or figures that pycocotools has counted.
    """
    counts, images = evaluation.counts, np.array(evaluation.images, np.intp)
    if draws.ndim != 2 or draws.shape[1] != len(images):
        raise ArrayError(f"expected draws (R, {len(images)}), got {draws.shape}")
    if not isinstance(counts, Counts):
        raise ArrayError("expected figures counted by 'refine', got those of another backend")
    shape = len(draws), len(THRESHOLDS)
    categories = range(len(counts.first) - 1)
    tables = np.full((2, len(AREAS), len(categories), *shape), np.nan)
    for c in categories:
        own = slice(counts.first[c], counts.first[c + 1])
        score, image = counts.score[own], _place(images, counts.image[own])
        order = np.argsort(-score, kind="stable")
        order = order[image[order] >= 0]
        theirs = slice(counts.person_first[c], counts.person_first[c + 1])
        place = _place(images, counts.person_image[theirs])
        for a, ignored in enumerate(counts.ignored[:, theirs]):
            persons = draws @ np.bincount(place[~ignored & (place >= 0)], minlength=len(images))
            fate = np.ascontiguousarray(counts.fate[a][:, own][:, order])
            kernels.resample(
                np.ascontiguousarray(draws), image[order], fate, persons, RECALLS,
                tables[0, a, c], tables[1, a, c],
            )  # fmt: skip
    known = np.isfinite(tables)
    mean = np.where(known, tables, 0.0).sum(2) / np.where(known.any(2), known.sum(2), np.nan)
    thresholds = THRESHOLDS.round(2).tolist()
    at50, at75 = thresholds.index(0.5), thresholds.index(0.75)
    figures = []
    for every in mean:
        figures += [every[0].mean(1), every[0][:, at50], every[0][:, at75]]
        figures += [every[1].mean(1), every[2].mean(1)]
    return dict(zip(METRICS, figures, strict=True))


def _place(images: Indices, of: Indices) -> Indices:
    """Return where images stand among sorted others, -1 for those that do not."""
    if not len(images):
        return np.full(len(of), -1)
    at = np.searchsorted(images, of).clip(max=len(images) - 1)
    return np.where(images[at] == of, at, -1)


def paired_intervals(
    evaluations: Sequence[Evaluation], resamples: int = RESAMPLES, seed: int = 0
) -> list[Paired]:
    """Return how sure the figures of files are, and what each gains over the first.

    All are scored on the same draws, so that what makes images hard for all cancels out.

    Args:
        evaluations: of the same images.
        resamples: draws of the images.
        seed: of the draws.

    Raises:
        ArrayError: see `resample`.
    """
    draws = draw_images(len(evaluations[0].images), resamples, seed)
    drawn = [resample(each, draws) for each in evaluations]
    first = evaluations[0].report
    return [
        Paired(
            {m: _interval(each.report[m], own[m]) for m in METRICS},
            {m: _interval(each.report[m], own[m], first[m], drawn[0][m]) for m in METRICS},
        )
        for each, own in zip(evaluations, drawn, strict=True)
    ]


def _interval(
    value: float, drawn: Floats, less: float = 0.0, less_drawn: Floats | float = 0.0
) -> Interval:
    """Return a figure less another; -1 stands for figures without persons."""
    if value < 0 or less < 0:
        return Interval(np.nan, np.nan, np.nan)
    known = (drawn - less_drawn)[np.isfinite(drawn)]
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(known, [tail, 1 - tail]).tolist() if len(known) else (np.nan, np.nan)
    return Interval(value - less, low, high)
