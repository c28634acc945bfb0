"""`refine run` on bad input: an error that tells, or a documented result; never half a file."""

import gzip
import json
import os
from functools import partial

import numpy as np
import pytest

from tests.oracles import records
from tests.oracles.records import points, store

keypoints = partial(records.keypoints, missing=())
row = partial(records.row, missing=())


def truncated():
    return json.dumps([row(), row()])[:-40]


def nested(depth):
    return "[" * depth + "]" * depth


BAD = {
    "zero bytes": (b"", ["pred.json", "empty"]),
    "only blanks": (b" \n ", ["pred.json", "empty"]),
    "binary garbage": (bytes(range(256)) * 4, ["pred.json", "JSON"]),
    "truncated json": (truncated(), ["pred.json, line 1 column", "cut off"]),
    "deeply nested": (nested(100_000), ["pred.json"]),
    "nested without end": ("[" * 100_000, ["pred.json"]),
    "an object": ({"results": []}, ["pred.json", "results"]),
    "a number": ("5", ["pred.json"]),
    "null": ("null", ["pred.json"]),
    "a list of numbers": ([1, 2], ["pred.json, record 0"]),
    "a hole in the list": ([row(), None], ["pred.json, record 1"]),
    "no image id": ([row(), {"keypoints": keypoints()}], ["pred.json, record 1", "image_id"]),
    "null as image id": ([row(), row(None)], ["pred.json, record 1", "image"]),
    "a fraction as image id": ([row(), row(1.5)], ["pred.json, record 1", "1.5"]),
    "a list as image id": ([row(), row([1])], ["pred.json, record 1", "[1]"]),
    "no keypoints": ([row(), {"image_id": 1, "score": 1}], ["pred.json, record 1", "keypoints"]),
    "keypoints as text": ([row(), row(keypoints="1 2 3")], ["pred.json, record 1", "1 2 3"]),
    "infinity": (json.dumps([row(), row(keypoints=[np.inf, *keypoints()[1:]])]),
                 ["pred.json, record 1", "Infinity"]),
    "minus infinity as score": (json.dumps([row(), row(score=-np.inf)]),
                                ["pred.json, record 1", "score"]),
    "wrong number of values": ([row(), row(keypoints=keypoints()[:-1])],
                               ["pred.json, record 1", "50 values"]),
    "wrong number of values at first": ([row(keypoints=keypoints()[:-1])],
                                        ["pred.json, record 0", "50 values"]),
    "mixed skeletons": ([row(), row(keypoints=[*keypoints(), 1.0, 2.0, 0.5])],
                        ["pred.json, record 1", "54 values"]),
    "a skeleton that nobody has": ([row(keypoints=[1.0] * 9)], ["pred.json", "3 joints"]),
    "strings for numbers": ([row(), row(keypoints=["1", *keypoints()[1:]])],
                            ["pred.json, record 1", "'1'", "quotes"]),
    "a string as score": ([row(), row(score="0.9")], ["pred.json, record 1", "'0.9'"]),
    "true as a number": ([row(), row(keypoints=[True, *keypoints()[1:]])],
                         ["pred.json, record 1", "True"]),
    "a nested list": ([row(), row(keypoints=[[1], *keypoints()[1:]])],
                      ["pred.json, record 1", "[1]"]),
    "huge coordinates": ([row(), row(keypoints=[1e9, *keypoints()[1:]])],
                         ["pred.json, record 1", "1000000000"]),
    "an endless integer": (json.dumps([row(), row(keypoints=["@", *keypoints()[1:]])])
                           .replace('"@"', "1" + "0" * 400), ["pred.json, record 1", "digits"]),
    "a box of three values": ([row(), row(bbox=[1, 2, 3])], ["pred.json, record 1", "bbox"]),
    "a box of text": ([row(), row(bbox="1 2 3 4")], ["pred.json, record 1", "bbox"]),
    "a history that is none": ([row(refine_history="complete")], ["pred.json, record 0"]),
    "different histories": ([row(), row(refine_history=["complete"])], ["pred.json, record 1"]),
    "half a surrogate": ('[{"image_id": "\\ud800", "keypoints": [1, 2, 3], "box": null}]',
                         ["pred.json"]),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_input(cli, tmp_path, name):
    content, messages = BAD[name]
    file, out = tmp_path / "pred.json", tmp_path / "out.json"
    if isinstance(content, bytes):
        file.write_bytes(content)
    else:
        store(tmp_path, content)
    for before in (None, b"kept"):
        if before is not None:
            out.write_bytes(before)
        result = cli("run", file, "-o", out)
        assert result.code == 3
        for message in messages:
            assert message in result.err
        assert result.err.startswith("refine: ")
        assert result.err.count("\n") == 1
        assert len(result.err) < 600
        assert (out.read_bytes() if out.exists() else None) == before
        assert {f.name for f in tmp_path.iterdir()} <= {"pred.json", "out.json"}


def test_errors_as_json(run):
    result, after = run([row(), row(score="high")], "--json")
    error = json.loads(result.err.splitlines()[-1])["error"]
    assert result.code == error["code"] == 3
    assert error["where"].endswith("pred.json, record 1")
    assert "'high'" in error["message"]
    assert "hint" in error
    assert result.out == ""
    assert after is None


def test_an_empty_list_is_no_poses(run):
    result, after = run([])
    assert (result.code, after) == (0, [])
    assert "0 poses on 0 images" in result.err


def test_nan_and_null_are_missing_joints(run):
    values = keypoints()
    nan = [np.nan, np.nan, 0.9, *values[3:]]
    none = [None, None, None, *values[3:]]
    result, after = run(json.dumps([row(1, keypoints=nan), row(2, keypoints=none)]))
    assert result.code == 0
    for done in after:
        assert (points(done)[0, :2] > 0).all()
        assert (points(done)[0, :2] < 400).all()


def test_image_ids_that_are_strings(run):
    result, after = run([row("0001", bbox=[1, 2, 3, 4]), row("b/c.png", bbox=[1, 2, 3, 4])])
    assert result.code == 0
    assert [p["image_id"] for p in after] == ["0001", "b/c.png"]


def test_a_pose_of_no_size_is_kept(run):
    values = [100.0, 100.0, 0.5] * 17
    result, after = run([row(keypoints=values), row(x=300.0)])
    assert (result.code, len(after)) == (0, 2)
    assert np.isfinite(points(after[0])).all()


def test_a_pose_without_joints_is_kept_as_it_is(run):
    result, after = run([row(keypoints=[0] * 51), row(x=300.0)])
    assert (result.code, len(after)) == (0, 2)
    assert (points(after[0])[:, :2] == 0).all()


def test_one_joint_is_enough(run):
    result, after = run([row(keypoints=[100.0, 120.0, 0.9] + [0] * 48)])
    assert result.code == 0
    assert points(after[0])[0, :2].tolist() == [100.0, 120.0]
    assert np.isfinite(points(after[0])).all()


def test_duplicate_rows_and_ids(run):
    twins = [row(7, id=1), row(7, id=1), row(8, id=1)]
    result, after = run(twins, "--steps", "complete")
    assert (result.code, len(after)) == (0, 3)
    result, after = run(twins)
    assert [p["image_id"] for p in after] == [7, 8]


def test_zeros_with_a_score_are_missing_unless_kept(run):
    values = [0, 0, 0.447, *keypoints()[3:]]
    _, after = run([row(keypoints=values)], "--steps", "complete")
    assert (points(after[0])[0, :2] > 0).all()
    _, after = run([row(keypoints=values)], "--steps", "complete", "--keep-zeros")
    assert points(after[0])[0, :2].tolist() == [0, 0]


def test_minus_one_marks_missing_joints(run):
    values = [-1, -1, 0, *keypoints()[3:]]
    _, after = run([row(keypoints=values)])
    assert (points(after[0])[0, :2] > 0).all()
    _, after = run([row(keypoints=values)], "--no-refine")
    assert after[0]["keypoints"] == values


@pytest.mark.parametrize("kind", ["absent", "an empty folder", "a folder of text"])
def test_unreadable_files(cli, tmp_path, kind):
    source = tmp_path / "source"
    if kind != "absent":
        source.mkdir()
    if kind == "a folder of text":
        (source / "a.txt").write_text("a")
    result = cli("run", source, "-o", tmp_path / "out.json")
    assert result.code == 3
    assert str(source) in result.err
    assert not (tmp_path / "out.json").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read(cli, tmp_path):
    file = store(tmp_path, [row()])
    file.chmod(0)
    result = cli("run", file, "-o", tmp_path / "out.json")
    assert result.code == 3
    assert "ermission" in result.err


def test_damaged_gzip(cli, tmp_path):
    file = tmp_path / "pred.json.gz"
    whole = gzip.compress(json.dumps([row()]).encode())
    for data in (whole[:-20], b"plain", whole[:30] + b"!!!!" + whole[34:]):
        file.write_bytes(data)
        result = cli("run", file, "-o", tmp_path / "out.json")
        assert result.code == 3
        assert "pred.json.gz" in result.err


@pytest.mark.parametrize("kind", ["no folder", "a folder", "beneath a file"])
def test_unwritable_targets(cli, tmp_path, kind):
    file = store(tmp_path, [row()])
    out = {
        "no folder": tmp_path / "absent" / "out.json",
        "a folder": tmp_path / "folder",
        "beneath a file": file / "out.json",
    }[kind]
    if kind == "a folder":
        out.mkdir()
        (out / "what was there").touch()
    result = cli("run", file, "-o", out, "--no-refine")
    assert result.code == 3
    assert str(out) in result.err
    assert {f.name for f in tmp_path.iterdir()} <= {"pred.json", "folder"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nms_treshold = 0.9", "'nms_treshold'"),
        ("nms_threshold = 'high'", "nms_threshold"),
        ("nms_threshold = 2.0", "(0, 1]"),
        ("steps = ['polish']", "'polish'"),
        ("steps = 'complete'", "steps"),
        ("again = 'no'", "again"),
        ("steps = [", "TOML"),
        ("", "empty"),
    ],
)
def test_bad_configs(run, tmp_path, text, message):
    config = tmp_path / "c.toml"
    config.write_text(text)
    result, after = run([row()], "--config", config)
    assert result.code == 3
    assert message in result.err
    assert "c.toml" in result.err
    assert after is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--steps", "complete,polish"], "'polish'"),
        (["--steps", "suppress,suppress"], "suppress"),
        (["--nms-threshold", "0"], "(0, 1]"),
        (["--margin", "2"], "margin in [0, 1]"),
        (["--weights", "nonsense"], "coco17"),
        (["--weights", "absent.safetensors"], "absent.safetensors"),
        (["--from", "nonsense"], "alphapose-cmu"),
        (["--to", "nonsense"], "alphapose-cmu"),
        (["--skeleton", "nonsense"], "coco17"),
        (["--skeleton", "openpose25"], "25"),
        (["--nms-area", "box"], "box"),
        (["--config", "absent.toml"], "absent.toml"),
        (["--sizes", "absent.json"], "absent.json"),
    ],
)
def test_bad_options(run, options, message):
    result, after = run([row()], *options)
    assert result.code == 3
    assert message in result.err
    assert "Traceback" not in result.err
    assert after is None


@pytest.mark.parametrize(
    "options",
    [
        ["--no-refine", "--steps", "suppress"],
        ["--precision", "-1"],
        ["--nms-area", "head"],
        ["--x"],
    ],
)
def test_wrong_usage(run, options):
    result, after = run([row()], *options)
    assert result.code == 2
    assert after is None


def test_a_skeleton_without_weights(run):
    hand = [row(keypoints=[float(i) for i in range(1, 64)])]
    result, after = run(hand)
    assert result.code == 3
    assert "hand21" in result.err
    assert "refine train" in result.err
    assert after is None
    result, after = run(hand, "--no-refine")
    assert (result.code, len(after)) == (0, 1)


@pytest.mark.parametrize(
    ("document", "found"),
    [
        ({"version": 1.3, "people": []}, "openpose"),
        ([{"people": [], "canvas_width": 64, "canvas_height": 48}] * 2, "controlnet"),
        ([{"frame_id": 0, "instances": []}, {"frame_id": 1, "instances": []}], "mmpose"),
        ({"a.jpg": {"version": "AlphaPose v0.3", "bodies": []}}, "alphapose-cmu"),
        ({"images": [{"id": 1}], "annotations": []}, "coco-gt"),
        ({"image_id": 1, "skeleton": "coco17", "score_kind": "peak", "poses": []}, "ndjson"),
    ],
)
def test_images_without_poses(run, document, found):
    result, after = run(document)
    assert result.code == 0, result.err
    assert f"read as {found}," in result.err
    assert "0 joints filled" in result.err
    for key in ("people", "annotations", "poses"):
        if isinstance(document, dict) and key in document:
            assert after[key] == []
