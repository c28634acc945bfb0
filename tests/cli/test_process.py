"""What the command line does with streams, signals, consoles and missing packages."""

import gc
import json
import os
import signal
import subprocess
import sys
import time

import pytest

from refine.cli._process import prepare
from tests.oracles.records import row, store

REFINE = [sys.executable, "-m", "refine"]


def sh(command, cwd, **environment):
    return subprocess.run(
        ["bash", "-c", command.replace("refine ", f"{sys.executable} -m refine ")],
        cwd=cwd, capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": os.getcwd(), **environment},  # noqa: PTH109
    )  # fmt: skip


@pytest.fixture
def pred(tmp_path):
    return store(tmp_path, [row()])


@pytest.mark.parametrize("verb", ["presets", "--help", "nms pred.json -o -"])
def test_a_reader_that_leaves_is_no_failure(pred, tmp_path, verb):
    done = sh(f"refine {verb} | head -c 1 > /dev/null; exit ${{PIPESTATUS[0]}}", tmp_path)
    assert done.returncode == 0
    assert "rror" not in done.stderr


@pytest.mark.parametrize(
    ("command", "why"),
    [
        ("nms pred.json -o - > /dev/full", "No space left"),
        ("nms pred.json -o /dev/full", "No space left"),
        ("formats > /dev/full", "No space left"),
        ("nms pred.json -o - >&-", "Bad file descriptor"),
        ("formats >&-", "Bad file descriptor"),
        ("nms - -o out.json <&-", "standard input is closed"),
    ],
)
def test_streams_that_cannot_be_used_are_bad_targets(pred, tmp_path, command, why):
    done = sh(f"refine {command}", tmp_path)
    assert done.returncode == 3
    assert why in done.stderr
    assert "Traceback" not in done.stderr
    assert "ignored" not in done.stderr
    assert sorted(p.name for p in tmp_path.iterdir()) == ["pred.json"]


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_a_console_that_cannot_show_a_name_shows_its_number(pred, tmp_path, encoding):
    pred.rename(tmp_path / "猫.json")
    done = sh("refine nms 猫.json --json -o b.json", tmp_path, PYTHONIOENCODING=encoding)
    assert done.returncode == 0
    # Where the encoding is ASCII click takes the environment for broken and writes UTF-8.
    name = "猫" if encoding == "ascii" else "\\u732b"
    assert f"{name}.json: read as coco" in done.stderr
    assert json.loads(done.stdout)["poses_out"] == 1
    done = sh("refine nms 犬.json -o b.json --json", tmp_path, PYTHONIOENCODING=encoding)
    assert done.returncode == 3


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_signals_leave_no_drafts(pred, tmp_path, number, code):
    slow = (
        "import os, signal, sys, time, pathlib; from refine.cli import main; "
        # Of jobs in the background the shell lets SIGINT be ignored.
        "signal.signal(signal.SIGINT, signal.default_int_handler); "
        "os.fsync = lambda f: (pathlib.Path('ready').touch(), time.sleep(60)); "
        "sys.argv = ['refine', 'nms', 'pred.json', '-o', 'out.json']; main()"
    )
    environment = {**os.environ, "PYTHONPATH": os.getcwd()}  # noqa: PTH109
    with subprocess.Popen(
        [sys.executable, "-c", slow], cwd=tmp_path, env=environment, stderr=subprocess.DEVNULL
    ) as process:
        while not (tmp_path / "ready").exists() and process.poll() is None:
            time.sleep(0.05)
        process.send_signal(number)
        assert process.wait(20) == code
    assert sorted(p.name for p in tmp_path.iterdir()) == ["pred.json", "ready"]


def test_no_clobber_fails_where_something_is(cli, pred, tmp_path):
    out = tmp_path / "out.json"
    assert cli("nms", pred, "--no-clobber", "-o", out).code == 0
    before = out.read_bytes()
    result = cli("nms", pred, "--no-clobber", "-o", out)
    assert result.code == 3
    assert "--no-clobber" in result.err
    assert out.read_bytes() == before
    assert cli("nms", pred, "-o", out, "--no-clobber").code == 3


def test_quiet_says_nothing_and_errors_are_said_all_the_same(cli, pred, tmp_path):
    result = cli("run", pred, "-q", "-o", tmp_path / "out.json")
    assert (result.code, result.err) == (0, "")
    result = cli("run", tmp_path / "no.json", "-q", "-o", tmp_path / "out.json")
    assert (result.code, result.err.count("\n")) == (3, 1)


def test_an_eof_error_is_no_interrupt(cli, pred, tmp_path, monkeypatch):
    def end(*arguments, **options):
        raise EOFError("unexpected")

    monkeypatch.setattr("refine.formats.read", end)
    result = cli("nms", pred, "-o", tmp_path / "out.json")
    assert result.code == 1
    assert "EOFError: unexpected" in result.err


WITHOUT_TORCH = """
import importlib.abc, sys
class Absent(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name.partition(".")[0] == "torch":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Absent())
from refine.cli import main
main()
"""


@pytest.mark.parametrize(
    ("verb", "code"),
    [
        ("nms {pred} -o o.json", 0),
        ("convert {pred} --to ndjson -o o.ndjson", 0),
        ("run {pred} --no-refine -o o.json", 0),
        ("presets", 0),
        ("skeletons", 0),
        ("formats", 0),
        ("run {pred} -o o.json", 0),
        ("run {pred} --images pictures -o o.json", 1),
    ],
)
def test_without_torch_all_but_looking_works(pred, tmp_path, verb, code):
    (tmp_path / "pictures").mkdir()
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH, *verb.format(pred=pred).split()],
        cwd=tmp_path, capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": os.getcwd()},  # noqa: PTH109
    )  # fmt: skip
    assert done.returncode == code, done.stderr
    if code:
        last = done.stderr.splitlines()[-1]
        assert last.startswith("refine: expected the Python package torch")
        assert "`pip install torch`" in last


def test_garbage_is_looked_for_less_often_while_a_verb_runs():
    before = gc.get_threshold()
    with prepare():
        assert gc.get_threshold() > before
        assert gc.isenabled()
    assert gc.get_threshold() == before
