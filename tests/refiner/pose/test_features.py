import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from refine.refiner.pose.features import (
    NEIGHBOURS,
    PairTable,
    Scene,
    body_frame,
    feature_count,
    features,
    nearest_poses,
    normalise_scores,
)

K = 5


@pytest.fixture
def table() -> PairTable:
    """Bodies of one shape at many sizes, so that every pair tells the size exactly."""
    rng = np.random.default_rng(3)
    shape = rng.normal(size=(K, 2))
    size = rng.uniform(20, 200, 50)
    xy = shape * size[:, None, None] + rng.uniform(0, 600, (50, 1, 2))
    return PairTable.measure(xy, np.ones((50, K), bool), size**2)


@pytest.fixture
def rng():
    return np.random.default_rng(3)


def test_frame_recovers_the_size_from_any_two_joints(table, rng):
    shape = np.random.default_rng(3).normal(size=(K, 2))
    xy = np.repeat(shape[None] * 77 + 300, 10, 0)
    present = np.zeros((10, K), bool)
    for row in present:
        row[rng.choice(K, 2, replace=False)] = True
    centre, size = body_frame(xy, present, table)
    np.testing.assert_allclose(size, 77, rtol=1e-6)
    np.testing.assert_allclose(centre, [xy[i][present[i]].mean(0) for i in range(10)])


def test_one_joint_astray_does_not_change_the_size(table):
    shape = np.random.default_rng(3).normal(size=(K, 2)) * 50 + 300
    lost = shape.copy()
    lost[2] += 1000
    _, size = body_frame(lost[None], np.ones((1, K), bool), table)
    assert 0.5 < size[0] / 50 < 2


def test_bodies_without_pairs_get_a_finite_frame(table):
    present = np.zeros((2, K), bool)
    present[1, 3] = True
    centre, size = body_frame(np.full((2, K, 2), 9.0), present, table)
    assert np.isfinite(centre).all()
    assert size.tolist() == [50, 50]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 12), st.integers(0, 2**31))
def test_nearest_poses_against_plain_numpy(n, seed):
    rng = np.random.default_rng(seed)
    xy, image = rng.uniform(0, 100, (n, K, 2)), rng.integers(0, 3, n)
    near = nearest_poses(xy, np.ones((n, K), bool), image)
    centre = (xy.min(1) + xy.max(1)) / 2
    for i in range(n):
        others = [j for j in np.flatnonzero(image == image[i]) if j != i]
        others.sort(key=lambda j: np.hypot(*(centre[i] - centre[j])))
        assert near[i].tolist() == (others + [-1] * NEIGHBOURS)[:NEIGHBOURS]


def test_poses_without_joints_are_nobodys_neighbour():
    present = np.ones((3, K), bool)
    present[1] = False
    near = nearest_poses(np.zeros((3, K, 2)), present, np.zeros(3, np.intp))
    assert near.tolist() == [[2, -1, -1], [-1, -1, -1], [0, -1, -1]]


def test_scores_of_another_scale_are_not_shown(rng):
    score = rng.uniform(0, 1, (9, K))
    score[0, 0], score[1, 1], score[2, 2] = 1.05, 1.2, -0.1
    out = normalise_scores(score, np.ones((9, K), bool))
    assert (out[[1, 2]] == -1).all()
    np.testing.assert_array_equal(out[0, ..., 0], np.minimum(score[0], 1))
    np.testing.assert_array_equal(out[3:, ..., 1], score[3:])


def test_what_is_shown_of_a_pose_does_not_depend_on_others(rng):
    score = rng.uniform(-0.1, 1.3, (40, 3))
    present = rng.random((40, 3)) < 0.8
    score[rng.random((40, 3)) < 0.1] = np.nan
    alone = [normalise_scores(score[[i]], present[[i]])[0] for i in range(40)]
    np.testing.assert_array_equal(normalise_scores(score, present), alone)
    assert (np.array(alone) >= 0).any()


def test_flags_and_constants_say_nothing(rng):
    present = np.ones((9, K), bool)
    assert (normalise_scores(np.ones((9, K)), present) == -1).all()
    assert (normalise_scores(rng.random((9, K)), present, informative=False) == -1).all()


def test_features_do_not_depend_on_resolution(table, rng):
    def columns(scale):
        xy = base * scale
        present = np.ones((4, K), bool)
        scene = Scene(
            xy,
            present,
            np.full((4, K, 2), -1.0),
            nearest_poses(xy, present, np.zeros(4, np.intp)),
            np.full((4, 2), np.nan),
        )
        return features(scene, *body_frame(xy, present, table))

    base = rng.uniform(0, 50, (4, K, 2))
    one, other = columns(1.0), columns(3.0)
    assert one.shape == (4, feature_count(K))
    np.testing.assert_allclose(one, other, atol=1e-4)
