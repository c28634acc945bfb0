"""AP and AR of random cases are those of pycocotools, bit by bit, also over several categories."""

import contextlib
import io
import json
from unittest import mock

import numpy as np
from hypothesis import given, strategies as st
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from refine.evaluation import (
    METRICS,
    counting,
    evaluate,
    ground_truth,
    matching,
    predictions,
)
from refine.formats import scan
from refine.skeletons import skeleton
from tests.properties.fuzzing import budget

JOINTS = list(skeleton("coco17").joints)


def case(seed, categories, images=5):
    """Return ground truth and results.

    With crowds, unlabelled, doubled and missed persons, areas on the limits, areas of 0, equal
    scores and similarities, perfect hits, strays, images without persons, without predictions and
    with neither, and at times a person of id 0.
    """
    rng = np.random.default_rng(seed)
    annotations, rows = [], []
    zero = int(rng.random() < 0.1)
    digits = int(rng.integers(0, 4))
    for image in range(1, images + 1):
        for _ in range(rng.integers(0, 4)):
            category = int(rng.integers(1, categories + 1))
            size = rng.choice([20.0, 32.0, 60.0, 96.0, 200.0])
            corner = rng.uniform(0, 400, 2).round(1)
            xy = (corner + rng.uniform(0, size, (17, 2))).round()
            v = rng.choice([0, 1, 2, 2], 17) * (rng.random() < 0.85)
            annotations.append(
                {
                    "id": len(annotations) + 1 - zero,
                    "image_id": image,
                    "category_id": category,
                    "keypoints": np.c_[np.where(v[:, None] > 0, xy, 0), v].ravel().tolist(),
                    "num_keypoints": int((v > 0).sum()),
                    "bbox": [*corner.tolist(), size, size],
                    "area": float(rng.choice([-0.5, 0.0, *[0.5, 1.0] * 8]) * size * size),
                    "iscrowd": int(rng.random() < 0.1),
                }
            )
            if rng.random() < 0.1:
                double = annotations[-1] | {"id": len(annotations) + 1 - zero}
                annotations.append(double | {"iscrowd": int(rng.random() < 0.5)})
            for _ in range(rng.integers(0, 4)):
                guess = xy + rng.normal(0, size * rng.choice([0, 0.01, 0.05, 0.2]), xy.shape)
                other = int(rng.integers(1, categories + 1))
                rows.append(
                    {
                        "image_id": image,
                        "category_id": category if rng.random() < 0.8 else other,
                        "keypoints": np.c_[guess, rng.random(17)].ravel().tolist(),
                        "score": round(rng.random(), digits),
                    }
                )
                if rng.random() < 0.2:
                    rows.append(dict(rows[-1]))
                if rng.random() < 0.1:
                    stray = rows[-1] | {"image_id": int(rng.integers(1, images + 3))}
                    rows.append(stray | {"score": round(rng.random(), digits)})
    if rng.random() < 0.5:
        rows = [
            row | {"bbox": [0.0, 0.0, float(w), float(h)]}
            for row, (w, h) in zip(
                rows, rng.choice([16, 32, 50, 96, 200], (len(rows), 2)), strict=True
            )
        ]
    rows = [rows[i] for i in rng.permutation(len(rows))]
    images += 2
    table = [{"id": i + 1, "name": f"kind{i}", "keypoints": JOINTS} for i in range(categories)]
    pictures = [{"id": i} for i in range(1, images + 1)]
    return {"images": pictures, "annotations": annotations, "categories": table}, rows


def reference(truth, rows, max_dets=20, images=None):
    with contextlib.redirect_stdout(io.StringIO()), np.errstate(all="ignore"):
        coco = COCO()
        coco.dataset = json.loads(json.dumps(truth))
        coco.createIndex()
        engine = COCOeval(coco, coco.loadRes(json.loads(json.dumps(rows))), "keypoints")
        engine.params.maxDets = [max_dets]
        if images is not None:
            engine.params.imgIds = images
        engine.evaluate()
        engine.accumulate()
        if max_dets == 20:
            engine.summarize()
            return dict(zip(METRICS, engine.stats.tolist(), strict=True))
    # `summarize` knows of 20 alone.
    figures = []
    for table in (engine.eval["precision"], engine.eval["recall"]):
        for values in (table[..., 0, 0], table[0, ..., 0, 0], table[5, ..., 0, 0]):
            figures.append(values)
        figures += [table[..., 1, 0], table[..., 2, 0]]
    means = [float(np.mean(v[v > -1])) if (v > -1).any() else -1.0 for v in figures]
    return dict(zip(METRICS, means, strict=True))


def counts(truth):
    """Whether some person can be matched; without any, `evaluate` refuses."""
    return any(row["area"] > 0 and row["num_keypoints"] and not row["iscrowd"] for row in truth)


@contextlib.contextmanager
def as_if_large(folder, truth, rows, way):
    """Give what to evaluate: parsed, or a file, as it is read and counted where there is much."""
    with contextlib.ExitStack() as stack:
        if way != "small":
            stack.enter_context(mock.patch.object(counting, "SMALL", 0))
            stack.enter_context(mock.patch.object(matching, "FEW", 0))
            for module in (scan, predictions, ground_truth):
                stack.enter_context(mock.patch.object(module, "LARGE", 0))
        if way == "file":
            paths = folder / "truth.json", folder / "rows.json"
            for path, document in zip(paths, (truth, rows), strict=True):
                path.write_text(json.dumps(document))
            yield paths
        else:
            yield truth, rows


@budget(300)
@given(
    st.integers(0, 2**32),
    st.sampled_from([1, 1, 2, 3]),
    st.sampled_from([1, 2, 3, 20]),
    st.sampled_from(["small", "parsed", "file"]),
)
def test_every_figure(tmp_path_factory, seed, categories, max_dets, way):
    truth, rows = case(seed, categories)
    if not rows or not counts(truth["annotations"]):
        return
    folder = tmp_path_factory.getbasetemp()
    with as_if_large(folder, truth, rows, way) as sources:
        found = evaluate(*sources, max_dets=max_dets)
        some = evaluate(*sources, max_dets=max_dets, image_ids=[1, 3, 7])
    assert found.metrics == reference(truth, rows, max_dets)
    assert some.metrics == reference(truth, rows, max_dets, [1, 3, 7])


@budget(20)
@given(st.integers(0, 2**32), st.sampled_from([1, 3]))
def test_backends_agree(seed, categories):
    truth, rows = case(seed, categories, images=9)
    for i, image in enumerate(truth["images"]):
        image["crowdIndex"] = (i % 5) / 4
    if rows and counts(truth["annotations"]):
        with np.errstate(all="ignore"):
            expected = evaluate(truth, rows, backend="pycocotools")
        assert evaluate(truth, rows) == expected
