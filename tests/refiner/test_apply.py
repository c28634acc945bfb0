import numpy as np
import pytest

from refine.poses import Poses
from refine.refiner.apply import complete, correct
from refine.refiner.belief import Belief
from refine.skeletons import skeleton

COCO = skeleton("coco17")


def believe(n: int, skeleton_=COCO, **values) -> Belief:
    k = len(skeleton_)
    default = {"keep": 0.9, "move": 0.5, "wrong": 0.1, "annotated": 1.0, "sigma_px": 2.0}
    arrays = {name: np.full((n, k), value) for name, value in default.items()}
    return Belief(
        np.full((n, k, 2), 7.0),
        oks=np.full(n, 0.8),
        size_px=np.full(n, 50.0),
        **{**arrays, **values},
    )


@pytest.fixture
def poses() -> Poses:
    xy = np.zeros((2, 17, 2))
    xy[0, 3] = np.nan
    return Poses.from_arrays(COCO, xy, np.full((2, 17), 0.25), score_kind="peak")


def test_complete_fills_only_what_is_missing(poses):
    keep = np.full((2, 17), 0.9)
    keep[0, 3] = 0
    done = complete(poses, believe(2, keep=keep), "sha256:x")
    assert done.xy[0, 3].tolist() == [7, 7]
    assert (np.delete(done.xy.reshape(-1, 2), 3, 0) == 0).all()
    assert done.score[0, 3] == 0.5
    assert done.score[1, 3] == 0.9
    assert done.history[-1].parameters == {"joints": 1}
    assert done.history[-1].weights == "sha256:x"


def test_scores_become_expected_similarity_and_the_sources_own_are_kept(poses):
    done = complete(poses, believe(2))
    assert done.score_kind == "expected_ks"
    assert done.extra[1]["source_scores"] == [0.25] * 17
    assert poses.extra == ({}, {})


def test_correct_moves_only_for_a_gain_beyond_the_margin(poses):
    keep, move = np.full((2, 17), 0.5), np.full((2, 17), 0.55)
    move[1, 5] = 0.7
    done = correct(poses, believe(2, keep=keep, move=move), margin=0.1)
    moved = (done.xy != np.nan_to_num(poses.xy)).any(-1) & done.present
    assert np.argwhere(moved).tolist() == [[1, 5]]
    assert done.score[1, 5] == 0.7
    assert done.score[1, 6] == 0.5


def test_a_margin_of_one_moves_nothing(poses):
    done = correct(poses, believe(2, move=np.full((2, 17), 1.0)), margin=1.0)
    np.testing.assert_array_equal(done.xy, poses.xy)


def test_joints_that_the_weights_do_not_know_are_left_alone(poses):
    unknown = np.full((2, 17), np.nan)
    belief = believe(2, keep=unknown, move=unknown)
    belief = Belief(
        **{**{f: getattr(belief, f) for f in belief.__slots__}, "xy": poses.xy * np.nan}
    )
    done = correct(complete(poses, belief), belief)
    np.testing.assert_array_equal(done.xy, poses.xy)
    np.testing.assert_array_equal(done.score, poses.score)


def test_derived_joints_follow_their_sources():
    openpose = skeleton("openpose18")
    xy = np.zeros((1, 18, 2))
    neck, left = openpose.index("neck"), openpose.index("left_shoulder")
    xy[0, left] = np.nan
    xy[0, neck] = np.nan
    poses = Poses.from_arrays(openpose, xy)
    done = complete(poses, believe(1, openpose))
    assert done.xy[0, neck].tolist() == [3.5, 3.5]


def test_derived_joints_stay_where_a_source_is_unknown():
    openpose = skeleton("openpose18")
    xy = np.zeros((1, 18, 2))
    xy[0, openpose.index("left_shoulder")] = np.nan
    poses = Poses.from_arrays(openpose, xy)
    belief = believe(1, openpose)
    belief.xy[:] = np.nan
    assert complete(poses, belief).xy[0, openpose.index("neck")].tolist() == [0, 0]
