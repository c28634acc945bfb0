"""examples/video.md says what its commands print; REFINE_WRITE_PAGES=1 writes it anew."""

import os
import re
import runpy
import shlex
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[1] / "examples" / "video.md"
BLOCK = re.compile(r"```console\n(.*?)```\n", re.DOTALL)
NUMBER = re.compile(r"\d+(?:\.\d+)?")
LEEWAY = 0.02
"""Of figures: processors round differently."""


@pytest.fixture
def shell(cli, capfdbinary, tmp_path, monkeypatch):
    """Run a line as a shell in an empty folder would, and return all that it says."""
    monkeypatch.chdir(tmp_path)

    def run(line):
        program, *arguments = shlex.split(line)
        if program == "refine":
            done = cli(*arguments)
            assert done.code == 0, done.err
            return done.err + done.out
        monkeypatch.setattr(sys, "argv", arguments)
        runpy.run_path(str(PAGE.parent / arguments[0]), run_name="__main__")
        sys.stdout.flush()
        return capfdbinary.readouterr().out.decode()

    return run


def test_the_page_says_what_its_commands_print(shell):
    pytest.importorskip("av")
    text = PAGE.read_text("utf-8")

    def again(block):
        lines = [line for line in block[1].splitlines() if line.startswith("$ ")]
        return "```console\n" + "".join(f"{line}\n{shell(line[2:])}" for line in lines) + "```\n"

    found = BLOCK.sub(again, text)
    if os.environ.get("REFINE_WRITE_PAGES"):
        PAGE.write_text(found, "utf-8")
        return
    assert NUMBER.sub("#", found) == NUMBER.sub("#", text)
    told, came = ([float(n) for n in NUMBER.findall(each)] for each in (text, found))
    assert came == pytest.approx(told, rel=LEEWAY, abs=LEEWAY)
    for path in map(Path, ("video/before-after.mp4", "video/joints.png", "video/better.json")):
        assert path.stat().st_size > 10_000
