"""Print how many persons a second eyes look at in `refine run`, and where the time goes.

Usage: python tests/benchmarks/picture_speed.py DATA [--eyes NAME] [--threads N] [--no-flip]

DATA is the folder of the evaluation data, which is not part of the project. "Outside of the
eyes" is all time but theirs: reading and cutting pictures as far as they wait for them, the
image-free refiner, fusion and judgement. Beside wall time stands that of the processor, of all
threads together, which tells more where others use the machine.
"""

import argparse
import statistics
import time
from dataclasses import replace
from pathlib import Path

import refine

SOURCE = "posenet-coral__val"
TRUTH = "coco/images_val_gt.json"
RUNS = 3


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("--eyes", default="image")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--no-flip", action="store_true")
    options = parser.parse_args()
    refine.set_threads(options.threads)
    truth = options.data / TRUTH
    poses = refine.read(options.data / "predictions" / f"{SOURCE}.json", images=truth)
    refiner = refine.ImageRefiner.load(
        options.data / "coco/images", options.eyes, flip=not options.no_flip
    )
    inside = [0.0]

    def timed(forward):
        def run(*args, **kwargs):
            began = time.perf_counter()
            said = forward(*args, **kwargs)
            inside[0] += time.perf_counter() - began
            return said

        return run

    eye = refiner.reader.eye
    reader = replace(refiner.reader, eye=replace(eye, look=timed(eye.look)))
    refiner = replace(refiner, reader=reader)
    speeds, shares, costs = [], [], []
    for _ in range(1 + RUNS):
        inside[0] = 0.0
        began, busy = time.perf_counter(), time.process_time()
        refiner.believe(poses)
        took = time.perf_counter() - began
        costs.append((time.process_time() - busy) / len(poses))
        speeds.append(len(poses) / took)
        shares.append(1 - inside[0] / took)
    flip = "one look" if options.no_flip else "two looks"
    print(
        f"{len(poses)} poses, {options.threads} threads, {flip}: "
        f"{statistics.median(speeds[1:]):.1f} persons/s, "
        f"{1000 * statistics.median(costs[1:]):.1f} ms of the processor each, "
        f"{100 * statistics.median(shares[1:]):.1f} % of the time outside of the eyes"
    )


if __name__ == "__main__":
    main()
