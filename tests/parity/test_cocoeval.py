"""All ten figures equal to pycocotools in every digit, and OKS to 1e-12."""

import contextlib
import io
import json

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from refine.evaluation.coco import METRICS, evaluate
from refine.oks import coco_oks
from refine.poses import ImageRef, Poses
from refine.skeletons import skeleton

TABLE = skeleton("coco17")


def make(seed, *, boxes=False, images=6):
    """Ground truth with crowds, unlabelled persons and every size, and predictions with ties."""
    rng = np.random.default_rng(seed)
    annotations, rows = [], []
    for image in range(1, images + 1):
        for _ in range(rng.integers(0, 4)):
            size = rng.choice([20.0, 32.0, 60.0, 96.0, 200.0])
            corner = rng.uniform(0, 400, 2).round(1)
            xy = (corner + rng.uniform(0, size, (17, 2))).round()
            v = rng.choice([0, 0, 1, 2, 2, 2], 17) * (rng.random() < 0.8)
            labelled = np.where(v[:, None] > 0, xy, 0)
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image,
                    "category_id": 1,
                    "keypoints": np.c_[labelled, v].ravel().tolist(),
                    "num_keypoints": int((v > 0).sum()),
                    "bbox": [*corner.tolist(), size, size],
                    "area": float(rng.choice([0.5, 1.0]) * size * size),
                    "iscrowd": int(rng.random() < 0.15),
                }
            )
            for _ in range(rng.integers(0, 4)):
                guess = xy + rng.normal(0, size * rng.choice([0.01, 0.05, 0.2]), xy.shape)
                keypoints = np.c_[guess, rng.random(17)]
                keypoints[rng.random(17) < 0.1] = 0
                row = {
                    "image_id": image,
                    "category_id": 1,
                    "keypoints": keypoints.ravel().tolist(),
                    "score": float(rng.random().__round__(1)),
                }
                if boxes:
                    row["bbox"] = [*(corner + 0.1).tolist(), float(size), float(size)]
                rows.append(row)
    shuffled = [rows[i] for i in rng.permutation(len(rows))]
    gt = {
        "images": [{"id": i} for i in range(1, images + 1)],
        "annotations": annotations,
        "categories": [{"id": 1, "name": "person", "keypoints": list(TABLE.joints)}],
    }
    return gt, shuffled


def as_poses(rows):
    points = np.array([r["keypoints"] for r in rows]).reshape(-1, 17, 3)
    ids = list(dict.fromkeys(r["image_id"] for r in rows))
    xy = np.where((points[..., :2] == 0).all(-1)[..., None], np.nan, points[..., :2])
    box = None
    if rows and "bbox" in rows[0]:
        box = np.array([r["bbox"] for r in rows])
        box[:, 2:] += box[:, :2]
    return Poses.from_arrays(
        TABLE,
        xy,
        points[..., 2],
        instance_score=[r["score"] for r in rows],
        image=[ids.index(r["image_id"]) for r in rows],
        images=[ImageRef(i) for i in ids],
        box=box,
    )


def reference(gt, rows, image_ids=None, max_dets=20):
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = json.loads(json.dumps(gt))
        truth.createIndex()
        engine = COCOeval(truth, truth.loadRes(json.loads(json.dumps(rows))), "keypoints")
        if image_ids is not None:
            engine.params.imgIds = image_ids
        engine.evaluate()
        engine.accumulate()
        engine.summarize()
    return engine, dict(zip(METRICS, engine.stats.tolist(), strict=True))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.booleans())
def test_every_digit(seed, boxes):
    gt, rows = make(seed, boxes=boxes)
    if rows:
        report = evaluate(gt, as_poses(rows))
        assert report.metrics == reference(gt, rows)[1]
        assert report.area == ("box" if boxes else "keypoints")


@pytest.mark.parametrize("seed", range(5))
def test_a_subset_of_the_images(seed):
    gt, rows = make(seed, images=10)
    ids = [2, 3, 5, 8]
    report = evaluate(gt, as_poses(rows), image_ids=ids)
    assert report.metrics == reference(gt, rows, ids)[1]
    assert report.images == 4


def test_the_fuzz_reaches_every_figure():
    gt, rows = make(3, images=60)
    report = evaluate(gt, as_poses(rows))
    assert all(0 < value < 1 for value in report.metrics.values())
    assert any(a["iscrowd"] for a in gt["annotations"])
    assert any(a["num_keypoints"] == 0 for a in gt["annotations"])


@pytest.mark.parametrize("seed", range(10))
def test_oks(seed):
    """Also where a person has no labelled joint, and where joints are missing at (0, 0)."""
    gt, rows = make(seed)
    engine = reference(gt, rows)[0]
    xy = np.nan_to_num(as_poses(rows).xy)
    compared = 0
    for image in range(1, 7):
        persons = [a for a in gt["annotations"] if a["image_id"] == image]
        found = [i for i, r in enumerate(rows) if r["image_id"] == image]
        if not persons or not found:
            continue
        found.sort(key=lambda i: -rows[i]["score"])
        labels = np.array([a["keypoints"] for a in persons]).reshape(-1, 17, 3)
        ours = coco_oks(
            labels[..., :2],
            labels[..., 2] > 0,
            np.array([a["area"] for a in persons]),
            np.array([a["bbox"] for a in persons]),
            xy[found],
            TABLE.require_sigmas(),
        )
        theirs = engine.ious[image, 1].T
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-12)
        compared += ours.size
    assert compared
