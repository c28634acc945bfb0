"""Corpora that the tests make: the same poses as folders, lines and tables."""

import pytest

import refine
from tests.oracles.corpora import make_predictions_of


@pytest.fixture(scope="session")
def predictions():
    """Return poses on 60 images, some of them duplicates and fragments."""
    return make_predictions_of(60)


@pytest.fixture(scope="session")
def refined(predictions):
    """Return what becomes of them together."""
    return refine.run(predictions)
