"""Suppression against a plain oracle, the published rule, and its documented corners."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import refine
from refine.exceptions import ArrayError, SkeletonError
from refine.oks import pose_area
from refine.poses import Poses
from refine.skeletons import Skeleton, skeleton
from refine.suppression import METHODS, arrays, nms_sigmas, oks_nms, soft_oks_nms, suppress

COCO = skeleton("coco17")
SIGMAS = COCO.require_sigmas()


def crowd(rng, n=30, groups=8, jitter=6.0, missing=0.1):
    """Poses that are jittered copies of a few people."""
    people = rng.uniform(0, 120, (groups, 17, 2)) + rng.uniform(0, 400, (groups, 1, 2))
    xy = people[rng.integers(groups, size=n)] + rng.normal(0, jitter, (n, 17, 2))
    xy[rng.random((n, 17)) < missing] = np.nan
    return xy, rng.random(n), pose_area(xy, "keypoints")


def published_oks(g, d, g_area, d_area, g_counts, d_counts):
    """``oks_iou`` of HRNet for one pair, with MMPose's joint rule; missing joints left out."""
    use = g_counts & d_counts & np.isfinite(g).all(-1) & np.isfinite(d).all(-1)
    if not use.any():
        return 0.0
    squared = ((g - d) ** 2).sum(-1)
    e = squared / (SIGMAS * 2) ** 2 / ((g_area + d_area) / 2 + np.spacing(1)) / 2
    return np.exp(-e[use]).mean()


def nms_oracle(xy, score, area, threshold, counts=None, compat=False):
    counts = np.ones(xy.shape[:2], bool) if counts is None else counts
    order, kept = list(np.argsort(-score, kind="stable")), []
    while order:
        i = order.pop(0)
        kept.append(int(i))
        first = np.ones(xy.shape[1], bool) if compat else counts[i]
        order = [
            j
            for j in order
            if published_oks(xy[i], xy[j], area[i], area[j], first, counts[j]) <= threshold
        ]
    return kept


def soft_oracle(xy, score, area, threshold, kind, most):
    counts = np.ones(xy.shape[1], bool)
    score, left, picked, decayed = score.copy(), list(range(len(xy))), [], []
    while left and len(picked) < most:
        i = left.pop(int(np.argmax(score[left])))
        picked.append(i)
        decayed.append(score[i])
        for j in left:
            oks = published_oks(xy[i], xy[j], area[i], area[j], counts, counts)
            if kind == "gaussian":
                score[j] *= np.exp(-(oks**2) / threshold)
            elif oks >= threshold:
                score[j] *= 1 - oks
    return picked, decayed


@pytest.mark.parametrize("threshold", [0.3, 0.5, 0.9])
@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_nms_equals_the_plain_loop(threshold, missing):
    for seed in range(5):
        jitter = 6.0 * (1.1 - threshold)
        xy, score, area = crowd(np.random.default_rng(seed), jitter=jitter, missing=missing)
        score = score.round(1)
        kept = oks_nms(xy, score, area, SIGMAS, threshold)
        assert kept.tolist() == nms_oracle(xy, score, area, threshold)
        assert len(kept) < len(xy)


@pytest.mark.parametrize("threshold", [0.2, 0.5, 0.95, 1.0])
@pytest.mark.parametrize("missing", [0.0, 0.3])
@pytest.mark.parametrize("many", [96, 1000])
def test_nms_of_many_in_one_image_equals_the_plain_loop(threshold, missing, many, monkeypatch):
    """Only neighbours are looked at, found by boxes or in a grid: of all sizes, alike in few."""
    monkeypatch.setattr(arrays, "MANY", many)
    rng = np.random.default_rng(7)
    xy, score, _ = crowd(rng, 192, 30, 12 * (1.01 - threshold), missing)
    xy[50:60] += rng.normal(0, 300, (10, 17, 1)) * (rng.random((10, 17, 1)) < 0.3)
    xy[60:64] = xy[:4]
    area = pose_area(xy, "keypoints") * rng.choice([0.1, 1.0, 9.0], len(xy))
    kept = oks_nms(xy, score, area, SIGMAS, threshold)
    assert kept.tolist() == nms_oracle(xy, score, area, threshold)


@pytest.mark.parametrize("compat", [False, True])
def test_joint_visibility(compat):
    differ = 0
    for seed in range(10):
        rng = np.random.default_rng(seed)
        xy, score, area = crowd(rng, jitter=12)
        counts = rng.random((30, 17)) < 0.5
        kept = oks_nms(xy, score, area, SIGMAS, 0.5, joint_visible=counts, compat=compat)
        assert kept.tolist() == nms_oracle(xy, score, area, 0.5, counts, compat)
        differ += kept.tolist() != nms_oracle(xy, score, area, 0.5, counts, not compat)
    assert differ, "both rules give the same on every seed: this test shows nothing"


@pytest.mark.parametrize("kind", ["gaussian", "linear"])
@pytest.mark.parametrize("most", [5, 1000])
def test_soft_nms_equals_the_plain_loop(kind, most):
    for seed in range(5):
        xy, score, area = crowd(np.random.default_rng(seed), jitter=2)
        index, decayed = soft_oks_nms(xy, score, area, SIGMAS, 0.5, kind=kind, max_poses=most)
        picked, scores = soft_oracle(xy, score, area, 0.5, kind, most)
        assert index.tolist() == picked
        np.testing.assert_allclose(decayed, scores, rtol=1e-12)
        assert decayed.sum() < np.sort(score)[-most:].sum()


def test_score_floor_stops():
    xy, score, area = crowd(np.random.default_rng(0))
    index, decayed = soft_oks_nms(xy, score, area, SIGMAS)
    some, above = soft_oks_nms(xy, score, area, SIGMAS, score_floor=0.2)
    assert some.tolist() == index[: len(some)].tolist()
    assert above.min() >= 0.2 > decayed[len(some)]


def test_images_do_not_mix():
    rng = np.random.default_rng(1)
    xy, score, area = crowd(rng)
    image = rng.integers(3, size=30)
    kept = oks_nms(xy, score, area, SIGMAS, 0.5, image=image, max_poses=4)
    soft, decayed = soft_oks_nms(xy, score, area, SIGMAS, 0.5, image=image, max_poses=4)
    alone, alone_soft, alone_score = [], [], []
    for i in range(3):
        rows = np.flatnonzero(image == i)
        arguments = xy[rows], score[rows], area[rows], SIGMAS, 0.5
        alone += rows[oks_nms(*arguments, max_poses=4)].tolist()
        index, values = soft_oks_nms(*arguments, max_poses=4)
        alone_soft += rows[index].tolist()
        alone_score += values.tolist()
    assert kept.tolist() == alone
    assert soft.tolist() == alone_soft
    assert decayed.tolist() == alone_score


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 12), st.sampled_from([0.3, 0.7, 0.95]))
def test_properties(seed, n, threshold):
    rng = np.random.default_rng(seed)
    xy, score, area = crowd(rng, n=n, groups=3)
    kept = oks_nms(xy, score, area, SIGMAS, threshold)
    # Once is enough, moving everything changes nothing, every removed pose has a better twin.
    assert oks_nms(xy[kept], score[kept], area[kept], SIGMAS, threshold).tolist() == [
        *range(len(kept))
    ]
    assert oks_nms(xy + 64.0, score, area, SIGMAS, threshold).tolist() == kept.tolist()
    assert (np.diff(score[kept]) <= 0).all()
    ones = np.ones(17, bool)
    for j in set(range(n)) - set(kept.tolist()):
        twins = [
            published_oks(xy[i], xy[j], area[i], area[j], ones, ones)
            for i in kept
            if score[i] >= score[j]
        ]
        assert max(twins) > threshold
    index, decayed = soft_oks_nms(xy, score, area, SIGMAS, threshold)
    assert sorted(index.tolist()) == list(range(n))
    assert (np.diff(decayed) <= 0).all()
    assert (decayed <= score[index]).all()


def test_equal_scores_keep_input_order():
    xy = np.random.default_rng(2).uniform(0, 400, (6, 17, 2))
    area = pose_area(xy, "keypoints")
    assert oks_nms(xy, np.ones(6), area, SIGMAS).tolist() == [0, 1, 2, 3, 4, 5]
    assert soft_oks_nms(xy, np.ones(6), area, SIGMAS)[0][0] == 0


def test_object_level_keeps_order_and_everything_else():
    rng = np.random.default_rng(3)
    xy, score, _ = crowd(rng, n=40, groups=5)
    poses = Poses.from_arrays(
        COCO, xy, rng.random((40, 17)), instance_score=score, image=rng.integers(4, size=40)
    ).replace(extra=tuple({"n": i} for i in range(40)))
    kept = suppress(poses, threshold=0.5)
    rows = [e["n"] for e in kept.extra]
    assert 0 < len(rows) < 40
    assert rows == sorted(rows)
    np.testing.assert_array_equal(kept.xy, poses.xy[rows])
    assert kept.images == poses.images
    step = kept.history[-1]
    assert step.name == "suppress"
    assert step.parameters == {
        "method": "nms",
        "threshold": 0.5,
        "area": "keypoints",
        "removed": 40 - len(rows),
    }
    assert len(poses) == 40, "the argument is left alone"
    soft = suppress(poses, "soft-linear", 0.5)
    assert len(soft) == 40
    assert (soft.instance_score <= poses.instance_score).all()
    assert (soft.instance_score < poses.instance_score).any()
    strict = suppress(poses, "soft-linear", 0.5, score_threshold=0.3)
    assert strict.instance_score.tolist() == [s for s in soft.instance_score if s >= 0.3]
    assert suppress(poses, score_threshold=0.5).instance_score.min() >= 0.5
    most = suppress(poses, "soft-gaussian", max_poses=1)
    assert sorted(most.image.tolist()) == [0, 1, 2, 3]
    assert refine.suppress(poses, threshold=0.5).xy.shape == kept.xy.shape


def test_area_rules_differ():
    xy = np.random.default_rng(4).uniform(0, 50, (1, 17, 2)) + np.array([[[0.0]], [[4.0]]])
    small, large = [[0, 0, 50, 50]] * 2, [[0, 0, 500, 500]] * 2
    poses = Poses.from_arrays(COCO, xy, instance_score=[1, 2], box=small, area=[250000.0] * 2)
    assert len(suppress(poses, threshold=0.7, area="box")) == 2
    assert len(suppress(poses, threshold=0.7, area="given")) == 1
    assert len(suppress(poses.replace(box=np.array(large, float)), threshold=0.7, area="box")) == 1
    with pytest.raises(ArrayError, match="area rule 'box' needs"):
        suppress(poses.replace(box=None), area="box")


def test_visible_threshold():
    xy = np.random.default_rng(5).uniform(0, 200, (1, 17, 2)).repeat(2, 0)
    xy[1, :8] += 80
    score = np.full((2, 17), 0.9)
    score[0, :8] = 0.1
    poses = Poses.from_arrays(COCO, xy, score, instance_score=[1, 2])
    assert len(suppress(poses)) == 2
    assert len(suppress(poses, visible_threshold=0.5)) == 1
    # Only joints of the better pose are weak: the published rule asks the worse one alone.
    swapped = poses.replace(instance_score=np.array([2.0, 1.0]))
    assert len(suppress(swapped, visible_threshold=0.5)) == 1
    assert len(suppress(swapped, visible_threshold=0.5, compat=True)) == 2
    with pytest.raises(ArrayError, match="expected keypoint scores"):
        suppress(Poses.from_arrays(COCO, xy), visible_threshold=0.5)


def test_poses_without_size_are_duplicates_only_of_their_like():
    xy = np.full((5, 17, 2), np.nan)
    xy[1:3, 0] = 7.0
    xy[3:] = np.random.default_rng(6).uniform(0, 90, (1, 17, 2))
    xy[3:, 0] = 7.0
    poses = Poses.from_arrays(COCO, xy, instance_score=[9, 8, 7, 2, 1])
    assert suppress(poses).instance_score.tolist() == [9, 8, 2]
    soft = suppress(poses, "soft-gaussian").instance_score
    assert soft.tolist() == [9, 8, 7 * np.exp(-1 / 0.9), 2, soft[4]]
    apart = xy.copy()
    apart[2, 0, 0] += 1e-3
    assert suppress(poses.replace(xy=apart)).instance_score.tolist() == [9, 8, 7, 2]
    line = np.zeros((3, 17, 2))
    line[..., 0] = np.arange(17) + np.array([0, 0, 4])[:, None]
    assert len(suppress(Poses.from_arrays(COCO, line))) == 2


@pytest.mark.parametrize("method", METHODS)
def test_categories_are_told_apart(method):
    xy = np.random.default_rng(6).uniform(0, 90, (1, 17, 2)).repeat(4, 0)
    kinds = [{"category_id": 1}, {"category_id": 2}, {"category_id": 1.0}, {}]
    poses = Poses.from_arrays(COCO, xy, instance_score=[0.9, 0.8, 0.7, 0.6])
    poses = poses.replace(extra=tuple(kinds))
    kept = suppress(poses, method, score_threshold=0.5)
    assert kept.instance_score.tolist() == [0.9, 0.8, 0.6]
    assert len(suppress(poses, method, max_poses=1)) == 3
    if method == "nms":
        shifted = poses.replace(xy=xy + np.arange(4)[:, None, None] / 10)
        merged = suppress(shifted, merge=True)
        np.testing.assert_array_equal(merged.xy[1], shifted.xy[1])


def test_instance_score_falls_back_to_the_mean_of_present_joints():
    xy = np.random.default_rng(7).uniform(0, 90, (1, 17, 2)).repeat(3, 0)
    xy[1, 5:] = np.nan
    score = np.full((3, 17), 0.5)
    score[1, :5], score[1, 5:] = 0.8, 0.0
    poses = Poses.from_arrays(COCO, xy, score)
    kept = suppress(poses)
    assert kept.score[0, 0] == 0.8
    assert np.isnan(kept.instance_score).all()
    soft = suppress(poses, "soft-linear").instance_score
    np.testing.assert_allclose(soft, [0.0, 0.8, 0.0], atol=1e-12)


def test_skeletons():
    joints, sigmas = nms_sigmas(skeleton("openpose25"))
    assert not {1, 8} & set(joints.tolist())
    assert len(sigmas) == 23
    borrowed, sigmas = nms_sigmas(skeleton("lsp14"))
    assert borrowed.tolist() == list(range(12))
    assert sigmas[0] == 0.089
    with pytest.raises(SkeletonError, match="expected OKS sigmas"):
        nms_sigmas(Skeleton("tool", ("tip", "handle")))


@pytest.mark.parametrize("method", METHODS)
def test_nothing_and_the_absurd(method):
    empty = Poses.from_arrays(COCO, np.zeros((0, 17, 2)), images=[])
    assert len(suppress(empty, method)) == 0
    huge = Poses.from_arrays(COCO, np.random.default_rng(8).uniform(0, 1e200, (3, 17, 2)))
    assert len(suppress(huge, method)) == 3
    flat = Poses.from_arrays(COCO, np.zeros((2, 17, 2)))
    assert len(suppress(flat, method)) == (1 if method == "nms" else 2)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"score": np.array([1, np.nan])}, "pose 1: expected a finite score"),
        ({"score": np.ones(3)}, r"expected score \(2,\), got \(3,\)"),
        ({"area": np.array([-1.0, 1])}, "pose 0: expected an area of 0 or more"),
        ({"sigmas": np.ones(3)}, r"sigmas \(K,\)"),
        ({"threshold": 0.0}, "threshold in"),
        ({"max_poses": 0}, "max_poses of at least 1"),
        ({"joint_visible": np.ones((2, 3), bool)}, "expected joint_visible"),
    ],
)
def test_what_is_refused(change, message):
    arguments = {
        "xy": np.zeros((2, 17, 2)),
        "score": np.ones(2),
        "area": np.ones(2),
        "sigmas": SIGMAS,
        **change,
    }
    for function in (oks_nms, soft_oks_nms):
        with pytest.raises(ArrayError, match=message):
            function(**arguments)


def test_options_that_are_refused():
    poses = Poses.from_arrays(COCO, np.zeros((1, 17, 2)), instance_score=[-1.0])
    with pytest.raises(ArrayError, match="method out of nms, soft-gaussian"):
        suppress(poses, "soft")
    with pytest.raises(ArrayError, match="kind 'gaussian' or 'linear'"):
        soft_oks_nms(poses.xy, np.ones(1), np.ones(1), SIGMAS, kind="cubic")
    with pytest.raises(ArrayError, match="at least 0 for soft suppression"):
        suppress(poses, "soft-linear")


@pytest.mark.parametrize("name", ["score_threshold", "visible_threshold"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_thresholds_that_are_no_numbers(name, value):
    poses = Poses.from_arrays(skeleton("coco17"), np.ones((1, 17, 2)), np.ones((1, 17)))
    with pytest.raises(ArrayError, match=f"expected a finite number as {name}"):
        suppress(poses, **{name: value})


def test_more_poses_than_can_be_counted():
    poses = Poses.from_arrays(skeleton("coco17"), np.ones((1, 17, 2)))
    assert len(suppress(poses, max_poses=10**20)) == 1


def test_visible_joints_may_be_a_list():
    xy = np.array([[[0.0, 0], [50, 80]], [[1, 0], [50, 81]]])
    given = (xy, np.array([0.5, 0.8]), np.full(2, 4000.0), np.array([0.1, 0.1]))
    for flags in ([[1, 1], [2, 0]], [[True, True], [True, False]]):
        kept = oks_nms(*given, joint_visible=flags)
        assert kept.tolist() == oks_nms(*given, joint_visible=np.array(flags) > 0).tolist()
    with pytest.raises(ArrayError, match="joint_visible"):
        oks_nms(*given, joint_visible=[1, 1])
