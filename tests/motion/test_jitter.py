"""Gaps and jitter of tracks."""

import numpy as np
import pytest

import refine
from refine.exceptions import ArrayError, FormatError
from refine.motion.arrays import Motion, follow
from refine.motion.jitter import FILLINGS, SMOOTHINGS, fill_gaps, smooth
from refine.poses import ImageRef, Poses


def walk(frames=60, noise=0.0, seed=0):
    """A person who walks to the right: (T, 17, 2), about 100 px tall."""
    rng = np.random.default_rng(seed)
    body = rng.uniform(0, 100, (17, 2))
    swing = np.sin(np.arange(frames)[:, None, None] / 6 + np.arange(17)[:, None]) * [6, 2]
    steps = np.arange(frames)[:, None, None] * [2.0, 0.0]
    return body + swing + steps + rng.normal(0, noise, (frames, 17, 2))


def video(xy, frames=None, **more):
    frames = np.arange(len(xy)) if frames is None else frames
    images = [ImageRef(i) for i in range(int(max(frames)) + 1)]
    return Poses.from_arrays(
        "coco17", xy, more.pop("score", None), image=frames, images=images, **more
    )


def error(xy, true):
    return np.nanmean(np.linalg.norm(xy - true, axis=-1))


@pytest.mark.parametrize("method", SMOOTHINGS)
def test_every_method_lessens_jitter(method):
    true, bad = walk(), walk(noise=4)
    calm = smooth(video(bad), 30, method).xy
    shake = [np.abs(np.diff(xy - true, 2, axis=0)).mean() for xy in (bad, calm)]
    assert shake[1] < 0.6 * shake[0]
    assert error(calm, true) < 1.02 * error(bad, true)


def test_paths_leave_out_jumps_and_keep_what_is_true():
    true = walk(90)
    bad = true + np.random.default_rng(1).normal(0, 2, true.shape)
    bad[40:46, 9] += [80, -60]
    calm = smooth(video(bad), 30).xy
    assert error(calm[40:46, 9], true[40:46, 9]) < 0.15 * error(bad[40:46, 9], true[40:46, 9])
    still = smooth(video(true.round(2)), 30).xy
    assert error(still, true) < 0.2


def test_missing_joints_stay_missing_and_order_stays():
    xy = walk(noise=2)
    xy[5:9, 3] = np.nan
    poses = video(xy)[np.random.default_rng(0).permutation(60)]
    calm = smooth(poses, 30)
    np.testing.assert_array_equal(calm.present, poses.present)
    np.testing.assert_array_equal(calm.image, poses.image)
    again = smooth(video(xy), 30)
    np.testing.assert_array_equal(calm.xy[np.argsort(poses.image)], again.xy)


@pytest.mark.parametrize("method", FILLINGS)
def test_gaps_are_filled_between_places(method):
    true = walk()
    xy = true.copy()
    xy[20:26, 9], xy[:4, 2], xy[30:55, 5] = np.nan, np.nan, np.nan
    whole = fill_gaps(video(xy, score=np.ones((60, 17))), 30, method)
    assert error(whole.xy[20:26, 9], true[20:26, 9]) < 6
    assert np.isnan(whole.xy[:4, 2]).all(), "nothing before"
    assert np.isnan(whole.xy[30:55, 5]).all(), "too long"
    score = whole.score[20:26, 9]
    assert (score < 1).all()
    assert score[2] < score[0], "less sure farther inside"
    assert whole.history[-1].parameters["joints"] == 6
    np.testing.assert_array_equal(whole.xy[video(xy).present], xy[video(xy).present])


def test_whole_poses_are_added_behind_the_others():
    true = walk()
    frames = np.r_[0:30, 36:60]
    poses = video(true[frames], frames, score=np.ones((54, 17)), box=np.ones((54, 4)))
    poses = poses.replace(track=np.full(54, 7), extra=tuple({"n": i} for i in range(54)))
    whole = fill_gaps(poses, 30)
    assert len(whole) == 60
    assert sorted(whole.image[54:].tolist()) == list(range(30, 36))
    assert set(whole.track.tolist()) == {7}
    assert whole.extra[:54] == poses.extra
    assert np.isnan(whole.box[54:]).all()
    assert error(whole.xy[54:], true[30:36]) < 8


def test_nothing_crosses_from_track_to_track():
    one, two = walk(noise=2), walk(noise=2, seed=5) + np.array([0, 300])
    both = video(np.concatenate([one, two]), np.r_[0:60, 0:60])
    both = both.replace(track=np.repeat([3, 8], 60))
    alone = smooth(video(one).replace(track=np.full(60, 3)), 30)
    np.testing.assert_array_equal(smooth(both, 30).xy[:60], alone.xy)


def test_expected_similarities_are_trusted_as_such():
    """Where the refiner expects less of a joint, its places weigh less."""
    true = walk(80)
    rng = np.random.default_rng(3)
    noise = np.where(rng.random((80, 17)) < 0.3, 15.0, 1.0)
    bad = true + rng.normal(size=true.shape) * noise[..., None]
    scale = (2 * refine.skeleton("coco17").sigmas * 90) ** 2
    expected = 1 / (1 + noise**2 / scale)
    plain = video(bad, score=expected)
    told = plain.replace(score_kind="expected_ks")
    assert error(smooth(told, 30).xy, true) < 0.8 * error(smooth(plain, 30).xy, true)


def test_one_frame_and_nobody():
    alone = video(walk(1))
    np.testing.assert_array_equal(smooth(alone, 30).xy, alone.xy.round(3))
    assert len(fill_gaps(alone, 30)) == 1
    nobody = Poses.empty("coco17", [ImageRef(0)])
    assert len(smooth(nobody, 30)) == len(fill_gaps(nobody, 30)) == 0
    lost = video(np.full((5, 17, 2), np.nan))
    assert np.isnan(smooth(lost, 30).xy).all()


def test_what_is_missing_is_asked_for():
    poses = video(walk(5))
    with pytest.raises(ArrayError, match=r"frames per second.*--fps"):
        smooth(poses)
    assert smooth(poses.replace(meta={"fps": 25}), None).history[-1].parameters["fps"] == 25
    for fps in (0, -1, np.nan, 1e9, True):
        with pytest.raises(ArrayError, match="frames per second above 0"):
            smooth(poses, fps)
    with pytest.raises(ArrayError, match="method out of paths"):
        smooth(poses, 30, "kalman")
    with pytest.raises(ArrayError, match="method out of paths"):
        fill_gaps(poses, 30, "spline")
    with pytest.raises(ArrayError, match="longest gap above 0"):
        fill_gaps(poses, 30, longest_s=0)
    with pytest.raises(ArrayError, match="memory above 0"):
        Motion(memory=0)


def test_frames_and_tracks_that_cannot_be():
    twice = video(np.zeros((2, 17, 2)), [0, 0])
    with pytest.raises(FormatError, match=r"expected tracks.*refine track"):
        smooth(twice, 30)
    with pytest.raises(FormatError, match="one pose per track and frame, got two of track 4"):
        smooth(twice.replace(track=np.array([4, 4])), 30)
    named = Poses.from_arrays("coco17", np.zeros((1, 17, 2)), images=[ImageRef("somebody")])
    with pytest.raises(FormatError, match="the number of their frame, got 'somebody'"):
        smooth(named, 30)
    images = [ImageRef("a/im1.jpg"), ImageRef("a/im01.png")]
    same = Poses.from_arrays("coco17", np.zeros((2, 17, 2)), image=[0, 1], images=images)
    with pytest.raises(FormatError, match="every frame once, got 1"):
        smooth(same, 30)


def test_arrays_are_looked_at():
    xy, time, size = np.zeros((3, 2, 2)), np.arange(3.0), np.ones(3)
    tied = ((1,), (0,))
    for bad in (
        (xy[..., :1], time, size, tied),
        (xy, time[::-1], size, tied),
        (xy, time, size * 0, tied),
        (xy, time * np.nan, size, tied),
        (xy, time, size, ((),)),
        (xy, time, size, tied, None, np.ones((3, 3))),
    ):
        with pytest.raises(ArrayError):
            follow(*bad)
