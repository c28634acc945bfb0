"""What one thread and two cost, and what another process on one of the cores does to them.

python tests/benchmarks/threads.py [--rounds 15]

Decoding of 64 crops, suppression of 100,000 poses on 5,000 images and the pose refiner on 20,000
poses; ms, medians, and the longest; beside them OpenBLAS's own two threads on products of the
refiner's size.
"""

import argparse
import statistics
import subprocess
import sys
import time

import numpy as np

import refine
from refine._threads import set_threads
from refine.decoding import decode_heatmaps
from refine.suppression import oks_nms


def works():
    """Yield names and functions."""
    rng = np.random.default_rng(0)
    maps = rng.random((64, 17, 64, 48), np.float32)
    xy = rng.uniform(0, 640, (100_000, 1, 2)) + rng.normal(0, 40, (100_000, 17, 2))
    image = np.arange(100_000) // 20
    score, area, sigmas = rng.random(100_000), np.full(100_000, 5e3), np.full(17, 0.08)
    poses = refine.Poses.from_arrays(
        "coco17", xy[:20_000], np.full((20_000, 17), 0.5), image=image[:20_000]
    )
    refiner = refine.Refiner.load()
    scene = refiner.scene(poses)
    square = rng.random((512, 512), np.float32)
    yield "decoding, 64 x 17 maps", lambda: decode_heatmaps(maps, "dark")
    yield "suppression, 100,000 poses", lambda: oks_nms(xy, score, area, sigmas, image=image)
    yield "pose refiner, 20,000 poses", lambda: refiner.believe_scene(scene)
    yield "OpenBLAS, 9 products", lambda: [square @ square for _ in range(9)]


def measure(work, rounds):
    """Return the median and the longest of some rounds, ms."""
    work()
    times = []
    for _ in range(rounds):
        begin = time.perf_counter()
        work()
        times.append(1000 * (time.perf_counter() - begin))
    return f"{statistics.median(times):.3g} / {max(times):.3g}"


def main(rounds):
    names, columns = [], []
    for busy in (False, True):
        other = subprocess.Popen([sys.executable, "-c", "while True: pass"]) if busy else None
        try:
            for threads in (1, 2):
                set_threads(threads)
                names.append(f"{threads}{', beside a busy loop' if busy else ''}")
                columns.append({name: measure(work, rounds) for name, work in works()})
        finally:
            if other:
                other.kill()
    print(f"| threads: | {' | '.join(names)} |\n|---|{'---|' * len(names)}")
    for task in columns[0]:
        print(f"| {task} | {' | '.join(column[task] for column in columns)} |")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    main(parser.parse_args().rounds)
