"""Print how often eyes find the joints of several kinds of persons, told of no pose.

Usage: python tests/benchmarks/eyes_groups.py DATA [--eyes image image-small] [--precision float32]

DATA is the folder of the evaluation data, which is not part of the project. Two looks at a crop
around the annotated joints. "Found": the highest cell lies at a keypoint similarity above one half.
"Seen": within 1.5 cells of the joint the map is at least half as high as anywhere, so that whoever
knows about where to look finds it. Persons with five annotated joints at least; groups overlap.
"""

import argparse
from pathlib import Path

import numpy as np
from PIL import Image

import refine
from refine.geometry import Crop, keypoint_box
from refine.oks import keypoint_similarity
from refine.refiner.eyes.eye import load_eye, see

LEAST = 5
"""Annotated joints of a person."""
NEAR = 1.5
"""Cells."""
JOINTS = refine.skeleton("coco17").joints


def overlap(box):
    """Return the largest intersection over union of every box with another one, (N,)."""
    low = np.maximum(box[:, None, :2], box[None, :, :2])
    high = np.minimum(box[:, None, 2:], box[None, :, 2:])
    inner = np.clip(high - low, 0, None).prod(-1)
    area = (box[:, 2:] - box[:, :2]).prod(1)
    found = inner / np.maximum(area[:, None] + area[None] - inner, 1e-9)
    np.fill_diagonal(found, 0)
    return found.max(1) if len(box) > 1 else np.zeros(len(box))


def groups_of(poses, row, picture, crop, others):
    """Yield the groups that a person belongs to."""
    yield "all"
    number = int((poses.image == poses.image[row]).sum())
    yield (
        "alone in the picture" if number == 1 else "2 or 3 persons" if number < 4 else "4 and more"
    )
    if others > 0.1:
        yield "overlapped by another (IoU > .1)"
    at = {name: poses.xy[row, k] for k, name in enumerate(JOINTS)}
    left, right = at["left_shoulder"], at["right_shoulder"]
    torso = (at["left_hip"] + at["right_hip"] - left - right) / 2
    if np.isfinite(torso).all():
        angle = np.degrees(np.arctan2(np.abs(torso[0]), torso[1]))
        yield (
            "torso upright (30°)"
            if angle < 30
            else "bent (30 to 60°)"
            if angle < 60
            else "lying (60 to 120°)"
            if angle < 120
            else "upside down"
        )
        across = (left - right) @ np.array([torso[1], -torso[0]]) / max(torso @ torso, 1e-9)
        yield "from behind" if across < -0.2 else "from the front" if across > 0.2 else "sideways"
    height, width = picture.shape[:2]
    box = poses.box[row]
    if (box < 3).any() or box[2] > width - 4 or box[3] > height - 4:
        yield "cut off by the picture"
    side = np.sqrt((box[2] - box[0]) * (box[3] - box[1]))
    yield "box under 64 px" if side < 64 else "box 64 to 160 px" if side < 160 else "larger"
    if crop[crop.any(-1)].mean() < 60:
        yield "dark (mean under 60 of 255)"


def measure(eye, poses, folder):
    """Return group -> rows of found, seen, hidden, one per joint."""
    sigmas = refine.skeleton("coco17").sigmas
    counts: dict[str, list] = {}
    for number, ref in enumerate(poses.images):
        rows = np.flatnonzero((poses.image == number) & (poses.present.sum(1) >= LEAST))
        if not len(rows):
            continue
        picture = np.asarray(Image.open(folder / ref.file_name).convert("RGB"))
        cut = Crop.from_box(keypoint_box(poses.xy[rows]), eye.size, padding=eye.padding)
        crops = refine.crop(picture, cut)
        heat = see(eye, crops, mirrored=True)
        n, k, h, w = heat.shape
        top = np.stack(np.unravel_index(heat.reshape(n, k, -1).argmax(2), (h, w))[::-1], -1)
        best = cut.inverse()(top * eye.stride + eye.offset)
        similar = keypoint_similarity(best, poses.xy[rows], poses.area[rows], sigmas)
        cells = (cut(poses.xy[rows]) - eye.offset) / eye.stride
        away = np.hypot(
            np.arange(w) - cells[..., 0, None, None],
            np.arange(h)[:, None] - cells[..., 1, None, None],
        )
        near = np.where(away <= NEAR, heat, 0).max((2, 3)) >= heat.max((2, 3)) / 2
        others = overlap(poses.box[poses.image == number])[
            np.searchsorted(np.flatnonzero(poses.image == number), rows)
        ]
        for i, row in enumerate(rows):
            told = poses.present[row]
            line = np.stack([similar[i] > 0.5, near[i], poses.score[row] < 2], -1)[told]
            for group in groups_of(poses, row, picture, crops[i], others[i]):
                counts.setdefault(group, []).append(line)
    return counts


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("--eyes", nargs="+", default=["image", "image-small"])
    parser.add_argument("--precision", default="auto", choices=["auto", "float32", "bfloat16"])
    options = parser.parse_args()
    coco, sports = options.data / "coco", options.data / "lspet"
    show("COCO val2017", refine.read(coco / "images_val_gt.json"), coco / "images/val2017", options)
    poses = refine.read(sports / "lspet.json", skeleton="lsp14")
    held_out = np.array([ref.extra.get("split") == "val" for ref in poses.images])
    poses = poses[held_out[poses.image]].to("coco17")
    show("Leeds Sports Extended, the last 500", poses, sports / "images", options)


def show(name, poses, folder, options):
    """Print the table of one data set."""
    found = {
        eye: measure(load_eye(eye, precision=options.precision), poses, folder)
        for eye in options.eyes
    }
    heads = " | ".join(f"{eye}: found | seen" for eye in found)
    print(f"\n{name}:\n")
    print(f"| persons | number | joints | {heads} |\n|---|---|---|{'---|---|' * len(found)}")
    first = next(iter(found.values()))
    for group in sorted(first, key=lambda g: -len(first[g])):
        lines = [np.concatenate(f[group]) for f in found.values()]
        print(f"| {group} | {len(first[group])} | {len(lines[0])} | {told(lines)} |")
    for hidden, text in ((False, "visible joints"), (True, "hidden joints")):
        lines = [np.concatenate(f["all"]) for f in found.values()]
        lines = [v[v[:, 2] == hidden] for v in lines]
        if len(lines[0]):
            print(f"| {text} | | {len(lines[0])} | {told(lines)} |")


def told(lines):
    """Say the shares of joints that are found and seen, for all eyes."""
    return " | ".join(f"{v[:, 0].mean():.2f} | {v[:, 1].mean():.2f}" for v in lines)


if __name__ == "__main__":
    main()
