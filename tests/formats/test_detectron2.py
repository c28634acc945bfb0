"""Detectron2: what its evaluator and its Instances hold, and what bites."""

import numpy as np
import pytest

from refine.exceptions import FormatError
from refine.formats import read, sniff


def test_images_of_an_evaluation_come_back(file, row, back):
    document = [
        {"image_id": 3, "instances": [row(3, bbox=[1, 2, 3, 4]), row(3)]},
        {"image_id": 1, "instances": []},
    ]
    source = file(document)
    assert sniff(source) == "detectron2"
    poses = read(source)
    assert ([ref.id for ref in poses.images], poses.image.tolist()) == ([3, 1], [0, 0])
    assert poses.box[0].tolist() == [1, 2, 4, 6]
    assert back(poses) == document


def test_scores_of_joints_are_not_bounded(file, row):
    of = row()
    of["keypoints"][2::3] = np.linspace(-3, 14, 17).tolist()
    poses = read(file([{"image_id": 1, "instances": [of]}]))
    assert (poses.score_kind, poses.score[0, 0], poses.score.max()) == ("logit", -3, 14)
    assert poses.present.all()
    results = read(file([of]))  # coco_instances_results.json
    assert (results.meta["format"], results.score.max()) == ("coco", 14)


def test_instances_count_from_the_corner_of_the_image(file, values, tmp_path):
    points = np.array(values()).reshape(1, 17, 3)
    fields = {"pred_keypoints": points, "scores": [0.5], "pred_classes": [0]}
    fields["pred_boxes"] = [[10.0, 20, 30, 50]]
    poses = read(fields)
    assert poses.meta["format"] == "detectron2"
    np.testing.assert_allclose(poses.xy, points[..., :2] - 0.5)
    assert poses.score[0, 0] == points[0, 0, 2]
    assert (poses.box.tolist(), poses.extra[0]) == ([[10, 20, 30, 50]], {"category_id": 1})
    listed = {k: np.asarray(v).tolist() for k, v in fields.items()}
    for name in ("a", "b"):
        file(listed, f"in/{name}.json")
    assert [ref.id for ref in read(tmp_path / "in").images] == ["a", "b"]
    none = {"pred_keypoints": [], "scores": []}
    assert read(file([listed, none])).image.tolist() == [0]


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ([{"image_id": 1, "instances": 3}], "image 0: expected an object with a list 'instances'"),
        ([{"image_id": 1, "instances": [3]}], "instance 0: expected an object with 'keypoints'"),
        ([{"image_id": 1, "instances": [{"keypoints": [], "image_id": 2}]}], "got one of 2"),
        ([{"image_id": 1, "instances": []}] * 2, "expected images once"),
        ({"pred_keypoints": [[[1, 2]]]}, r"\(N, K, 3\), x, y and score, got \(1, 1, 2\)"),
        ({"pred_keypoints": [[[1, 2, 3]]], "scores": [1, 2]}, r"'scores' of 1 instances, got"),
        ({"pred_keypoints": [["a"]]}, "array of finite numbers 'pred_keypoints'"),
    ],
)
def test_what_is_refused(file, document, message):
    with pytest.raises(FormatError, match=message):
        read(file(document), "detectron2")
