"""Published filters of joints over time, for who wants these: the default is `motion.arrays`."""

from collections.abc import Callable

import numpy as np
from scipy.ndimage import median_filter
from scipy.signal import savgol_filter

from refine._types import Floats
from refine.exceptions import ArrayError
from refine.motion.arrays import present

CUTOFF_HZ = 1.0
"""Lowest cutoff of One-Euro: Casiez, Roussel and Vogel (CHI 2012), section on tuning."""
BETA = 5.0
"""Hz of cutoff per body size/s; `tests/benchmarks/motion.py` prints error and lag."""
SPEED_CUTOFF_HZ = 1.0
"""Cutoff of the speed, ibid."""


def one_euro(
    xy: Floats,
    time: Floats,
    size: Floats,
    *,
    cutoff_hz: float = CUTOFF_HZ,
    beta: float = BETA,
) -> Floats:
    """Filter joints by what came before: low-pass, with a cutoff that rises with speed.

    Args:
        xy: (T, K, 2) px, NaN where missing; a joint that comes again starts anew from its last.
        time: (T,) s, rising.
        size: (T,) px, the unit of speed.
        cutoff_hz: of a joint at rest.
        beta: by how much it rises, Hz per size/s.

    Raises:
        ArrayError: an option out of range.
    """
    _above_0(cutoff_hz=cutoff_hz)
    if not 0 <= beta < np.inf:
        raise ArrayError(f"expected beta of 0 or more, got {beta}")
    out = np.full_like(xy, np.nan)
    last, speed = np.full_like(xy[0], np.nan), np.zeros_like(xy[0])
    seen = np.full(xy.shape[1], -np.inf)
    for t in range(len(xy)):
        here = present(xy[t])
        fresh = here & ~present(last)
        step = (time[t] - seen)[:, None]
        with np.errstate(invalid="ignore"):
            slope = np.where(fresh[:, None], 0.0, (xy[t] - last) / step)
            speed_now = speed + _share(step, SPEED_CUTOFF_HZ) * (slope - speed)
            pace = np.linalg.norm(speed_now, axis=-1, keepdims=True) / size[t]
            moved = last + _share(step, cutoff_hz + beta * pace) * (xy[t] - last)
        out[t] = np.where(here[:, None], np.where(fresh[:, None], xy[t], moved), np.nan)
        speed = np.where(here[:, None], speed_now, speed)
        last = np.where(here[:, None], out[t], last)
        seen[here] = time[t]
    return out


def savgol(xy: Floats, time: Floats, *, window_s: float = 0.35, order: int = 2) -> Floats:
    """Fit polynomials to windows (Savitzky and Golay 1964) of each stretch without a gap.

    Args:
        xy: (T, K, 2) px, NaN where missing.
        time: (T,) s, rising.
        window_s: length of a window.
        order: of the polynomials.

    Raises:
        ArrayError: an option out of range.
    """
    _above_0(window_s=window_s, order=order)
    width = _frames(time, window_s, order + 2)

    def fit(values: Floats) -> Floats:
        fitting = min(width, len(values) - (len(values) + 1) % 2)
        return savgol_filter(values, fitting, order, axis=0) if fitting > order else values

    return _by_stretch(xy, fit)


def median(xy: Floats, time: Floats, *, window_s: float = 0.35) -> Floats:
    """Take running medians, coordinate by coordinate, of each stretch without a gap.

    Args:
        xy: (T, K, 2) px, NaN where missing.
        time: (T,) s, rising.
        window_s: length of a window.

    Raises:
        ArrayError: an option out of range.
    """
    _above_0(window_s=window_s)
    width = _frames(time, window_s, 3)
    return _by_stretch(xy, lambda values: median_filter(values, (width, 1), mode="nearest"))


def _share(step: Floats, cutoff: float | Floats) -> Floats:
    """Return how much of what is new an exponential low-pass takes."""
    return np.asarray(1 / (1 + 1 / (2 * np.pi * cutoff * step)))


def _frames(time: Floats, window_s: float, least: int) -> int:
    step = float(np.median(np.diff(time))) if len(time) > 1 else window_s
    return max(round(window_s / step), least) | 1


def _by_stretch(xy: Floats, function: Callable[[Floats], Floats]) -> Floats:
    out = xy.copy()
    here = present(xy)
    for k in range(xy.shape[1]):
        edges = np.flatnonzero(np.diff(np.r_[False, here[:, k], False].astype(np.int8)))
        for start, end in edges.reshape(-1, 2):
            out[start:end, k] = function(xy[start:end, k])
    return out


def _above_0(**options: float) -> None:
    for name, value in options.items():
        if not 0 < value < np.inf:
            raise ArrayError(f"expected {name} above 0, got {value}")
