"""AP of part-affinity-field decoding on real maps.

    REFINE_DATA=../shared/data python tests/benchmarks/paf.py

Prints a Markdown table: the 25 images whose raw maps are at hand, by every set of rules, and what
each choice of the rule set `refine` is worth. `speed.py --tasks groups` has the times.
"""

import contextlib
import io
import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np

from refine.decoding import decode, read_outputs
from refine.decoding.paf.arrays import paf_rules

DATA = Path(os.environ.get("REFINE_DATA", "../shared/data"))


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
    print("| decoder | poses | AP | AP50 | AP75 | AR |\n|---|---|---|---|---|---|")
    for name, (preset, options) in rows.items():
        poses = Poses.concat([decode(raw, preset, **options) for raw in raws])
        print(f"| {name} | {len(poses)} | {average_precision(poses, truth)} |")


if __name__ == "__main__":
    precision()
