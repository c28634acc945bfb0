"""What training gains and loses by shards, by bfloat16 and by a second process.

    python tests/benchmarks/training.py DATA [--epochs 1] [--size 64x96] [--persons 20000]

Annotations and pictures of `coco` in DATA are packed into four tables and four tar files. The pose
refiner learns from that many persons of train2017, in eight times the epochs, and PoseFix from
those of the folder of pictures, each in a process of its own, from the same random weights. Prints
a Markdown table: persons, seconds of the processors, the last loss of the curve, that of persons of
val2017, and whether curve and weights are those of the first row of their kind to the last bit. Of
the pose refiner the error held out is 1 - keypoint similarity of every fifth joint, hidden.
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
    ("pose, one table", "pose", "whole", False, 1),
    ("pose, four tables", "pose", "shards", False, 1),
    ("pose, four tables, bfloat16", "pose", "shards", True, 1),
    ("pose, four tables, 2 processes", "pose", "shards", False, 2),
    ("PoseFix, folder of pictures", "image", "whole", False, 1),
    ("PoseFix, four tar files", "image", "shards", False, 1),
    ("PoseFix, four tar files, bfloat16", "image", "shards", True, 1),
    ("PoseFix, four tar files, 2 processes", "image", "shards", False, 2),
)
SHARDS = 4


def pack(poses, folder, name):
    """Write annotations as one table and as several, and return the images of each of these."""
    refine.write(poses, folder / f"{name}.parquet", "parquet")
    parts = np.array_split(np.arange(len(poses.images)), SHARDS)
    for i, some in enumerate(parts):
        part = poses[np.isin(poses.image, some)]
        refs = tuple(poses.images[j] for j in some)
        part = part.replace(images=refs, image=part.image - some[0])
        refine.write(part, folder / f"{name}-{i}.parquet", "parquet")
    return [[poses.images[j] for j in some] for some in parts]


def pack_all(data, folder, persons):
    """Write what is learned from; of a table the rows stand image by image, so they do in all."""
    truth = refine.read(data / "train_keypoints.json.gz", "coco-gt")
    rows = np.argsort(truth.image, kind="stable")[:persons]
    last = truth.image[rows].max() + 1
    pack(truth[rows].replace(images=truth.images[:last]), folder, "pose")
    truth = refine.read(data / "images_train_gt.json", "coco-gt")
    for i, refs in enumerate(pack(truth, folder, "image")):
        with tarfile.open(folder / f"pictures-{i}.tar", "w") as tar:
            for ref in refs:
                name = Path(ref.file_name).name
                tar.add(data / "images" / "train2017" / name, name)


def learn_poses(tables, data, out, options):
    """Train the pose refiner, and return the persons and the error held out."""
    from refine.evaluation.ground_truth import read_ground_truth
    from refine.refiner.pose.features import Scene
    from refine.refiner.pose.refiner import Refiner
    from refine.refiner.pose.train import PoseSettings, Run, train

    truth = read_ground_truth(tables)
    settings = PoseSettings(epochs=8 * options.epochs, width=256, blocks=2, mixed=options.mixed)
    train(truth, out, settings, Run(device="cpu"))
    held = read_ground_truth(data / "val_dev.json")
    persons = held.persons[held.persons.labelled.sum(1) > 8]
    hidden = persons.labelled & (np.arange(persons.labelled.size) % 5 == 0).reshape(-1, 17)
    xy = np.where(hidden[..., None], np.nan, persons.xy)
    found = (
        Refiner.load(out).believe_scene(Scene.unscored(xy, persons.image, persons.image_size)).xy
    )
    d2 = ((found - persons.xy) ** 2).sum(-1)
    unit = 2 * (2 * held.skeleton.require_sigmas()) ** 2 * persons.area[:, None]
    return len(truth.persons), float(1 - np.exp(-d2 / unit)[hidden].mean())


def learn_images(tables, pictures, data, out, options):
    """Train PoseFix, and return the persons."""
    from refine.refiner.image.annotations import read_labelled
    from refine.refiner.image.settings import PoseFixSettings
    from refine.refiner.image.train import ImageData, Run, train_on_images
    from refine.refiner.pose.refiner import Refiner

    body = Refiner.load()
    held = {
        "annotations": str(data / "images_val_gt.json"),
        "images": str(data / "images" / "val2017"),
    }
    sets = {"annotations": str(tables), "images": str(pictures)}
    learned = ImageData(*(read_labelled([one], body.skeleton) for one in (sets, held)))
    width, height = map(int, options.size.split("x"))
    settings = PoseFixSettings(
        epochs=options.epochs, batch=16, size=(width, height), depth=50, mixed=options.mixed
    )
    train_on_images(learned, body, out, settings, Run(device="cpu"))
    return len(learned.labelled.persons), None


def learn(options):
    """Train as one process, or as one of torchrun's, and leave what it took beside the weights."""
    kind, source = options.learn.split("/")
    folder, out, data = options.folder, options.out, options.data / "coco"
    tables = folder / (f"{kind}.parquet" if source == "whole" else f"{kind}-*.parquet")
    start = resource.getrusage(resource.RUSAGE_SELF)
    if kind == "pose":
        told = learn_poses(tables, data, out, options)
    else:
        tars = folder / f"pictures-{{0..{SHARDS - 1}}}.tar"
        pictures = data / "images" / "train2017" if source == "whole" else tars
        told = learn_images(tables, pictures, data, out, options)
    end = resource.getrusage(resource.RUSAGE_SELF)
    seconds = end.ru_utime - start.ru_utime + end.ru_stime - start.ru_stime
    out.with_suffix(f".rank{os.environ.get('RANK', 0)}").write_text(json.dumps([seconds, *told]))


def main(options):
    print("| learned from | persons | s | loss | held out | same bits |")
    print("|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pack_all(options.data / "coco", folder, options.persons)
        first = {}
        for i, (called, kind, source, mixed, processes) in enumerate(RUNS):
            out = folder / f"{i}.safetensors"
            launch = [sys.executable]
            if processes > 1:
                launch += ["-m", "torch.distributed.run", "--standalone"]
                launch += ["--nproc-per-node", str(processes)]
            asked = [options.data, "--folder", folder, "--out", out, "--learn", f"{kind}/{source}"]
            asked += ["--epochs", options.epochs, "--size", options.size]
            asked += ["--mixed"] if mixed else []
            subprocess.run([*launch, __file__, *map(str, asked)], check=True)
            parts = [json.loads(p.read_text()) for p in sorted(folder.glob(f"{i}.rank*"))]
            curve = out.with_suffix(".csv").read_text()
            last = {k: float(v) for k, v in list(csv.DictReader(curve.splitlines()))[-1].items()}
            held = last.get("held_total", parts[0][2])
            made = curve, out.read_bytes()
            same = "yes" if made == first.setdefault(kind, made) else "no"
            loss = last.get("loss", last.get("total"))
            print(
                f"| {called} | {parts[0][1]:,} | {sum(p[0] for p in parts):.0f} | {loss:.4f} "
                f"| {held:.4f} | {same} |",
                flush=True,
            )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--size", default="64x96")
    parser.add_argument("--persons", type=int, default=20_000)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--learn", help=argparse.SUPPRESS)
    parser.add_argument("--mixed", action="store_true", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.learn is None:
        main(chosen)
    else:
        learn(chosen)
