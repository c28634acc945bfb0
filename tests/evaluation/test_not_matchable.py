"""Persons that no prediction can match are told, and refused where nobody else counts."""

import numpy as np
import pytest

from refine.evaluation import evaluate
from refine.evaluation.ground_truth import read_ground_truth
from refine.exceptions import FormatError
from refine.poses import ImageRef, Poses
from refine.skeletons import skeleton
from tests.oracles.records import ground_truth

BODY = skeleton("coco17")
XY = np.random.default_rng(0).uniform(0, 200, (3, 17, 2)).round()
FOUND = Poses.from_arrays(
    BODY, XY + 1, instance_score=np.ones(3), image=range(3), images=[ImageRef(i) for i in range(3)]
)


def truth(persons, **fields):
    gt = ground_truth(XY, 200)
    for i in persons:
        gt["annotations"][i].update(fields)
    return gt


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"area": 0}, "1 persons with labelled joints have an area of 0 or less"),
        ({"area": -500}, "1 persons with labelled joints have an area of 0 or less"),
        ({"num_keypoints": 0}, "1 persons with labelled joints say num_keypoints 0"),
    ],
)
def test_some_and_all(fields, message):
    name = truth([1])["annotations"][1]["id"]
    report = evaluate(truth([1], **fields), FOUND)
    assert any(message in text and text.endswith(f"id: {name}") for text in report.warnings)
    with pytest.raises(FormatError, match="expected persons that predictions can match, got none"):
        evaluate(truth(range(3), **fields), FOUND)


@pytest.mark.parametrize(
    "fields", [{"category_id": "1"}, {"category_id": None}, {"category_id": 9}]
)
def test_of_no_category_of_the_file(fields):
    report = evaluate(truth([1], **fields), FOUND)
    assert report.persons == 2
    assert any("1 annotations with keypoints are of no category" in t for t in report.warnings)
    with pytest.raises(FormatError, match="expected annotations of a category of the file"):
        evaluate(truth(range(3), **fields), FOUND)


@pytest.mark.parametrize("value", ["0", "1", 2, -1, [], 0.5])
def test_crowds_are_0_or_1(value):
    with pytest.raises(FormatError, match=r"annotation id .*: expected 0 or 1 in 'iscrowd'"):
        evaluate(truth([2], iscrowd=value), FOUND)


@pytest.mark.parametrize("value", [None, 0, 0.0, False])
def test_no_crowd(value):
    assert evaluate(truth([2], iscrowd=value), FOUND).persons == 3


def test_nobody_counts():
    report = evaluate(truth(range(3), iscrowd=1), FOUND)
    assert report["AP"] == -1
    assert "no person of the ground truth counts: figures are -1" in report.warnings


def test_sizes_and_edges_beyond_numbers():
    gt = truth([])
    gt["images"][0]["width"] = 10**400
    with pytest.raises(FormatError, match="image 0: expected a whole number 'width'"):
        evaluate(gt, FOUND)
    gt = truth([])
    gt["categories"][0] |= {"keypoints": [f"j{i}" for i in range(17)], "skeleton": [[1e999, 2]]}
    own = read_ground_truth(gt).skeleton
    assert own.edges == ()


def test_a_perfect_figure_is_one_in_json():
    one = evaluate(truth([]), FOUND, image_ids=[0])
    assert 1 - 1e-15 < one["AP"] < 1
    assert one.to_dict()["metrics"]["AP"] == 1.0
