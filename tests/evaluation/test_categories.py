"""Categories: scored one by one as COCOeval does, chosen, renumbered where there is one."""

import contextlib
import io
import json

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from refine.calibration.fit import read_sample
from refine.errors.measure import measure_statistics
from refine.evaluation import evaluate
from refine.evaluation.coco import METRICS
from refine.evaluation.diagnosis import diagnose
from refine.evaluation.ground_truth import read_ground_truth
from refine.exceptions import FormatError, SkeletonError
from refine.formats import read
from refine.refiner.pose.refiner import Refiner
from refine.skeletons import skeleton

BODY = skeleton("coco17")
NAMES = ["nose", "tail", *(f"j{i}" for i in range(15))]


def make(seed, kinds=(3, 1, 18), guessed=(1, 3, 18, 44)):
    rng = np.random.default_rng(seed)
    annotations, rows = [], []
    for image in range(5):
        for _ in range(rng.integers(1, 5)):
            corner = rng.uniform(0, 300, 2)
            size = rng.choice([40.0, 120.0])
            xy = (corner + rng.uniform(0, size, (17, 2))).round()
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image,
                    "category_id": int(rng.choice(kinds)),
                    "keypoints": np.c_[xy, np.full(17, 2)].ravel().tolist(),
                    "num_keypoints": 17,
                    "bbox": [*corner.tolist(), size, size],
                    "area": size * size,
                    "iscrowd": 0,
                }
            )
            for _ in range(rng.integers(0, 3)):
                guess = xy + rng.normal(0, size * rng.choice([0.01, 0.1]), xy.shape)
                kind = annotations[-1]["category_id"]
                rows.append(
                    {
                        "image_id": image,
                        "category_id": int(rng.choice([kind, kind, *guessed])),
                        "keypoints": np.c_[guess, rng.random(17)].ravel().tolist(),
                        "score": float(round(rng.random(), 2)),
                    }
                )
    gt = {
        "images": [{"id": i} for i in range(5)],
        "annotations": annotations,
        "categories": [
            {"id": k, "name": f"kind{k}", "keypoints": list(BODY.joints)} for k in (1, 3, 18)
        ],
    }
    return gt, rows


def reference(gt, rows):
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = json.loads(json.dumps(gt))
        truth.createIndex()
        engine = COCOeval(truth, truth.loadRes(json.loads(json.dumps(rows))), "keypoints")
        engine.evaluate()
        engine.accumulate()
        engine.summarize()
    return dict(zip(METRICS, engine.stats.tolist(), strict=True))


@pytest.mark.parametrize("seed", range(12))
def test_every_digit_of_several_categories(seed):
    gt, rows = make(seed)
    report = evaluate(gt, rows)
    assert report.metrics == reference(gt, rows)
    assert 0 < report["AP"] < 1
    others = any(row["category_id"] == 44 for row in rows)
    assert others == any("44" in text for text in report.warnings)


@pytest.mark.parametrize("seed", range(4))
def test_one_of_them_can_be_chosen(seed):
    gt, rows = make(seed)
    own = gt | {"annotations": [a for a in gt["annotations"] if a["category_id"] == 3]}
    for category in (3, "3", "kind3"):
        truth = read_ground_truth(gt, category=category)
        assert evaluate(truth, rows).metrics == reference(own, rows)
    with pytest.raises(FormatError, match=r"expected the id or name of a category.*one of 1 kind1"):
        read_ground_truth(gt, category="kind4")


def test_two_skeletons_need_a_choice():
    gt, rows = make(0)
    gt["categories"][2]["keypoints"] = NAMES
    with pytest.raises(SkeletonError, match="--category"):
        evaluate(gt, rows)
    truth = read_ground_truth(gt, category=18)
    assert truth.skeleton.joints == tuple(NAMES)
    assert set(truth.persons.category.tolist()) == {0}
    report = evaluate(truth, rows, sigmas=0.1)
    assert report.sigmas == "0.1 for every joint"
    assert not report.official_sigmas


def test_one_category_and_one_category_are_the_same():
    gt, rows = make(1, kinds=(3,), guessed=(3,))
    exact = evaluate(gt, rows)
    for number in (0, 7, "person", None):
        turned = [row | {"category_id": number} for row in rows]
        found = evaluate(gt, turned)
        assert found.metrics == exact.metrics
        told = any("taken for 3 kind3, the only one" in text for text in found.warnings)
        assert told == (number is not None)
    dogs = evaluate(gt, [row | {"category_id": 18} for row in rows])
    assert dogs["AP"] == 0
    assert any("(18 kind18) do not count" in text for text in dogs.warnings)


def test_poses_without_categories_meet_persons_of_all():
    gt, rows = make(2)
    pooled = gt | {"annotations": [a | {"category_id": 1} for a in gt["annotations"]]}
    plain = [{k: v for k, v in row.items() if k != "category_id"} for row in rows]
    found = evaluate(gt, plain)
    assert found.metrics == evaluate(pooled, plain).metrics
    assert any("poses without categories are compared" in text for text in found.warnings)
    with pytest.raises(FormatError, match="expected poses with a `category_id`"):
        evaluate(gt, [*plain[:3], *rows[3:]])


def test_every_verb_tells_categories_apart(tmp_path):
    """With dogs among the results, persons are found as without them."""
    gt, rows = make(3, kinds=(1,), guessed=(1,))
    dogs = [row | {"category_id": 18, "score": 1.0} for row in rows]
    files = {}
    for name, content in (("alone", rows), ("mixed", [*dogs, *rows])):
        (tmp_path / name).write_text(json.dumps(content))
        files[name] = read(tmp_path / name)
    alone, mixed = (diagnose(gt, files[name]) for name in ("alone", "mixed"))
    np.testing.assert_array_equal(alone.counts, mixed.counts)
    np.testing.assert_array_equal(alone.ap, mixed.ap)
    assert (alone.poses, alone.background) == (mixed.poses, mixed.background)
    rates = [measure_statistics(gt, p, name="", source="").counts for p in files.values()]
    assert rates[0] == rates[1]
    samples = [read_sample(gt, p, Refiner.load()) for p in files.values()]
    assert samples[0].counts.sum() == samples[1].counts.sum()
    np.testing.assert_array_equal(samples[0].came, samples[1].came[len(dogs) :])
