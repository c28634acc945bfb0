"""Corpora are scored shard by shard; the figures are those of one file."""

import json

import pytest

import refine
from refine.cli import _sharding
from refine.corpus import evaluate_corpus, shards
from refine.exceptions import FormatError, RefineError, SkeletonError
from refine.sample import make_people
from tests.oracles.corpora import cut


@pytest.fixture(scope="module")
def truth():
    """Return who is on the images of `predictions`."""
    import numpy as np

    return make_people(60, np.random.default_rng(5))[0]


@pytest.fixture(scope="module")
def files(tmp_path_factory, truth, predictions):
    """Return a folder with the truth, one file, and the same cut in many ways."""
    pytest.importorskip("pyarrow")
    folder = tmp_path_factory.mktemp("corpus")
    refine.write(truth, folder / "gt.json", "coco-gt")
    refine.write(predictions, folder / "whole.json", "coco")
    refine.write(predictions, folder / "whole.ndjson")
    refine.write(predictions, folder / "whole.parquet")
    for name, ending in (("lines", "ndjson"), ("set/part=a", "parquet"), ("results", "json")):
        (folder / name).mkdir(parents=True)
        for i, part in enumerate(cut(predictions, [i % 4 for i in range(60)])):
            refine.write(part, folder / name / f"{i}.{ending}")
    return folder


@pytest.mark.parametrize(
    "places",
    [
        ["whole.ndjson"],
        ["whole.parquet"],
        ["lines"],
        ["set"],
        [f"results/{i}.json" for i in range(4)],
        ["set/part=a/0.parquet", "set/part=a/1.parquet", "lines/2.ndjson", "lines/3.ndjson"],
    ],
    ids=str,
)
def test_figures_are_those_of_one_file(files, truth, predictions, places):
    whole = refine.evaluate(truth, predictions)
    found = evaluate_corpus(files / "gt.json", [str(files / p) for p in places], batch=9)
    assert 0 < whole["AP"] < 1
    assert found.to_dict() == refine.evaluate(files / "gt.json", predictions).to_dict()
    assert found.metrics == whole.metrics


def test_options_are_those_of_evaluate(files, predictions):
    told = {"sigmas": 0.1, "image_ids": [1, 2, 3, 9], "max_dets": 1, "area": "keypoints"}
    expected = refine.evaluate(files / "gt.json", predictions, **told)
    assert evaluate_corpus(files / "gt.json", files / "set", **told) == expected


@pytest.mark.parametrize(
    "places", ["'lines'", "'set/**/*.parquet'", "'results/*.json'", "'set'"], ids=str
)
def test_eval_takes_parts_of_one_set_of_predictions(cli, files, monkeypatch, places):
    monkeypatch.chdir(files)
    place = places.strip("'")
    whole = json.loads(cli("eval", "--gt", "gt.json", "whole.json", "--json").out)["whole.json"]
    got = cli("eval", "--gt", "gt.json", place, "--json")
    assert got.code == 0, got.err
    assert json.loads(got.out)[place] == whole


def test_eval_compares_files_and_sets(cli, files, monkeypatch):
    monkeypatch.chdir(files)
    lines = cli("eval", "--gt", "gt.json", "whole.json", "set", "results/*.json").out.splitlines()
    assert len({line.split(None, 1)[1] for line in lines[1:]}) == 1
    assert [line.split()[0] for line in lines[1:]] == ["whole.json", "set", "results/*.json"]


def test_large_files_are_cut_if_they_can_be(cli, files, monkeypatch, tmp_path):
    """One whose lines of an image are apart is read as a whole, as it always was."""
    monkeypatch.setattr(_sharding, "LARGE_BYTES", 1)
    monkeypatch.setattr(shards, "POSES", 20)
    whole = cli("eval", "--gt", files / "gt.json", files / "whole.json", "--json").out
    lines = (files / "whole.ndjson").read_text().splitlines(keepends=True)
    row = json.loads(next(line for line in lines if line.count('"keypoints"') > 1))
    one, other = ({**row, "poses": each} for each in (row["poses"][:1], row["poses"][1:]))
    at = [json.loads(line)["image_id"] for line in lines].index(row["image_id"])
    lines[at] = json.dumps(one) + "\n"
    (tmp_path / "apart.ndjson").write_text("".join(lines) + json.dumps(other) + "\n")
    for path, read in ((files / "whole.ndjson", False), (tmp_path / "apart.ndjson", True)):
        got = cli("eval", "--gt", files / "gt.json", path, "--json")
        assert list(json.loads(got.out).values()) == list(json.loads(whole).values())
        told = cli("eval", "--gt", files / "gt.json", path).err
        assert ("read as ndjson" in told) == read


def test_an_image_in_two_shards_is_told(cli, files, monkeypatch, tmp_path):
    monkeypatch.chdir(files)
    (tmp_path / "a.json").write_bytes((files / "results/0.json").read_bytes())
    (tmp_path / "b.json").write_bytes((files / "results/0.json").read_bytes())
    got = cli("eval", "--gt", files / "gt.json", tmp_path / "*.json")
    assert got.code == 3
    assert "b.json: expected all poses of an image in one part" in got.err
    assert "a.json as well" in got.err


def test_a_damaged_shard_is_told(files, tmp_path):
    for path in (files / "set/part=a").iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "2.parquet").write_bytes((tmp_path / "2.parquet").read_bytes()[:-90])
    with pytest.raises(FormatError, match=r"2.parquet"):
        evaluate_corpus(files / "gt.json", tmp_path)


def test_a_shard_of_another_skeleton_is_told(files, tmp_path, predictions):
    one, other = cut(predictions, [i % 2 for i in range(60)])
    refine.write(one, tmp_path / "a.ndjson")
    refine.write(other.to("lsp14"), tmp_path / "b.ndjson")
    with pytest.raises(SkeletonError, match="expected one skeleton, got lsp14 after coco17"):
        evaluate_corpus(files / "gt.json", tmp_path)


def test_videos_are_scored_whole(cli, files, monkeypatch):
    monkeypatch.chdir(files)
    got = cli("eval", "--gt", "whole.ndjson", "results/*.json", "--metric", "tracking")
    assert got.code == 3
    assert "expected one file" in got.err


def test_nothing_to_read_is_told(files, tmp_path):
    with pytest.raises(RefineError, match="expected"):
        evaluate_corpus(files / "gt.json", tmp_path)
