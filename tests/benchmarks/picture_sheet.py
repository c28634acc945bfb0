"""Draw poses before and after the image refiner, with the truth, on crops of real pictures.

Usage: python tests/benchmarks/picture_sheet.py DATA OUT.png [--weights FILE] [--seed 0]

DATA is the folder of the evaluation data, which is not part of the project. Two poses of every
source of picture_ap.py are drawn by lot from those of which at least two joints change.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
from picture_ap import SOURCES, TRUTH
from PIL import Image

import refine
from refine.drawing.poses import before_after
from refine.evaluation.ground_truth import read_ground_truth
from refine.pipeline import Config
from refine.poses import Poses
from refine.refiner.image.crops import find_pictures, read_picture

A_SOURCE = 2
WIDTH = 300


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--weights", default="image")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    pictures = str(options.data / "coco/images")
    known = read_ground_truth(options.data / TRUTH).ids
    truth = refine.read(options.data / TRUTH, "coco-gt")
    rng = np.random.default_rng(options.seed)
    config = Config(
        steps=("complete", "correct"), pictures=pictures, picture_weights=options.weights
    )
    was: list[Poses] = []
    now: list[Poses] = []
    true: list[Poses] = []
    shades, captions = {}, {}
    for name, file in SOURCES.items():
        poses = refine.read(
            options.data / "predictions" / f"{file}.json", images=options.data / TRUTH
        )
        poses = poses[np.isin([r.id for r in poses.images], known)[poses.image]]
        better = refine.run(poses, config)
        changed = (better.present & (better.xy != poses.xy).any(-1)).sum(1)
        for row in rng.permutation(np.flatnonzero(changed >= 2))[:A_SOURCE].tolist():
            ref = poses.images[poses.image[row]]
            (path,) = find_pictures(pictures, [ref])
            key = f"{len(captions)}"
            shades[key] = Image.fromarray(read_picture(path))
            captions[key] = (f"{name}, image {ref.id}", "", f"{changed[row]} joints changed")
            of = [i for i, r in enumerate(truth.images) if r.id == ref.id]
            persons = truth[np.flatnonzero(np.isin(truth.image, of))]
            nearest = int(np.argmin([_distance(p, poses.xy[row]) for p in persons.xy]))
            one = (poses[[row]], better[[row]], persons[[nearest]])
            for part, pose in zip((was, now, true), one, strict=True):
                part.append(
                    Poses.from_arrays(pose.skeleton, pose.xy, images=[replace(ref, id=key)])
                )
    sheet = before_after(
        Poses.concat(was),
        Poses.concat(now),
        truth=Poses.concat(true),
        pictures=shades,
        captions=captions,
        ids=list(captions),
        width=WIDTH,
    )
    sheet.save(options.out)
    print(options.out)


def _distance(person, pose):
    both = np.isfinite(person + pose).all(-1)
    return np.hypot(*(person - pose)[both].T).mean() if both.any() else np.inf


if __name__ == "__main__":
    main()
