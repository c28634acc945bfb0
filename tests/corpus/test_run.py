"""`refine run` in shards: folders and data sets of any size, workers, what they become."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest

import refine
from refine.cli import _sharding
from tests.oracles.corpora import alike, contents, names_in

pytest.importorskip("pyarrow")


@pytest.mark.parametrize("ending", ["ndjson", "parquet", "jsonl.gz"])
def test_one_file_becomes_what_it_would_in_memory(cli, folder, refined, ending):
    source = f"in.{ending}".replace("jsonl.gz", "ndjson")
    result = cli("run", source, "-o", f"out.{ending}", "--batch", "30", "--json")
    assert result.code == 0, result.err
    alike(refine.read(f"out.{ending}"), refined)
    facts = json.loads(result.out)
    assert facts["poses_in"] == 116
    assert facts["poses_out"] == len(refined)
    assert facts["duplicates_removed"] == 116 - len(refined)
    assert facts["shards"] > 2
    assert not (folder / f"out.{ending}.parts").exists()


def test_two_workers_write_the_bytes_of_one(cli, folder):
    for workers in (1, 2):
        result = cli("run", "in.ndjson", "-o", f"{workers}/", "--batch", "30", "--workers", workers)
        assert result.code == 0, result.err
    assert contents(folder / "1") == contents(folder / "2")
    assert len(contents(folder / "1")) > 2


def test_a_partitioned_set_keeps_its_partitions(cli, folder, refined):
    result = cli("run", "set", "-o", "out")
    assert result.code == 0, result.err
    names = ["video=0/p0.parquet", "video=0/p2.parquet", "video=1/p1.parquet"]
    assert list(contents(folder / "out")) == names
    parts = [refine.read(f"out/{name}") for name in sorted(names, key=lambda n: n[-9:])]
    alike(refine.Poses.concat(parts), refined)
    from pyarrow import dataset

    held = dataset.dataset(folder / "out", partitioning="hive")
    assert held.count_rows() == len(refined) + sum(len(p) == 0 for p in parts)
    assert held.count_rows(filter=dataset.field("video") == 1) > 0


@pytest.mark.parametrize("scheme", ["file", "memory"])
def test_urls_are_read_and_written(cli, folder, refined, scheme):
    import fsspec

    root = folder.as_uri() if scheme == "file" else "memory://corpus"
    system, path = fsspec.core.url_to_fs(root)
    if scheme == "memory":
        system.put(str(folder / "set"), f"{path}/set", recursive=True)
    assert cli("run", f"{root}/set", "-o", f"{root}/out", "--batch", "20").code == 0
    again = cli("run", f"{root}/set", "-o", f"{root}/out")
    assert again.code == 3
    assert "a run that is finished" in again.err
    if scheme == "memory":
        system.get(f"{path}/out", str(folder / "out"), recursive=True)
        system.rm(path, recursive=True)
    found = sorted((folder / "out").rglob("*.parquet"), key=lambda p: p.name)
    parts = [refine.read(p) for p in found]
    alike(refine.Poses.concat(parts), refined)


def test_lines_and_tables_go_in_together(cli, folder, refined):
    result = cli("run", "in.ndjson", "in.parquet", "-o", "out", "--batch", "60")
    assert result.code == 0, result.err
    for ending in ("ndjson", "parquet"):
        parts = sorted((folder / "out").glob(f"*.{ending}"))
        alike(refine.Poses.concat([refine.read(path) for path in parts]), refined)


def test_tables_become_lines_and_lines_tables(cli, folder, predictions):
    """What convert writes is what was read, in the partitions that it was in."""
    assert cli("convert", "set", "-o", "lines", "--to", "ndjson").code == 0
    assert "video=0/p0.ndjson" in contents(folder / "lines")
    result = cli("convert", "lines", "-o", "back", "--to", "parquet", "--batch", "10", "--json")
    assert result.code == 0, result.err
    assert json.loads(result.out)["poses_out"] == 116
    found = sorted((folder / "back").rglob("*.parquet"), key=lambda p: p.name)
    alike(refine.Poses.concat([refine.read(p) for p in found]), predictions)
    result = cli("convert", "in.ndjson", "-o", "x.ndjson", "--batch", "9", "--mend", "swap-xy")
    assert result.code == 2


def test_a_url_that_nothing_opens_is_told(cli, folder):
    result = cli("run", "nowhere://a/b", "-o", "out")
    assert result.code == 3
    assert "pip install fsspec" in result.err


def test_files_of_a_folder_are_written_under_their_names(cli, folder, predictions):
    refine.write(predictions.to("openpose18"), folder / "frames", "openpose")
    assert cli("run", "frames", "-o", "whole").code == 0
    assert cli("run", "frames", "-o", "out", "--batch", "7").code == 0
    alike(refine.read("out"), refine.read("whole"))
    assert names_in("out") == sorted([*names_in("frames"), "_refine"])
    again = cli("run", "frames", "-o", "out", "--batch", "7", "--resume", "--json")
    assert again.code == 0
    assert again.err.startswith("all was done before\n")
    assert "instance scores left out: openpose cannot hold them" in again.err
    assert json.loads(again.out)["format"] == "openpose"
    assert cli("run", "frames", "-o", "out.parquet", "--batch", "7").code == 0
    assert cli("run", "frames", "-o", "parts", "--to", "parquet", "--batch", "40").code == 0
    assert names_in("parts") == ["_refine", "part-00000.parquet", "part-00001.parquet"]
    got = refine.read("out.parquet")
    np.testing.assert_array_equal(got.xy, refine.read("whole").xy)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_does_not_grow_with_the_file(folder, predictions):
    """Three times as many poses take no more of it."""
    code = (
        "import sys, atexit, pathlib\nfrom refine.cli import main\natexit.register(lambda: print("
        "pathlib.Path('/proc/self/status').read_text().split('VmHWM:')[1].split()[0]))\nmain()"
    )
    lines = (folder / "in.ndjson").read_bytes().splitlines()
    peaks = []
    for times in (30, 90):
        with (folder / "long.ndjson").open("wb") as file:
            for i in range(times * len(lines)):
                line = lines[i % len(lines)]
                file.write(b'{"image_id":%d,' % i + line[line.index(b",") + 1 :] + b"\n")
        options = ("--steps", "suppress", "--batch", "1000", "-q")
        run = [sys.executable, "-c", code, "run", "long.ndjson", "-o", "long/", *options]
        peaks.append(int(subprocess.run(run, check=True, capture_output=True).stdout))
        shutil.rmtree("long")
    assert peaks[1] < 1.02 * peaks[0]


def test_pictures_are_looked_at_with_a_profile(cli, pictured, tmp_path):
    truth = refine.read(pictured / "gt.json").replace(score_kind="unknown")
    refine.write(truth.replace(meta={}), tmp_path / "in.ndjson")
    look = (tmp_path / "in.ndjson", "--images", pictured, "--eyes", "image-small", "--no-flip")
    assert cli("profile", *look[:-1], "-o", tmp_path / "s.json").code == 0
    look += ("--profile", tmp_path / "s.json")
    assert cli("run", *look, "-o", tmp_path / "whole.ndjson").code == 0
    result = cli("run", *look, "-o", tmp_path / "cut.ndjson", "--batch", "1", "--json")
    assert result.code == 0, result.err
    assert json.loads(result.out)["shards"] == 2
    assert "5 poses looked at" in result.err
    alike(refine.read(tmp_path / "cut.ndjson"), refine.read(tmp_path / "whole.ndjson"))


def test_shards_are_the_way_of_large_inputs(cli, folder, monkeypatch, refined):
    monkeypatch.setattr(_sharding, "LARGE_BYTES", 1000)
    monkeypatch.setattr(_sharding, "LARGE_FILES", 2)
    result = cli("run", "in.ndjson", "-o", "out.ndjson")
    assert "1 shards in" in result.err
    alike(refine.read("out.ndjson"), refined)
    assert "shards" not in cli("run", "in.ndjson", "-o", "out.json").err
    assert "shards" not in cli("run", "in.ndjson", "-o", "name").err
    assert "1 shards in" in cli("run", "in.ndjson", "-o", "folder/").err
    assert "shards" not in cli("run", "in.ndjson", "-o", "-").err
    assert "shards" not in cli("run", "in.ndjson", "-o", "v.ndjson", "--steps", "track").err
    for name in ("a", "b"):
        refine.write(refined.replace(history=()), folder / f"{name}.json", "coco")
    assert "1 shards in" in cli("run", "[ab].json", "-o", "two").err
