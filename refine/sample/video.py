"""Videos of people who walk past each other, and where their joints are in every frame."""

from collections.abc import Iterator

import numpy as np
from scipy.spatial.transform import Rotation

from refine._types import Bools, Floats
from refine.exceptions import ArrayError
from refine.poses import ImageRef, Poses
from refine.sample.figure import BODY, POINTS, draw_walk
from refine.sample.scene import Picture, paint, shade

SIZE = (960, 480)
"""Width and height in px."""
FPS = 25.0
"""Frames per second."""
GAIT_S, SPEED = 1.05, 0.82
"""Seconds of two steps, and statures per second, of 1.4 m/s and 1.70 m (Winter, chapter 3)."""
STATURE = (0.62, 0.72)
"""Over the height of a picture."""
NEAREST = 0.04
"""Over the height: how far the feet of who is nearest stand above the lower edge."""


def make_video(people: int, frames: int, rng: np.random.Generator) -> tuple[Poses, Floats]:
    """Make people who walk past each other before a camera that stands still.

    In the middle of the video they are in the middle of the picture; joints outside are missing.

    Returns:
        where all joints are, with tracks, the flag v = 2 and frames per second; and the outlines
        (people, frames, P, 3) of which `draw_frames` makes pictures, px and depth.

    Raises:
        ArrayError: less than one person or frame.

    >>> truth, _ = make_video(2, 5, np.random.default_rng(0))
    >>> len(truth), truth.meta["fps"]
    (10, 25.0)
    """
    if people < 1 or frames < 1:
        raise ArrayError(f"expected at least 1 person and 1 frame, got {people} and {frames}")
    time = np.arange(frames) / FPS
    figures = np.empty((people, frames, len(POINTS), 3))
    for person in range(people):
        high = SIZE[1] * rng.uniform(*STATURE)
        gait = 2 * np.pi * (time / GAIT_S + rng.random())
        sign = 1 if person % 2 == 0 else -1
        yaw = sign * rng.uniform(65, 85)
        view = Rotation.from_euler("yx", [yaw, 4], degrees=True)
        points = view.apply(draw_walk(gait, rng).reshape(-1, 3)).reshape(frames, -1, 3) * high
        middle = SIZE[0] / 2 + sign * SPEED * high * (time - time.mean() + rng.normal(0, 0.1))
        lowest = points[..., 1].min(1, keepdims=True)
        ground = SIZE[1] * (1 - NEAREST - 0.05 * (people - 1 - person))
        figures[person, ..., 0] = middle[:, None] + points[..., 0]
        figures[person, ..., 1] = ground - (points[..., 1] - lowest)
        figures[person, ..., 2] = points[..., 2]
    images = [ImageRef(i, f"{i:04d}.png", *SIZE, frame=i) for i in range(frames)]
    xy = figures[:, :, : len(BODY), :2].reshape(-1, len(BODY), 2).round(2)
    inside: Bools = np.asarray(((xy > -0.5) & (xy < np.array(SIZE) - 0.5)).all(-1))
    xy[~inside] = np.nan
    truth = Poses.from_arrays(
        BODY, xy, 2.0 * inside, image=np.tile(np.arange(frames), people), images=images,
        score_kind="flag",
    )  # fmt: skip
    truth = truth.replace(track=np.repeat(np.arange(people), frames), meta={"fps": FPS})
    return truth[np.flatnonzero(inside.any(1))], figures


def draw_frames(figures: Floats, rng: np.random.Generator) -> Iterator[Picture]:
    """Yield pictures (H, W) of grey values for the frames of `make_video`."""
    tones = rng.integers(2**32)
    stature = np.ptp(figures[..., 1], axis=2).mean(1)
    for frame in figures.swapaxes(0, 1):
        labels = paint(frame[..., :2], frame[..., 2], stature, SIZE)
        yield shade(labels, np.random.default_rng(tones))
