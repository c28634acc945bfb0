"""Print COCO AP of every file of predictions as it came and refined with its pictures, as Markdown.

Usage: python tests/benchmarks/picture_ap.py DATA [PATTERN] [--eyes NAME|FILE] [--known-by N]

DATA is the folder of the evaluation data, which is not part of the project. A file is refined
without pictures, with them as a whole, picture by picture as if each came from an unknown source,
and picture by picture with a profile of the source, by the whole file or its first N poses.
Differences have 95 % bootstrap intervals over the pictures.
"""

import argparse
import tempfile
import warnings
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np

import refine
from refine.evaluation.coco import evaluate_counted
from refine.evaluation.ground_truth import read_ground_truth
from refine.evaluation.parts import Options
from refine.evaluation.resampling import paired_intervals
from refine.exceptions import RefineWarning
from refine.pipeline import Config
from refine.poses import Poses
from refine.refiner.fusion.source import save_profile

TRUTH = "coco/images_val_gt.json"
LAST_IMAGE = 212226
"""The Lightweight OpenPose file ends at this image."""
COLUMNS = (
    "input",
    "without pictures",
    "whole file",
    "picture by picture",
    "with profile",
    "whole file - input",
    "picture by picture - input",
)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("pattern", nargs="?", default="*__val*")
    parser.add_argument("--eyes", default="image")
    parser.add_argument("--known-by", type=int)
    options = parser.parse_args()
    warnings.simplefilter("ignore", RefineWarning)
    truth = read_ground_truth(options.data / TRUTH)
    folder = str(options.data / "coco/images")
    looking = Config(pictures=folder, picture_weights=options.eyes)
    refiner = refine.ImageRefiner.load(folder, options.eyes)
    profile = Path(tempfile.mkdtemp()) / "source.json"
    knowing = replace(looking, profile=str(profile))
    print("| file |", " | ".join(COLUMNS), "|")
    print("|---" * (1 + len(COLUMNS)) + "|")
    for path in sorted((options.data / "predictions").glob(f"{options.pattern}.json")):
        poses = refine.read(path, images=options.data / TRUTH)
        if poses.skeleton.name != truth.skeleton.name:
            continue
        ids = [i for i in truth.ids if "lwop" not in path.stem or i <= LAST_IMAGE]
        poses = poses[np.isin([r.id for r in poses.images], ids)[poses.image]]
        parts = [rows for _, rows in poses.by_image() if len(rows)]
        save_profile(profile, refiner.profile(poses[: options.known_by]))
        ways = [
            poses,
            refine.run(poses),
            refine.run(poses, looking),
            together(refine.run(poses[rows], looking) for rows in parts),
            together(refine.run(poses[rows], knowing) for rows in parts),
        ]
        told = Options(image_ids=ids, area="keypoints", strict=False)
        found = [evaluate_counted(truth, way, told) for way in ways]
        cells = [f"{each.report['AP']:.3f}" for each in found]
        gains = [each.gains["AP"] for each in paired_intervals(found)[2:4]]
        cells += [f"{g.value:+.3f} ({g.low:+.3f} to {g.high:+.3f})" for g in gains]
        print(f"| {path.stem} |", " | ".join(cells), "|", flush=True)


def together(parts: Iterable[Poses]) -> Poses:
    """Join parts whose histories tell different counts."""
    return Poses.concat([part.replace(history=()) for part in parts])


if __name__ == "__main__":
    main()
