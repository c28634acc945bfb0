"""Several inputs of `run` and `nms`."""

import json

import pytest

from tests.oracles.records import row, store


@pytest.fixture
def folder(tmp_path):
    for name in ("a", "b", "c"):
        store(tmp_path, [row(1), row(1, 1.0, score=0.1)], f"{name}.json")
    return tmp_path


@pytest.mark.parametrize("verb", ["run", "nms"])
def test_a_pattern_gives_a_folder_of_the_same_names(cli, folder, verb):
    alone = cli(verb, folder / "a.json", "-o", folder / "alone.json")
    assert alone.code == 0
    result = cli(verb, folder / "[abc].json", "-o", folder / "out", "--json")
    assert result.code == 0
    facts = json.loads(result.out)
    assert [f["poses_out"] for f in facts["inputs"]] == [1, 1, 1]
    assert facts["left_out"] == []
    names = sorted(p.name for p in (folder / "out").iterdir())
    assert names == ["a.json", "b.json", "c.json"]
    assert (folder / "out" / "b.json").read_bytes() == (folder / "alone.json").read_bytes()


def test_a_bad_input_ends_the_run_or_is_left_out(cli, folder):
    (folder / "b.json").write_text("[")
    inputs = [folder / f"{name}.json" for name in "abc"]
    result = cli("nms", *inputs, "-o", folder / "out")
    assert result.code == 3
    assert "b.json" in result.err
    result = cli("nms", *inputs, "-o", folder / "out", "--keep-going", "--json", "-q")
    assert result.code == 4
    assert result.err.startswith("left out: ")
    assert "b.json" in json.loads(result.out)["left_out"][0]["where"]
    assert sorted(p.name for p in (folder / "out").iterdir()) == ["a.json", "c.json"]
    assert cli("nms", inputs[1], "-o", folder / "o.json", "--keep-going").code == 3


@pytest.mark.parametrize(
    ("inputs", "output", "message"),
    [
        (["a.json", "x/a.json"], "out", "a.json twice"),
        (["a.json", "b.json"], "a.json", "a folder for 2"),
        (["a.json", "b.json"], ".", "another folder"),
        (["no*.json"], "out", "pattern of some files"),
        (["a.json", "-"], "out", "a folder for 2"),
        (["a.json", "b.json"], "-", "a folder for 2"),
        (["a.json", "b.json"], "all.json", "a folder for 2"),
        (["a.json", "b.json"], "all.jsonl.gz", "a folder for 2"),
    ],
)
def test_what_cannot_be_named_is_said(cli, folder, monkeypatch, inputs, output, message):
    monkeypatch.chdir(folder)
    before = (folder / "a.json").read_bytes()
    result = cli("nms", *inputs, "-o", output)
    assert result.code == 3
    assert message in result.err
    assert (folder / "a.json").read_bytes() == before


def test_the_skeleton_is_changed_when_all_is_done(cli, folder):
    out = folder / "out.json"
    result = cli("run", folder / "a.json", "--to-skeleton", "openpose18", "-o", out)
    assert result.code == 0
    [pose] = json.loads(out.read_text())
    assert len(pose["keypoints"]) == 54
    assert all(pose["keypoints"][3:5])  # the neck, of filled shoulders
    assert cli("run", folder / "a.json", "--to-skeleton", "no", "-o", folder / "x").code == 3


def test_convert_names_outputs_as_the_other_format_has_it(cli, folder):
    """A file becomes a folder of OpenPose's, and the other way round."""
    result = cli("convert", folder / "[ab].json", "-o", folder / "frames", "--to", "openpose",
                 "--to-skeleton", "openpose18", "--json")  # fmt: skip
    assert result.code == 0, result.err
    assert [f["poses"] for f in json.loads(result.out)["inputs"]] == [2, 2]
    made = folder / "frames"
    assert sorted(str(p.relative_to(made)) for p in made.rglob("*.json")) == [
        "a/1_keypoints.json",
        "b/1_keypoints.json",
    ]
    result = cli("convert", made / "a", made / "b", "-o", folder / "back", "--to", "coco")
    assert result.code == 0, result.err
    assert sorted(p.name for p in (folder / "back").iterdir()) == ["a.json", "b.json"]
    result = cli("convert", folder / "[ab].json", "-o", folder / "lines", "--to", "ndjson")
    assert sorted(p.name for p in (folder / "lines").iterdir()) == ["a.ndjson", "b.ndjson"]
    result = cli("convert", folder / "[ab].json", "-o", folder / "tables", "--to", "csv")
    assert sorted(p.name for p in (folder / "tables").iterdir()) == ["a.csv", "b.csv"]
    (folder / "b.json").write_text("[")
    twice = ("convert", folder / "[abc].json", "-o", folder / "some", "--keep-going")
    assert cli(*twice).code == 4
    assert sorted(p.name for p in (folder / "some").iterdir()) == ["a.json", "c.json"]


@pytest.mark.parametrize("verb", ["run", "nms", "convert"])
@pytest.mark.parametrize(
    ("output", "options", "message"),
    [
        ("o.tsv", [], "ends in one of .json"),
        ("no/o.json", [], "folder that is not there"),
        ("o.jsonl", ["--to", "coco-gt"], "not held in lines"),
        ("o/", ["--to", "coco-gt"], "name of a file"),
        ("o.json", ["--to", "cocoo"], "expected a format"),
    ],
)
def test_targets_are_checked_before_inputs(
    cli, folder, monkeypatch, verb, output, options, message
):
    monkeypatch.chdir(folder)
    result = cli(verb, "broken.json", "-o", output, *options)
    assert result.code == 3
    assert message in result.err


@pytest.mark.parametrize("output", ["-", "/dev/stdout"])
def test_files_by_image_do_not_go_to_a_stream(cli, folder, output):
    store(folder, [row(1), row(2)], "two.json")
    into = ("convert", folder / "two.json", "--to", "openpose", "--to-skeleton", "openpose18")
    result = cli(*into, "-o", output)
    assert result.code == 3
    assert "-o FOLDER, or --to ndjson" in result.err
    result = cli("convert", folder / "two.json", "--to", "ndjson", "-o", output)
    assert result.code == 0
    assert len(result.out.splitlines()) == 2
