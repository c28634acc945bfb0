"""A row without joints or box is a pose without them; it does not refuse the file."""

import numpy as np
import pytest

from refine.formats import read

EMPTY = ([], None)


@pytest.fixture
def rows(values):
    """A person, and one of whom nothing is known but that he is there."""
    points = np.array(values()).reshape(17, 3)
    pairs = {"keypoints": points[:, :2].tolist(), "keypoint_scores": points[:, 2].tolist()}
    alpha = {"image_id": "a.jpg", "category_id": 1, "keypoints": values(), "score": 2.5}
    line = {"image_id": 1, "skeleton": "coco17", "score_kind": "peak"}
    coco = {"image_id": 1, "category_id": 1, "keypoints": values(), "score": 0.5}
    truth = {"images": [{"id": 1}], "categories": []}
    return {
        "coco": lambda e: [coco, {**coco, "keypoints": e, "bbox": e}],
        "alphapose": lambda e: [alpha, {**alpha, "keypoints": e, "box": e}],
        "coco-gt": lambda e: {**truth, "annotations": [
            {"id": 1, "image_id": 1, "category_id": 1, "keypoints": values(), "score": 0.5},
            {"id": 2, "image_id": 1, "category_id": 1, "keypoints": e, "bbox": e},
        ]},
        "mmpose": lambda e: [pairs, {**pairs, "keypoints": e, "keypoint_scores": [], "bbox": e}],
        "openpose": lambda e: {"version": 1.3, "people": [
            {"pose_keypoints_2d": values(18)}, {"pose_keypoints_2d": e}]},
        "alphapose-cmu": lambda e: {"a.jpg": {"version": "v", "bodies": [
            {"joints": values(18)}, {"joints": e}]}},
        "ndjson": lambda e: {**line, "poses": [{"keypoints": values()}, {"keypoints": e}]},
    }  # fmt: skip


FORMS = ["coco", "alphapose", "coco-gt", "mmpose", "openpose", "alphapose-cmu", "ndjson"]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("empty", EMPTY)
@pytest.mark.parametrize("first", [False, True])
def test_one_row_without_joints(rows, file, back, form, empty, first):
    document = rows[form](empty)
    if first and isinstance(document, list):
        document.reverse()
    poses = read(file(document), form)
    at = 0 if first and isinstance(document, list) else 1
    assert len(poses) == 2
    assert not poses.present[at].any()
    assert poses.present[1 - at].all()
    assert (poses.score[at] == 0).all()
    assert back(poses) == document
    filled = poses.replace(xy=np.where(poses.present[..., None], poses.xy, 5.0))
    written = read(file(back(filled), "filled.json"), form)
    assert written.present.all()


@pytest.mark.parametrize("form", ["coco", "alphapose", "mmpose"])
@pytest.mark.parametrize("empty", EMPTY)
def test_no_row_has_joints(rows, file, back, form, empty):
    document = rows[form](empty)
    document = [document[1]] * 2
    poses = read(file(document), form)
    assert (poses.skeleton.name, len(poses), poses.present.any()) == ("coco17", 2, False)
    assert back(poses) == document


def test_parts_of_a_body_that_is_not_there(file, values):
    whole = {
        "keypoints": values(17), "foot_kpts": values(6), "face_kpts": values(68),
        "lefthand_kpts": values(21), "righthand_kpts": values(21),
    }  # fmt: skip
    rows = [{"image_id": 1, **whole}, {"image_id": 1, "keypoints": []}]
    poses = read(file(rows))
    assert poses.skeleton.name == "wholebody133"
    assert poses.present.sum(1).tolist() == [133, 0]
