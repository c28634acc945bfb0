"""Users' first days, from their files to the figures that they want; each is a shell script.

The scripts run in an empty folder, on files that `make.py` makes.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
SCRIPTS = sorted(set(HERE.glob("*.sh")) - {HERE / "common.sh"})
SECONDS = 240


@pytest.fixture(scope="session")
def commands(tmp_path_factory):
    """Return a folder with `refine` and `python`: this checkout and this interpreter."""
    folder = tmp_path_factory.mktemp("bin")
    for name, words in {"refine": "-m refine ", "python": ""}.items():
        (folder / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" {words}"$@"\n')
        (folder / name).chmod(0o755)
    return folder


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda p: p.stem)
def test_journey(script, commands, tmp_path):
    paths = [str(HERE.parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])]
    env = {
        **os.environ,
        "PATH": f"{commands}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": os.pathsep.join(paths),
        "OMP_NUM_THREADS": "1",
    }
    done = subprocess.run(
        ["bash", str(script)],
        cwd=tmp_path,
        env=env,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
