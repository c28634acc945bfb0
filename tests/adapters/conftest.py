"""Maps with every kind of peak, and frameworks that need not be installed."""

import warnings
from importlib import import_module

import numpy as np
import pytest


@pytest.fixture
def peer():
    """Import a framework, or skip the test."""

    def load(name):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                return import_module(name)
            except (ImportError, RuntimeError) as error:
                # RuntimeError: a torchvision that was built for another torch.
                pytest.skip(f"{name}: {error}")

    return load


@pytest.fixture
def centres():
    """Cells (6, 17, 2) of peaks, up to a cell outside of a 48 x 64 map."""
    return np.random.default_rng(3).uniform(-1, [49, 65], (6, 17, 2))


@pytest.fixture
def maps(centres):
    """Noisy maps (6, 17, 64, 48) float32; two have no peak, one has a plateau."""
    y, x = np.mgrid[:64, :48]
    near = (x - centres[..., 0, None, None]) ** 2 + (y - centres[..., 1, None, None]) ** 2
    maps = np.exp(-near / 8) + 0.01 * np.random.default_rng(4).standard_normal(near.shape)
    maps[0, 0], maps[0, 1] = 0.0, -0.5
    maps[0, 2, 20:24, 10:13] = 2.0
    return maps.astype(np.float32)
