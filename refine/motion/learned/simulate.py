"""Tracks as an imaginary estimator would give them, whose errors last."""

from dataclasses import dataclass

import numpy as np

from refine._types import Bools, Floats, Indices
from refine.errors.sources import limbs, sided_groups
from refine.errors.statistics import ErrorStatistics
from refine.errors.synthesis import corrupt
from refine.evaluation.kinds import INVERSION, JITTER
from refine.motion.arrays import present
from refine.skeletons import Skeleton

ALONE = 0.5
"""Share of a wrong joint's own error that is new in every frame."""


@dataclass(frozen=True, slots=True)
class Lasting:
    """How one imaginary estimator errs over time; what lasts does so for a mean number of frames.

    Attributes:
        severity: factor on the odds of every error against good.
        noise: factor on the distances of good and jittering joints.
        white: share of the variance of small errors that is new in every frame.
        wandering: whether small errors wander, where others stay for a while and jump.
        error: how long an error lasts.
        missing: rate of missing joints; limbs are missing a third as often.
        missing_for: how long they are missing.
        lost: rate of lost poses.
        lost_for: how long they are lost.
        flip: rate of groups of joints that change sides.
        flip_for: how long they do.
        never: chance that a joint is in no frame.
    """

    severity: float
    noise: float
    white: float
    wandering: bool
    error: float
    missing: float
    missing_for: float
    lost: float
    lost_for: float
    flip: float
    flip_for: float
    never: float


def draw_lasting(rng: np.random.Generator) -> Lasting:
    """Draw an imaginary estimator; the ranges are wide on purpose.

    >>> 0 <= draw_lasting(np.random.default_rng(0)).white <= 1
    True
    """

    def between(low: float, high: float) -> float:
        return float(np.exp(rng.uniform(np.log(low), np.log(high))))

    return Lasting(
        severity=between(0.005, 0.1) if rng.random() < 0.35 else between(0.1, 4),
        noise=between(0.25, 1.4),
        white=float(rng.uniform(0, 1)),
        wandering=bool(rng.random() < 0.5),
        error=between(1.5, 12),
        missing=between(0.005, 0.25),
        missing_for=between(1.5, 15),
        lost=between(0.002, 0.08),
        lost_for=between(1.5, 10),
        flip=between(0.001, 0.02) if rng.random() < 0.4 else 0.0,
        flip_for=between(2, 12),
        never=float(rng.choice([0, 0, 0.05, 0.3])),
    )


def held(shape: tuple[int, int], lasting: float, rng: np.random.Generator) -> Indices:
    """Return the frame (T, K) whose draw is in force, where draws last so long on average."""
    new = rng.random(shape) < 1 / lasting
    new[0] = True
    return np.maximum.accumulate(np.where(new, np.arange(shape[0])[:, None], 0), 0)


def retime(xy: Floats, speed: float) -> Floats:
    """Show a track (T, K, 2) in frames that are `speed` times as far apart, by cubic curves.

    >>> retime(np.arange(9.0)[:, None, None].repeat(2, 2), 1.5)[:3, 0, 0].tolist()
    [0.0, 1.5, 3.0]
    """
    last = len(xy) - 1
    at = np.arange(0, last + 1e-9, speed)
    low = np.minimum(np.floor(at).astype(np.intp), max(last - 1, 0))
    s = (at - low)[:, None, None]
    before, a, b, after = (xy[np.clip(low + i, 0, last)] for i in (-1, 0, 1, 2))
    before = np.where(np.isnan(before) | (low == 0)[:, None, None], 2 * a - b, before)
    after = np.where(np.isnan(after) | (low == last - 1)[:, None, None], 2 * b - a, after)
    bent = s * (b - before) + s * s * (2 * before - 5 * a + 4 * b - after)
    cubic = a + (bent + s**3 * (3 * (a - b) + after - before)) / 2
    return np.asarray(np.where(s == 0, a, cubic))


def err(
    true: Floats,
    area: float,
    lasting: Lasting,
    statistics: ErrorStatistics,
    skeleton: Skeleton,
    rng: np.random.Generator,
) -> Floats:
    """Return a track (T, K, 2) as an estimator would give it, NaN where missing.

    Args:
        true: (T, K, 2) px, NaN where nobody knows.
        area: px^2 of the body.
        lasting: the estimator.
        statistics: its errors in one frame.
        skeleton: with sigmas.
        rng: all randomness.
    """
    frames, joints = true.shape[:2]
    shown = present(true)
    known = np.where(shown[..., None], true, 0.0)
    alone = (
        np.empty((0, joints, 2)), np.empty((0, joints), np.bool_), np.zeros(frames + 1, np.intp)
    )  # fmt: skip
    drawn, kind = corrupt(
        known, shown, np.full(frames, area), *alone,
        skeleton=skeleton, statistics=statistics.scaled(lasting.severity), rng=rng,
    )  # fmt: skip
    mirrored = true[:, skeleton.mirror]
    away = np.nan_to_num(drawn - np.where((kind == INVERSION)[..., None], mirrored, true))
    little = (kind <= JITTER)[..., None]
    away = np.where(little, lasting.noise * away, away)
    at = held((frames, joints), lasting.error, rng), np.arange(joints)
    fresh, slow = np.where(little, away, 0), away[at]
    if lasting.wandering:
        slow = np.where(little[at], _wander(fresh, lasting.error), slow)
    mixed = np.sqrt(1 - lasting.white) * slow + np.sqrt(lasting.white) * fresh
    noise = np.where(little[at], mixed, slow + ALONE * fresh)
    place = np.where((kind[at] == INVERSION)[..., None], mirrored, true) + noise
    for group in _sided(skeleton):
        on = _now_and_then(frames, lasting.flip, lasting.flip_for, rng)
        place[np.ix_(on, group)] = place[np.ix_(on, skeleton.mirror[group])]
    return np.where(_gone(frames, lasting, skeleton, rng)[..., None], np.nan, place)


def _wander(fresh: Floats, lasting: float) -> Floats:
    keep = 1 - 1 / lasting
    out = fresh.copy()
    for t in range(1, len(fresh)):
        out[t] = keep * out[t - 1] + np.sqrt(1 - keep * keep) * fresh[t]
    return out


def _sided(skeleton: Skeleton) -> list[Indices]:
    """Return groups of joints that change sides together: those of a region, and pairs."""
    first = np.flatnonzero(skeleton.mirror > np.arange(len(skeleton)))
    return [*sided_groups(skeleton), *(np.array([i, skeleton.mirror[i]]) for i in first)]


def _now_and_then(frames: int, rate: float, lasting: float, rng: np.random.Generator) -> Bools:
    return np.asarray((rng.random(frames) < rate)[held((frames, 1), lasting, rng)[:, 0]])


def _gone(frames: int, lasting: Lasting, skeleton: Skeleton, rng: np.random.Generator) -> Bools:
    """Return which joints (T, K) are missing."""
    joints = len(skeleton)
    at = held((frames, joints), lasting.missing_for, rng), np.arange(joints)
    gone = (rng.random((frames, joints)) < lasting.missing)[at]
    for limb in limbs(skeleton):
        off = _now_and_then(frames, lasting.missing / 3, lasting.missing_for, rng)
        gone[np.ix_(off, limb)] = True
    gone |= _now_and_then(frames, lasting.lost, lasting.lost_for, rng)[:, None]
    gone |= rng.random(joints) < lasting.never
    return np.asarray(gone)
