"""`evaluate` takes what pycocotools has in memory."""

import contextlib
import io
import json

import numpy as np
from pycocotools.coco import COCO

import refine
from refine.evaluation import evaluate
from refine.sample import make_people


def test_objects_of_pycocotools_are_taken(tmp_path):
    truth, _ = make_people(3, np.random.default_rng(0))
    refine.write(truth, tmp_path / "gt.json", "coco-gt")
    found = truth.replace(
        xy=truth.xy + 2, instance_score=np.linspace(0.1, 1, len(truth)), box=None, area=None
    )
    refine.write(found, tmp_path / "pred.json", "coco")
    with contextlib.redirect_stdout(io.StringIO()):
        gt = COCO(str(tmp_path / "gt.json"))
        pred = gt.loadRes(str(tmp_path / "pred.json"))
    expected = evaluate(tmp_path / "gt.json", tmp_path / "pred.json")
    assert evaluate(gt, tmp_path / "pred.json").metrics == expected.metrics
    assert evaluate(gt, pred)["AP"] == expected["AP"] > 0.5
    rows = json.loads((tmp_path / "pred.json").read_text())
    assert evaluate(gt.dataset, rows).metrics == expected.metrics
    assert evaluate(gt, [])["AP"] == 0


def test_ground_truth_without_anybody():
    nobody = refine.Poses.empty("coco17", [refine.ImageRef(1)]).replace(score_kind="flag")
    found = refine.Poses.from_arrays(
        nobody.skeleton, np.ones((1, 17, 2)), instance_score=[1], images=nobody.images
    )
    assert set(evaluate(nobody, found).metrics.values()) == {-1}
