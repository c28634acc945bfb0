"""`refine skeletons`."""

import json

from refine.skeletons import skeleton_names


def test_list(cli):
    result = cli("skeletons")
    assert result.code == 0
    names = [line.split()[0] for line in result.out.splitlines()]
    assert names == ["name", *skeleton_names()]
    assert "17  yes     COCO keypoints 2017" in result.out
    assert "18  17/18   OpenPose COCO-18" in result.out
    rows = json.loads(cli("skeletons", "--json").out)
    assert {r["name"]: r["sigmas"] for r in rows}["lsp14"] == "no"


def test_one(cli):
    table = json.loads(cli("skeletons", "mpii16", "--json").out)
    assert [j["mirror"] for j in table["joints"]][:6] == [5, 4, 3, 2, 1, 0]
    assert table["joints"][2]["coco17"] == {"joint": "right_hip", "quality": "near"}
    assert table["joints"][6]["coco17"] is None
    text = cli("skeletons", "openpose18").out
    assert "mean of left_shoulder, right_shoulder" in text
    assert "edges  0-1" in text


def test_file_and_error(cli, tmp_path):
    own = tmp_path / "own.toml"
    own.write_text('joints = ["nose", "tail"]\n')
    table = json.loads(cli("skeletons", own, "--json").out)
    assert table["joints"][0]["coco17"] == {"joint": "nose", "quality": "exact"}
    assert table["joints"][1]["sigma"] is None
    assert "tail" in cli("skeletons", own).out
    result = cli("skeletons", "coco18")
    assert result.code == 3
    assert result.out == ""
    assert "one of aic14" in result.err
