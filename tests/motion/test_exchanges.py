"""Persons, and limbs of persons, who change places."""

import numpy as np
import pytest

import refine
from refine.motion.exchanges import limbs_of
from refine.motion.flips import unswap
from refine.poses import ImageRef, Poses

FRAMES = 60


def two(frames=FRAMES, folder="v", seed=0):
    """Two people of 90 px who walk past each other; the second's rows stand behind."""
    rng = np.random.default_rng(seed)
    bodies = rng.uniform(0, 90, (2, 17, 2))
    time = np.arange(frames)[:, None, None]
    swing = np.sin(time / 5 + np.arange(17)[:, None]) * [6, 3]
    ways = time * [6.0, 0.0], [330.0, 20.0] - time * [5.0, 0.0]
    xy = np.concatenate([b + swing + w for b, w in zip(bodies, ways, strict=True)])
    xy += rng.normal(0, 1.5, xy.shape)
    images = [ImageRef(f"{folder}/{i:05}.jpg") for i in range(frames)]
    poses = Poses.from_arrays(
        "coco17", xy, rng.uniform(0.2, 0.9, xy.shape[:2]), image=[*range(frames)] * 2, images=images
    )
    return poses.replace(track=np.repeat([4, 7], frames))


def exchanged(poses, frames):
    """Exchange the tracks of the two in some frames."""
    turned = np.where(np.isin(poses.image, list(frames)), 11 - poses.track, poses.track)
    return poses.replace(track=turned)


@pytest.mark.parametrize("frames", [range(30, FRAMES), range(28, 33), range(30, 31)])
def test_persons_go_on_as_who_they_were(frames):
    poses = two()
    bad = exchanged(poses, frames)
    good = unswap(bad, 30)
    np.testing.assert_array_equal(good.track, poses.track)
    np.testing.assert_array_equal(good.xy, poses.xy)
    facts = good.history[-1].parameters
    assert (facts["persons"], facts["limb_joints"], facts["joints"]) == (2 * len(frames), 0, 0)


def test_who_is_lost_meanwhile_is_told_apart():
    poses = two()
    seen = ~((poses.track == 7) & np.isin(poses.image, range(26, 34)))
    bad = exchanged(poses, range(30, FRAMES))[seen]
    np.testing.assert_array_equal(unswap(bad, 30).track, poses.track[seen])


@pytest.mark.parametrize("limb", range(4))
def test_limbs_come_back_with_their_scores(limb):
    poses = two()
    joints = limbs_of(poses.skeleton)[limb + 2]
    source = np.repeat(np.arange(2 * FRAMES)[:, None], 17, 1)
    a, b = np.arange(28, 33), np.arange(28, 33) + FRAMES
    source[np.ix_(a, joints)], source[np.ix_(b, joints)] = b[:, None], a[:, None]
    at = np.arange(17)
    bad = poses.replace(xy=poses.xy[source, at], score=poses.score[source, at])
    good = unswap(bad, 30)
    np.testing.assert_array_equal(good.xy, poses.xy)
    np.testing.assert_array_equal(good.score, poses.score)
    assert good.history[-1].parameters["limb_joints"] == 10 * len(joints)


@pytest.mark.parametrize("seed", range(5))
def test_who_never_changed_places_stays(seed):
    poses = two(seed=seed)
    xy = poses.xy.copy()
    xy[np.random.default_rng(seed).random(xy.shape[:2]) < 0.1] = np.nan
    poses = poses.replace(xy=xy)[np.random.default_rng(seed).permutation(2 * FRAMES)]
    good = unswap(poses, 30)
    np.testing.assert_array_equal(good.track, poses.track)
    np.testing.assert_array_equal(good.xy, poses.xy)


def test_videos_are_apart_and_the_untracked_stay():
    one = exchanged(two(), range(30, FRAMES))
    other = two(folder="w", seed=3)
    both = Poses.concat([one, other])
    good = unswap(both, 30)
    np.testing.assert_array_equal(good.track, np.tile(np.repeat([4, 7], FRAMES), 2))
    some = both.replace(track=np.where(both.image % 2 == 0, both.track, -1))
    left = unswap(some, 30)
    np.testing.assert_array_equal(left.track < 0, some.track < 0)


def test_facts_of_a_run_tell_of_persons(cli, tmp_path):
    refine.write(exchanged(two(), range(30, FRAMES)), tmp_path / "in.ndjson")
    done = cli("smooth", tmp_path / "in.ndjson", "-o", tmp_path / "out.ndjson", "--fps", 30)
    assert "0 joints unswapped, 60 poses put back to their person, 0 joints filled" in done.err
