"""Time and memory of the verbs by the number of poses, and how they grow.

python tests/benchmarks/scale.py [--least 1000] [--most 1000000] [--picture scale.svg]

Every run is a process of its own, from file to file; seconds are those of the processor. Poses are
made by a seed, five on an image of which two are alike, with COCO's 17 joints. The exponent is the
slope of log(seconds) by log(poses) over the last factor of ten: 1 is linear. The picture needs the
extra [draw].
"""

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

import refine
from refine.formats import write

PER_IMAGE = 5
SHAPE = np.random.default_rng(5).normal(0, 60, (17, 2))


def make(folder, n):
    """Write predictions, also as NDJSON, and ground truth."""
    rng = np.random.default_rng(0)
    truth = SHAPE * rng.uniform(0.5, 2, (n, 1, 1)) + rng.uniform(100, 540, (n, 1, 2))
    twin = np.arange(n) % PER_IMAGE == 1
    truth[twin] = truth[np.flatnonzero(twin) - 1]
    poses = refine.Poses.from_arrays(
        "coco17",
        (truth + rng.normal(0, 4, truth.shape)).round(2),
        rng.uniform(0, 1, (n, 17)).round(3),
        instance_score=rng.uniform(0, 1, n).round(4),
        image=np.arange(n) // PER_IMAGE,
    )
    write(poses, folder / "in.json", "coco")
    write(poses, folder / "in.ndjson", "ndjson")
    boxes = np.concatenate([truth.min(1), np.ptp(truth, axis=1)], 1).round(2)
    persons = np.flatnonzero(~twin).tolist()
    rows = np.dstack([truth.round(2), np.full((n, 17), 2)]).reshape(n, -1)
    annotations = [
        {
            "id": i + 1,
            "image_id": i // PER_IMAGE,
            "category_id": 1,
            "keypoints": rows[i].tolist(),
            "num_keypoints": 17,
            "area": float(0.53 * boxes[i, 2] * boxes[i, 3]),
            "bbox": boxes[i].tolist(),
            "iscrowd": 0,
        }
        for i in persons
    ]
    images = [{"id": i, "width": 640, "height": 640} for i in range(-(-n // PER_IMAGE))]
    joints = list(poses.skeleton.joints)
    categories = [{"id": 1, "name": "person", "keypoints": joints}]
    content = {"images": images, "annotations": annotations, "categories": categories}
    (folder / "gt.json").write_text(json.dumps(content))


VERBS = {
    "nms": ("nms", "in.json", "-o", "out.json"),
    "convert": ("convert", "in.json", "-o", "out.ndjson"),
    "eval": ("eval", "--gt", "gt.json", "in.json", "--json"),
    "run": ("run", "in.json", "-o", "out.json", "--no-progress"),
    "run --stream": ("run", "--stream", "-", "-o", "-", "--no-progress"),
}


def measure(arguments, folder):
    """Return seconds of the processor and the peak of memory, MiB."""
    stream = "--stream" in arguments
    with (folder / "in.ndjson").open() as source:
        process = subprocess.Popen(
            [sys.executable, "-m", "refine", *arguments],
            cwd=folder,
            stdin=source if stream else subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        words = process.stderr.read()
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{arguments}: {words.decode()}")
    return used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def draw(path, sizes, found):
    """Draw seconds and memory by the number of poses, both axes logarithmic."""
    from matplotlib.figure import Figure

    figure = Figure((9, 3.6), layout="constrained")
    for axes, which, label in zip(figure.subplots(1, 2), (0, 1), ("s", "MiB"), strict=True):
        for verb, values in found.items():
            axes.loglog(sizes[: len(values)], [v[which] for v in values], marker="o", label=verb)
        axes.set(xlabel="poses", ylabel=label)
        axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)


def main(options):
    steps = round(2 * math.log10(options.most / options.least))
    sizes = [round(options.least * 10 ** (i / 2)) for i in range(steps + 1)]
    found = {verb: [] for verb in options.verbs}
    print("| verb | poses | s | MiB | growth |\n|---|---|---|---|---|")
    for size in sizes:
        with tempfile.TemporaryDirectory() as name:
            # Elsewhere, for a process starts with the peak of what started it.
            maker = [sys.executable, __file__, "--make", name, "--most", str(size)]
            subprocess.run(maker, check=True)
            for verb, values in found.items():
                values.append(measure(VERBS[verb], Path(name)))
                growth = ""
                if len(values) > 2:
                    growth = f"{math.log10(values[-1][0] / values[-3][0]):.2f}"
                print(
                    f"| {verb} | {size:,} | {values[-1][0]:.2f} | {values[-1][1]:.0f} | {growth} |",
                    flush=True,
                )
    if options.picture:
        draw(options.picture, sizes, found)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--least", type=int, default=1000)
    parser.add_argument("--most", type=int, default=1_000_000)
    parser.add_argument("--verbs", type=lambda text: text.split(","), default=list(VERBS))
    parser.add_argument("--picture", type=Path)
    parser.add_argument("--make", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.make:
        make(arguments.make, arguments.most)
    else:
        main(arguments)
