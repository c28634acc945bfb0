"""Print COCO AP of the image refiner in torch, as ONNX and as int8 ONNX, as a Markdown table.

Usage: python tests/benchmarks/export_picture_ap.py DATA [--weights FILE]

DATA is the folder of the evaluation data, which is not part of the project. One look a crop, not
two; how sharp a source is comes from torch in every column.
"""

import argparse
import subprocess
import sys
import tempfile
from dataclasses import fields
from pathlib import Path
from unittest.mock import patch

import numpy as np
import onnxruntime
from picture_ap import LAST_IMAGE, SOURCES, TRUTH

import refine
from refine.evaluation.ground_truth import read_ground_truth
from refine.pipeline import Config
from refine.refiner.image import inference
from refine.refiner.prediction import CropPrediction

FORMS = {"onnx": (), "int8": ("--int8",)}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("--weights", default="image")
    options = parser.parse_args()
    truth = read_ground_truth(options.data / TRUTH)
    config = Config(
        pictures=str(options.data / "coco/images"), picture_weights=options.weights, flip=False
    )
    with tempfile.TemporaryDirectory() as folder:
        sessions = {}
        for form, flags in FORMS.items():
            out = Path(folder) / f"{form}.onnx"
            command = ["export", options.weights, "-o", str(out), "--no-flip", *flags]
            subprocess.run([sys.executable, "-m", "refine", *command], check=True)
            sessions[form] = onnxruntime.InferenceSession(out, providers=["CPUExecutionProvider"])
            print(f"{form}: {out.stat().st_size / 1e6:.1f} MB", flush=True)
    print("| source | input | torch |", " | ".join(FORMS), "|")
    print("|---|---|---|" + "---|" * len(FORMS))
    for name, file in SOURCES.items():
        path = options.data / "predictions" / f"{file}.json"
        poses = refine.read(path, images=options.data / TRUTH)
        ids = [i for i in truth.ids if "lwop" not in file or i <= LAST_IMAGE]
        poses = poses[np.isin([r.id for r in poses.images], ids)[poses.image]]
        results = [poses, refine.run(poses, config)]
        for session in sessions.values():
            with patch("refine.refiner.image.light.predict_crops", looking_through(session)):
                results.append(refine.run(poses, config))
        row = [refine.evaluate(truth, r.replace(box=None), image_ids=ids)["AP"] for r in results]
        print(f"| {name} |", " | ".join(f"{ap:.4f}" for ap in row), "|", flush=True)


def looking_through(session):
    """Make a `predict_crops` that asks an ONNX session."""

    def predict_crops(network, batches, told, kernel, mirror=None):
        batches = list(batches)
        judged = []

        def judge(spread, judge=inference.estimate_precision):
            judged.append(judge(spread))
            return judged[-1]

        with patch("refine.refiner.image.inference.estimate_precision", judge):
            list(inference.predict_crops(network, batches, told, kernel, mirror))
        for rows, crops in batches:
            hints = told[rows]
            inputs = {f.name: getattr(hints, f.name) for f in fields(hints)}
            inputs["pixels"] = np.moveaxis(crops, -1, 1).astype(np.float32)
            inputs["kernel"] = kernel[rows].astype(np.float32)
            inputs["precision"] = np.full(len(rows), judged[0].precision, np.float32)
            refined, move, keep, sigma, oks = session.run(None, inputs)
            margin = np.full(len(rows), judged[0].margin)
            yield rows, CropPrediction(refined, move, keep, sigma, oks, margin)

    return predict_crops


if __name__ == "__main__":
    main()
