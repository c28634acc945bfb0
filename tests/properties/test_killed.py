"""A writer that is killed at any moment leaves the old file, the new one or none: never half."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import refine

KILLS = 6 * max(int(os.environ.get("REFINE_FUZZ", "0")), 1)
SIZE = 3_000_000
"""Bytes: enough that a kill often falls into the writing of one."""
FILE = f"""
import sys
from refine.files import write_bytes
print(flush=True)
for n in range(10**9):
    write_bytes(sys.argv[1], b"[" + b"%d," % (n % 10) * ({SIZE} // 2) + b"0]")
"""
FOLDER = """
import shutil, sys
from refine.files import write_folder
print(flush=True)
for n in range(10**9):
    write_folder(sys.argv[1] + str(n), ((str(i), b"x" * 1000) for i in range(50)))
"""


def killed(code, target, rng):
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(target)],
        cwd=Path(refine.__file__).parents[1],
        stdout=subprocess.PIPE,
    )
    process.stdout.readline()
    time.sleep(rng.uniform(0, 0.1))
    process.kill()
    process.communicate()


@pytest.mark.parametrize("old", [None, b"[0]"])
def test_a_file_is_old_new_or_absent(old, tmp_path):
    rng = np.random.default_rng(0)
    for i in range(KILLS // 2):
        target = tmp_path / f"out{i}.json"
        if old is not None:
            target.write_bytes(old)
        killed(FILE, target, rng)
        if old is not None or target.exists():
            rows = json.loads(target.read_bytes())
            assert rows == [0] or len(rows) == SIZE // 2 + 1


def test_a_folder_is_whole_or_absent(tmp_path):
    rng = np.random.default_rng(1)
    for i in range(KILLS // 3):
        killed(FOLDER, tmp_path / f"out{i}-", rng)
    folders = [path for path in tmp_path.iterdir() if not path.name.startswith(".")]
    for folder in folders:
        sizes = {file.stat().st_size for file in folder.iterdir()}
        assert (len(list(folder.iterdir())), sizes) == (50, {1000})
