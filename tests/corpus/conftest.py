"""Corpora that the tests make: the same poses as folders, lines and tables."""

import numpy as np
import pytest

import refine
from refine.sample import make_people
from refine.sample.estimator import make_predictions


@pytest.fixture(scope="session")
def predictions():
    """Return poses on 60 images, some of them duplicates and fragments."""
    rng = np.random.default_rng(5)
    truth, _ = make_people(60, rng)
    return make_predictions(truth, rng)


@pytest.fixture(scope="session")
def refined(predictions):
    """Return what becomes of them together."""
    return refine.run(predictions)


@pytest.fixture(scope="session")
def alike():
    """Return a check that poses are the same to the bit, on the same images."""

    def check(got, expected):
        assert [r.id for r in got.images] == [r.id for r in expected.images]
        for name in ("xy", "score", "instance_score", "image"):
            np.testing.assert_array_equal(getattr(got, name), getattr(expected, name))
        assert got.extra == expected.extra

    return check
