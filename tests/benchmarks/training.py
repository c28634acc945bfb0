"""What training gains and loses by shards, by bfloat16 and by a second process.

    python tests/benchmarks/training.py DATA [--epochs 2] [--size 96x128]

Pictures and annotations of `coco` in DATA (persons of train2017 to learn from, of val2017 held out)
are packed into four tables and four tar files; PoseFix then learns from the folder and from these,
in a process of its own each. Prints a Markdown table: seconds of the processors, the last row of
the curve of losses, and whether the curve and the weights are those of the first row to the last
bit. Every run starts from the same random weights.
"""

import argparse
import csv
import json
import os
import resource
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import numpy as np

import refine

RUNS = (
    ("folder of pictures", "folder", False, 1),
    ("tar files", "tar", False, 1),
    ("tar files, bfloat16", "tar", True, 1),
    ("tar files, 2 processes", "tar", False, 2),
)
SHARDS = 4


def pack(data, folder):
    """Write the training set into tables and tar files."""
    truth = refine.read(data / "images_train_gt.json", "coco-gt")
    refine.write(truth, folder / "gt.json", "coco-gt")
    images = np.array_split(np.arange(len(truth.images)), SHARDS)
    for i, some in enumerate(images):
        rows = np.flatnonzero(np.isin(truth.image, some))
        refs = tuple(truth.images[j] for j in some)
        part = truth[rows]
        refine.write(
            part.replace(images=refs, image=part.image - some[0]), folder / f"gt-{i}.parquet"
        )
        with tarfile.open(folder / f"pictures-{i}.tar", "w") as tar:
            for ref in refs:
                name = Path(ref.file_name).name
                tar.add(data / "images" / "train2017" / name, name)


def learn(data, folder, out, source, mixed, epochs, size):
    """Train, as one process or as one of torchrun's, and print its seconds of the processor."""
    from refine.refiner.image.annotations import read_labelled
    from refine.refiner.image.settings import PoseFixSettings
    from refine.refiner.image.train import ImageData, Run, train_on_images
    from refine.refiner.pose.refiner import Refiner

    body = Refiner.load()
    sets = {"annotations": str(folder / "gt.json"), "images": str(data / "images" / "train2017")}
    if source == "tar":
        sets = {
            "annotations": str(folder / "gt-*.parquet"),
            "images": str(folder / f"pictures-{{0..{SHARDS - 1}}}.tar"),
        }
    held = {
        "annotations": str(data / "images_val_gt.json"),
        "images": str(data / "images" / "val2017"),
    }
    learned = ImageData(*(read_labelled([one], body.skeleton) for one in (sets, held)))
    settings = PoseFixSettings(epochs=epochs, batch=16, size=size, depth=50, mixed=mixed)
    train_on_images(learned, body, out, settings, Run(device="cpu"))
    used = resource.getrusage(resource.RUSAGE_SELF)
    seconds = used.ru_utime + used.ru_stime
    out.with_suffix(f".rank{os.environ.get('RANK', 0)}").write_text(json.dumps(seconds))


def main(options):
    print("| learned from | s | loss | held out: loss | similarity before -> after | same bits |")
    print("|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pack(options.data, folder)
        first = None
        for i, (called, source, mixed, processes) in enumerate(RUNS):
            out = folder / f"{i}.safetensors"
            launch = [sys.executable]
            if processes > 1:
                launch += ["-m", "torch.distributed.run", "--standalone"]
                launch += ["--nproc-per-node", str(processes)]
            asked = [options.data.parent, "--folder", folder, "--out", out, "--source", source]
            asked += ["--epochs", options.epochs, "--size", options.size]
            asked += ["--mixed"] if mixed else []
            subprocess.run([*launch, __file__, *map(str, asked)], check=True)
            parts = [json.loads(p.read_text()) for p in folder.glob(f"{i}.rank*")]
            curve = out.with_suffix(".csv").read_text()
            last = {k: float(v) for k, v in list(csv.DictReader(curve.splitlines()))[-1].items()}
            first = first or (curve, out.read_bytes())
            same = "yes" if (curve, out.read_bytes()) == first else "no"
            print(
                f"| {called} | {sum(parts):.0f} | {last['total']:.4f} | {last['held_total']:.4f} "
                f"| {last['held_before']:.3f} -> {last['held_after']:.3f} | {same} |",
                flush=True,
            )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=lambda text: Path(text) / "coco")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--size", default="96x128")
    for hidden in ("--folder", "--out"):
        parser.add_argument(hidden, type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--source", help=argparse.SUPPRESS)
    parser.add_argument("--mixed", action="store_true", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.out is None:
        main(chosen)
    else:
        width, height = map(int, chosen.size.split("x"))
        learn(
            chosen.data, chosen.folder, chosen.out, chosen.source, chosen.mixed,
            chosen.epochs, (width, height),
        )  # fmt: skip
