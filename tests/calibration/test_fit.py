from dataclasses import replace

import numpy as np
import pytest

from refine.calibration.fit import calibrate, fit_score, read_sample
from refine.calibration.measure import measure, reliability
from refine.calibration.model import GENERIC
from refine.evaluation.ground_truth import read_ground_truth
from refine.exceptions import RefineError
from refine.numerics import sigmoid
from refine.oks import keypoint_similarity
from refine.poses import Poses
from refine.refiner.apply import apply_belief

MARGIN_OF_NOTHING = 1.0


@pytest.fixture(scope="module")
def calibration(sample, refiner):
    return calibrate(sample, refiner)


@pytest.fixture(scope="module")
def report(sample, refiner, ground_truth):
    return measure(sample, refiner, ground_truth)


def test_exact_poses_have_similarity_1_and_copies_own_nobody(people, ground_truth, refiner):
    truth = people[0]
    exact = Poses.from_arrays(
        truth.skeleton,
        np.where((truth.score > 0)[..., None], truth.xy, np.nan),
        instance_score=np.ones(len(truth)),
        image=truth.image,
        images=truth.images,
    )
    copy = exact.replace(xy=exact.xy + 1.0, instance_score=np.full(len(truth), 9.0))
    sample = read_sample(ground_truth, Poses.concat([copy, exact]), refiner)
    n = len(truth)
    labelled = truth.score > 0
    some = labelled.any(1)
    assert (sample.came[n:][labelled] == 1).all()
    assert np.isnan(sample.came[n:][~labelled]).all()
    np.testing.assert_array_equal(sample.labels[n:], labelled.sum(1))
    # The copy is scored higher but fits worse: the person is not its own, and it counts as 0.
    np.testing.assert_allclose(sample.oks(sample.poses)[n:][some], 1)
    alone = np.bincount(truth.image)[truth.image] == 1
    assert not sample.labels[:n][alone].any()
    assert not sample.oks(sample.poses)[:n][alone].any()


def test_true_similarity_is_that_of_the_place_a_joint_has_come_to(sample, people, ground_truth):
    truth = people[0]
    after = apply_belief(sample.poses, sample.belief, margin=MARGIN_OF_NOTHING)
    found = sample.similarity(after)
    sigmas = truth.skeleton.require_sigmas()
    checked = 0
    for i in np.flatnonzero(sample.labels):
        rows = np.flatnonzero(truth.image == after.image[i])
        ks = keypoint_similarity(
            truth.xy[rows], np.broadcast_to(after.xy[i], truth.xy[rows].shape), truth.area[rows],
            sigmas,
        )  # fmt: skip
        known = np.isfinite(found[i])
        error = np.abs(np.where(known, np.nan_to_num(ks) - found[i], 0)).max(1)
        # Filled coordinates are rounded to thousandths of a px.
        assert error.min() < 1e-3
        checked += known.sum()
    assert checked > 500


def test_poses_on_crowds_do_not_count(people, refiner):
    truth, poses = people
    crowd = tuple({"iscrowd": 1, "num_keypoints": 0} for _ in truth.extra)
    nobody = truth.replace(extra=crowd, score=np.zeros_like(truth.score))
    sample = read_sample(read_ground_truth(nobody), poses, refiner)
    assert sample.counts.mean() < 0.5
    assert not sample.labels.any()


def test_calibration_makes_a_poor_source_honest(report):
    before, after = report.similarity
    assert before.ece > 0.1 > 2 * after.ece
    before, after = report.oks
    assert before.ece > 0.15 > 1.5 * after.ece
    assert report.ap["calibrated"] > report.ap["refined"] - 0.01
    assert report.images == 40


def test_a_calibration_of_other_images_is_measured_as_it_is(
    sample, refiner, ground_truth, calibration
):
    seen = measure(sample, refiner, ground_truth, calibration)
    assert seen.oks[1].ece < seen.oks[0].ece
    ids = list(ground_truth.images[:10])
    assert measure(sample, refiner, ground_truth, calibration, ids).images == 10


def test_fitting_is_repeatable_and_changes_nothing(sample, refiner, calibration):
    came = sample.came.copy()
    assert calibrate(sample, refiner) == calibration
    np.testing.assert_array_equal(sample.came, came)
    assert set(calibration.score) == set(GENERIC)


def test_joints_stay_where_moving_does_not_pay(sample, refiner):
    better = replace(sample, came=np.where(np.isnan(sample.came), np.nan, 1.0))
    assert calibrate(better, refiner).margin == MARGIN_OF_NOTHING


def test_joints_move_where_moving_pays(sample, refiner):
    worse = replace(sample, came=np.where(np.isnan(sample.came), np.nan, 0.0))
    assert calibrate(worse, refiner).margin < 0.5


def test_too_few_images(sample, refiner):
    few = sample[sample.image < 5]
    with pytest.raises(RefineError, match="at least 10 annotated images, got 5"):
        calibrate(few, refiner)


def test_refined_poses_are_refused(people, ground_truth, refiner):
    done = people[1].done("complete", refiner.weights)
    with pytest.raises(RefineError, match="as the source gave them"):
        read_sample(ground_truth, done, refiner)


def columns(rng, n):
    return {name: rng.normal(size=n) for name in GENERIC}


def test_the_score_stays_generic_without_evidence():
    rng = np.random.default_rng(0)
    given = columns(rng, 60)
    weights, _ = fit_score(given, np.full(60, 0.5) + rng.normal(0, 0.02, 60), np.arange(60))
    generic = np.array(list(GENERIC.values()))
    found = np.array([weights[name] for name in GENERIC])
    assert np.abs(found - found[0] / generic[0] * generic).max() < 0.1


def test_the_score_learns_what_matters():
    rng = np.random.default_rng(0)
    given = columns(rng, 2000)
    truth = sigmoid(2 * given["size"] - 1)
    weights, intercept = fit_score(given, truth, np.arange(2000) // 2)
    # Held at the generic weight of 0, so a little short of the true 2.
    assert 1.6 < weights["size"] < 2
    assert abs(weights["rank"]) < 0.3
    assert intercept == pytest.approx(-1, abs=0.2)


def test_reliability_is_the_weighted_distance():
    found = reliability(np.array([0.05, 0.05, 1.0]), np.array([0.0, 1.0, 1.0]))
    assert found.count.tolist() == [2, *[0] * 8, 1]
    assert found.ece == pytest.approx(2 / 3 * 0.45)
    assert reliability(np.zeros(0), np.zeros(0)).ece == 0
