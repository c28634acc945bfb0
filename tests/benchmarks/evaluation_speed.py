"""COCO keypoint evaluation beside pycocotools, faster-coco-eval and hotcoco.

    python tests/benchmarks/evaluation_speed.py [--images 2000] [--rounds 7] [--markdown OUT.md]
    python tests/benchmarks/evaluation_speed.py --images --verbs 5000

Persons of `refine.sample` repeated on so many images, by seed; predictions near them and some of
nobody. "arrays" is with everything in memory as each likes it best (`GroundTruth` and `Poses`, the
others' COCO objects), "dicts" is parsed JSON, "files" are paths. Rounds are interleaved in random
order; a ratio is the median of those of single rounds, of time and of CPU time: hotcoco hands work
to a thread, for which it waits where cores are busy. The ten figures of all are compared in the
same run. One thread. With --verbs, what `refine diagnose`, `stats` and `calibrate` do with files of
so many images, reading them included. A peer that is not installed is said to be missing:
`pip install pycocotools faster-coco-eval hotcoco`.
"""

import argparse
import contextlib
import copy
import io
import json
import os
import sys
import tempfile
import time
from importlib import import_module
from pathlib import Path

import numpy as np
from _report import options_of, publish

import refine
from refine.calibration.fit import calibrate, read_sample
from refine.calibration.measure import measure
from refine.errors.measure import measure_statistics
from refine.evaluation.coco import evaluate
from refine.evaluation.diagnosis import diagnose
from refine.evaluation.ground_truth import read_ground_truth
from refine.evaluation.predictions import read_predictions
from refine.files import dump_json
from refine.formats import FORMATS
from refine.sample import make_people, make_predictions

PEERS = {
    "pycocotools": ("pycocotools.coco:COCO", "pycocotools.cocoeval:COCOeval", "loadRes"),
    "faster-coco-eval": ("faster_coco_eval:COCO", "faster_coco_eval:COCOeval_faster", "loadRes"),
    "hotcoco": ("hotcoco:COCO", "hotcoco:COCOeval", "load_res"),
}
"""Where each has its annotations and its evaluation, and how it reads results."""
BASE, MISSES = 200, 0.5
"""Images that are made up before they are repeated; predictions of nobody on an image."""
SLOW = 10_000
"""Images above which pycocotools takes a minute a round: it and faster-coco-eval are left out."""


def scene(images, seed=0):
    """Return annotations and results as parsed JSON."""
    rng = np.random.default_rng(seed)
    people, _ = make_people(BASE, rng)
    truth = FORMATS["coco-gt"].write(people, 2, "document")
    found = FORMATS["coco"].write(make_predictions(people, rng), 2, "document")
    gt = {"images": [], "annotations": [], "categories": truth["categories"]}
    of = {ref["id"]: i for i, ref in enumerate(truth["images"])}
    rows = []
    for image in range(images):
        source = truth["images"][image % BASE]
        gt["images"].append({**source, "id": image + 1, "file_name": f"{image + 1:012d}.jpg"})
    for kind, out in ((truth["annotations"], gt["annotations"]), (found, rows)):
        by = [[] for _ in range(BASE)]
        for row in kind:
            by[of[row["image_id"]]].append(row)
        for image in range(images):
            for row in by[image % BASE]:
                out.append({**row, "image_id": image + 1})
                if kind is not found:
                    out[-1]["id"] = len(out)
                    continue
                shift = rng.normal(0, 0.03 * max(row["bbox"][2:]) if "bbox" in row else 2, (17, 3))
                points = np.array(row["keypoints"]).reshape(17, 3)
                points[points[:, :2].any(1)] += shift[points[:, :2].any(1)] * [1, 1, 0]
                out[-1]["keypoints"] = points.round(2).ravel().tolist()
                out[-1]["score"] = round(float(rng.random()), 4)
                out[-1].pop("bbox", None)
                out[-1].pop("area", None)
                if rng.random() < MISSES / 2:
                    aside = points + np.append(rng.normal(0, 80, 2), 0)
                    score = round(float(rng.random() / 2), 4)
                    keypoints = aside.round(2).ravel().tolist()
                    out.append({**out[-1], "keypoints": keypoints, "score": score})
    return json.loads(dump_json(gt)), json.loads(dump_json(rows))


def ours(kind, gt, found):
    """Return what to time: a function that gives the ten figures."""
    if kind == "arrays":
        truth = read_ground_truth(gt)
        poses = read_predictions(found, truth.skeleton)
        return lambda: list(evaluate(truth, poses).metrics.values())
    return lambda: list(evaluate(gt, found).metrics.values())


def peer(name, kind, gt, found):
    """Do the same with a peer; None where it is not installed."""
    coco, engine, load = PEERS[name]
    try:
        COCO, COCOeval = (
            getattr(import_module(at.split(":")[0]), at.split(":")[1]) for at in (coco, engine)
        )
    except ImportError:
        return None

    def read():
        if isinstance(gt, dict) and name == "pycocotools":
            truth = COCO()
            truth.dataset = gt
            truth.createIndex()
        else:
            truth = COCO(gt)
        return truth, getattr(truth, load if hasattr(truth, load) else "loadRes")(found)

    with quiet():
        held = read() if kind == "arrays" else None

    def run():
        with quiet():
            evaluation = COCOeval(*(held or read()), "keypoints")
            evaluation.evaluate()
            evaluation.accumulate()
            evaluation.summarize()
        return list(map(float, evaluation.stats[:10]))

    return run


def quiet():
    """Keep the progress that peers print away from the table."""
    return contextlib.redirect_stdout(io.StringIO())


def timed(functions, rounds):
    """Run interleaved rounds: name -> (seconds and CPU seconds of each round, last result)."""
    rng, times = np.random.default_rng(0), {name: [] for name in functions}
    results = {}
    for function in functions.values():
        function()
    for _ in range(rounds):
        for name in rng.permutation(list(functions)).tolist():
            begin, used = time.perf_counter(), time.process_time()
            results[name] = functions[name]()
            spent = time.perf_counter() - begin, time.process_time() - used
            times[name].append(spent)
    return {name: (np.array(times[name]), results[name]) for name in functions}


def evaluation_rows(images, rounds, folder):
    """Measure the three ways in: dicts of a row each."""
    gt, found = scene(images)
    paths = folder / "gt.json", folder / "results.json"
    for path, document in zip(paths, (gt, found), strict=True):
        path.write_text(json.dumps(document))
    rows = []
    for kind in ("arrays", "dicts", "files"):

        def inputs(kind=kind):
            """Return paths, or copies: the peers write into what they are given."""
            return map(str, paths) if kind == "files" else copy.deepcopy((gt, found))

        functions = {"refine": ours(kind, *inputs())}
        for name in PEERS if images <= SLOW else ["hotcoco"]:
            function = peer(name, kind, *inputs())
            if function is None:
                print(f"{name} is not installed", file=sys.stderr)
            else:
                functions[name] = function
        measured = timed(functions, rounds)
        base, expected = measured["refine"]
        for name, (seconds, figures) in measured.items():
            gap = max(abs(a - b) for a, b in zip(figures, expected, strict=True))
            rows.append(
                {
                    "task": f"evaluation, {images} images, {kind}",
                    "who": name,
                    "median": float(np.median(seconds[:, 0])) / images,
                    "unit": "image",
                    "ratio": float(np.median((seconds / base)[:, 0])),
                    "cpu": float(np.median((seconds / base)[:, 1])),
                    "difference": gap,
                }
            )
    return rows


def verb_rows(images, rounds, folder):
    """Measure other verbs from files on; without peers."""
    paths = folder / "gt.json", folder / "results.json"
    for path, document in zip(paths, scene(images), strict=True):
        path.write_text(json.dumps(document))
    refiner = refine.Refiner.load()

    def read():
        truth = read_ground_truth(paths[0])
        return truth, read_predictions(paths[1], truth.skeleton)

    def calibrated():
        truth, poses = read()
        sample = read_sample(truth, poses, refiner)
        calibrate(sample, refiner)
        return measure(sample, refiner, truth)

    functions = {
        "diagnose": lambda: diagnose(*read()),
        "stats": lambda: measure_statistics(*read(), name="", source=""),
        "calibrate": calibrated,
        "refiner": lambda: refiner.believe(read()[1]),
    }
    return [
        {
            "task": f"{name}, {images} images, files",
            "who": "refine",
            "median": float(np.median(seconds[:, 0])) / images,
            "unit": "image",
            "ratio": 1.0,
            "cpu": 1.0,
            "difference": 0.0,
        }
        for name, (seconds, _) in timed(functions, rounds).items()
    ]


def table(rows):
    lines = ["| task | who | µs | times ours | CPU time | largest difference |"]
    lines += ["|---|---|---|---|---|---|"]
    lines += [
        f"| {r['task']} | {r['who']} | {r['median'] * 1e6:.3g} per {r['unit']} | "
        f"{r['ratio']:.2f} | {r['cpu']:.2f} | {r['difference']:.1g} |"
        for r in rows
    ]
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, nargs="*", default=[2000])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--verbs", type=int, nargs="*", default=[])
    options = options_of(parser)
    os.environ["RAYON_NUM_THREADS"] = "1"  # Of hotcoco, which is imported later.
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for images in options.images:
            rows += evaluation_rows(images, options.rounds, Path(folder))
        for images in options.verbs:
            rows += verb_rows(images, options.rounds, Path(folder))
    publish(options, table(rows), rows, ("numpy", "numba", *PEERS))


if __name__ == "__main__":
    main()
