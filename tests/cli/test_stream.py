"""`refine run - -o - --stream`: a filter that answers each line, and lives on after a bad one."""

import json
import subprocess
import sys

import refine
from tests.oracles.records import row, store


def test_each_line_is_answered_before_the_next_comes(tmp_path):
    poses = refine.read(store(tmp_path, [row(7), row(8)]))
    refine.write(poses, tmp_path / "pred.ndjson")
    refine.write(refine.run(poses), tmp_path / "whole.ndjson")
    lines = (tmp_path / "pred.ndjson").read_text().splitlines()
    command = [sys.executable, "-m", "refine", "run", "-", "-o", "-", "--stream"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    got = []
    with subprocess.Popen(command, **pipes) as process:
        for line in (lines[0], "[", "", lines[1]):
            process.stdin.write(line + "\n")
            process.stdin.flush()
            if line:
                got.append(json.loads(process.stdout.readline()))
        process.stdin.close()
        assert process.stdout.read() == ""
    assert process.returncode == 0
    assert got[1]["line"] == 2
    assert "JSON" in got[1]["error"]["message"]
    whole = [json.loads(line) for line in (tmp_path / "whole.ndjson").read_text().splitlines()]
    assert [got[0]["poses"], got[2]["poses"]] == [line["poses"] for line in whole]


def test_files_are_no_streams(cli, tmp_path):
    assert cli("run", store(tmp_path, [row()]), "-o", "-", "--stream").code == 2
