"""Train the refiner without one of its parts at a time and print COCO AP per source, as Markdown.

Usage: python tests/benchmarks/ablation.py DATA OUT [--epochs 40]

DATA is the folder of the evaluation data, which is not part of the project; the weights of every
variant are kept in the folder OUT and taken from there when the script runs again.
"""

import argparse
import json
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import numpy as np
from refine_ap import SOURCES

import refine
from refine.errors.sources import draw_source
from refine.evaluation.ground_truth import read_ground_truth
from refine.pipeline import Config
from refine.refiner.pose.train import PoseSettings, train


def nobody_near(xy, present, image, count=3):
    return np.full((len(xy), count), -1)


def posefix_source(skeleton, rng):
    """PoseFix's table as it stands, on complete poses: no drift, limbs, omission or scores."""
    return replace(
        draw_source(skeleton, rng),
        severity=1.0,
        size_exponent=0.0,
        drift=0.0,
        spoilt=0.0,
        limb_rate=0.0,
        complete=True,
        fragment=0.0,
        duplicate=0.0,
        unlabelled=1.0,
        scored=False,
    )


NO_NEIGHBOURS = {
    "refine.refiner.pose.simulate.nearest_poses": nobody_near,
    "refine.refiner.pose.features.nearest_poses": nobody_near,
}
POSEFIX = {"refine.refiner.pose.dataset.draw_source": posefix_source}
VARIANTS = {
    "everything": ("full", {}, {}),
    "no neighbours": ("alone", NO_NEIGHBOURS, {}),
    "PoseFix's table only": ("posefix", POSEFIX, {}),
    "no gating": ("full", {}, {"margin": 0.0}),
    "no joining": ("full", {}, {"steps": Config().steps[1:]}),
    "no merging": ("full", {}, {"merge": False}),
    "no rescoring": ("full", {}, {"scores": "own"}),
}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--epochs", type=int, default=40)
    options = parser.parse_args()
    splits = json.loads((options.data / "splits.json").read_text())
    persons = None
    print("| variant |", " | ".join(SOURCES), "|")
    print("|---|" + "---|" * len(SOURCES))
    for name, (file, patches, changes) in VARIANTS.items():
        weights = options.out / f"{file}.safetensors"
        with ExitStack() as stack:
            for target, stand_in in patches.items():
                stack.enter_context(patch(target, stand_in))
            if not weights.exists():
                persons = persons or refine.read(
                    options.data / "coco/train_keypoints.json.gz", "coco-gt"
                )
                train(persons, weights, PoseSettings(epochs=options.epochs))
            config = replace(Config(weights=str(weights)), **changes)
            row = [average_precision(options.data, *s, splits, config) for s in SOURCES.values()]
        print(f"| {name} |", " | ".join(f"{ap:.3f}" for ap in row), "|", flush=True)


def average_precision(data, file, truth_file, split, splits, config):
    truth = read_ground_truth(data / truth_file)
    path = data / "predictions" / f"{file}.json"
    poses = refine.run(refine.read(path, images=data / "coco/val_dev_recon.json.gz"), config)
    known = np.isin([r.id for r in poses.images], truth.images)[poses.image]
    ids = splits[split] if split else None
    return refine.evaluate(truth, poses[known].replace(box=None), image_ids=ids)["AP"]


if __name__ == "__main__":
    main()
