"""Frames read as they are or the other way round: the chance that joints changed places."""

from typing import NamedTuple

import numpy as np

from refine._types import Bools, Floats
from refine.motion import kernels
from refine.motion.arrays import Motion, noise_of, present

SURE = 0.95
"""Chance from which joints are put back."""


class Costs(NamedTuple):
    """Nats for reading frames the other way round.

    Attributes:
        switch: for changing the reading.
        stay: for every frame that is read the other way round.
        ends: for the first frame, and for the last.
    """

    switch: float
    stay: float
    ends: float


def doubt_of(xy: Floats, size: Floats, motion: Motion) -> Floats:
    """Return the variance (T, K) in px^2 that joints are told apart with.

    Args:
        xy: (T, K, 2) px, NaN where missing.
        size: (T,) px.
        motion: how people move and estimators err.
    """
    noise = noise_of(xy, size)
    usual = float(np.nanmedian(noise)) if np.isfinite(noise).any() else motion.doubt
    noise = np.where(np.isfinite(noise), noise, usual)
    return np.asarray(((noise * motion.heed) ** 2 + motion.doubt**2) * size[:, None] ** 2)


def exchange_chance(
    one: Floats, other: Floats, time: Floats, variance: Floats, pace: Floats, costs: Costs
) -> Floats:
    """Return the chance (T,) that joints stand in the place of others, all together.

    Args:
        one: (T, P, 2) px, NaN where missing.
        other: (T, P, 2) those that they may have changed places with.
        time: (T,) s, rising.
        variance: (T, P) px^2 of either.
        pace: (T,) px/s of a joint in steady motion.
        costs: of reading frames so.
    """
    known = present(one) & present(other)
    chance = np.zeros(len(one))
    if known.any():
        kernels.flips(
            _held(one, known), _held(other, known), known, np.asarray(time, np.float64),
            np.ascontiguousarray(variance), np.ascontiguousarray(pace), *costs, chance,
        )  # fmt: skip
    return chance


def _held(xy: Floats, known: Bools) -> Floats:
    """Return places (T, P, 2) that stand still where they are not known."""
    at = np.where(known, np.arange(len(xy))[:, None], 0)
    first = known.argmax(0)
    at = np.maximum(np.maximum.accumulate(at, 0), first)
    return np.ascontiguousarray(np.take_along_axis(xy, at[..., None], 0))
