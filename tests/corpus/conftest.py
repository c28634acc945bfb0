"""Corpora that the tests make: the same poses as folders, lines and tables."""

import pytest

import refine
from tests.oracles.corpora import make_predictions_of, part


@pytest.fixture(scope="session")
def predictions():
    """Return poses on 60 images, some of them duplicates and fragments."""
    return make_predictions_of(60)


@pytest.fixture(scope="session")
def refined(predictions):
    """Return what becomes of them together."""
    return refine.run(predictions)


@pytest.fixture
def folder(tmp_path, predictions, monkeypatch):
    """Work in a folder with the poses as NDJSON, Parquet, a partitioned set and OpenPose files."""
    monkeypatch.chdir(tmp_path)
    refine.write(predictions, "in.ndjson")
    refine.write(predictions, "in.parquet")
    for i, (low, high) in enumerate(((0, 25), (25, 40), (40, 60))):
        (tmp_path / "set" / f"video={i % 2}").mkdir(parents=True, exist_ok=True)
        refine.write(part(predictions, low, high), f"set/video={i % 2}/p{i}.parquet")
    return tmp_path
