"""Seconds and memory of drawing 1,000 COCO pictures: `python tests/benchmarks/draw_speed.py DATA`.

Poses of tf-pose on the 86 val pictures, before and after `refine run`, over and over under new ids.
"""

import resource
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

import refine
from refine.drawing.cases import find_cases, sort_cases
from refine.drawing.cells import Look
from refine.drawing.files import WORKERS, Pictures, contact_sheet, encode, write_each
from refine.drawing.stages import line_up
from refine.evaluation.ground_truth import read_ground_truth
from refine.refiner.image.crops import find_pictures

NUMBER = 1000


def repeated(poses, times):
    """Return poses on so many copies of their images."""
    images = tuple(replace(ref, id=f"{ref.id}-{i}") for i in range(times) for ref in poses.images)
    whole = refine.Poses.concat([poses] * times)
    image = np.concatenate([poses.image + i * len(poses.images) for i in range(times)])
    return whole.replace(images=images, image=image)


def main(data):
    """Print the table."""
    before = refine.read(data / "predictions/tfpose-mobilenet-thin__val.json")
    truth = read_ground_truth(data / "coco/images_val_gt.json")
    stages = line_up({"before": before, "after": refine.run(before)}, truth)
    paths = find_pictures(data / "coco/images/val2017", stages.images)
    times = -(-NUMBER // len(paths))
    copies = [repeated(poses, times) for poses in stages.poses]
    start = time.perf_counter()
    several = line_up(dict(zip(stages.names, copies, strict=True)))
    cases = sort_cases(find_cases(several), "change")[:NUMBER]
    spent = time.perf_counter() - start
    print(f"{len(cases)} pictures, {WORKERS} threads; lined up and sorted in {spent:.2f} s\n")
    print("| what | s | MB written |\n|---|---|---|")
    pictures = Pictures(paths * times)
    whole = Look(None, crop=False)
    for encoding in ("jpg", "png", "svg"):
        with tempfile.TemporaryDirectory() as folder:
            start = time.perf_counter()
            write_each(several, cases, pictures, whole, folder, encoding)
            spent = time.perf_counter() - start
            size = sum(path.stat().st_size for path in Path(folder).iterdir())
            print(f"| a folder of .{encoding} | {spent:.1f} | {size / 1e6:.0f} |")
    for top in (12, 150):
        start = time.perf_counter()
        data = encode(contact_sheet(several, cases[:top], pictures, Look()), "jpg")
        spent = time.perf_counter() - start
        print(f"| a sheet of {top} rows, .jpg | {spent:.1f} | {len(data) / 1e6:.1f} |")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f"\nAt most {peak / 1024:.0f} MiB were in memory.")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
