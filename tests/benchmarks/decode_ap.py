"""COCO AP of every heatmap decoder on real network outputs, as a Markdown table.

REFINE_DATA=... python tests/benchmarks/decode_ap.py
"""

import contextlib
import io
import os
from pathlib import Path

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from refine.decoding import decode, read_raw
from refine.poses import Poses

DATA = Path(os.environ.get("REFINE_DATA", "../shared/data"))
ROWS = [
    ("argmax", {"method": "argmax"}),
    ("quarter, mmpose rule", {"method": "quarter", "compat": "mmpose"}),
    ("quarter, HRNet rule", {"method": "quarter"}),
    ("DARK, kernel 3", {"method": "dark", "kernel": 3}),
    ("DARK, kernel 11", {"method": "dark", "kernel": 11}),
    ("UDP-DARK, kernel 11", {"method": "dark-udp", "kernel": 11}),
    ("fit (ours)", {"method": "fit"}),
    ("DARK 3, mirrored, shift 0", {"method": "dark", "kernel": 3, "flip_shift": 0.0}),
    ("DARK 3, mirrored, shift 0.75", {"method": "dark", "kernel": 3, "flip_shift": 0.75}),
    ("DARK 3, mirrored, shift 1", {"method": "dark", "kernel": 3, "flip_shift": 1.0}),
    ("fit, mirrored, shift 0.75", {"method": "fit", "flip_shift": 0.75}),
]


def score(poses: Poses, truth: COCO) -> tuple[float, float]:
    """Return AP, and the mean over poses of the best OKS with any labelled person."""
    results = [
        {
            "image_id": poses.images[poses.image[i]].id,
            "category_id": 1,
            "keypoints": np.nan_to_num(np.column_stack([poses.xy[i], poses.score[i]]))
            .ravel()
            .tolist(),
            "score": float(poses.instance_score[i]),
        }
        for i in range(len(poses))
    ]
    with contextlib.redirect_stdout(io.StringIO()):
        run = COCOeval(truth, truth.loadRes(results), "keypoints")
        run.evaluate()
        run.accumulate()
        run.summarize()
    best = [np.max(oks, 1) for oks in run.ious.values() if len(oks)]
    return float(run.stats[0]), float(np.concatenate(best).mean())


def main() -> None:
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(DATA / "coco" / "images_val_gt.json"))
    models = ["pp-tinypose-256x192", "pp-tinypose-128x96"]
    raws = {m: [read_raw(p) for p in sorted((DATA / "raw" / m).glob("*.npz"))] for m in models}
    print("| decoder | " + " | ".join(f"{m}: AP | mean OKS" for m in models) + " |")
    print("|---" * (1 + 2 * len(models)) + "|")
    for name, options in ROWS:
        flip = "flip_shift" in options
        cells = []
        for files in raws.values():
            if flip and files[0].flipped is None:
                cells += ["", ""]
                continue
            parts = [decode(raw, "tinypose", flip=flip, **options) for raw in files]
            ap, oks = score(Poses.concat(parts), truth)
            cells += [f"{ap:.3f}", f"{oks:.4f}"]
        print(f"| {name} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
