"""Print what the image-free refiner does to true poses with left and right swapped, as Markdown.

Usage: python tests/benchmarks/swapped.py DATA [--poses N]

DATA is the folder of the evaluation data, which is not part of the project: Penn Action's hand-made
labels of 12 joints. Mean keypoint similarity to the labels, before and after.
"""

import argparse
from pathlib import Path

import numpy as np

import refine
from refine.oks import keypoint_similarity
from refine.poses import ImageRef, Poses

PARTS = {
    "nothing": (),
    "elbows and wrists": ("elbow", "wrist"),
    "arms with shoulders": ("shoulder", "elbow", "wrist"),
    "knees and ankles": ("knee", "ankle"),
    "all": ("shoulder", "elbow", "wrist", "hip", "knee", "ankle"),
}
LEAST_JOINTS = 10
AREA = 0.53
"""Of a person, over that of the box of its keypoints: about COCO's."""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("--poses", type=int, default=5000)
    options = parser.parse_args()
    body = refine.skeleton("coco17")
    with np.load(options.data / "penn_action/penn_action_dev.npz") as file:
        rng = np.random.default_rng(0)
        rows = np.sort(rng.choice(len(file["xy"]), options.poses, replace=False))
        at = [body.index(str(n)) if str(n) in body.joints else -1 for n in file["joint_names"]]
        xy = np.full((len(rows), len(body), 2), np.nan)
        known = np.flatnonzero(np.array(at) >= 0)
        shown = file["visible"][rows][:, known, None]
        xy[:, np.array(at)[known]] = np.where(shown, file["xy"][rows][:, known], np.nan)
    xy = xy[np.isfinite(xy).all(-1).sum(1) >= LEAST_JOINTS]
    labelled = np.isfinite(xy).all(-1)
    area = np.maximum((np.nanmax(xy, 1) - np.nanmin(xy, 1)).prod(1) * AREA, 1.0)

    def similarity(found):
        same = keypoint_similarity(xy, np.nan_to_num(found), area, body.require_sigmas())
        return same[labelled].mean()

    print("| swapped | as they came | refined | joints moved |\n|---|---|---|---|")
    for name, parts in PARTS.items():
        order = np.arange(len(body))
        joints = [body.index(f"{side}_{part}") for part in parts for side in ("left", "right")]
        order[joints] = body.mirror[joints]
        refs = [ImageRef(i) for i in range(len(xy))]
        poses = Poses.from_arrays(body, xy[:, order], images=refs, image=np.arange(len(xy)))
        done = refine.run(poses, steps=["complete", "correct"])
        moved = done.history[-1].parameters["joints"]
        told = " | ".join(f"{similarity(p.xy):.3f}" for p in (poses, done))
        print(f"| {name} | {told} | {moved} |", flush=True)


if __name__ == "__main__":
    main()
