import numpy as np
import pytest

from refine.exceptions import RefineError, WeightsError
from refine.pipeline import Config, run
from refine.poses import Poses
from refine.skeletons import skeleton


@pytest.fixture
def poses() -> Poses:
    """Four poses; the second is a copy of the first, lower scored; the third lacks its wrists."""
    rng = np.random.default_rng(0)
    body = rng.uniform(100, 200, (2, 17, 2))
    xy = body[[0, 0, 1, 1]] + np.array([0, 0, 0, 300])[:, None, None]
    xy[2, 9:11] = np.nan
    return Poses.from_arrays(
        skeleton("coco17"),
        xy,
        rng.random((2, 17))[[0, 0, 1, 1]],
        instance_score=[0.9, 0.5, 0.8, 0.7],
    )


def test_every_instance_survives_but_the_duplicate(poses):
    done = run(poses)
    assert len(run(poses, Config(steps=("join", "complete", "correct", "rescore")))) == 4
    assert len(done) == 3
    assert done.present.all()


def test_images_may_come_one_by_one():
    rng = np.random.default_rng(0)
    xy = rng.uniform(100, 200, (12, 17, 2))
    xy[rng.random((12, 17)) < 0.2] = np.nan
    own = np.append(rng.uniform(0, 3, 11), np.nan)
    whole = Poses.from_arrays(
        skeleton("coco17"), xy, rng.random((12, 17)), instance_score=own, image=np.arange(12) // 3
    )
    done = run(whole)
    parts = [run(whole[rows]) for _, rows in whole.by_image()]
    # Matrix products of other sizes round in another way.
    close = {"rtol": 0, "atol": 2e-3}
    np.testing.assert_allclose(np.concatenate([p.xy for p in parts]), done.xy, **close)
    for name in ("score", "instance_score"):
        values = np.concatenate([getattr(p, name) for p in parts])
        np.testing.assert_allclose(values, getattr(done, name), **close)


def test_poses_without_scores_of_their_own_are_said(poses):
    assert run(poses, steps=["rescore"]).history[-1].parameters == {"scores": "blend"}
    bare = poses.replace(instance_score=np.array([0.5, np.nan, np.nan, 0.7]))
    done = run(bare, steps=["rescore"])
    assert done.history[-1].parameters == {"scores": "blend", "without_own_score": 2}
    assert np.isfinite(done.instance_score).all()


def test_neighbours_that_the_source_is_as_sure_of_stay_unless_a_threshold_is_named(poses):
    xy = poses.xy.copy()
    xy[1] += np.array([4.0, 0])
    close = poses.replace(xy=xy)
    assert len(run(close)) == 3
    sure = close.replace(instance_score=np.array([0.9, 0.8, 0.8, 0.7]))
    assert len(run(sure)) == 4
    assert len(run(sure, nms_threshold=0.9)) == 3
    # The same place twice is one person.
    twice = poses.replace(instance_score=np.array([0.9, 0.9, 0.8, 0.7]))
    assert len(run(twice)) == 3


def test_history_names_steps_and_weights(poses):
    history = run(poses).history
    assert [s.name for s in history] == ["join", "complete", "correct", "rescore", "suppress"]
    assert all(s.weights.startswith("sha256:") for s in history[:4])


def test_a_second_pass_is_refused(poses):
    done = run(poses)
    with pytest.raises(RefineError, match="second pass"):
        run(done)
    again = run(done, Config(again=True))
    assert len(again.history) == 10
    assert again.extra[0]["source_scores"] == done.extra[0]["source_scores"]


def test_suppression_alone_may_be_repeated(poses):
    only = Config(steps=("suppress",))
    assert len(run(run(poses, only), only)) == 3


def test_the_result_is_the_same_every_time(poses):
    one, other = run(poses), run(poses)
    np.testing.assert_array_equal(one.xy, other.xy)
    np.testing.assert_array_equal(one.instance_score, other.instance_score)


@pytest.mark.parametrize("present", [0, 1])
def test_poses_with_hardly_a_joint(present):
    xy = np.full((1, 17, 2), np.nan)
    xy[0, :present] = 50
    done = run(Poses.from_arrays(skeleton("coco17"), xy))
    assert len(done) == 1
    assert done.present.all() == bool(present)
    assert np.isfinite(done.instance_score).all()


def test_a_skeleton_without_weights_is_refused_with_the_way_out():
    hands = Poses.from_arrays(skeleton("hand21"), np.zeros((1, 21, 2)))
    with pytest.raises(WeightsError, match="refine train"):
        run(hands)


@pytest.mark.parametrize(
    "table",
    [
        {"steps": ["polish"]},
        {"steps": ["suppress", "suppress"]},
        {"nms_threshold": 0},
        {"margin": 2},
        {"threshold": 0.9},
        {"nms_threshold": "high"},
    ],
)
def test_bad_configs_are_refused(table):
    with pytest.raises(RefineError, match="expected"):
        Config.from_table(table)
