import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from refine.exceptions import ArrayError
from refine.poses import Poses
from refine.skeletons import skeleton
from refine.suppression import suppress
from refine.suppression.merge import assign_duplicates, merge_joints

COCO = skeleton("coco17")


def person(seed=0):
    return np.random.default_rng(seed).uniform(0, 200, (17, 2))


def poses(xy, score=None, instance=None, image=None):
    made = Poses.from_arrays(COCO, xy, score, instance_score=instance)
    return made if image is None else made.replace(image=np.array(image), images=made.images * 2)


def oracle(xy, weight, winner, alike):
    """Merge pose by pose and joint by joint."""
    out = xy.copy()
    for i in np.flatnonzero(winner == np.arange(len(xy))):
        group = np.flatnonzero(winner == i)
        if len(group) < 2:
            continue
        for k in range(xy.shape[1]):
            there = [j for j in group if np.isfinite(xy[j, k]).all()]
            mass = np.array([weight[j, k] * alike[j] for j in there])
            if mass.sum() > 0:
                out[i, k] = (mass[:, None] * xy[there, k]).sum(0) / mass.sum()
    return out


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6))
def test_merging_is_its_definition(seed):
    rng = np.random.default_rng(seed)
    n, k = rng.integers(1, 8), 4
    xy = rng.uniform(0, 50, (n, k, 2))
    xy[rng.random((n, k)) < 0.3] = np.nan
    kept = np.unique(rng.integers(0, n, 3))
    winner = np.where(np.isin(np.arange(n), kept), np.arange(n), rng.choice(np.r_[kept, -1], n))
    weight, alike = rng.random((n, k)), rng.random(n)
    merged, gained = merge_joints(xy, weight, winner, alike)
    np.testing.assert_allclose(merged, oracle(xy, weight, winner, alike))
    missing = np.isnan(xy).any(-1)
    np.testing.assert_array_equal(gained, missing & np.isfinite(merged).all(-1))
    others = winner != np.arange(n)
    np.testing.assert_array_equal(merged[others], xy[others])


def test_a_copy_changes_nothing_and_order_does_not_matter():
    one = person()
    twice = poses(np.stack([one, one]), np.full((2, 17), 0.5), [0.9, 0.8])
    np.testing.assert_allclose(suppress(twice, merge=True).xy[0], one)
    near = one + np.random.default_rng(1).normal(0, 1, (17, 2))
    three = np.stack([one, near, one + 1])
    score = np.random.default_rng(2).uniform(0.2, 1, (3, 17))
    a = suppress(poses(three, score, [0.9, 0.8, 0.7]), merge=True)
    order = [2, 0, 1]
    b = suppress(poses(three[order], score[order], [0.7, 0.9, 0.8]), merge=True)
    np.testing.assert_allclose(a.xy, b.xy)


def test_joints_that_the_kept_pose_lacks_are_taken_over():
    one = person()
    lacking = one.copy()
    lacking[3] = np.nan
    score = np.full((2, 17), 0.5)
    score[1, 3] = 0.75
    merged = suppress(poses(np.stack([lacking, one]), score, [0.9, 0.8]), merge=True)
    assert len(merged) == 1
    np.testing.assert_allclose(merged.xy[0], one, atol=6e-4)
    assert merged.score[0, 3] == 0.75
    assert merged.score[0, 4] == 0.5
    assert merged.history[-1].parameters["merge"] is True


def test_poses_of_other_images_and_strangers_are_left_alone():
    one = person()
    apart = poses(np.stack([one, one + 0.5]), np.full((2, 17), 0.5), [0.9, 0.8], [0, 1])
    done = suppress(apart, merge=True)
    np.testing.assert_array_equal(done.xy, apart.xy)
    far = poses(np.stack([one, person(5)]), np.full((2, 17), 0.5), [0.9, 0.8])
    np.testing.assert_array_equal(suppress(far, merge=True).xy, far.xy)


def test_the_likeliest_kept_pose_gets_the_duplicate():
    one, other = person(), person() + 6
    lost = one + 1
    xy = np.stack([other, one, lost])
    image, kept = np.zeros(3, np.intp), np.array([0, 1])
    winner, alike = assign_duplicates(xy, np.full(3, 4e4), np.full(17, 0.05), image, kept)
    assert winner.tolist() == [0, 1, 1]
    assert alike[2] < 1
    nobody, _ = assign_duplicates(xy, np.full(3, 4e4), np.full(17, 0.05), np.array([0, 0, 1]), kept)
    assert nobody[2] == -1


def test_what_cannot_be_merged_is_said():
    twice = np.stack([person(), person()])
    with pytest.raises(ArrayError, match="at least 0 for merging"):
        suppress(poses(twice, np.full((2, 17), -3.0), [0.9, 0.8]), merge=True)
    with pytest.raises(ArrayError, match="expected method 'nms' for merging"):
        suppress(poses(twice), "soft-linear", merge=True)


def test_poses_without_scores_are_averaged():
    xy = np.stack([person(), person() + 2])
    done = suppress(poses(xy), threshold=0.5, merge=True)
    assert len(done) == 1
    assert (done.xy[0] > xy[0]).all()
    assert (done.xy[0] < xy[1]).all()
