"""OKS: plain oracle, missing joints, areas; parity with pycocotools is in parity/."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from refine._exp import LEAST, exp
from refine._kernel import kernel
from refine.exceptions import ArrayError
from refine.oks import coco_oks, keypoint_similarity, ks_distance, pairwise_oks, pose_area
from refine.skeletons import skeleton

SIGMAS = skeleton("coco17").require_sigmas()


def oracle(a, b, area, missing, visible=None):
    """Pair by pair, joint by joint."""
    out = np.zeros((len(a), len(b)))
    for i in range(len(a)):
        counts = np.isfinite(a[i]).all(-1) if visible is None else visible[i]
        for j in range(len(b)):
            size = area[i] if area.ndim == 1 else area[i, j]
            e = ((a[i] - b[j]) ** 2).sum(-1) / (2 * SIGMAS) ** 2 / (size + np.spacing(1)) / 2
            ks = np.exp(-e[counts])
            ks = ks[np.isfinite(ks)] if missing == "skip" else np.nan_to_num(ks)
            out[i, j] = ks.mean() if len(ks) else 0
    return out


def arrays(seed, n=5, m=4, missing=0.2):
    rng = np.random.default_rng(seed)
    a, b = rng.uniform(0, 60, (n, 17, 2)), rng.uniform(0, 60, (m, 17, 2))
    a[rng.random((n, 17)) < missing] = np.nan
    b[rng.random((m, 17)) < missing] = np.nan
    return a, b, rng.uniform(100, 10000, n), rng


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from(["skip", "zero"]), st.sampled_from([0, 0.5, 1]))
def test_pairwise_equals_the_plain_loop(seed, missing, holes):
    a, b, area, rng = arrays(seed, missing=holes)
    ours = pairwise_oks(a, b, area, SIGMAS, missing=missing)
    np.testing.assert_allclose(ours, oracle(a, b, area, missing), rtol=0, atol=1e-12)
    pairs = rng.uniform(100, 1000, (5, 4))
    ours = pairwise_oks(a, b, pairs, SIGMAS, missing=missing)
    np.testing.assert_allclose(ours, oracle(a, b, pairs, missing), rtol=0, atol=1e-12)
    assert ((ours >= 0) & (ours <= 1)).all()


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_properties(seed):
    a, b, area, _ = arrays(seed)
    shared = np.full((5, 4), 500.0)
    one = pairwise_oks(a, b, shared, SIGMAS)
    np.testing.assert_allclose(one, pairwise_oks(b, a, shared.T, SIGMAS).T, atol=1e-12)
    moved = pairwise_oks(a + 1000, b + 1000, shared, SIGMAS)
    np.testing.assert_allclose(one, moved, atol=1e-9)
    scaled = pairwise_oks(a * 3, b * 3, shared * 9, SIGMAS)
    np.testing.assert_allclose(one, scaled, atol=1e-9)
    present = np.isfinite(a).all(-1).any(1)
    same = np.diag(pairwise_oks(a, a, area, SIGMAS))
    np.testing.assert_array_equal(same, present.astype(float))


def test_joints_that_count():
    a, b, area, rng = arrays(3, missing=0)
    visible = rng.random((5, 17)) < 0.5
    ours = pairwise_oks(a, b, area, SIGMAS, visible, missing="zero")
    np.testing.assert_allclose(ours, oracle(a, b, area, "zero", visible), atol=1e-12)
    none = pairwise_oks(a, b, area, SIGMAS, np.zeros((5, 17), bool))
    assert (none == 0).all()


def test_a_missing_joint_costs_when_the_truth_has_it():
    a = np.zeros((1, 17, 2))
    b = a.copy()
    b[0, 0] = np.nan
    area = np.array([100.0])
    assert pairwise_oks(a, b, area, SIGMAS)[0, 0] == 1.0
    assert pairwise_oks(a, b, area, SIGMAS, missing="zero")[0, 0] == 16 / 17
    everywhere = np.ones((1, 17), bool)
    box = np.array([[0.0, 0, 9, 9]])
    assert coco_oks(a, everywhere, area, box, b, SIGMAS)[0, 0] == 16 / 17


def test_unlabelled_person_counts_the_distance_to_its_doubled_box():
    """x - w ... x + 2w: inside it every similarity is 1."""
    nobody = np.zeros((1, 17), bool)
    box, area = np.array([[100.0, 100, 10, 20]]), np.array([200.0])
    inside = np.full((1, 17, 2), [90.0, 80.0])
    assert coco_oks(inside, nobody, area, box, inside, SIGMAS)[0, 0] == 1.0
    outside = np.full((1, 17, 2), [85.0, 80.0])
    wanted = np.exp(-25 / (2 * SIGMAS) ** 2 / 200 / 2).mean()
    assert coco_oks(inside, nobody, area, box, outside, SIGMAS)[0, 0] == pytest.approx(wanted)
    outside[0, :5] = np.nan
    wanted = np.exp(-25 / (2 * SIGMAS[5:]) ** 2 / 200 / 2).sum() / 17
    assert coco_oks(inside, nobody, area, box, outside, SIGMAS)[0, 0] == pytest.approx(wanted)


def test_similarity_and_distance_undo_each_other():
    area = np.array([400.0, 9000.0])
    for ks in (0.1, 0.5, 0.85):
        distance = ks_distance(ks, area, SIGMAS)
        a = np.zeros((2, 17, 2))
        b = np.stack([distance, np.zeros_like(distance)], -1)
        np.testing.assert_allclose(keypoint_similarity(a, b, area, SIGMAS), ks, atol=1e-12)
    gone = np.full((2, 17, 2), np.nan)
    assert np.isnan(keypoint_similarity(a, gone, area, SIGMAS)).all()


def test_area_zero_leaves_only_equal_points_alike():
    a = np.zeros((1, 17, 2))
    assert pairwise_oks(a, a, np.zeros(1), SIGMAS)[0, 0] == 1.0
    assert pairwise_oks(a, a + 1e-3, np.zeros(1), SIGMAS)[0, 0] == 0.0


def test_pose_area():
    xy = np.full((3, 17, 2), np.nan)
    xy[0, :2] = [[10, 10], [30, 50]]
    xy[1, 0] = 5
    box = np.array([[0.0, 0, 2, 3]] * 3)
    assert pose_area(xy, "keypoints").tolist() == [800, 0, 0]
    assert pose_area(xy, "box", box).tolist() == [6, 6, 6]
    assert pose_area(xy, "given", area=np.array([1.0, 2, 3])).tolist() == [1, 2, 3]
    for rule, more in (
        ("box", {}),
        ("given", {}),
        ("given", {"area": np.array([1, np.nan, 2])}),
        ("box", {"box": np.full((3, 4), np.nan)}),
    ):
        with pytest.raises(ArrayError, match=f"area rule '{rule}' needs"):
            pose_area(xy, rule, **more)
    huge = np.array([[[0.0, 0], [1e200, 1e200]]])
    assert pose_area(huge, "keypoints").tolist() == [np.finfo(np.float64).max]


def test_shapes_and_nothing():
    a = np.zeros((2, 17, 2))
    assert pairwise_oks(a[:0], a, np.zeros(0), SIGMAS).shape == (0, 2)
    assert pairwise_oks(a, a[:0], np.ones(2), SIGMAS).shape == (2, 0)
    with pytest.raises(ArrayError, match=r"expected \(N, K, 2\)"):
        pairwise_oks(a, a[:, :5], np.ones(2), SIGMAS)
    with pytest.raises(ArrayError, match=r"sigmas \(K,\)"):
        pairwise_oks(a, a, np.ones(2), SIGMAS[:5])


def test_the_exponential_of_kernels():
    x = np.concatenate([np.linspace(-750, 20, 100001), [0.0, -0.0, -1e300, -np.inf, np.nan]])

    @kernel
    def every(values):
        out = np.empty_like(values)
        for i in range(len(values)):
            out[i] = exp(values[i])
        return out

    found = every(x)
    known = x >= LEAST
    np.testing.assert_allclose(found[known], np.exp(x[known]), rtol=2e-14, atol=0)
    assert (found[x < LEAST] == 0).all()
    assert np.isnan(found[-1])
    assert (found[x == 0] == 1).all()
