"""Fixtures of the decoders' tests."""

import numpy as np
import pytest


@pytest.fixture
def people():
    """Three people, the third half outside: joints (3, 17, 2), tight boxes grown by 4 px."""
    rng = np.random.default_rng(7)
    corner, extent = np.array([[20.0, 30], [130, 20], [225, 60]]), np.array([60.0, 110])
    xy = corner[:, None] + rng.uniform(0, 1, (3, 17, 2)) * extent
    return xy, np.concatenate([xy.min(1) - 4, xy.max(1) + 4], 1)
