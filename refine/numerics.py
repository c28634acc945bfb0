"""Small functions of numbers that several rooms need."""

from typing import Any

import numpy as np
import numpy.typing as npt

from refine._types import Floats

SURE = 1e-3
"""Expected similarities count as no closer than this to 0 and 1 where their logit is taken."""
FASTEST = 1e5
"""Frames per second; above, a number is no rate."""


def frame_rate(value: Any) -> float | None:
    """Return frames per second, None for what is none: a number above 0, alone or in a list.

    >>> frame_rate([30]), frame_rate("30"), frame_rate(0)
    (30.0, None, None)
    """
    held = value[0] if isinstance(value, list | np.ndarray) and len(value) == 1 else value
    held = held.item() if isinstance(held, np.generic) else held
    good = type(held) in (int, float) and 0 < held <= FASTEST
    return float(held) if good else None


def mean_ranks(values: Floats) -> Floats:
    """Rank values within (0, 1), equal ones by the mean of their ranks.

    Args:
        values: (N,) finite.

    Returns:
        (N,): (rank - 1/2) / N, ranks from 1.

    >>> mean_ranks(np.array([30.0, 10.0, 10.0, 20.0])).tolist()
    [0.875, 0.25, 0.25, 0.625]
    """
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    middle = np.cumsum(count) - count / 2
    return np.asarray(middle[place] / len(values))


def logit(probability: npt.ArrayLike) -> Floats:
    """Return log(p / (1 - p)), p held `SURE` away from 0 and 1.

    >>> logit([0.5, 1.0]).round(3).tolist()
    [0.0, 6.907]
    """
    p = np.clip(probability, SURE, 1 - SURE)
    return np.asarray(np.log(p / (1 - p)))


def sigmoid(value: npt.ArrayLike) -> Floats:
    """Return 1 / (1 + exp(-value)), without overflow."""
    return np.asarray(0.5 + 0.5 * np.tanh(np.asarray(value, np.float64) / 2))
