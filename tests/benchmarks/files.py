"""Time of the processor, and memory, of reading and writing files of many poses.

    python tests/benchmarks/files.py [POSES ...]

Prints a Markdown table; every line is a process of its own, which has read and written a file as
large as need be to load what is compiled. The poses are made here, of 17 joints with two decimals,
five on an image; those of "fields" carry an id, a category and a box of others besides. Peaks are
those of the process; "before" is without any file.
"""

import json
import resource
import subprocess
import sys
import tempfile
import time
from itertools import product
from pathlib import Path

import numpy as np

import refine

FIELDS = " fields"
FORMATS = {
    "coco": "json",
    "ndjson": "ndjson",
    "parquet": "parquet",
    f"parquet{FIELDS}": "parquet",
}
"""Names of formats, and of their files."""
WARM = 4000
"""Poses of a file of more than 1 MiB: from there on files are read and written compiled."""


def make(path, n):
    rng = np.random.default_rng(0)
    poses = refine.Poses.from_arrays(
        "coco17",
        rng.uniform(0, 640, (n, 17, 2)).round(2),
        rng.uniform(0, 1, (n, 17)).round(3),
        instance_score=rng.uniform(0, 1, n).round(4),
        image=np.arange(n) // 5,
    )
    name = path.stem.rstrip("01")
    if name.endswith(FIELDS):
        box = rng.uniform(0, 640, (n, 4)).round(1).tolist()
        fields = ({"category_id": 1, "id": i, "bbox_of": each} for i, each in enumerate(box))
        poses = poses.replace(extra=tuple(fields))
    refine.write(poses, path, name.removesuffix(FIELDS))


def peak():
    """Return the most memory that this process has had, MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(warm, source, target):
    """Print the peak before, and seconds of reading and writing with the peak after each."""
    refine.write(refine.read(warm), target)
    told = [peak()]
    start = time.process_time()
    poses = refine.read(source)
    told += [time.process_time() - start, peak()]
    start = time.process_time()
    refine.write(poses, target)
    told += [time.process_time() - start, peak()]
    print(json.dumps(told))


def main(sizes):
    print(
        "| format | poses | file, MiB | before, MiB | read, s | peak, MiB | write, s | peak, MiB |"
    )
    print("|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for name, n in product(FORMATS, sizes):
            ending = FORMATS[name]
            warm, source = (Path(folder) / f"{name}{i}.{ending}" for i in (0, 1))
            for path, number in ((warm, WARM), (source, n)):
                path.unlink(missing_ok=True)
                subprocess.run([sys.executable, __file__, "make", path, str(number)], check=True)
            done = subprocess.run(
                [sys.executable, __file__, "measure", warm, source, source.with_stem("out")],
                check=True,
                capture_output=True,
            )
            before, read, after, write, most = json.loads(done.stdout)
            size = source.stat().st_size / 2**20
            print(
                f"| {name} | {n:,} | {size:.0f} | {before:.0f} | {read:.2f} | {after:.0f} "
                f"| {write:.2f} | {most:.0f} |",
                flush=True,
            )


if __name__ == "__main__":
    if sys.argv[1:2] == ["make"]:
        make(Path(sys.argv[2]), int(sys.argv[3]))
    elif sys.argv[1:2] == ["measure"]:
        measure(*sys.argv[2:5])
    else:
        main([int(n) for n in sys.argv[1:]] or [139_000, 1_000_000])
