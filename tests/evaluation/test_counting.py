"""What `count` makes of odd sizes; that its figures are pycocotools' is in properties/."""

import numpy as np
import pytest

from refine.evaluation import counting
from refine.evaluation.coco import evaluate
from refine.evaluation.matching import RECALLS, precision_at_recalls
from refine.exceptions import ArrayError
from refine.sample import make_people, make_predictions


@pytest.fixture(scope="module")
def people():
    rng = np.random.default_rng(3)
    truth, _ = make_people(30, rng)
    return truth, make_predictions(truth, rng)


def test_backends_and_the_compiled_kernel_agree(people, monkeypatch):
    truth, found = people
    expected = evaluate(truth, found)
    assert 0 < expected["AP"] < 1
    assert evaluate(truth, found, backend="pycocotools") == expected
    monkeypatch.setattr(counting, "SMALL", 0)
    assert evaluate(truth, found) == expected
    with pytest.raises(ArrayError, match="expected backend 'refine' or 'pycocotools', got 'x'"):
        evaluate(truth, found, backend="x")


@pytest.mark.parametrize("block", [1, 100])
def test_blocks_may_end_anywhere(people, monkeypatch, block):
    expected = evaluate(*people)
    monkeypatch.setattr(counting, "BLOCK", block)
    assert evaluate(*people) == expected


@pytest.mark.parametrize("seed", range(20))
def test_precision_at_recalls_is_that_of_cocoeval(seed):
    rng = np.random.default_rng(seed)
    hits, persons = rng.random(rng.integers(0, 40)) < 0.5, 25
    true = np.cumsum(hits)
    precision = true / (np.arange(1, len(hits) + 1) + np.spacing(1))
    for i in range(len(hits) - 1, 0, -1):
        precision[i - 1] = max(precision[i - 1], precision[i])
    at = np.searchsorted(true / persons, RECALLS)
    expected = [precision[i] if i < len(hits) else 0.0 for i in at]
    assert precision_at_recalls(hits, persons).tolist() == expected
