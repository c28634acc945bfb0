"""`refine check`: text, JSON and exit codes."""

import json

import pytest

from tests.oracles.records import STANDING, ground_truth, row, store


@pytest.fixture
def files(tmp_path):
    """Clean predictions on images 0 to 5, the same with two faults, and the truth."""
    rows = [row(i, missing=(), score=0.5 + i / 20) for i in range(6)]
    store(tmp_path, rows)
    store(tmp_path, [*rows, *rows[:1], {**rows[0], "image_id": 99}], "bad.json")
    truth = ground_truth([STANDING] * 6, 350)
    store(tmp_path, truth, "gt.json")
    return tmp_path


def test_a_clean_file(cli, files):
    done = cli("check", files / "pred.json", "--gt", files / "gt.json", "--strict")
    assert (done.code, done.out) == (0, "")
    assert "nothing found" in done.err


def test_each_finding_tells_where_why_and_what_mends_it(cli, files):
    arguments = ["check", files / "bad.json", "--gt", files / "gt.json"]
    done = cli(*arguments)
    assert done.code == 0
    assert "unknown-images: 1 of 7 images" in done.out
    assert "  at: pose 6 (image 0)\n" in done.out
    assert done.out.count("  likely: ") == done.out.count("  try: ") == 2
    assert f"refine nms {files / 'bad.json'} -o OUT.json" in done.out
    assert cli(*arguments, "--strict").code == 1


def test_json(cli, files):
    done = cli("check", files / "bad.json", "--gt", files / "gt.json", "--json", "--strict")
    assert done.code == 1
    found = {f["name"]: f for f in json.loads(done.out)["findings"]}
    assert set(found) == {"unknown-images", "duplicates"}
    assert found["unknown-images"]["rows"] == ["99"]
    assert json.loads(cli("check", files / "pred.json", "--json").out)["findings"] == []


def test_unreadable_input(cli, files):
    store(files, "[{", "broken.json")
    assert cli("check", files / "broken.json").code == 3
    assert cli("check", files / "pred.json", "--images", files / "none").code == 3
    assert cli("check", files / "pred.json", "--gt", files / "none.json", "--json").code == 3
