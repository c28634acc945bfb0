"""CrowdPose's easy, medium and hard images."""

import numpy as np
import pytest

from refine.evaluation import evaluate
from refine.evaluation.crowding import CROWD_METRICS, crowd_index
from refine.evaluation.ground_truth import read_ground_truth
from refine.skeletons import skeleton

BODY = skeleton("crowdpose14")
RNG = np.random.default_rng(0)
INDEX = (0.0, 0.19, 0.2, 0.79, 0.8, 1.0)


def truth(index=INDEX):
    xy = RNG.uniform(0, 200, (len(INDEX), 14, 2)).round()
    rows = [
        {
            "id": i + 1,
            "image_id": i,
            "category_id": 1,
            "keypoints": np.c_[xy[i], np.full(14, 2)].ravel().tolist(),
            "num_keypoints": 14,
            "bbox": [0, 0, 200, 200],
            "iscrowd": 0,
        }
        for i in range(len(INDEX))
    ]
    names = ["head" if j == "head_top" else j for j in BODY.joints]
    images = [{"id": i} for i in range(len(INDEX))]
    if index:
        images = [ref | {"crowdIndex": c} for ref, c in zip(images, index, strict=True)]
    category = {"id": 1, "name": "person", "keypoints": names}
    return {"images": images, "annotations": rows, "categories": [category]}, xy


def results(xy, images):
    return [
        {
            "image_id": i,
            "category_id": 1,
            "keypoints": np.c_[xy[i] + 4 * i, np.ones(14)].ravel().tolist(),
            "score": 1 - i / 10,
        }
        for i in images
    ]


def test_levels_are_averages_over_their_images():
    gt, xy = truth()
    rows = results(xy, range(6))
    report = evaluate(gt, rows)
    for name, images in zip(CROWD_METRICS, ([0, 1], [2, 3], [4, 5]), strict=True):
        assert report[name] == evaluate(gt, rows, image_ids=images)["AP"]
    assert len({report[name] for name in CROWD_METRICS}) == 3
    some = evaluate(gt, rows, image_ids=[0, 2])
    assert some["AP(H)"] == -1
    assert some["AP(M)"] == evaluate(gt, rows, image_ids=[2])["AP"]


def test_an_image_without_an_index_gets_one():
    gt, xy = truth(index=None)
    gt["annotations"][1] |= {"image_id": 0, "keypoints": gt["annotations"][0]["keypoints"]}
    report = evaluate(gt, results(xy, [0, 2, 3, 4, 5]))
    assert report["AP(H)"] == evaluate(gt, results(xy, [0]), image_ids=[0])["AP"]
    assert report["AP(E)"] >= 0
    assert report["AP(M)"] == -1


def test_crowd_index():
    """Two persons; three of the four joints of one lie in the box of the other."""
    gt, _ = truth()
    points = np.zeros((2, 14, 3))
    points[0, :2] = [[0, 0, 2], [100, 100, 2]]
    points[1, :4] = [[50, 50, 2], [60, 60, 1], [70, 70, 2], [150, 150, 2]]
    boxes = ([0, 0, 100, 100], [110, 110, 90, 90])
    gt["annotations"] = [
        gt["annotations"][0]
        | {"id": i + 1, "image_id": 0, "keypoints": p.ravel().tolist(), "bbox": box}
        for i, (p, box) in enumerate(zip(points, boxes, strict=True))
    ]
    persons = read_ground_truth(gt).persons
    # 3 of others over 2 own, at most 1; none over 1 own.
    assert crowd_index(persons) == pytest.approx((1 + 0) / 2)
    assert crowd_index(persons[:1]) == 0


def test_other_truth_has_no_levels():
    gt, xy = truth(index=None)
    gt["categories"][0]["keypoints"] = list(skeleton("aic14").joints)
    assert not set(CROWD_METRICS) & set(evaluate(gt, results(xy, range(6))).metrics)
