"""How long the command line takes from start to end on small files, beside what Python takes.

python tests/benchmarks/cold.py [--rounds 7]

Each is a process of its own, in turn with the others; files and compiled code are in the caches of
the system. Seconds are those of the clock, medians, and of the processor, the least, which tell
more where others use the machine. "first use" has an empty cache of compiled code, once, of the
processor too.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from refine.formats import write
from refine.sample import make_heatmaps, make_people, make_predictions


def make(folder):
    """Write what one image has: predictions, truth and heatmaps; and those of ten images."""
    rng = np.random.default_rng(0)
    truth, _ = make_people(10, rng)
    poses = make_predictions(truth, rng)
    write(poses, folder / "ten.json", "coco")
    write(truth, folder / "truth.json", "coco-gt")
    write(poses[poses.image == 0], folder / "one.json", "coco")
    np.savez(folder / "maps.npz", **make_heatmaps(truth[truth.image == 0], rng))
    return len(poses), int((poses.image == 0).sum())


def seconds(command, folder, cache=None):
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    if cache:
        environment["NUMBA_CACHE_DIR"] = cache
    begin = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, *command],
        cwd=folder,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, command
    return time.perf_counter() - begin, used.ru_utime + used.ru_stime


def main(rounds):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ten, one = make(folder)
        refine = ("-m", "refine")
        commands = {
            "python -c pass": ("-c", "pass"),
            "import numpy": ("-c", "import numpy"),
            "import numba": ("-c", "import numba"),
            "import torch": ("-c", "import torch"),
            "refine --help": (*refine, "--help"),
            f"refine nms, {ten} poses": (*refine, "nms", "ten.json", "-o", "out.json"),
            "refine decode, one image": (
                *(*refine, "decode", "maps.npz", "--preset", "refine", "-o", "out.json"),
            ),
            f"refine eval, {ten} poses": (*refine, "eval", "--gt", "truth.json", "ten.json"),
            f"refine run, one image of {one} poses": (*refine, "run", "one.json", "-o", "out.json"),
        }
        times = {what: [] for what in commands}
        for _ in range(rounds + 1):
            for what, command in commands.items():
                times[what].append(seconds(command, folder))
        print("| process | s | s of the processor | first use |\n|---|---|---|---|")
        for what, command in commands.items():
            first = ""
            if what.startswith("refine") and "help" not in what:
                with tempfile.TemporaryDirectory() as cache:
                    first = f"{seconds(command, folder, cache)[1]:.2f}"
            clock, busy = zip(*times[what][1:], strict=True)
            print(f"| `{what}` | {statistics.median(clock):.2f} | {min(busy):.2f} | {first} |")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    main(parser.parse_args().rounds)
