"""The weights that ship, on people who walk."""

import numpy as np
import pytest

import refine
from refine.motion.learned.refiner import TemporalRefiner
from refine.poses import ImageRef, Poses
from tests.motion.learned.conftest import BODY, walk


def video(xy, skeleton="pennaction13"):
    at = np.arange(len(xy))
    images = [ImageRef(int(t), frame=int(t)) for t in at]
    return Poses.from_arrays(skeleton, xy, image=at, images=images)


def error(xy, true):
    return float(np.nanmean(np.linalg.norm(xy - true, axis=-1)))


def seen(seed):
    """A walk, noisy, with joints that stay in wrong places for a dozen frames."""
    rng = np.random.default_rng(seed)
    true = walk(90, seed)
    bad = true + rng.normal(0, 2, true.shape)
    for start in range(8, 80, 12):
        bad[start : start + 10, rng.integers(0, 13)] += rng.choice([-45, 45], 2)
    return true, bad


def test_joints_in_wrong_places_are_found():
    away = np.zeros(2)
    for seed in range(4):
        true, bad = seen(seed)
        for i, method in enumerate(("paths", "learned")):
            away[i] += error(refine.motion.smooth(video(bad), 30, method).xy, true)
    assert away[1] < 0.9 * away[0]


def test_what_is_right_stays():
    true = walk(90)
    noisy = true + np.random.default_rng(0).normal(0, 2, true.shape)
    plain, learned = (refine.motion.smooth(video(noisy), 30, m).xy for m in ("paths", "learned"))
    assert error(learned, true) < 1.02 * error(plain, true)
    assert error(refine.motion.smooth(video(true), 30, "learned").xy, true) < 0.3


def test_another_skeleton_is_served_by_name_of_joint():
    true, bad = seen(1)
    coco = refine.skeleton("coco17")
    index = [coco.index(n) for n in BODY.joints if n in coco.joints]
    xy = np.full((len(bad), 17, 2), np.nan)
    xy[:, index] = bad[:, 1:]
    plain, learned = (refine.motion.smooth(video(xy, coco), 30, m).xy for m in ("paths", "learned"))
    assert error(learned[:, index], true[:, 1:]) < error(plain[:, index], true[:, 1:])


def test_history_tells_the_weights():
    done = refine.motion.smooth(video(walk(20)), 30, "learned")
    assert done.history[-1].weights == TemporalRefiner.load().weights
    assert refine.motion.fill_gaps(video(walk(20)), 30, "learned").history[-1].weights


@pytest.mark.parametrize("fps", [5, 30, 240])
def test_any_rate_is_served(fps):
    done = refine.motion.smooth(video(walk(40)), fps, "learned")
    assert np.isfinite(done.xy).all()
