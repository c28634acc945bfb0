"""The loops over frames beside plain NumPy."""

import numpy as np
import pytest

from refine._kernel import interpreted
from refine.motion import kernels
from tests.oracles import motion as oracle


@pytest.fixture(autouse=True, params=[False, True], ids=["compiled", "in Python"])
def way(request):
    with interpreted(request.param):
        yield


@pytest.mark.parametrize("seed", range(4))
def test_paths_solve_the_linear_system(seed):
    rng = np.random.default_rng(seed)
    frames = 25
    time = np.cumsum(rng.uniform(0.02, 0.08, frames))
    xy = rng.normal(size=(frames, 2)).cumsum(0)
    variance, agility = rng.uniform(0.01, 0.5, frames), rng.uniform(5, 20, frames)
    xy[rng.random(frames) < 0.3] = np.nan
    xy[0], xy[1] = np.nan, 0
    out, unsure = np.empty((frames, 2)), np.empty(frames)
    kernels.smooth_path(xy, variance, time, agility, 0.1, out, unsure)
    expected, spread = oracle.smooth_path(xy, variance, time, agility, 0.1)
    np.testing.assert_allclose(out, expected, atol=1e-5)
    np.testing.assert_allclose(unsure, spread, rtol=1e-5)


def test_nothing_known_is_nowhere():
    out, unsure = np.empty((3, 2)), np.empty(3)
    args = np.full((3, 2), np.nan), np.ones(3), np.arange(3.0), np.ones(3)
    kernels.smooth_path(*args, 0.1, out, unsure)
    assert np.isnan(out).all()
    assert np.isinf(unsure).all()


@pytest.mark.parametrize(("seed", "ends"), [(0, 0.3), (1, 0.3), (2, 1e6)])
def test_chances_of_flips_are_sums_over_all_readings(seed, ends):
    rng = np.random.default_rng(seed)
    frames, pairs = 7, 2
    left, right = rng.normal(size=(2, frames, pairs, 2))
    known = rng.random((frames, pairs)) < 0.8
    known[0] = True
    time = np.cumsum(rng.uniform(0.02, 0.08, frames))
    variance, speed = rng.uniform(0.1, 0.5, (frames, pairs)), rng.uniform(0.5, 2, frames)
    chance = np.empty(frames)
    rest = known, time, variance, speed, 1.5, 0.3, ends
    kernels.flips(left, right, *rest, chance)
    # The oracle's sides are what a reading calls left and right.
    expected = oracle.flips(left, right, *rest)
    np.testing.assert_allclose(chance, expected, atol=1e-9)


def chained(xy, **changes):
    n = len(xy)
    options = {"variance": np.full(n, 4.0), "speed": np.full(n, 50.0), "refusal": 8.0, "reach": 1.0}
    options |= changes
    kept = np.zeros(n, bool)
    kernels.chain(xy, np.arange(n) / 30, *options.values(), kept)
    return kept


@pytest.mark.parametrize("run", [1, 4, 9])
def test_jumps_are_left_out_however_many_follow_each_other(run):
    xy = np.random.default_rng(0).normal(100, 2, (40, 2))
    xy[20 : 20 + run] += 120
    kept = chained(xy)
    assert not kept[20 : 20 + run].any()
    assert kept.sum() >= 38 - run


def test_fast_and_steady_is_no_jump():
    """A throw: 30 px per frame, hundred times the noise, but from where it was going."""
    xy = np.zeros((40, 2))
    xy[15:25, 0] = np.cumsum(np.r_[6, 15, 25, 30, 30, 30, 25, 15, 6, 2])
    xy[25:, 0] = xy[24, 0]
    assert chained(xy).all()


def test_missing_places_are_not_kept():
    xy = np.zeros((10, 2))
    xy[3:5] = np.nan
    assert chained(xy).tolist() == [True] * 3 + [False] * 2 + [True] * 5
