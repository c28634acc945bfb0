import json

import numpy as np
import pytest

from refine.exceptions import FormatError
from refine.formats import read, sniff, write
from refine.formats.openpose import BODY


@pytest.fixture
def row(values):
    def make(k=17, **fields):
        about = {"image_id": "img1.jpg", "category_id": 1, "score": 2.89, "box": [200, 30, 80, 210]}
        return {**about, "keypoints": values(k), "idx": [1.0], **fields}

    return make


def test_the_list_comes_back(file, row, back):
    rows = [
        row(idx=[0.0]),
        row(idx=[[3, [4]]], pred_xyz_jts=[[0.5, 1]]),
        row(image_id="img0.jpg", idx=2),
    ]
    poses = read(file(rows))
    assert poses.meta["format"] == "alphapose"
    assert poses.box[0].tolist() == [200, 30, 280, 240]
    assert poses.instance_score.tolist() == [2.89] * 3
    assert [ref.id for ref in poses.images] == ["img1.jpg", "img0.jpg"]
    assert poses.track is None
    assert back(poses) == rows


@pytest.mark.parametrize(("k", "name"), [(17, "coco17"), (26, "halpe26"), (136, "halpe136")])
def test_the_number_of_joints_tells_the_network(file, row, k, name):
    assert read(file([row(k)])).skeleton.name == name


def test_sniffing_rows_of_the_coco_kind(file, row):
    plain = {k: v for k, v in row().items() if k not in ("box", "idx")}
    for rows, verdict in (
        ([row(image_id=3)], "alphapose"),
        ([plain], "alphapose"),
        ([{**plain, "image_id": 3}], "coco"),
        ([{**plain, "bbox": [1, 2, 3, 4]}], "coco"),
        ([{**plain, "file_name": "a.jpg"}], "coco"),
    ):
        assert sniff(file(rows)) == verdict


@pytest.mark.parametrize(
    ("name", "people", "field"),
    [("alphapose-cmu", "bodies", "joints"), ("alphapose-open", "people", BODY)],
)
def test_objects_by_image_come_back(file, values, back, name, people, field):
    document = {
        "b.jpg": {"version": "AlphaPose v0.3", people: [{field: values(18, 1), "x": 1}]},
        "a.jpg": {"version": "AlphaPose v0.3", people: []},
    }
    poses = read(file(document))
    assert poses.meta["format"] == name
    assert poses.skeleton.name == "openpose18"
    assert [ref.file_name for ref in poses.images] == ["b.jpg", "a.jpg"]
    assert back(poses) == document
    done = poses.done("suppress")
    assert read(file(back(done))).history == done.history


def test_the_head_in_the_place_of_the_neck_is_told(file, values, cli, tmp_path):
    points = np.array(values(18)).reshape(18, 3)
    points[1, :2] = (points[2, :2] + points[5, :2]) / 2
    right = {"a.jpg": {"people": [{BODY: points.ravel().tolist()}]}}
    assert read(file(right)).meta["notes"] == ()
    points[1, 1] -= 200
    wrong = file({"a.jpg": {"people": [{BODY: points.ravel().tolist()}]}})
    assert "joint 1 is not the middle" in read(wrong).meta["notes"][0]
    assert "joint 1 is not the middle" in cli("convert", wrong, "-o", tmp_path / "o.json").err


def test_mistakes(file, row):
    for document, name, message in (
        ({"a.jpg": {"bodies": 3}}, "alphapose-cmu", "image 'a.jpg': expected .* list 'bodies'"),
        ({"a.jpg": {"bodies": [{}]}}, "alphapose-cmu", "image 'a.jpg', person 0: .*'joints'"),
        ([row()], "alphapose-open", "expected an object by image name, got a list"),
        ([row(box=[1, 2, "3", 4])], "alphapose", "record 0: expected numbers in 'box', got '3'"),
    ):
        with pytest.raises(FormatError, match=message):
            read(file(document), name)


def test_coco_becomes_alphapose(file, row, tmp_path):
    coco = {k: v for k, v in row(image_id=3).items() if k != "idx"}
    coco["bbox"] = coco.pop("box")
    write(read(file([coco])), tmp_path / "out.json", "alphapose")
    assert read(tmp_path / "out.json").box.tolist() == [[200, 30, 280, 240]]
    assert sniff(tmp_path / "out.json") == "alphapose"


@pytest.mark.parametrize("shape", [int, float, lambda i: [float(i)], lambda i: [[i]]])
def test_idx_is_the_track(file, row, back, tmp_path, shape):
    """PoseFlow#21: every tracker writes it in another shape."""
    rows = [row(image_id="0.jpg", idx=shape(i)) for i in (3, 1, 2)]
    poses = read(file(rows))
    assert poses.track.tolist() == [3, 1, 2]
    assert back(poses) == rows
    write(poses, tmp_path / "coco.json", "coco")
    found = json.loads((tmp_path / "coco.json").read_text())
    assert [(r["track_id"], "idx" in r) for r in found] == [(3, False), (1, False), (2, False)]
    write(read(tmp_path / "coco.json"), tmp_path / "alpha.json", "alphapose")
    found = json.loads((tmp_path / "alpha.json").read_text())
    assert [(r["idx"], "track_id" in r) for r in found] == [(3, False), (1, False), (2, False)]
    write(poses.to("openpose18"), tmp_path / "op.json", "openpose")
    people = json.loads((tmp_path / "op.json").read_text())["people"]
    assert [person["person_id"] for person in people] == [[3], [1], [2]]
    moved = back(poses.replace(track=poses.track + 1))
    assert [r["idx"] for r in moved] == [4, 2, 3]


def test_idx_without_a_tracker_is_no_track(file, row, back):
    rows = [row(image_id="0.jpg", idx=[0.0], track_id=5) for _ in range(2)]
    poses = read(file(rows))
    assert poses.track is None
    assert poses.meta["notes"] == ("'idx' is 0 everywhere: nobody was tracked",)
    assert back(poses) == rows
