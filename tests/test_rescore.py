from dataclasses import fields

import numpy as np
import pytest
from scipy.stats import rankdata

import refine
from refine.exceptions import RefineError
from refine.numerics import logit, mean_ranks, sigmoid
from refine.refiner.apply import expected_similarity
from refine.refiner.belief import Belief
from refine.rescore import (
    OURS,
    RECIPES,
    blend,
    expected_oks,
    instance_scores,
    own_scores,
    rescore,
    total_score,
)

BODY = refine.skeleton("coco17")
SCORE = np.array([[0.9, 0.3, 0.6, 0.2, 0.5], [0.1, 0.2, np.nan, np.nan, np.nan]])
BOX = np.array([0.5, np.nan])
MEAN = np.array([0.5, 0.06])
BY_HAND = {
    "box": [0.5, 1.0],
    "mean": MEAN,
    "g-rmi": MEAN,
    "ae": MEAN,
    "box*mean": [0.25, 0.06],
    "cpn": [0.25, 0.06],
    # Four joints above .2, and none.
    "box*mean>0.2": [0.5 * 2.3 / 4, 0.0],
    "hrnet": [0.5 * 2.3 / 4, 0.0],
    "box+mean+max": [0.5 + 0.5 + 0.9, 1 + 0.06 + 0.2],
    "rle": [0.5 + 0.5 + 0.9, 1 + 0.06 + 0.2],
    "alphapose": [0.5 + 0.5 + 1.25 * 0.9, 1 + 0.06 + 1.25 * 0.2],
    # Weights 3, 3, 3, 1, 1 from the best joint down.
    "pifpaf": [(3 * (0.9 + 0.6 + 0.5) + 0.3 + 0.2) / 11, 3 * (0.2 + 0.1) / 11],
    "openpose": [0.5, 0.15],
    "openpose-cpp": [2.5 / 5, 0.3 / 5],
    "openpose-matlab": [2.5 * 5, 0.3 * 2],
}


def test_every_recipe_is_as_published():
    assert set(BY_HAND) == set(RECIPES)
    for name, values in BY_HAND.items():
        np.testing.assert_allclose(instance_scores(SCORE, BOX, name), values, err_msg=name)
        assert RECIPES[name].source


def test_recipes_leave_their_arguments_alone_and_take_no_poses():
    score, box = SCORE.copy(), BOX.copy()
    for name in RECIPES:
        instance_scores(score, box, name)
        assert instance_scores(np.zeros((0, 17)), np.zeros(0), name).shape == (0,)
    np.testing.assert_array_equal(score, SCORE)
    np.testing.assert_array_equal(box, BOX)


def test_an_unknown_recipe_is_named():
    with pytest.raises(RefineError, match=r"'median'; try one of box"):
        instance_scores(SCORE, BOX, "median")
    assert not set(OURS) & set(RECIPES)


@pytest.mark.parametrize(
    ("rule", "expected"),
    [("mean", 2.0), ("total/all", 0.25), ("total*count", 18.0), ("total*(count-1)", 12.0)],
)
def test_totals_of_assembled_people(rule, expected):
    assert total_score(np.array([6.0]), np.array([3]), 24, rule).tolist() == [expected]
    assert total_score(np.array([0.0]), np.array([0]), 24, rule).tolist() == [0]


@pytest.mark.parametrize("distinct", [1, 7, 10_000])
def test_ranks_are_those_of_scipy(distinct):
    values = np.random.default_rng(0).integers(0, distinct, 500) / 7
    np.testing.assert_array_equal(mean_ranks(values), (rankdata(values) - 0.5) / 500)


def test_the_blend_rises_with_either_and_ranks_alike_in_any_unit():
    rng = np.random.default_rng(0)
    oks, own = rng.uniform(0.05, 0.95, 50), rng.uniform(0.01, 1, 50)
    value = blend(oks, own)
    assert (blend(oks + 0.04, own) > value).all()
    np.testing.assert_array_equal(np.argsort(blend(oks, 20 * own)), np.argsort(value))
    assert ((value > 0) & (value < 1)).all()
    signed = rng.normal(size=50) * 9
    same = blend(np.full(50, 0.4), signed)
    np.testing.assert_array_equal(np.argsort(same), np.argsort(signed))
    assert (same > 0).all()


def test_the_blend_of_a_pose_does_not_depend_on_others():
    rng = np.random.default_rng(0)
    oks, own = rng.random(9), np.append(rng.random(8), np.nan)
    alone = [blend(oks[i : i + 1], own[i : i + 1])[0] for i in range(9)]
    assert blend(oks, own).tolist() == alone
    assert alone[-1] == oks[-1]
    assert blend(np.ones(0), np.ones(0)).shape == (0,)


def test_own_scores_are_those_of_instances_or_else_of_joints():
    xy, score = np.ones((2, 17, 2)), np.full((2, 17), 0.5)
    xy[1, 0] = np.nan
    poses = refine.Poses.from_arrays(BODY, xy, score, instance_score=[3.0, np.nan])
    assert own_scores(poses).tolist() == [3.0, 0.5]
    flags = own_scores(poses.replace(score_kind="flag"))
    assert flags[0] == 3.0
    assert np.isnan(flags[1])
    assert np.isnan(own_scores(refine.Poses.from_arrays(BODY, xy))).all()


def test_logit_and_sigmoid_are_inverse_and_finite_at_the_ends():
    p = np.linspace(0.01, 0.99, 9)
    np.testing.assert_allclose(sigmoid(logit(p)), p)
    assert np.isfinite(logit([0.0, 1.0])).all()
    assert sigmoid([-1e4, 1e4]).tolist() == [0, 1]


def test_expected_similarity_follows_what_was_done_to_each_joint():
    xy = np.zeros((1, 17, 2))
    xy[0, 2] = np.nan
    before = refine.Poses.from_arrays(BODY, xy)
    keep, move = np.full((1, 17), 0.6), np.full((1, 17), 0.8)
    keep[0, [2, 5]] = 0, np.nan
    move[0, 5] = np.nan
    other = dict.fromkeys(f.name for f in fields(Belief))
    belief = Belief(**{**other, "keep": keep, "move": move})
    after = xy.copy()
    after[0, [1, 2]] = 3.0
    said = expected_similarity(before, before.replace(xy=after), belief)[0]
    assert said[:3].tolist() == [0.6, 0.8, 0.8]
    assert np.isnan(said[5])
    assert expected_similarity(before, before, belief)[0, 2] == 0


def test_expected_oks_weighs_by_the_chance_of_a_label():
    similarity = np.array([[1.0, 0.0, np.nan], [np.nan, np.nan, np.nan]])
    annotated = np.array([[0.9, 0.3, 0.5], [1, 1, 1]])
    assert expected_oks(similarity, annotated).tolist() == [pytest.approx(0.75), 0]


def test_rescore_keeps_the_sources_score_and_writes_few_digits():
    poses = refine.Poses.from_arrays(BODY, np.ones((2, 17, 2)), instance_score=[2.5, np.nan])
    done = rescore(poses, np.array([1 / 3, 2 / 3]), "sha256:ab", "blend")
    assert done.instance_score.tolist() == [0.3333, 0.6667]
    assert [e["source_score"] for e in done.extra] == [2.5, None]
    assert done.history[-1].weights == "sha256:ab"
    assert done.history[-1].parameters == {"scores": "blend"}
    assert poses.extra == ({}, {})
