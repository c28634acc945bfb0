"""What the temporal network is shown of a body's joints and of the paths through them."""

import numpy as np

from refine._types import Bools, Floats, Floats32
from refine.motion.arrays import Path, Seen, noise_of, present

PER_JOINT = 16
"""Numbers per joint and frame, see `show`; one more per frame is the time since the last."""
FURTHEST = 20.0
"""Lengths, in body sizes and on the scale of arcsinh, up to which they are told apart."""
LEAST_DOUBT = 1e-4
"""Body sizes; a standard deviation below is as good as none."""
LEAST_NOISE = 0.003
"""Body sizes: about that of hand-made labels."""
RATE = 30.0
"""Frames per second, the unit of times."""


def features_of(joints: int) -> int:
    """Return how many numbers a frame of a body with so many joints is."""
    return joints * PER_JOINT + 1


def show(seen: Seen, path: Path) -> Floats32:
    """Describe joints as they came beside smooth paths through them, (T, `features_of` K).

    Lengths are in body sizes, about the mean of the paths' places in a frame, and in standard
    deviations of the paths.

    Args:
        seen: a track's joints.
        path: of these joints.
    """
    xy, time, size, variance = seen
    known, here = present(path.xy), present(xy)
    both = (here & known)[..., None]
    scale = size[:, None]
    doubt = np.where(known, np.sqrt(np.maximum(path.variance, (LEAST_DOUBT * scale) ** 2)), 1.0)
    places = np.where(known[..., None], path.xy, 0)
    centre = places.sum(1) / np.maximum(known.sum(1), 1)[:, None]
    about = np.where(known[..., None], places - centre[:, None], 0) / scale[..., None]
    away = np.where(both, xy - path.xy, 0)
    came = np.where(both, about + away / scale[..., None], 0)
    expected = np.zeros_like(doubt)
    if variance is not None:
        sure = here & np.isfinite(variance) & (variance > 0)
        expected = np.where(sure, _log(np.sqrt(np.where(sure, variance, 1)) / scale) + 3, 0)
    columns: list[Floats] = [
        about,
        came,
        np.arcsinh(away / doubt[..., None]),
        np.tanh(away / scale[..., None]),
        _column(here),
        _column(here & path.kept),
        _column(np.where(known, _log(doubt / scale) + 4, 0)),
        _column(expected),
        *_jumps(xy, size),
    ]
    told = np.concatenate(columns, -1).clip(-FURTHEST, FURTHEST).reshape(len(xy), -1)
    step = np.diff(time, prepend=2 * time[:1] - time[1:2]) if len(time) > 1 else np.ones(1) / RATE
    return np.hstack([told, np.log(step * RATE).clip(-3, 3)[:, None]]).astype(np.float32)


def _jumps(xy: Floats, size: Floats) -> list[Floats]:
    """Return how far joints are from where the frames before, after, and around let expect them.

    In units of the noise of a joint; and that noise, in body sizes.
    """
    noise = noise_of(xy, size)
    own = np.isfinite(noise)
    noise = np.where(own, noise, np.median(noise[own]) if own.any() else LEAST_NOISE)
    noise = np.maximum(noise, LEAST_NOISE)
    padded = np.pad(xy, ((2, 2), (0, 0), (0, 0)), constant_values=np.nan)
    last, second, following, further = padded[1:-3], padded[:-4], padded[3:-1], padded[4:]
    guesses = 2 * last - second, 2 * following - further, (last + following) / 2
    out = []
    for guess in guesses:
        away = np.linalg.norm(xy - guess, axis=-1) / (size[:, None] * noise)
        out.append(_column(np.arcsinh(np.nan_to_num(away) / 2)))
    return [*out, _column(np.broadcast_to(np.log(noise) + 4, xy.shape[:2]))]


def _log(values: Floats) -> Floats:
    return np.log(np.maximum(values, LEAST_DOUBT))


def _column(values: Floats | Bools) -> Floats:
    return np.asarray(values, np.float64)[..., None]
