"""`refine run` in shards: folders and data sets of any size, workers, interruptions."""

import errno
import gzip
import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import refine
from refine.cli import _sharding
from refine.corpus.local import WorkerError, run_local
from refine.corpus.reading import Reading, settle
from refine.corpus.shards import plan
from refine.corpus.work import Job
from tests.oracles.corpora import alike, make_predictions_of, part

pytest.importorskip("pyarrow")


@pytest.fixture(scope="module")
def predictions():
    """Return poses on 60 images, some of them duplicates and fragments."""
    return make_predictions_of(60)


@pytest.fixture(scope="module")
def refined(predictions):
    return refine.run(predictions)


@pytest.fixture
def folder(tmp_path, predictions, monkeypatch):
    """Work in a folder with the poses as NDJSON, Parquet, a partitioned set and OpenPose files."""
    monkeypatch.chdir(tmp_path)
    refine.write(predictions, "in.ndjson")
    refine.write(predictions, "in.parquet")
    for i, (low, high) in enumerate(((0, 25), (25, 40), (40, 60))):
        (tmp_path / "set" / f"video={i % 2}").mkdir(parents=True, exist_ok=True)
        refine.write(part(predictions, low, high), f"set/video={i % 2}/p{i}.parquet")
    return tmp_path


def contents(root):
    return {
        str(p.relative_to(root)): p.read_bytes()
        for p in sorted(root.rglob("*"))
        if p.is_file() and "_refine" not in p.parts
    }


def names_in(place):
    return sorted(path.name for path in Path(place).iterdir())


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


def test_a_killed_run_is_taken_up(cli, folder):
    assert cli("run", "in.ndjson", "-o", "whole.ndjson", "--batch", "2").code == 0
    command = [sys.executable, "-m", "refine", "run", "in.ndjson", "-o", "out", "--batch", "2"]
    process = subprocess.Popen([*command, "--workers", "2"], stderr=subprocess.PIPE)
    done = folder / "out/_refine/done"
    while not (done.is_dir() and len(list(done.iterdir())) > 2):
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.01)
    process.kill()
    process.communicate()
    marks = [p.stem for p in done.iterdir() if not p.name.startswith(".")]
    assert 2 < len(marks) < 58
    # Half of an output, as of a disk that lost the end: its shard has no mark and is done again.
    undone = next(i for i in range(57) if f"{i:06d}" not in marks)
    (folder / f"out/in-{undone:05d}.ndjson").write_bytes(b'{"image_id": 1, "po')
    (folder / "out/.refine-draft").mkdir()
    outputs = [folder / f"out/in-{int(mark):05d}.ndjson" for mark in marks]
    before = [path.stat().st_mtime_ns for path in outputs]
    assert cli("run", "in.ndjson", "-o", "out", "--batch", "2").code == 3
    result = cli("run", "in.ndjson", "-o", "out", "--batch", "2", "--resume")
    assert result.code == 0, result.err
    assert f"{len(marks)} of " in result.err
    assert [path.stat().st_mtime_ns for path in outputs] == before
    assert b"".join(contents(folder / "out").values()) == (folder / "whole.ndjson").read_bytes()
    assert names_in("out/_refine") == ["plan.json", "summary.json"]
    assert not (folder / "out/.refine-draft").exists()


def test_a_worker_that_is_killed_is_told(folder):
    """As the system does when memory runs out; what is done by then is taken up."""
    shards = plan([str(folder / "in.ndjson")], batch=2)
    job = Job(str(folder / "out"), refine.Config(), settle(shards, Reading()))
    before = set(multiprocessing.active_children())
    done = []

    def follow():
        for shard, _ in run_local(shards, job, 2):
            done.append(shard)
            if len(done) == 2:
                set(multiprocessing.active_children()).difference(before).pop().kill()

    with pytest.raises(WorkerError, match="as when memory runs out; what is finished is kept"):
        follow()
    assert 2 <= len(done) < len(shards)
    assert set(multiprocessing.active_children()) <= before
    assert {f"in-{shard.number:05d}.ndjson" for shard in done} <= set(names_in("out"))


def test_ctrl_c_leaves_what_is_done(folder):
    code = (
        # Of jobs in the background the shell lets SIGINT be ignored.
        "import signal\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from refine.cli import main\nmain()"
    )
    command = [sys.executable, "-c", code, "run", "in.ndjson", "-o", "out", "--batch", "2"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE)
    while not (folder / "out/_refine/done/000001.json").is_file():
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=30)
    assert process.returncode == 130
    assert b"--resume goes on from there" in told
    assert not list((folder / "out").glob(".*"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (["--scores", "own"], "option 'scores', 'own' after 'blend'"),
        (["--batch", "40"], "another: shards, "),
        (["--to", "parquet"], "option 'format', 'parquet' after None"),
        ("inputs", "another: inputs, others"),
    ],
)
def test_another_run_is_not_taken_for_the_same(cli, folder, change, message):
    run = ["run", "in.ndjson", "-o", "out", "--batch", "30"]
    assert cli(*run).code == 0
    if change == "inputs":
        os.utime("in.ndjson", (1, 1))
        change = []
    before = contents(folder / "out")
    result = cli(*run, *change, "--resume")
    assert result.code == 3
    assert message in result.err
    assert contents(folder / "out") == before


def test_a_folder_with_other_data_is_left_alone(cli, folder):
    result = cli("run", "set", "-o", "set/out")
    assert "another folder than that of the inputs" in result.err
    shutil.copytree("set", "other")
    before = contents(folder / "other")
    for resume in ((), ("--resume",)):
        result = cli("run", "set", "-o", "other", *resume)
        assert result.code == 3
        assert "got one with other data" in result.err
    assert contents(folder / "other") == before


def test_a_damaged_table_is_named_and_left_out(cli, folder, predictions):
    place = folder / "set/video=0/p0.parquet"
    place.write_bytes(place.read_bytes()[:-200])
    result = cli("run", "set", "-o", "out")
    assert result.code == 3
    assert "p0.parquet: expected Parquet" in result.err
    assert not (folder / "out").exists()
    result = cli("run", "set", "-o", "out", "--keep-going", "--json")
    assert result.code == 4
    assert "left out" in result.err
    (error,) = json.loads(result.out)["left_out"]
    assert error["where"].endswith("p0.parquet")
    assert list(contents(folder / "out")) == ["video=0/p2.parquet", "video=1/p1.parquet"]
    assert not (folder / "out/_refine/summary.json").exists()
    # Nothing has changed, so that the same is left out again and the others are not done again.
    result = cli("run", "set", "-o", "out", "--keep-going", "--resume")
    assert result.code == 4
    assert "1 of 2 shards were done before" in result.err


def test_a_damaged_page_is_named_by_its_group(cli, folder):
    place = folder / "set/video=0/p0.parquet"
    data = bytearray(place.read_bytes())
    data[len(data) // 3 : len(data) // 2] = bytes(len(data) // 2 - len(data) // 3)
    place.write_bytes(data)
    result = cli("run", "set", "-o", "out", "--keep-going")
    assert result.code == 4
    assert "p0.parquet, row group 0" in result.err
    assert list(contents(folder / "out")) == ["video=0/p2.parquet", "video=1/p1.parquet"]


def test_a_broken_line_is_named_and_its_shard_left_out(cli, folder, refined):
    lines = (folder / "in.ndjson").read_bytes().splitlines(keepends=True)
    lines[30] = lines[30][:50] + b"\n"
    (folder / "in.ndjson").write_bytes(b"".join(lines))
    result = cli("run", "in.ndjson", "-o", "out.ndjson", "--batch", "20")
    assert result.code == 3
    assert "in.ndjson, line 31" in result.err
    assert not (folder / "out.ndjson.parts").exists()
    result = cli("run", "in.ndjson", "-o", "out.ndjson", "--batch", "20", "--keep-going")
    assert result.code == 4
    assert "in.ndjson, line 31" in result.err
    assert 30 < len(refine.read("out.ndjson").images) < 60


def test_a_bad_file_among_many_is_left_out_alone(cli, folder, predictions):
    (folder / "many").mkdir()
    for i in range(len(predictions.images)):
        refine.write(part(predictions, i, i + 1), f"many/{i:02d}.json", "ndjson")
    refine.write(part(predictions, 0, 1), "many/60.json.gz", "ndjson")
    (folder / "many/07.json").write_text("[")
    result = cli("run", "many/*", "-o", "out", "--batch", "30", "--keep-going", "--json")
    assert result.code == 4
    assert json.loads(result.out)["left_out"][0]["where"].startswith("many/07.json")
    names = [n for n in names_in("many") if n != "07.json"]
    assert list(contents(folder / "out")) == names
    assert gzip.decompress((folder / "out/60.json.gz").read_bytes())[:1] == b"{"
    result = cli("run", "many/*.json", "-o", "all.ndjson", "--batch", "30")
    assert result.code == 3
    assert "many/07.json" in result.err


def test_a_bad_file_of_a_folder_is_left_out_alone(cli, folder, predictions):
    refine.write(predictions.to("openpose18"), folder / "frames", "openpose")
    names = names_in("frames")
    (folder / "frames" / names[4]).write_text('{"people": 1}')
    result = cli("run", "frames", "-o", "out", "--batch", "20", "--keep-going", "--json")
    assert result.code == 4
    (error,) = json.loads(result.out)["left_out"]
    assert error["where"].endswith(names[4])
    assert list(contents(folder / "out")) == [n for n in names if n != names[4]]


def test_flags_in_some_files_are_scores_as_they_are_in_all(cli, folder, predictions):
    """Scores of 0 and 1 alone are taken for flags; of which kind they are is that of the folder."""
    score = predictions.score.copy()
    score[predictions.image < 20] = 1.0
    scored = predictions.replace(score=score).to("openpose18")
    refine.write(scored, folder / "frames", "openpose")
    assert cli("run", "frames", "-o", "whole").code == 0
    for batch in (7, 35):
        result = cli("run", "frames", "-o", f"out{batch}", "--batch", batch)
        assert result.code == 0, result.err
        alike(refine.read(f"out{batch}"), refine.read("whole"))


@pytest.mark.parametrize("ending", ["parquet", "ndjson"])
def test_an_image_in_two_shards_is_found_beforehand(cli, folder, predictions, ending):
    (folder / "twice").mkdir()
    refine.write(part(predictions, 0, 20), f"twice/a.{ending}")
    refine.write(part(predictions, 19, 40), f"twice/b.{ending}")
    result = cli("run", "twice", "-o", "out", "--batch", "10")
    assert result.code == 3
    told = f"got image {predictions.images[19].id!r} in twice/a.{ending}"
    assert told in result.err
    assert f"and twice/b.{ending}" in result.err
    assert not (folder / "out").exists()
    # Files that are named stand alone, unless they become one.
    pattern = f"twice/*.{ending}"
    assert cli("run", pattern, "-o", "apart", "--batch", "10").code == 0
    assert cli("run", pattern, "-o", f"one.{ending}", "--batch", "10").code == 3


def test_an_image_whose_rows_lie_apart_is_found_beforehand(cli, folder, predictions):
    import pyarrow.parquet as parquet

    table = parquet.read_table("in.parquet")
    import pyarrow

    parquet.write_table(pyarrow.concat_tables([table, table.slice(0, 1)]), "apart.parquet")
    assert cli("run", "apart.parquet", "-o", "out", "--batch", "50").code == 3
    assert cli("run", "apart.parquet", "-o", "out", "--batch", "5000").code == 0


def test_an_image_in_two_files_of_a_folder_is_found_in_the_end(cli, folder, predictions):
    (folder / "frames").mkdir()
    for i in (3, 4, 5):
        refine.write(part(predictions, i, i + 1), f"frames/{i}.json", "ndjson")
    shutil.copy("frames/3.json", "frames/9.json")
    result = cli("run", "frames", "-o", "out", "--batch", "2")
    assert result.code == 3
    assert f"got image {predictions.images[3].id!r} in" in result.err
    assert not (folder / "out/_refine/summary.json").exists()


def test_a_shard_of_another_skeleton_is_named(cli, folder, predictions):
    refine.write(part(predictions, 40, 60).to("openpose18"), "set/video=0/p2.parquet")
    result = cli("run", "set", "-o", "out", "--batch", "20")
    assert result.code == 3
    assert "got openpose18 after coco17 in set/video=0/p0.parquet" in result.err
    assert "p2.parquet" in result.err.partition("expected one skeleton")[0]


def test_a_full_disk_is_told_and_the_run_goes_on_later(cli, folder, monkeypatch):
    written = []

    def fsync(number):
        written.append(number)
        if len(written) > 12:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as full:
        full.setattr(os, "fsync", fsync)
        result = cli("run", "in.ndjson", "-o", "out.ndjson", "--batch", "20", "--keep-going")
    assert result.code == 3
    assert "No space left on device; try --resume when there is room" in result.err
    assert not (folder / "out.ndjson").exists()
    result = cli("run", "in.ndjson", "-o", "out.ndjson", "--batch", "20", "--resume")
    assert result.code == 0, result.err
    assert "shards were done before" in result.err
    assert cli("run", "in.ndjson", "-o", "whole.ndjson", "--batch", "20").code == 0
    assert (folder / "out.ndjson").read_bytes() == (folder / "whole.ndjson").read_bytes()


@pytest.mark.parametrize(
    ("inputs", "options", "message"),
    [
        ("in.ndjson", ["-o", "out.ndjson", "--steps", "track"], "they need the video"),
        ("in.ndjson", ["-o", "out.ndjson", "--images", "set"], "`refine profile PRED"),
        ("in.ndjson", ["-o", "out.json"], "a file of NDJSON or Parquet"),
        ("in.ndjson", ["-o", "-"], "a file of NDJSON or Parquet"),
        ("in.ndjson", ["-o", "no/out"], "folder that is not there"),
        ("in.ndjson", ["-o", "out", "--to-skeleton", "no"], "the name of a skeleton"),
        ("empty", ["-o", "out"], "expected a folder with .json or "),
        ("none.ndjson", ["-o", "out"], "No such file"),
        ("-", ["-o", "out"], "got standard input"),
        ("none.parquet", ["-o", "out"], "No such file"),
        ("void.ndjson", ["-o", "out"], "empty file"),
        ("void.parquet", ["-o", "out"], "expected Parquet"),
        ("list.ndjson", ["-o", "out"], "list.ndjson, line 2"),
        ("id.ndjson", ["-o", "out"], "id.ndjson, line 1: expected an image id"),
        ("mixed", ["-o", "out"], "expected files of one kind, got a.parquet"),
        ("nan.ndjson", ["-o", "out"], "nan.ndjson"),
        ("text.parquet", ["-o", "out"], "expected Parquet"),
        ("columns.parquet", ["-o", "out"], "expected a column 'image_id'"),
        ("memory://nothing", ["-o", "out"], "expected a readable file"),
        ("in.ndjson", ["-o", "memory://out.ndjson"], "a file of NDJSON or Parquet"),
    ],
)
def test_what_cannot_be_done_is_told_before_anything_is_written(
    cli, folder, inputs, options, message
):
    import pyarrow
    from pyarrow import parquet

    (folder / "empty").mkdir()
    (folder / "void.ndjson").touch()
    (folder / "void.parquet").touch()
    (folder / "text.parquet").write_text("PAR1" * 20)
    (folder / "list.ndjson").write_text('{"image_id": 1, "poses": []}\n[1]\n')
    (folder / "id.ndjson").write_text('{"image_id": [1], "poses": []}\n')
    (folder / "mixed").mkdir()
    for name in ("a.parquet", "b.ndjson"):
        (folder / "mixed" / name).touch()
    (folder / "nan.ndjson").write_text('{"image_id": NaN, "poses": []}\n')
    parquet.write_table(pyarrow.table({"a": [1]}), "columns.parquet")
    before = names_in(".")
    result = cli("run", inputs, *options, "--workers", "1")
    assert result.code == 3
    assert message in result.err
    assert names_in(".") == before
