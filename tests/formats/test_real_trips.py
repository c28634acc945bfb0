"""Predictions of real networks through formats of several persons and back: AP is as before."""

import pytest

import refine
from refine.formats import FORMATS, read, write

FORMS = (
    "csv", "detectron2", "fiftyone", "labelstudio", "mmpose", "ndjson", "posetrack", "rtmlib",
    "sleap", "ultralytics", "vitpose", "yolo",
)  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", ["movenet-multipose__val", "yolo11n-pose-640__val_conf25"])
def test_ap_is_as_before(data, form, name, tmp_path):
    truth = data / "coco" / "images_val_gt.json"
    before = read(data / "predictions" / f"{name}.json", images=truth)
    held = "out/" if "folder" in FORMATS[form].holdings else f"out{FORMATS[form].ending}"
    write(before, f"{tmp_path}/{held}", form)
    after = read(tmp_path / held, images=truth)
    assert len(after) == len(before)
    old, new = (refine.evaluate(truth, poses).metrics for poses in (before, after))
    if "boxes" in FORMATS[form].cannot_hold:  # From which detections have their sizes.
        old, new = ({k: v for k, v in of.items() if k[-1] not in "ML"} for of in (old, new))
    assert new == pytest.approx(old, abs=1e-12)
