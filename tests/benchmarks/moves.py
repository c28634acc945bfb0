"""Print what moves are expected to gain and what they gain, per source, as Markdown.

Usage: python tests/benchmarks/moves.py DATA [--weights FILE]

DATA is the folder of the evaluation data, which is not part of the project. For each file of
predictions on the development pictures: the similarity of joints as they came, expected and true,
and the mean true gain of the labelled joints that the image-free refiner would move, by the gain
that it expects, with their number.
"""

import argparse
from itertools import pairwise
from pathlib import Path

import numpy as np

import refine
from refine.calibration.fit import read_sample
from refine.evaluation.ground_truth import read_ground_truth
from refine.refiner.pose.refiner import Refiner

EDGES = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 1.0)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("--weights", default="coco17")
    options = parser.parse_args()
    truth = read_ground_truth(options.data / "coco/images_val_gt.json")
    refiner = Refiner.load(options.weights)
    bands = [f"{low:g} to {high:g}" for low, high in pairwise(EDGES)]
    print("| file | expected | true |", " | ".join(bands), "|")
    print("|---|---|---|" + "---|" * len(bands))
    totals = np.full((0, len(bands)), np.nan)
    for path in sorted((options.data / "predictions").glob("*__val*.json")):
        poses = refine.read(path, images=options.data / "coco/val_dev_recon.json.gz")
        if poses.skeleton.name != truth.skeleton.name:
            continue
        sample = read_sample(truth, poses, refiner, strict=False, image_ids=truth.ids)
        sample = sample[sample.counts]
        belief = sample.belief
        labelled = np.isfinite(sample.came) & sample.poses.present
        expected = np.where(labelled & (belief.keep > 0), belief.move - belief.keep, -1.0)
        gain = sample.reach - sample.came
        rows = [gain[(expected > low) & (expected <= high)] for low, high in pairwise(EDGES)]
        means = [float(r.mean()) if len(r) else np.nan for r in rows]
        if not path.stem.startswith(("synthetic", "ensemble")):
            totals = np.vstack([totals, means])
        cells = [f"{m:+.2f} ({len(r)})" if len(r) else "" for m, r in zip(means, rows, strict=True)]
        ends = (belief.keep[labelled].mean(), sample.came[labelled].mean())
        print(
            f"| {path.stem} |", " | ".join([*(f"{e:.3f}" for e in ends), *cells]), "|", flush=True
        )
    means = np.nanmean(totals, 0)
    print("| mean of the networks | | |", " | ".join(f"{mean:+.2f}" for mean in means), "|")


if __name__ == "__main__":
    main()
