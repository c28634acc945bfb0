from dataclasses import replace

import numpy as np
import pytest

from refine.exceptions import WeightsError
from refine.poses import convert
from refine.refiner.fusion.reader import MARGIN, FusionReader
from refine.refiner.fusion.weights import KIND, load_fusion
from refine.refiner.image.refiner import ImageRefiner
from refine.skeletons import skeleton
from tests.oracles.fusion import COCO, drawing_eye, people, plain_fusion

KERNEL = 2 * COCO.require_sigmas() * np.sqrt(90 * 175 * 0.5)
"""px."""


@pytest.fixture(params=["by hand", *KIND.shipped()])
def world(request, body):
    """Return people and a refiner whose eye knows where they are."""
    truth, pictures = people(4)
    fusion = plain_fusion() if request.param == "by hand" else load_fusion(request.param)
    reader = FusionReader(drawing_eye(truth.xy), fusion, body.skeleton)
    return truth, ImageRefiner(body, reader, pictures)


def off(found, truth):
    """Say how far joints are from the truth, in OKS kernels."""
    return np.linalg.norm(found - truth, axis=-1) / KERNEL


def test_a_perfect_source_stays(world):
    truth, refiner = world
    np.testing.assert_array_equal(refiner(truth).xy, truth.xy)
    belief = refiner.believe(truth)
    assert belief.seen.all()
    assert (belief.move - belief.keep < MARGIN).all()


def test_looking_once_says_the_same(world):
    truth, refiner = world
    shifted = truth.replace(xy=truth.xy + KERNEL[:, None] * [1.5, -1])
    once = replace(refiner, reader=replace(refiner.reader, flip=False))
    twice, plain = refiner.believe(shifted).xy, once.believe(shifted).xy
    np.testing.assert_allclose(off(twice, plain), 0, atol=0.15)


def test_a_source_that_is_off_by_two_kernels_is_put_right(world):
    truth, refiner = world
    angle = np.random.default_rng(1).uniform(0, 2 * np.pi, (*truth.xy.shape[:2], 1))
    away = 2 * KERNEL[:, None] * np.concatenate([np.cos(angle), np.sin(angle)], -1)
    shifted = truth.replace(xy=truth.xy + away)
    left = off(refiner(shifted).xy, truth.xy)
    assert np.median(left) < 0.4
    assert (left < 1).mean() > 0.9


def test_missing_joints_are_found(world):
    truth, refiner = world
    xy = truth.xy.copy()
    xy[:, [9, 14]] = np.nan
    done = refiner(truth.replace(xy=xy, score=np.where(np.isnan(xy[..., 0]), np.nan, 0.9)))
    assert (off(done.xy, truth.xy)[:, [9, 14]] < 0.7).all()
    belief = refiner.believe(truth.replace(xy=xy))
    assert (belief.keep[:, [9, 14]] == 0).all()


def test_joints_outside_of_the_crop_stay_as_they_came(world):
    truth, refiner = world
    xy = truth.xy.copy()
    xy[1, 10] += 200
    far = truth.replace(xy=xy, images=tuple(
        replace(ref, width=None, height=None) for ref in truth.images
    ))  # fmt: skip
    scene = refiner.pose_refiner.scene(far)
    crop = refiner.reader.crops(scene, refiner.pose_refiner.believe_scene(scene))
    assert (crop(far.xy)[1, 10] > np.array(crop.size)).any()
    belief, done = refiner.believe(far), refiner(far)
    assert belief.move[1, 10] == 0
    np.testing.assert_array_equal(done.xy[1, 10], xy[1, 10])
    np.testing.assert_array_equal(done.xy[[0, 2, 3]], truth.xy[[0, 2, 3]])


@pytest.mark.parametrize("name", ["halpe26", "mpii16", "wholebody133"])
def test_joints_that_the_eye_does_not_know_are_left_to_the_pose(world, name):
    truth, refiner = world
    other = convert(truth, skeleton(name))
    rng = np.random.default_rng(0)
    extra = [i for i, j in enumerate(other.skeleton.joints) if j not in COCO.joints]
    xy = other.xy.copy()
    xy[:, extra] = rng.uniform(30, 180, (len(xy), len(extra), 2))
    other = other.replace(xy=xy, score=np.full(xy.shape[:2], 0.8))
    plain, seen = refiner.pose_refiner.believe(other), refiner.believe(other)
    for field in ("xy", "move", "keep", "sigma_px"):
        np.testing.assert_array_equal(
            getattr(seen, field)[:, extra], getattr(plain, field)[:, extra]
        )
    known = [i for i in range(len(other.skeleton)) if i not in extra]
    assert (seen.keep[:, known] != plain.keep[:, known]).any()
    done = refiner(other)
    assert len(done) == len(other)
    lone = [i for i in extra if not np.isfinite(plain.xy[:, i]).any()]
    np.testing.assert_array_equal(done.xy[:, lone], other.xy[:, lone])


def test_an_eye_of_few_joints_speaks_of_those(world, body):
    truth, refiner = world
    few = COCO.joints[5:11][::-1]
    reader = replace(refiner.reader, eye=drawing_eye(truth.xy, joints=few))
    assert reader.joints == COCO.joints[5:11]
    shifted = truth.replace(xy=truth.xy + 2 * KERNEL[:, None] * [0.8, 0.6])
    left = off(replace(refiner, reader=reader).believe(shifted).xy, truth.xy)
    assert np.median(left[:, 5:11]) < 0.4


def test_no_poses_one_pose_and_single_joints(world):
    truth, refiner = world
    assert len(refiner(truth[np.array([], int)])) == 0
    one = refiner(truth[np.array([2])])
    np.testing.assert_array_equal(one.xy, truth.xy[[2]])
    xy = np.full_like(truth.xy, np.nan)
    xy[0, 0], xy[1, 9] = truth.xy[0, 0], truth.xy[1, 9]
    single = truth.replace(xy=xy)
    belief, done = refiner.believe(single), refiner(single)
    assert belief.seen.tolist() == [True, True, False, False]
    assert np.isfinite(belief.move[:2]).all()
    np.testing.assert_array_equal(done.xy[0, 0], xy[0, 0])
    np.testing.assert_array_equal(done.xy[1, 9], xy[1, 9])


def test_a_profile_makes_single_pictures_what_the_whole_file_is(world):
    truth, refiner = world
    poses = truth.replace(xy=truth.xy + np.random.default_rng(2).normal(0, 6, truth.xy.shape))
    profile = refiner.profile(poses)
    assert (profile.poses, profile.joints) == (4, 4 * 17)
    whole = refiner.believe(poses)
    known = replace(refiner, reader=replace(refiner.reader, profile=profile))
    for row in range(4):
        alone = poses[np.array([row])]
        found, without = known.believe(alone), refiner.believe(alone)
        for name in ("xy", "move", "keep", "sigma_px", "oks"):
            ours, wanted = getattr(found, name)[0], getattr(whole, name)[row]
            np.testing.assert_allclose(ours, wanted, rtol=1e-4, atol=1e-3)
        np.testing.assert_allclose(found.margin[0], whole.margin[row])
        assert without.margin[0] > whole.margin[row]


def test_a_profile_is_the_sum_over_files(world):
    truth, refiner = world
    parts = [refiner.profile(truth[rows]) for rows in (np.array([0, 1]), np.array([2, 3]))]
    whole, total = refiner.profile(truth), parts[0] + parts[1]
    np.testing.assert_allclose(total.numbers(), whole.numbers(), atol=1e-4)
    assert total.seen == whole.seen


def test_a_profile_of_other_eyes_is_refused(world):
    truth, refiner = world
    profile = replace(refiner.profile(truth), eye="sha256:other")
    with pytest.raises(WeightsError, match="expected a profile made with drawing") as caught:
        replace(refiner.reader, profile=profile)
    assert "sha256:other" in str(caught.value)


def test_histories_name_the_fusion(world):
    truth, refiner = world
    assert {s.weights for s in refiner(truth).history} == {refiner.reader.fusion.weights}


def test_batches_change_nothing(world, monkeypatch):
    truth, refiner = world
    poses = truth.replace(xy=truth.xy + np.random.default_rng(3).normal(0, 6, truth.xy.shape))
    whole = refiner.believe(poses)
    monkeypatch.setattr("refine.refiner.image.streaming.BATCH", 1)
    small = refiner.believe(poses)
    for name in ("xy", "move", "keep"):
        np.testing.assert_allclose(getattr(small, name), getattr(whole, name), atol=1e-3)
