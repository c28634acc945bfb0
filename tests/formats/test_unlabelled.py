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
