import itertools

import numpy as np
import pytest

from refine.refiner.image.source_precision import (
    BLUNT,
    ONE_LOOK,
    PSEUDO,
    SHARP,
    TYPICAL,
    estimate_precision,
    source_spread,
)


def test_only_joints_that_are_there_and_surely_shown_count():
    rng = np.random.default_rng(0)
    off = rng.uniform(0, 0.2, (400, 17))
    move = np.where(rng.random(off.shape) < 0.5, 0.95, 0.6)
    keep = np.where(rng.random(off.shape) < 0.5, 0.9, 0.0)
    use = (move > 0.9) & (keep > 0)
    off[~use] = 5
    want = np.quantile(off[use], 0.75)
    assert source_spread(off, move, keep) == pytest.approx(want, abs=0.002)
    assert source_spread(off, move, 0 * keep) == TYPICAL
    assert source_spread(ONE_LOOK * off, move, keep, mirrored=False) == pytest.approx(
        source_spread(off, move, keep)
    )


def test_a_few_joints_hardly_count():
    few = np.full((1, 5), 0.95)
    assert source_spread(np.zeros((1, 5)), few, few) == pytest.approx(
        TYPICAL * PSEUDO / (PSEUDO + 5)
    )


def test_sharper_sources_are_trusted_more():
    judged = [estimate_precision(spread) for spread in np.linspace(0.1, 0.3, 40)]
    for better, worse in itertools.pairwise(judged):
        assert better.precision >= worse.precision
        assert better.margin >= worse.margin
    assert estimate_precision(SHARP) == estimate_precision(0)
    assert estimate_precision(BLUNT).precision == estimate_precision(BLUNT).margin == 0
