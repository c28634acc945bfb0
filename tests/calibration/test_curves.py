import numpy as np
import pytest

from refine.calibration.curves import FOLDS, Curve, fit_curve, fit_logistic, folds
from refine.numerics import logit, sigmoid
from refine.skeletons import skeleton

BODY = skeleton("coco17")
GRID = np.linspace(0, 1, 101)[:, None]
CURVES = (
    Curve(),
    Curve("affine", slope=0.4, offset=-1),
    Curve("joints", slope=0.7, offset=0.2, score=0.5, size=-0.3, joints=(0.1,)),
    Curve("isotonic", knots=((0.1, 0.5, 0.9), (0.05, 0.2, 0.7))),
)


def draw(rng, worth, n=400):
    """N poses whose joints expect `expected` and are right as often as `worth` says."""
    expected = rng.beta(2, 1, (n, 17))
    score, size = rng.normal(size=(n, 17)), rng.uniform(-0.5, 0.5, n)
    truth = (rng.random((n, 17)) < worth(expected, score, size)).astype(float)
    return expected, truth, score, size


def fitted(data, rows=None):
    expected, truth, score, size = data
    rows = np.full(expected.shape, True) if rows is None else rows
    return fit_curve(expected, truth, score, size, rows, np.arange(len(size)) // 2, BODY)


@pytest.mark.parametrize("curve", CURVES, ids=lambda c: c.form)
def test_curves_never_fall_and_stay_within_0_and_1(curve):
    said = curve(GRID, np.zeros_like(GRID), np.zeros(len(GRID)))
    assert (np.diff(said[:, 0]) >= 0).all()
    assert ((said >= 0) & (said <= 1)).all()
    assert np.isnan(curve(np.array([[np.nan]]), np.zeros((1, 1)), np.zeros(1))).all()


@pytest.mark.parametrize(
    ("form", "worth"),
    [
        ("affine", lambda p, score, size: sigmoid(0.5 * logit(p) - 1)),
        ("isotonic", lambda p, score, size: np.where(p < 0.7, 0.2, 0.9)),
        ("joints", lambda p, score, size: sigmoid(logit(p) - 1 + score + 2 * size[:, None])),
    ],
)
def test_a_known_distortion_is_found_with_its_form(form, worth):
    curve = fitted(draw(np.random.default_rng(0), worth))
    assert curve.form == form
    expected, _, score, size = draw(np.random.default_rng(1), worth)
    error = np.abs(curve(expected, score, size) - worth(expected, score, size)).mean()
    assert error < 0.03 < np.abs(expected - worth(expected, score, size)).mean()


def test_an_honest_source_is_left_as_it_is():
    data = draw(np.random.default_rng(0), lambda p, score, size: p)
    curve = fitted(data)
    assert np.abs(curve(data[0], data[2], data[3]) - data[0]).mean() < 0.01


def test_left_and_right_share_an_offset():
    worse = np.isin(np.arange(17), [9, 10]) * -3.0
    curve = fitted(draw(np.random.default_rng(0), lambda p, s, z: sigmoid(logit(p) + worse)))
    offsets = np.array(curve.joints)
    np.testing.assert_array_equal(offsets, offsets[BODY.mirror])
    assert offsets[9] < offsets[:9].min() - 2


def test_few_joints_change_little_and_none_change_nothing():
    data = draw(np.random.default_rng(0), lambda p, score, size: 0 * p, n=12)
    assert fitted(data, np.zeros((12, 17), bool)) == Curve()
    few = np.zeros((12, 17), bool)
    few[0, :3] = True
    assert fitted(data, few) == Curve()


def test_an_expectation_that_misleads_is_not_turned_around():
    curve = fitted(draw(np.random.default_rng(0), lambda p, score, size: 1 - p))
    said = curve(GRID, np.zeros_like(GRID), np.zeros(len(GRID)))
    assert (np.diff(said, axis=0) >= 0).all()
    assert np.ptp(said) < 0.1


def test_unknown_truth_is_left_out():
    expected, truth, score, size = draw(np.random.default_rng(0), lambda p, s, z: p / 2)
    truth[:, ::2] = np.nan
    rows = np.isfinite(truth)
    known = fitted((expected, np.nan_to_num(truth, nan=1.0), score, size), rows)
    assert fitted((expected, truth, score, size)) == known


def test_logistic_regression_finds_the_minimum_and_obeys_its_prior():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(500, 3))
    y = sigmoid(x @ [1.0, -2.0, 0.5] + 0.3)
    weights, intercept = fit_logistic(x, y, np.zeros(3), np.zeros(3))
    np.testing.assert_allclose([*weights, intercept], [1, -2, 0.5, 0.3], atol=1e-3)
    held, _ = fit_logistic(x, y, np.array([3.0, 3.0, 3.0]), np.full(3, 1e6))
    np.testing.assert_allclose(held, 3, atol=1e-2)
    # Separable: without a minimum, but still finite.
    found, _ = fit_logistic(x[:, :1], (x[:, 0] > 0).astype(float), np.zeros(1), np.full(1, 1e-3))
    assert 5 < found[0] < 1e3


def test_folds_keep_images_together_and_are_alike_in_size():
    image = np.random.default_rng(0).integers(0, 53, 400)
    part = folds(image)
    assert all(len(set(part[image == i])) == 1 for i in set(image))
    sizes = [len(set(image[part == p])) for p in range(FOLDS)]
    assert max(sizes) - min(sizes) <= 1
    np.testing.assert_array_equal(part, folds(image))


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"slope": float("nan")}, "finite"),
        ({"joints": (float("inf"),)}, "finite"),
        ({"form": "isotonic"}, "knots"),
        ({"form": "isotonic", "knots": ((0.1, 0.2), (0.3,))}, "knots"),
        ({"form": "isotonic", "knots": ((0.2, 0.1), (0.3, 0.4))}, "rise"),
    ],
)
def test_curves_that_cannot_be_drawn_are_refused(values, words):
    with pytest.raises(ValueError, match=words):
        Curve(**values)
