"""Time and memory of reading and writing files of many poses.

    python tests/benchmarks/files.py [POSES]

Prints a Markdown table; every line is a process of its own. The poses are made here, of 17 joints
with two decimals, five on an image.
"""

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

import refine

FORMATS = ("coco", "ndjson")


def make(path, n):
    rng = np.random.default_rng(0)
    refine.write(
        refine.Poses.from_arrays(
            "coco17",
            rng.uniform(0, 640, (n, 17, 2)).round(2),
            rng.uniform(0, 1, (n, 17)).round(3),
            instance_score=rng.uniform(0, 1, n).round(4),
            image=np.arange(n) // 5,
        ),
        path,
        path.stem,
    )


def measure(source, target):
    """Print seconds of reading and writing, and the peak after each, MiB."""
    told = []
    poses = None
    for _ in range(2):
        start = time.perf_counter()
        if poses is None:
            poses = refine.read(source)
        else:
            refine.write(poses, target)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        told += [time.perf_counter() - start, peak]
    print(json.dumps(told))


def main(n):
    print("| format | poses | file, MiB | read, s | peak, MiB | write, s | peak, MiB |")
    print("|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for name in FORMATS:
            source = Path(folder) / f"{name}.{'ndjson' if name == 'ndjson' else 'json'}"
            subprocess.run([sys.executable, __file__, "make", source, str(n)], check=True)
            target = source.with_stem("out")
            done = subprocess.run(
                [sys.executable, __file__, "measure", source, target],
                check=True,
                capture_output=True,
            )
            read, after, write, peak = json.loads(done.stdout)
            size = source.stat().st_size / 2**20
            print(
                f"| {name} | {n} | {size:.0f} | {read:.1f} | {after:.0f} | {write:.1f} "
                f"| {peak:.0f} |",
                flush=True,
            )


if __name__ == "__main__":
    if sys.argv[1:2] == ["make"]:
        make(Path(sys.argv[2]), int(sys.argv[3]))
    elif sys.argv[1:2] == ["measure"]:
        measure(*sys.argv[2:4])
    else:
        main(int(sys.argv[1]) if sys.argv[1:] else 1_000_000)
