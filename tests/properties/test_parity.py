"""AP and AR of random cases are those of pycocotools, bit by bit, also over several categories."""

import contextlib
import io
import json

import numpy as np
from hypothesis import given, strategies as st
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from refine.evaluation import METRICS, evaluate
from refine.skeletons import skeleton
from tests.properties.fuzzing import budget

JOINTS = list(skeleton("coco17").joints)


def case(seed, categories, images=5):
    """Return ground truth and results: crowds, unlabelled and missed persons, ties, strays."""
    rng = np.random.default_rng(seed)
    annotations, rows = [], []
    for image in range(1, images + 1):
        for _ in range(rng.integers(0, 4)):
            category = int(rng.integers(1, categories + 1))
            size = rng.choice([20.0, 32.0, 60.0, 96.0, 200.0])
            corner = rng.uniform(0, 400, 2).round(1)
            xy = (corner + rng.uniform(0, size, (17, 2))).round()
            v = rng.choice([0, 1, 2, 2], 17) * (rng.random() < 0.85)
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image,
                    "category_id": category,
                    "keypoints": np.c_[np.where(v[:, None] > 0, xy, 0), v].ravel().tolist(),
                    "num_keypoints": int((v > 0).sum()),
                    "bbox": [*corner.tolist(), size, size],
                    "area": float(rng.choice([0.5, 1.0]) * size * size),
                    "iscrowd": int(rng.random() < 0.1),
                }
            )
            for _ in range(rng.integers(0, 4)):
                guess = xy + rng.normal(0, size * rng.choice([0.01, 0.05, 0.2]), xy.shape)
                other = int(rng.integers(1, categories + 1))
                rows.append(
                    {
                        "image_id": image,
                        "category_id": category if rng.random() < 0.8 else other,
                        "keypoints": np.c_[guess, rng.random(17)].ravel().tolist(),
                        "score": float(rng.random().__round__(1)),
                    }
                )
    table = [{"id": i + 1, "name": f"kind{i}", "keypoints": JOINTS} for i in range(categories)]
    pictures = [{"id": i} for i in range(1, images + 1)]
    return {"images": pictures, "annotations": annotations, "categories": table}, rows


def reference(truth, rows):
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = json.loads(json.dumps(truth))
        coco.createIndex()
        engine = COCOeval(coco, coco.loadRes(json.loads(json.dumps(rows))), "keypoints")
        engine.evaluate()
        engine.accumulate()
        engine.summarize()
    return dict(zip(METRICS, engine.stats.tolist(), strict=True))


@budget(40)
@given(st.integers(0, 2**32))
def test_one_category(seed):
    truth, rows = case(seed, 1)
    if rows:
        assert evaluate(truth, rows).metrics == reference(truth, rows)


@budget(40)
@given(st.integers(0, 2**32), st.integers(2, 3))
def test_several_categories(seed, categories):
    truth, rows = case(seed, categories)
    if rows:
        found = evaluate(truth, rows).metrics
        expected = reference(truth, rows)
        assert {name: found[name] for name in METRICS} == expected
