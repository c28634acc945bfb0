import json
from dataclasses import fields, replace

import numpy as np
import pytest

from refine.calibration.model import (
    GENERIC,
    Calibration,
    Curve,
    deviates,
    rank_in,
    read_calibration,
    rivalry,
    write_calibration,
)
from refine.exceptions import FormatError, RefineError
from refine.numerics import logit, mean_ranks, sigmoid
from refine.poses import Poses
from refine.refiner.apply import complete, expected_similarity
from refine.refiner.belief import Belief
from refine.rescore import expected_oks
from refine.skeletons import skeleton

BODY = skeleton("coco17")
PLAIN = Calibration(
    skeleton="coco17",
    weights="sha256:0",
    keep=Curve(),
    move=Curve(),
    fill=Curve("affine", 0.8, -0.5),
    margin=0.1,
    score=GENERIC,
    intercept=0.0,
    joint_scores=(0.1, 0.5, 0.9),
    instance_scores=(),
    sizes=(),
)


def test_ranks_in_quantiles():
    table = tuple(np.arange(101.0))
    assert rank_in(table, np.array([50.0, -9, 999, np.nan])).tolist() == pytest.approx(
        [0.5, 0.5 / 101, 100.5 / 101, 0.5]
    )
    # Half of the source's scores are 1: such a score ranks in the middle of those.
    assert rank_in((0.0, 0.5, 1.0, 1.0), np.array([1.0])).tolist() == [0.75]
    assert rank_in((), np.array([3.0])).tolist() == [0.5]


def test_deviates_know_only_joints_with_scores():
    xy = np.zeros((1, 17, 2))
    xy[0, 3] = np.nan
    score = np.full((1, 17), 0.9)
    score[0, 4] = np.nan
    found = deviates(Poses.from_arrays(BODY, xy, score), (0.1, 0.5, 0.9))
    assert found[0, 3] == found[0, 4] == 0
    assert found[0, 0] > 0.9
    assert not deviates(Poses.from_arrays(BODY, xy, score), ()).any()


def test_a_rival_is_a_better_pose_in_the_same_place_of_the_same_image():
    body = np.random.default_rng(0).uniform(0, 100, (17, 2))
    xy = np.stack([body, body + 0.5, body + 500, body])
    poses = Poses.from_arrays(BODY, xy, image=[0, 0, 0, 1])
    found = rivalry(poses, np.array([0.2, 0.9, 0.5, 0.1]))
    assert found[0] > 0.9
    assert found[1:].max() < 1e-6


def test_the_generic_calibration_adds_ranks_and_expected_oks(sample):
    table = tuple(np.sort(sample.poses.instance_score).tolist())
    generic = replace(PLAIN, fill=Curve(), instance_scores=table)
    poses, belief = sample.poses, sample.belief
    after = complete(poses, belief)
    score = generic.instance_score(poses, after, belief)
    oks = expected_oks(expected_similarity(poses, after, belief), belief.annotated)
    rank = mean_ranks(poses.instance_score) - 0.5
    expected = sigmoid(GENERIC["expected_oks"] * logit(oks) + GENERIC["rank"] * rank)
    np.testing.assert_allclose(score, expected, atol=1e-9)


def test_calibrating_a_belief_changes_expectations_and_the_margin_alone(sample):
    missing = ~sample.poses.present
    honest = PLAIN.calibrate(sample.poses, sample.belief)
    np.testing.assert_array_equal(honest.keep, sample.belief.keep)
    np.testing.assert_array_equal(honest.move[~missing], sample.belief.move[~missing])
    assert honest.margin == PLAIN.margin != sample.belief.margin
    some = missing & (sample.belief.move > 0.5)
    assert some.any()
    assert (honest.move[some] < sample.belief.move[some]).all()
    for name in {f.name for f in fields(Belief)} - {"keep", "move", "margin"}:
        np.testing.assert_array_equal(getattr(honest, name), getattr(sample.belief, name))


def test_a_pose_without_joints_is_worth_nothing(refiner):
    poses = Poses.from_arrays(BODY, np.full((2, 17, 2), np.nan), instance_score=[1.0, 2.0])
    belief = PLAIN.calibrate(poses, refiner.believe(poses))
    assert PLAIN.instance_score(poses, poses, belief).tolist() == [0, 0]


def test_what_is_written_is_read(tmp_path):
    made = replace(PLAIN, keep=Curve("isotonic", knots=((0.1, 0.9), (0.2, 0.7))), facts={"n": 3})
    write_calibration(made, tmp_path / "c.json")
    assert read_calibration(tmp_path / "c.json") == made


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"format": "other-1"}, "format"),
        ({"margin": "wide"}, "margin"),
        ({"keep": {"form": "spline"}}, "spline"),
        ({"score": {"colour": 1.0}}, "colour"),
        ({"sizes": None}, "sizes"),
    ],
)
def test_damaged_files_are_told(tmp_path, change, said):
    write_calibration(PLAIN, tmp_path / "c.json")
    table = json.loads((tmp_path / "c.json").read_text())
    (tmp_path / "c.json").write_text(json.dumps(table | change))
    with pytest.raises(RefineError, match=rf"c\.json: expected a calibration .*{said}"):
        read_calibration(tmp_path / "c.json")
    (tmp_path / "c.json").write_text("[]")
    with pytest.raises(RefineError, match="expected a calibration"):
        read_calibration(tmp_path / "c.json")
    (tmp_path / "c.json").write_text("{")
    with pytest.raises(FormatError, match="expected JSON"):
        read_calibration(tmp_path / "c.json")


def test_a_calibration_serves_its_own_skeleton_and_weights_alone():
    poses = Poses.from_arrays(BODY, np.zeros((1, 17, 2)))
    PLAIN.check(poses, "sha256:0")
    with pytest.raises(RefineError, match="made with the weights 'sha256:1', got one of"):
        PLAIN.check(poses, "sha256:1")
    other = Poses.from_arrays(skeleton("openpose18"), np.zeros((1, 18, 2)))
    with pytest.raises(RefineError, match="made with the skeleton 'openpose18'"):
        PLAIN.check(other, "sha256:0")
