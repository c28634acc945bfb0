"""Differences of AP on the same images, with bootstrap intervals over the images."""

from dataclasses import dataclass

import numpy as np

from refine.evaluation.comparison import compare
from refine.evaluation.matching import (
    RECALLS,
    THRESHOLDS,
    best_first,
    match,
    pair_oks,
    pair_similarity,
    same_image,
)
from refine.evaluation.predictions import finite_scores
from refine.oks import EPS

MAX_DETS = 20
RESAMPLES = 500


@dataclass(frozen=True)
class Outcome:
    """What became of predictions, best first: image, and at each threshold hit and left out."""

    image: np.ndarray
    hit: np.ndarray
    left_out: np.ndarray
    persons: np.ndarray

    @classmethod
    def of(cls, truth, poses, image_ids=None):
        """Match poses as COCOeval does; `persons` are counts by image."""
        told = compare(truth, poses, image_ids, strict=False)
        inside = np.flatnonzero(told.inside)
        score = finite_scores(poses.instance_score)
        rows = inside[best_first(told.image[inside], score[inside], MAX_DETS)]
        persons = told.persons
        pairs = same_image(told.image[rows], persons.image)
        xy = np.nan_to_num(truth.skeleton.take(poses.xy, poses.skeleton)[rows])
        sigmas = truth.skeleton.require_sigmas()
        oks = pair_oks(pair_similarity(xy, persons, pairs, sigmas), persons, pairs)
        found = np.array([match(oks, pairs, persons, persons.ignore, t) for t in THRESHOLDS])
        order = np.argsort(-score[rows], kind="stable")
        hit = found[:, order] >= 0
        images = np.array(told.images)
        return cls(
            np.searchsorted(images, told.image[rows])[order],
            hit,
            hit & persons.ignore[found[:, order]],
            np.bincount(
                np.searchsorted(images, persons.image[~persons.ignore]), minlength=len(images)
            ),
        )

    def ap(self, counts=None):
        """Return AP (R,) where each image occurs `counts` (R, I) times; by default once."""
        counts = np.ones((1, len(self.persons))) if counts is None else counts
        persons = counts @ self.persons
        total = np.zeros(len(counts))
        for hit, left_out in zip(self.hit, self.left_out, strict=True):
            weight = counts[:, self.image[~left_out]]
            true = np.cumsum(weight * hit[~left_out], 1)
            precision = true / (np.cumsum(weight, 1) + EPS)
            envelope = np.maximum.accumulate(precision[:, ::-1], 1)[:, ::-1]
            for r, recall in enumerate(true / persons[:, None]):
                at = np.searchsorted(recall, RECALLS)
                total[r] += np.append(envelope[r], 0.0)[at].mean()
        return total / len(self.hit)


def difference(one, other, seed=0):
    """Return AP of `other` less that of `one`, and the 95 % interval over resampled images."""
    images = len(one.persons)
    counts = np.random.default_rng(seed).multinomial(images, np.full(images, 1 / images), RESAMPLES)
    gains = other.ap(counts) - one.ap(counts)
    return float((other.ap() - one.ap())[0]), *np.quantile(gains, [0.025, 0.975])
