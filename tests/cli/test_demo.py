"""`refine demo` end to end."""

import json

import numpy as np
import pytest
from PIL import Image

import refine
from refine.cli import demo


def test_the_demo_shows_an_improvement(cli, tmp_path):
    folder = tmp_path / "new" / "demo"
    result = cli("demo", "-o", folder)
    assert result.code == 0
    lines = result.out.splitlines()
    before, moved, after = (line.split()[-6:] for line in lines[1:4])
    assert float(moved[0]) > float(before[0]) + 0.05
    assert float(after[0]) >= float(moved[0])
    assert int(after[4]) < int(moved[4]) == int(before[4])
    errors = [float(line.split()[-2]) for line in lines[6:10]]
    assert errors == sorted(errors, reverse=True)
    assert int(lines[10].split()[-1]) >= 10
    assert float(lines[9].split()[-1]) < 0.5 * float(lines[8].split()[-1])
    with Image.open(folder / "before-after.png") as picture:
        assert picture.size[0] > 1000
    for text in ("refine run", "refine eval --gt", "refine decode", "refine draw", str(folder)):
        assert text in result.err
    assert "Traceback" not in result.err

    # The files are what the verbs make of them.
    again = folder / "again.json"
    truth = folder / "truth.json"
    assert cli("run", folder / "predictions.json", "--sizes", truth, "-o", again).code == 0
    assert again.read_bytes() == (folder / "refined.json").read_bytes()
    report = json.loads(cli("eval", "--gt", truth, again, "--json").out)
    assert report[str(again)]["metrics"]["AP"] == pytest.approx(float(after[0]), abs=6e-4)
    poses = refine.decode(folder / "heatmaps.npz")
    assert len(poses) == demo.MAPS
    names = {f.name for f in (folder / "images").iterdir()}
    assert names == {r.file_name for r in refine.read(truth, "coco-gt").images}


def test_a_seed_is_a_demo_and_json_is_machine_readable(cli, tmp_path, monkeypatch):
    monkeypatch.setattr(demo, "IMAGES", 20)
    facts = {}
    for name, seed in (("a", 5), ("b", 5), ("c", 6)):
        result = cli("demo", "-o", tmp_path / name, "--seed", seed, "--json")
        assert result.code == 0
        facts[name] = json.loads(result.out)
    assert facts["a"]["poses"] == facts["b"]["poses"] != facts["c"]["poses"]
    assert set(facts["a"]["poses"]) == {"predictions", "refined", "refined, no duplicates"}
    for file in ("refined.json", "heatmaps.npz", "before-after.png", "images/000001.png"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()
    assert np.isfinite([v for row in facts["a"]["decoders"].values() for v in row.values()]).all()


def test_a_target_that_is_no_folder(cli, tmp_path):
    file = tmp_path / "file"
    file.write_text("mine")
    result = cli("demo", "-o", file)
    assert result.code == 3
    assert "expected a folder" in result.err
    assert "another -o" in result.err
    assert file.read_text() == "mine"
    assert cli("demo", "--seed", "-1").code == 2
