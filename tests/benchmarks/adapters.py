"""What each adapter changes: the framework's own decoder and ours on the same real maps.

    REFINE_DATA=... python tests/benchmarks/adapters.py

Prints Markdown tables. The maps are those of PP-TinyPose; every decoder tells cells, which are
placed in the image by the maps' own geometry, so that only the decoders differ. HRNet is not on
PyPI: its quarter step is the adapter's `method="quarter"`, which the tests compare with the
published loop. Frameworks that are not installed are left out (and said so on stderr).
"""

import contextlib
import io
import os
import sys
import time
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
from decode_ap import score
from pycocotools.coco import COCO

import refine
from refine.adapters import (
    hrnet,
    mmpose,
    rtmlib,
    supervision,
    torchvision,
    transformers,
    ultralytics,
)
from refine.decoding import decode, read_raw
from refine.geometry import Grid, keypoint_box
from refine.poses import Poses

DATA = Path(os.environ.get("REFINE_DATA", "../shared/data"))
MODELS = ("pp-tinypose-256x192", "pp-tinypose-128x96")
CONFIG = SimpleNamespace(TEST=SimpleNamespace(POST_PROCESS=True))
FIT = "fit (ours)"


def by_hrnet(maps, method):
    size = np.tile(maps.shape[:1:-1], (len(maps), 1))
    return hrnet.get_final_preds(CONFIG, maps, size / 2, size / hrnet.UNIT, method=method)[0]


def by_mmpose(maps, unbiased, ours):
    codecs = import_module("mmpose.codecs")
    cells = maps.shape[:1:-1]
    size = tuple(4 * n for n in cells)
    codec = codecs.MSRAHeatmap(size, cells, sigma=2, unbiased=unbiased)
    if ours:
        return np.concatenate(mmpose.RefineCodec(codec).batch_decode(maps)[0]) / 4
    return np.concatenate([codec.decode(m)[0] for m in maps]) / 4


def by_transformers(maps, ours):
    processor = import_module("transformers").VitPoseImageProcessor()
    height, width = maps.shape[2:]
    # Grown by 1.25 the box spans the map, as wide as it is in cells.
    boxes = [[[0.1 * width, 0.1 * height, 0.8 * width, 0.8 * height]]] * len(maps)
    decoder = transformers if ours else processor
    outputs = SimpleNamespace(heatmaps=torch.from_numpy(maps))
    results = decoder.post_process_pose_estimation(outputs, boxes)
    xy = np.stack([r[0]["keypoints"].numpy() for r in results])
    return xy * (np.array([width, height]) - 1) / (width, height)


def by_rtmlib(maps, ours):
    model = object.__new__(import_module("rtmlib").ViTPose)
    if ours:
        rtmlib.patch(model)
    last = np.array(maps.shape[:1:-1]) - 1.0
    return np.concatenate([model.postprocess([m[None].copy()], last / 2, last)[0] for m in maps])


ROWS = [
    ("HRNet", "quarter step", lambda m: by_hrnet(m, "quarter")),
    ("", FIT, lambda m: by_hrnet(m, "fit")),
    ("MMPose MSRAHeatmap", "quarter step", lambda m: by_mmpose(m, False, False)),
    ("", "unbiased=True (DARK)", lambda m: by_mmpose(m, True, False)),
    ("", FIT, lambda m: by_mmpose(m, False, True)),
    ("transformers VitPose", "its own", lambda m: by_transformers(m, False)),
    ("", FIT, lambda m: by_transformers(m, True)),
    ("rtmlib ViTPose", "its own", lambda m: by_rtmlib(m, False)),
    ("", FIT, lambda m: by_rtmlib(m, True)),
]


def decoders(truth) -> None:
    """Print AP of decoders on real maps."""
    raws = {m: [read_raw(p) for p in sorted((DATA / "raw" / m).glob("*.npz"))] for m in MODELS}
    base = {
        m: [decode(r, "tinypose", method="argmax", flip=False) for r in raws[m]] for m in MODELS
    }
    print("| framework | decoder | " + " | ".join(f"{m}: AP | mean OKS" for m in MODELS) + " |")
    print("|---" * (2 + 2 * len(MODELS)) + "|")
    for name, kind, cells_of in ROWS:
        cells = []
        try:
            for model in MODELS:
                parts = []
                for raw, poses in zip(raws[model], base[model], strict=True):
                    maps = np.asarray(raw.heatmaps, np.float32)
                    size = raw.size_of_input(4)
                    grid = Grid(maps.shape[:1:-1], size)
                    placed = raw.crop(size, "stride", None).inverse()(grid.to_input(cells_of(maps)))
                    parts.append(
                        poses.replace(xy=np.where(poses.present[..., None], placed, np.nan))
                    )
                ap, oks = score(Poses.concat(parts), truth)
                cells += [f"{ap:.3f}", f"{oks:.4f}"]
        except ImportError as error:
            print(f"left out: {name or kind}: {error}", file=sys.stderr)
            continue
        print(f"| {name} | {kind} | " + " | ".join(cells) + " |")


def keypoint_rcnn(truth) -> None:
    """Print how torchvision's loop and ours compare, on real maps in the place of logits."""
    heads = import_module("torchvision.models.detection.roi_heads")
    raws = [read_raw(p) for p in sorted((DATA / "raw" / MODELS[0]).glob("*.npz"))]
    maps = torch.from_numpy(np.concatenate([r.heatmaps for r in raws]).astype(np.float32))
    boxes = [torch.from_numpy(np.concatenate([r.box for r in raws])).float()]
    torch.set_num_threads(1)
    seconds = {}
    for name, module in (("its own", heads), ("ours", torchvision)):
        run = module.keypointrcnn_inference
        run(maps[:2], [boxes[0][:2]])
        times = []
        for _ in range(5):
            start = time.perf_counter()
            points = run(maps, boxes)[0][0]
            times.append(time.perf_counter() - start)
        seconds[name] = float(np.median(times)), points
    apart = (seconds["its own"][1] - seconds["ours"][1]).abs().amax(-1)
    share = float((apart < 1e-3).float().mean())
    print("\n| torchvision Keypoint R-CNN heads | ms a person, one thread | same joints |")
    print("|---|---|---|")
    for name, (median, _) in seconds.items():
        print(f"| {name} | {1e3 * median / len(maps):.2f} | {100 * share:.2f} % |")


def duplicates(truth) -> None:
    """Print AP of PoseNet's poses in supervision's `KeyPoints`, with its NMS and through ours."""
    poses = refine.read(DATA / "predictions" / "posenet-coral__val.json")
    frames = supervision.from_poses(poses.replace(extra=()))
    refs = poses.images
    for frame in frames:
        frame.class_id = np.zeros(len(frame), int)

    def ap(key_points):
        return score(supervision.to_poses(key_points, images=refs), truth)[0]

    def run(steps):
        config = refine.Config(steps=steps)
        return supervision.from_poses(refine.run(supervision.to_poses(frames, images=refs), config))

    print("\n| PoseNet in supervision KeyPoints | AP |\n|---|---|")
    print(f"| as given | {ap(frames):.3f} |")
    print(f"| with_nms(0.5), its own | {ap([f.with_nms(0.5) for f in frames]):.3f} |")
    print(f"| OKS-NMS | {ap(run(('suppress',))):.3f} |")
    print(f"| refine.run | {ap(run(('complete', 'correct', 'rescore', 'suppress'))):.3f} |")


def results(truth) -> None:
    """Print AP of recorded Ultralytics results, as they are and behind the callback."""
    kind = import_module("ultralytics.engine.results").Results
    print("\n| YOLO11n-pose in Ultralytics Results | as given | refined() | refine.run |")
    print("|---|---|---|---|")
    for name in ("yolo11n-pose-640__val_conf25", "yolo11n-pose-640__val_conf005"):
        poses = refine.read(
            DATA / "predictions" / f"{name}.json", images=DATA / "coco" / "images_val_gt.json"
        )
        frames = []
        for ref, rows in poses.by_image():
            one = poses[rows]
            body = np.concatenate([one.xy, one.score[..., None]], -1)
            box = np.c_[keypoint_box(one.xy), one.instance_score, np.zeros(len(one))]
            picture = np.zeros((ref.height, ref.width, 3), np.uint8)
            boxes, points = (torch.from_numpy(a).float() for a in (box, np.nan_to_num(body)))
            frames.append(kind(picture, str(ref.id), {0: "person"}, boxes=boxes, keypoints=points))
        predictor = SimpleNamespace(results=frames)
        ultralytics.refined()(predictor)
        after = refine.run(ultralytics.to_poses(frames))
        aps = [
            score(p.replace(images=poses.images), truth)[0]
            for p in (
                ultralytics.to_poses(frames),
                ultralytics.to_poses(predictor.results),
                after,
            )
        ]
        print(f"| {name} | " + " | ".join(f"{ap:.3f}" for ap in aps) + " |")


def main() -> None:
    """Print the tables."""
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(DATA / "coco" / "images_val_gt.json"))
    for table in (decoders, keypoint_rcnn, duplicates, results):
        try:
            table(truth)
        except ImportError as error:
            print(f"left out: {error}", file=sys.stderr)


if __name__ == "__main__":
    main()
