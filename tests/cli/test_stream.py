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


def test_frames_come_out_in_their_order_a_lag_later(cli, tmp_path):
    poses = refine.read(store(tmp_path, [row(7 + i) for i in range(8)]))
    refine.write(poses, tmp_path / "pred.ndjson")
    frames = (tmp_path / "pred.ndjson").read_text().splitlines()
    lines = "\n".join([*frames[:4], "[", frames[1], "", *frames[4:]]).encode()
    command = ("run", "-", "-o", "-", "--stream", "--lag", 0.1, "--steps")
    done = cli(*command, "track,unswap,gaps,smooth", "--fps", 30, stdin=lines)
    got = [json.loads(line) for line in done.out.splitlines()]
    assert [line.get("image_id") for line in got] == [7, 8, 9, 10, None, None, 11, 12, 13, 14]
    assert "JSON" in got[4]["error"]["message"]
    assert got[5]["line"] == 6
    assert "expected frames in their order, got 8 after 10" in got[5]["error"]["message"]
    assert {pose["track_id"] for line in got for pose in line.get("poses", ())} == {0}

    done = cli(*command, "smooth", stdin="\n".join(frames).encode())
    got = [json.loads(line) for line in done.out.splitlines()]
    assert [line["error"]["hint"] for line in got] == ["--fps 30"] * 8, "no frames per second"
    assert cli(*command, "track", "--join-tracks", 2, stdin=b"").code == 3
    assert cli(*command, "track", "--lag", -1, stdin=b"").code == 3


def test_files_are_no_streams(cli, tmp_path):
    assert cli("run", store(tmp_path, [row()]), "-o", "-", "--stream").code == 2
