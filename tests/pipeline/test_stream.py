"""`refine.stream`: poses as they come become what they would together."""

import numpy as np
import pytest

import refine
from refine.sample import make_people
from refine.sample.estimator import make_predictions


@pytest.fixture(scope="module")
def predictions():
    rng = np.random.default_rng(5)
    truth, _ = make_people(4, rng)
    return make_predictions(truth, rng)


def frames(poses):
    for i, (ref, rows) in enumerate(poses.by_image()):
        yield poses[rows].replace(images=(ref,), image=np.zeros(len(rows), np.intp)), i


def test_frames_become_what_they_would_together(predictions):
    whole = refine.run(predictions)
    parts = list(refine.stream(part for part, _ in frames(predictions)))
    assert [len(p.images) for p in parts] == [1] * len(predictions.images)
    together = refine.Poses.concat(parts)
    np.testing.assert_array_equal(together.xy, whole.xy)
    np.testing.assert_array_equal(together.instance_score, whole.instance_score)


def test_each_frame_is_done_when_it_comes(predictions):
    taken = []

    def source():
        for part, i in frames(predictions):
            taken.append(i)
            yield part

    better = refine.stream(source(), steps=["suppress"])
    assert taken == []
    assert next(better).history[-1].name == "suppress"
    assert taken == [0]


def test_empty_frames_stay(predictions):
    empty = refine.Poses.empty("coco17", [refine.ImageRef("a")])
    (got,) = refine.stream([empty])
    assert len(got) == 0
    assert got.images == empty.images


def test_options_are_checked_at_once():
    with pytest.raises(refine.RefineError, match="expected options out of"):
        refine.stream([], nothing=1)


def test_parts_that_differ_in_what_was_counted_go_together(predictions):
    """As where poses without a score of their own are in one of them alone."""
    scores = predictions.instance_score.copy()
    scores[predictions.image == 0] = np.nan
    parts = refine.stream(part for part, _ in frames(predictions.replace(instance_score=scores)))
    together = refine.Poses.concat(list(parts))
    (step,) = (step for step in together.history if step.name == "rescore")
    assert "without_own_score" not in step.parameters
