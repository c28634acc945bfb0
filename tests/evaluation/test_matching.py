"""Matching and average precision against pycocotools, and the pairs they are made of."""

import numpy as np
import pytest

from refine.evaluation.coco import evaluate
from refine.evaluation.ground_truth import read_ground_truth
from refine.evaluation.matching import (
    average_precision,
    best_first,
    match,
    pair_oks,
    pair_similarity,
    same_image,
)
from refine.oks import coco_oks
from tests.oracles.scenes import make_scene


def prepare(gt, poses, max_dets=20):
    table = read_ground_truth(gt)
    truth = table.persons_on(range(len(table.images)))
    rows = best_first(poses.image, poses.instance_score, max_dets)
    pairs = same_image(poses.image[rows], truth.image)
    sigmas = table.skeleton.require_sigmas()
    ks = pair_similarity(np.nan_to_num(poses.xy[rows]), truth, pairs, sigmas)
    return truth, rows, pairs, pair_oks(ks, truth, pairs)


@pytest.mark.parametrize(("seed", "max_dets"), [(0, 20), (1, 20), (2, 3), (3, 1)])
def test_average_precision_is_that_of_pycocotools(seed, max_dets):
    gt, poses = make_scene(seed, 30)
    truth, rows, pairs, oks = prepare(gt, poses, max_dets)
    got = average_precision(oks, pairs, poses.instance_score[rows], truth)
    report = evaluate(gt, poses, max_dets=max_dets)
    assert got.mean() == pytest.approx(report["AP"], abs=1e-12)
    assert got[[0, 5]] == pytest.approx([report["AP50"], report["AP75"]], abs=1e-12)
    assert 0.05 < report["AP"] < 0.9


def test_areas_are_those_of_pycocotools():
    gt, poses = make_scene(4, 30, complete=True)
    size = np.prod(np.ptp(poses.xy, axis=1), axis=1)
    truth, rows, pairs, oks = prepare(gt, poses)
    report = evaluate(gt, poses, area="keypoints")
    for name, low, high in (("APM", 32**2, 96**2), ("APL", 96**2, 1e10)):
        got = average_precision(
            oks,
            pairs,
            poses.instance_score[rows],
            truth,
            ignore=truth.ignore | (truth.area < low) | (truth.area > high),
            outside=(size[rows] < low) | (size[rows] > high),
        )
        assert got.mean() == pytest.approx(report[name], abs=1e-12)


def test_oks_of_pairs():
    gt, poses = make_scene(5)
    truth, rows, pairs, oks = prepare(gt, poses)
    box = np.c_[truth.box[:, :2], truth.box[:, 2:] - truth.box[:, :2]]
    sigmas = poses.skeleton.require_sigmas()
    xy = np.nan_to_num(poses.xy[rows])
    want = coco_oks(truth.xy, truth.labelled, truth.area, box, xy, sigmas)
    np.testing.assert_allclose(oks, want[pairs.b, pairs.a], rtol=1e-12)
    assert (~truth.labelled.any(1)).any()
    np.testing.assert_array_equal(truth.image[pairs.b], poses.image[rows][pairs.a])


def test_best_first_keeps_the_order_of_equals():
    image, score = np.array([1, 0, 1, 1, 0]), np.array([0.5, 0.1, 0.9, 0.5, 0.1])
    assert best_first(image, score, 2).tolist() == [1, 4, 2, 0]


def test_a_crowd_takes_many_and_a_person_one():
    gt, poses = make_scene(6, 200)
    truth, _, pairs, oks = prepare(gt, poses)
    found = match(oks, pairs, truth, truth.ignore, 0.1)
    times = np.bincount(found[found >= 0], minlength=len(truth))
    assert times[~truth.crowd].max() == 1
    assert times[truth.crowd].max() > 1


def test_forgiveness():
    gt, poses = make_scene(7, 30)
    truth, rows, pairs, oks = prepare(gt, poses)
    score = poses.instance_score[rows]
    base, lenient, blind = (
        average_precision(oks, pairs, score, truth, forgive=f) for f in ("", "background", "all")
    )
    assert (lenient > base).any()
    assert (lenient >= base).all()
    np.testing.assert_allclose(blind, 1)


def test_no_persons_and_no_predictions():
    gt, poses = make_scene(8)
    nobody = {**gt, "annotations": []}
    truth, rows, pairs, oks = prepare(nobody, poses)
    assert np.isnan(average_precision(oks, pairs, poses.instance_score[rows], truth)).all()
    truth, rows, pairs, oks = prepare(gt, poses[:0])
    assert (average_precision(oks, pairs, np.zeros(0), truth) == 0).all()
