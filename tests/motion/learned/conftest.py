"""People who walk, as annotated tracks and as networks would see them."""

import numpy as np
import pytest

from refine.poses import ImageRef, Poses
from refine.skeletons import skeleton

BODY = skeleton("pennaction13")
PLACES = np.array(
    [[0, 0], [-9, 12], [9, 12], [-14, 30], [14, 30], [-16, 46], [16, 46], [-7, 50], [7, 50],
     [-8, 75], [8, 75], [-9, 100], [9, 100]], float
)  # fmt: skip


def walk(frames, seed=0):
    """Joints (T, 13, 2) of a person who walks to the right, about 100 px tall."""
    rng = np.random.default_rng(seed)
    phase = np.arange(frames)[:, None] / 5 + rng.uniform(0, 6)
    swing = np.sin(phase + np.pi * (np.arange(13) % 2)) * np.abs(PLACES[:, 0]) * 0.6
    xy = PLACES + np.stack([swing, 0.1 * swing], -1) + np.arange(frames)[:, None, None] * [2.0, 0]
    return xy * rng.uniform(0.8, 1.5) + 50


@pytest.fixture(scope="session")
def truth() -> Poses:
    """Fourteen annotated tracks of forty frames; every seventh joint is hidden, some unlabelled."""
    tracks, frames = 14, 40
    rng = np.random.default_rng(0)
    xy = np.concatenate([walk(frames, seed) for seed in range(tracks)])
    flags = rng.choice([0.0, 1, 2, 2, 2, 2, 2], xy.shape[:2])
    xy[flags == 0] = np.nan
    images = [
        ImageRef(f"{v}/{t}", frame=t, extra={"video_id": v})
        for v in range(tracks)
        for t in range(frames)
    ]
    at = np.arange(len(xy))
    poses = Poses.from_arrays(BODY, xy, flags, image=at, images=images, score_kind="flag")
    return poses.replace(track=at // frames)
