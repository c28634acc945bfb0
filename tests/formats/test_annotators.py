"""What is written for annotators is what their own tools take."""

import json

import pytest

import refine
from refine.formats import FORMATS, write

CONFIG = """<View><Image name="image" value="$image"/>
<RectangleLabels name="box" toName="image"><Label value="person"/></RectangleLabels>
<KeyPointLabels name="keypoint" toName="image">{}</KeyPointLabels></View>"""


def test_label_studio_takes_the_predictions(tmp_path):
    interface = pytest.importorskip("label_studio_sdk.label_interface")
    labels = "".join(f'<Label value="{joint}"/>' for joint in refine.skeleton("coco17").joints)
    project = interface.LabelInterface(CONFIG.format(labels))
    write(FORMATS["labelstudio"].example(), tmp_path / "tasks.json", "labelstudio")
    (task,) = json.loads((tmp_path / "tasks.json").read_text())
    (prediction,) = task["predictions"]
    assert project.validate_prediction(prediction, return_errors=True) == []
    prediction["result"][1]["value"]["keypointlabels"] = ["tail"]
    assert project.validate_prediction(prediction, return_errors=True)
