"""`refine --version`, the namesake on PyPI, completion, and what the packages say of themselves."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import refine

ROOT = Path(__file__).parents[2]


@pytest.fixture
def namesake(tmp_path, monkeypatch):
    """Another distribution called `refine`."""
    folder = tmp_path / "refine-9.9.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: refine\nVersion: 9.9\n")
    monkeypatch.syspath_prepend(tmp_path)


def test_version(cli):
    done = cli("--version")
    assert (done.code, done.out, done.err) == (0, f"refine, version {refine.__version__}\n", "")


def test_a_namesake_is_told_in_a_line(cli, namesake):
    done = cli("--version")
    assert (done.code, done.out) == (0, f"refine, version {refine.__version__}\n")
    assert re.fullmatch(
        r"warning: another package called refine \(9\.9\) .*uninstall.*\n", done.err
    )


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(shell):
    command = [
        sys.executable,
        "-c",
        "import sys; sys.argv[0] = 'refine'; from refine.cli import main; main()",
    ]
    paths = {"PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}

    def complete(**environment):
        env = {**os.environ, **paths, **environment}
        return subprocess.run(command, env=env, capture_output=True, text=True, check=False).stdout

    script = complete(_REFINE_COMPLETE=f"{shell}_source")
    assert "_REFINE_COMPLETE" in script
    words = {"COMP_WORDS": "refine de", "COMP_CWORD": "de" if shell == "fish" else "1"}
    found = complete(_REFINE_COMPLETE=f"{shell}_complete", **words)
    assert "decode" in found
    assert "demo" in found
    assert "eval" not in found


def test_the_version_is_the_same_everywhere():
    version = re.search(r"^version: (.+)$", (ROOT / "CITATION.cff").read_text(), re.MULTILINE)
    assert version[1] == refine.__version__
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lowest = re.search(r">=(.+)", project["requires-python"])[1]
    assert f"Programming Language :: Python :: {lowest}" in project["classifiers"]
