"""`refine run` in shards that is killed, or finds what it cannot do: nothing lost, nothing half."""

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

import pytest

import refine
from refine.corpus.local import WorkerError, run_local
from refine.corpus.reading import Reading, settle
from refine.corpus.shards import plan
from refine.corpus.work import Job
from tests.oracles.corpora import alike, contents, names_in, part

pytest.importorskip("pyarrow")


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
