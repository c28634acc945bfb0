"""Print COCO AP of the image-free refiner in NumPy and in onnxruntime, and what each costs.

Usage: python tests/benchmarks/export_ap.py DATA [--weights FILE]

DATA is the folder of the evaluation data, which is not part of the project. The first table is AP
after the main job (`refine run`), the second the size of the files and the time of the refiner
alone, in whole files and pose by pose, on one thread.
"""

import argparse
import json
import time
from pathlib import Path
from unittest.mock import patch

import numpy as np
import onnxruntime
from refine_ap import SOURCES

import refine
from refine.evaluation.ground_truth import read_ground_truth
from refine.onnx import export_onnx
from refine.pipeline import Config
from refine.refiner.belief import Belief
from refine.refiner.pose.export import export_inputs, exportable_refiner
from refine.refiner.pose.features import Scene
from refine.refiner.pose.refiner import Refiner
from refine.refiner.pose.weights import load_network

ALONE = 200
"""Poses that are timed one by one."""


def through(data):
    """Return `Refiner.believe_scene` of an ONNX file."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]

    def believe_scene(self, scene, progress=None):
        out = dict(zip(names, session.run(None, export_inputs(scene)), strict=True))
        return Belief(out.pop("refined").astype(float), **out)

    return believe_scene


def one_pose(scene, i):
    """Cut a pose without neighbours out of a scene."""
    rows = slice(i, i + 1)
    near = np.full_like(scene.near[rows], -1)
    return Scene(
        scene.xy[rows], scene.present[rows], scene.score[rows], near, scene.image_size[rows]
    )


def cost(believe_scene, refiner, scenes):
    """Return ms a pose in whole files and one by one, the best of three."""
    alone = [one_pose(scenes[0], i) for i in range(ALONE)]
    best = []
    for work in (scenes, alone):
        took = []
        for _ in range(3):
            began = time.perf_counter()
            for scene in work:
                believe_scene(refiner, scene)
            took.append(time.perf_counter() - began)
        best.append(1000 * min(took) / sum(len(scene.xy) for scene in work))
    return best


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("--weights", default="coco17")
    options = parser.parse_args()
    splits = json.loads((options.data / "splits.json").read_text())
    refiner = Refiner.load(options.weights)
    model = exportable_refiner(*load_network(options.weights))
    files = {"onnx": export_onnx(model)[0], "int8": export_onnx(model, int8=True)[0]}
    engines = {"refine": Refiner.believe_scene} | {k: through(data) for k, data in files.items()}
    scenes = []
    print("| source | input |", " | ".join(engines), "|")
    print("|---|---|" + "---|" * len(engines))
    for name, (file, truth_file, split) in SOURCES.items():
        truth = read_ground_truth(options.data / truth_file)
        path = options.data / "predictions" / f"{file}.json"
        poses = refine.read(path, images=options.data / "coco/val_dev_recon.json.gz")
        scenes.append(refiner.scene(poses))
        ids = splits[split] if split else None

        def score(result, truth=truth, ids=ids):
            known = np.isin([r.id for r in result.images], truth.ids)[result.image]
            return refine.evaluate(truth, result[known].replace(box=None), image_ids=ids)["AP"]

        row = [score(poses)]
        for believe_scene in engines.values():
            with patch.object(Refiner, "believe_scene", believe_scene):
                row.append(score(refine.run(poses, Config(weights=options.weights))))
        print(f"| {name} |", " | ".join(f"{value:.4f}" for value in row), "|", flush=True)
    print("\n| | refine | onnx | int8 |\n|---|---|---|---|")
    print("| MB | |", " | ".join(f"{len(data) / 1e6:.1f}" for data in files.values()), "|")
    costs = [cost(believe_scene, refiner, scenes) for believe_scene in engines.values()]
    for what, row in zip(("whole files", "pose by pose"), zip(*costs, strict=True), strict=True):
        print(f"| ms a pose, {what} |", " | ".join(f"{ms:.3f}" for ms in row), "|")


if __name__ == "__main__":
    main()
