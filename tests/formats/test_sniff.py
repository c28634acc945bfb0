"""What files of the tools look like, cut down to the keys that tell them apart."""

import pytest

from refine.exceptions import FormatError
from refine.formats import sniff

POINTS = [1.5, 2.5, 0.5]


@pytest.mark.parametrize(
    ("document", "found"),
    [
        ([], "coco"),
        ([{"image_id": 42, "category_id": 1, "keypoints": POINTS, "score": 0.8}], "coco"),
        ([{"image_id": "a", "file_name": "a.jpg", "bbox": [], "keypoints": POINTS}], "coco"),
        ([{"image_id": "a.jpg", "category_id": 1, "keypoints": POINTS, "score": 2.9}], "alphapose"),
        ([{"image_id": 42, "keypoints": POINTS, "box": [1, 2, 3, 4], "idx": [1.0]}], "alphapose"),
        ({"a.jpg": {"version": "AlphaPose v0.3", "bodies": []}}, "alphapose-cmu"),
        ({"a.jpg": {"version": "AlphaPose v0.3", "people": []}, "b": {"people": []}},
         "alphapose-open"),
        ({"images": [], "annotations": [], "categories": []}, "coco-gt"),
        ({"version": 1.3, "people": []}, "openpose"),
        ({"people": [], "canvas_width": 512, "canvas_height": 512}, "controlnet"),
        ([{"people": [], "canvas_width": 512, "canvas_height": 512}], "controlnet"),
        ([{"keypoints": [[1, 2]], "keypoint_scores": [0.5], "bbox": [[1, 2, 3, 4]]}], "mmpose"),
        ([{"frame_id": 0, "instances": []}], "mmpose"),
        ({"meta_info": {}, "instance_info": []}, "mmpose"),
        ({"image_id": 1, "skeleton": "coco17", "poses": []}, "ndjson"),
        ([{"keypoints": [[1, 2]], "scores": [1], "labels": [0], "bbox": [1, 2, 3, 4]}], "vitpose"),
        ([[], [{"keypoints": [], "scores": [], "labels": []}]], "vitpose"),
        ({"keypoints": [{"0": [[2, 1, 0.5]]}], "skeleton": {"0": "nose"}}, "easy-vitpose"),
        ([{"data": {"image": "a.jpg"}, "predictions": [{"result": []}]}], "labelstudio"),
        ({"id": 1, "data": {}, "annotations": []}, "labelstudio"),
    ],
)  # fmt: skip
def test_keys_tell_the_format(file, document, found):
    assert sniff(file(document)) == found


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"people": []}, "--from openpose or --from controlnet"),
        ({"keypoints": [{"0": [[1, 2, 0.5]]}], "skeleton": []}, "got keypoints, skeleton"),
        ({"frame": 1, "found": []}, "got found, frame"),
        ([{"name": "person", "class": 0, "box": {}, "keypoints": {}}], "record 0.*got box, class"),
        ({"a": {"bodies": []}, "b": {"people": []}}, "got a, b"),
    ],
)  # fmt: skip
def test_what_cannot_be_told(file, document, message):
    with pytest.raises(FormatError, match=message) as caught:
        sniff(file(document))
    assert "pred.json" in str(caught.value)
    assert "--from" in str(caught.value)
