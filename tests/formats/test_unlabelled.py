"""Joints of v = 0 keep their places in annotations, and are known to nobody else."""

import json

import numpy as np
import pytest

from refine.formats import read, write
from refine.pipeline import Config, run
from tests.oracles.records import ground_truth

ASIDE = [-250, 1090, 0]
HALF = [None, 7, 0]


@pytest.fixture
def source(tmp_path):
    gt = ground_truth(np.random.default_rng(0).uniform(0, 200, (3, 17, 2)).round(), 200)
    first, second, third = gt["annotations"]
    first["keypoints"][3:6] = ASIDE
    second["keypoints"][48:51] = HALF
    third["keypoints"][:3] = [0, 0, 0]
    for row in gt["annotations"]:
        row["num_keypoints"] = 16
    file = tmp_path / "gt.json"
    file.write_text(json.dumps(gt))
    return file


def keypoints(file):
    return [row["keypoints"] for row in json.loads(file.read_text())["annotations"]]


def test_they_come_back(source, tmp_path):
    poses = read(source)
    assert not poses.present[0, 1]
    out = tmp_path / "out.json"
    write(poses, out)
    assert keypoints(out) == keypoints(source)
    write(poses[::-1], out)
    assert keypoints(out) == keypoints(source)[::-1]
    lines = tmp_path / "o.ndjson"
    write(poses, lines)
    write(read(lines), out, "coco-gt")
    assert keypoints(out) == keypoints(source)


def test_they_follow_their_joint_to_another_skeleton(source, tmp_path):
    out = tmp_path / "out.json"
    write(read(source).to("halpe26"), out, "coco-gt")
    assert keypoints(out)[0][3:6] == ASIDE


def test_a_joint_that_was_filled_has_its_own(source, tmp_path):
    out = tmp_path / "out.json"
    write(run(read(source), Config(steps=("complete",))), out)
    row = keypoints(out)[0][3:6]
    assert row[:2] != ASIDE[:2]
    assert row[2] == 1  # The refiner is not sure enough to call it visible.


@pytest.mark.parametrize("to", ["coco", "openpose", "mmpose", "alphapose"])
def test_nobody_else_sees_them(source, tmp_path, to):
    out = tmp_path / "out"
    poses = read(source).to("openpose18") if to == "openpose" else read(source)
    write(poses, out if to == "openpose" else out.with_suffix(".json"), to)
    files = [out.with_suffix(".json")] if to != "openpose" else sorted(out.iterdir())
    for file in files:
        text = file.read_text()
        assert "unlabelled" not in text
        assert "1090" not in text


def results(form, k):
    """A file of one pose whose first joint has x alone and whose second has a score alone."""
    flat = [5.0, None, 0.25, None, None, 0.5] + [float(v) for v in range(10, 10 + 3 * (k - 2))]
    if form == "mmpose":
        points = [flat[i : i + 3] for i in range(0, len(flat), 3)]
        pairs = [[x, y] for x, y, _ in points]
        return [{"keypoints": pairs, "keypoint_scores": [c for *_, c in points]}]
    if form == "mmpose 0.x":
        points = [flat[i : i + 3] for i in range(0, len(flat), 3)]
        return [{"keypoints": points, "bbox": [1.0, 2.0, 3.0, 4.0, 0.5]}]
    if form == "ndjson":
        about = {"image_id": 1, "skeleton": "coco17", "score_kind": "unknown"}
        return {**about, "poses": [{"keypoints": flat}]}
    if form == "openpose":
        return {"version": 1.3, "people": [{"pose_keypoints_2d": flat}]}
    return {"a.jpg": {"version": "AlphaPose v0.3", "people": [{"pose_keypoints_2d": flat}]}}


@pytest.mark.parametrize("form", ["mmpose", "mmpose 0.x", "ndjson", "openpose", "alphapose-open"])
def test_what_stands_beside_null_comes_back(tmp_path, form):
    document = results(form, 18 if form in ("openpose", "alphapose-open") else 17)
    file, out = tmp_path / "a.json", tmp_path / "o.json"
    file.write_text(json.dumps(document))
    poses = read(file)
    assert poses.meta["format"] == form.split()[0]
    assert not poses.present[0, :2].any()
    write(poses, out)
    assert json.loads(out.read_text()) == document
    write(poses.to("coco17"), out, "coco")
    assert read(out).present.tolist() == poses.to("coco17").present.tolist()


@pytest.mark.parametrize("odd", [3, [], "x", {"nose": 3}, {"nose": ["a", 1, 2]}, {"nose": []}])
def test_odd_fields_of_that_name_are_carried(tmp_path, odd):
    document = results("ndjson", 17)
    document["poses"][0]["unlabelled_places"] = odd
    document["poses"][0]["keypoints"][:6] = [1.0, 2.0, 0.5] * 2
    file, out = tmp_path / "a.ndjson", tmp_path / "o.ndjson"
    file.write_text(json.dumps(document))
    write(read(file), out, precision=1)
    assert len(read(out)) == 1
    write(read(file), tmp_path / "o.json", "coco-gt", precision=1)
