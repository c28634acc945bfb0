"""Ultralytics results as JSON: what its models write, and what bites."""

import json

import numpy as np
import pytest

import refine
from refine.exceptions import FormatError
from refine.formats import read, write


@pytest.fixture
def record(values):
    """A record as summary() has it."""

    def make(seed=0, scored=True, **fields):
        points = np.array(values(seed=seed)).reshape(17, 3)
        axes = {"x": points[:, 0].tolist(), "y": points[:, 1].tolist()}
        axes |= {"visible": points[:, 2].tolist()} if scored else {}
        box = {"x1": 280.0, "y1": 60.0, "x2": 370.5, "y2": 300.0}
        row = {"name": "person", "class": 0, "confidence": 0.91, "box": box, "keypoints": axes}
        return row | fields

    return make


def test_a_list_comes_back_as_it_was(file, record, back):
    document = [record(), record(1, track_id=4, note="x")]
    poses = read(file(document, "frame_12.json"))
    assert poses.images == (refine.ImageRef("frame_12"),)
    assert poses.box[0].tolist() == [280, 60, 370.5, 300]
    assert poses.instance_score.tolist() == [0.91, 0.91]
    assert poses.track.tolist() == [-1, 4]
    assert back(poses) == document


def test_zeroed_joints_with_confidence_are_missing(file, record):
    """Ultralytics of 2023 to 2025 put (0, 0) where the confidence was low, and kept that."""
    row = record()
    for axis, value in (("x", 0), ("y", 0), ("visible", 0.447)):
        row["keypoints"][axis][3] = value
    poses = read(file([row]))
    assert np.isnan(poses.xy[0, 3]).all()
    assert poses.score[0, 3] == 0.447
    assert read(file([row]), zero_is_missing=False).xy[0, 3].tolist() == [0, 0]


def test_visible_is_a_confidence(file, record, tmp_path):
    poses = read(file([record()]))
    assert poses.score_kind == "unknown"
    write(poses, tmp_path / "coco.json", "coco")
    assert read(tmp_path / "coco.json").score.tolist() == poses.score.tolist()


def test_models_without_confidences(file, record, back):
    document = [record(scored=False)]
    document[0]["keypoints"]["x"][2] = document[0]["keypoints"]["y"][2] = 0.0
    poses = read(file(document))
    assert (poses.score_kind, int(poses.present.sum())) == ("none", 16)
    assert back(poses) == document
    with pytest.raises(FormatError, match="record 1: expected 'visible' with all keypoints or wi"):
        read(file([record(scored=False), record()]))


def test_shares_need_sizes(file, record):
    row = record()
    for axis, size in (("x", 640), ("y", 480)):
        row["keypoints"][axis] = [round(v / size, 5) for v in row["keypoints"][axis]]
    source = file([row], "7.json")
    with pytest.raises(FormatError, match="no size of image '7'; try --sizes"):
        read(source)
    sizes = file({"images": [{"id": 7, "width": 640, "height": 480}]}, "sizes.json")
    np.testing.assert_allclose(
        read(source, images=sizes).xy, read(file([record()])).xy, atol=640 * 5e-6
    )


def test_classes_are_categories(file, record, back, tmp_path):
    document = [record(name="dog", **{"class": 16})]
    poses = read(file(document))
    write(poses, tmp_path / "coco.json", "coco")
    (row,) = json.loads((tmp_path / "coco.json").read_text())
    assert (row["category_id"], "class" in row, "name" in row) == (17, False, False)
    assert back(poses) == document
    write(read(tmp_path / "coco.json"), tmp_path / "again.json", "ultralytics")
    (row,) = json.loads((tmp_path / "again.json").read_text())
    assert (row["name"], row["class"]) == ("16", 16)


def test_lists_of_lists_are_frames(file, record):
    poses = read(file([[record()], [], [record(1), record(2)]]))
    assert poses.image.tolist() == [0, 2, 2]
    assert [ref.frame for ref in poses.images] == [0, 1, 2]
    lines = b"\n".join(json.dumps(each).encode() for each in ([record()], [], [record(1)]))
    assert read(file(lines, "video.jsonl")).image.tolist() == [0, 2]


def test_a_folder_keeps_the_names_of_the_images(file, record, tmp_path):
    for name in ("a", "b"):
        file([record()] if name == "a" else [], f"in/{name}.json")
    poses = read(tmp_path / "in", "ultralytics")
    assert [ref.id for ref in poses.images] == ["a", "b"]
    write(poses, tmp_path / "out")
    assert json.loads((tmp_path / "out" / "b.json").read_text()) == []
    with pytest.raises(FormatError, match="new or empty folder for 2 ultralytics files"):
        write(poses, tmp_path / "out.json")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"keypoints": None}, "record 1: expected 'keypoints' with lists 'x' and 'y', got null"),
        ({"keypoints": {"x": [1.0], "y": [2.0], "visible": [1]}}, "expected 17 numbers"),
        ({"keypoints": {"x": [1.0] * 17, "y": [2.0] * 16}}, "expected 'visible' with all"),
        ({"box": {"x1": 1}}, "expected four numbers in px in 'box'"),
        ({"confidence": "high"}, "expected numbers in 'confidence'"),
    ],
)
def test_what_is_refused(file, record, fields, message):
    with pytest.raises(FormatError, match=message):
        read(file([record(), record(**fields)]))


def test_detections_without_joints_are_refused(file, record):
    row = record()
    del row["keypoints"]
    with pytest.raises(FormatError, match="got a record without; try a pose model's results"):
        read(file([row]), "ultralytics")
