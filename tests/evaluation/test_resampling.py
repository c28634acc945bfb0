"""Bootstrap intervals rest on the very figures that `evaluate` gives."""

import numpy as np
import pytest

from refine.evaluation.coco import METRICS, evaluate, evaluate_counted
from refine.evaluation.parts import Options
from refine.evaluation.resampling import draw_images, paired_intervals, resample
from refine.exceptions import ArrayError
from refine.poses import Poses
from refine.sample import make_people, make_predictions


@pytest.fixture(scope="module")
def people():
    rng = np.random.default_rng(3)
    truth, _ = make_people(12, rng)
    return truth, make_predictions(truth, rng)


def replicated(poses, times):
    """Poses on images that occur as often as told, numbered anew."""
    parts, images = [], []
    for i, number in enumerate(times):
        for _ in range(number):
            rows = np.flatnonzero(poses.image == i)
            parts.append((rows, len(images)))
            images.append(i)
    rows = np.concatenate([rows for rows, _ in parts])
    image = np.concatenate([np.full(len(rows), at) for rows, at in parts])
    refs = [poses.images[i] for i in images]
    new = [type(ref)(n, None, ref.width, ref.height) for n, ref in enumerate(refs)]
    out = poses[rows].replace(image=image, images=tuple(new))
    return out.replace(extra=tuple({"id": i + 1} for i in range(len(out))))


def in_order_of(truth, poses):
    """Poses whose image indices are those of the truth."""
    place = {ref.id: i for i, ref in enumerate(truth.images)}
    at = np.array([place[ref.id] for ref in poses.images])
    return poses.replace(image=at[poses.image], images=truth.images)


def test_every_image_once_is_the_figure_itself(people):
    counted = evaluate_counted(*people, Options())
    drawn = resample(counted, np.ones((1, len(counted.images)), np.intp))
    for name in METRICS:
        assert drawn[name][0] == pytest.approx(evaluate(*people)[name], abs=1e-12), name


@pytest.mark.parametrize("seed", range(3))
def test_a_draw_is_what_evaluate_finds_on_copies_of_the_images(people, seed):
    truth, found = people
    found = in_order_of(truth, found)
    times = draw_images(len(truth.images), 1, seed)[0]
    drawn = resample(evaluate_counted(truth, found, Options()), times[None])
    expected = evaluate(replicated(truth, times), replicated(found, times))
    for name in METRICS:
        value = np.nan if expected[name] < 0 else expected[name]
        assert drawn[name][0] == pytest.approx(value, abs=1e-12, nan_ok=True), name


def test_intervals_hold_the_figure_and_nothing_is_gained_over_oneself(people):
    truth, found = people
    one, other = paired_intervals(
        [evaluate_counted(truth, p, Options()) for p in (found, found[::2])], 200
    )
    for name in METRICS:
        assert one.figures[name].low <= one.figures[name].value <= one.figures[name].high
        assert (one.gains[name].low, one.gains[name].value, one.gains[name].high) == (0, 0, 0)
    gain = other.gains["AR"]
    assert gain.low <= gain.value <= gain.high < 0


def test_nobody_and_nothing(people):
    truth, _ = people
    nobody = Poses.empty("coco17", truth.images)
    (of,) = paired_intervals([evaluate_counted(truth, nobody, Options())], 20)
    assert (of.figures["AP"].low, of.figures["AP"].high) == (0, 0)
    (of,) = paired_intervals([evaluate_counted(nobody, nobody, Options(strict=False))], 20)
    assert np.isnan(of.figures["AP"].value)
    assert draw_images(0, 2).shape == (2, 0)


def test_refuses_draws_of_other_images_and_counts_of_others(people):
    counted = evaluate_counted(*people, Options())
    with pytest.raises(ArrayError, match=r"expected draws \(R, 12\), got \(1, 3\)"):
        resample(counted, np.ones((1, 3), np.intp))
    theirs = evaluate_counted(*people, Options(backend="pycocotools"))
    with pytest.raises(ArrayError, match="expected figures counted by 'refine'"):
        resample(theirs, draw_images(12, 1))
