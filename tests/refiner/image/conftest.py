"""Fixtures of the image refiner's tests."""

import pytest

from refine.refiner.pose.refiner import Refiner


@pytest.fixture(scope="session")
def body():
    return Refiner.load()
