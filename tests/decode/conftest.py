"""Lets the tests of this folder share their oracles and encoders."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture
def people():
    """Three people, the third half outside: joints (3, 17, 2), tight boxes grown by 4 px."""
    rng = np.random.default_rng(7)
    corner, extent = np.array([[20.0, 30], [130, 20], [225, 60]]), np.array([60.0, 110])
    xy = corner[:, None] + rng.uniform(0, 1, (3, 17, 2)) * extent
    return xy, np.concatenate([xy.min(1) - 4, xy.max(1) + 4], 1)
