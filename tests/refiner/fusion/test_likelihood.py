import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st

from refine.refiner.fusion.likelihood import (
    FEATURES,
    Likelihood,
    coverage,
    heat_features,
    log_odds,
)
from refine.refiner.fusion.maps import bells, normalised
from tests.oracles.fusion import plain_view


@pytest.fixture
def likelihood():
    torch.manual_seed(0)
    return Likelihood().eval()


def heat_at(*places, height=20, width=16, tall=0.9):
    at = torch.tensor([places], dtype=torch.float32)
    return tall * bells(at, torch.full(at.shape[:2], 1.5), height, width)


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 2**31), strength=st.floats(0, 30))
def test_maps_sum_to_one_whatever_the_weights(seed, strength):
    torch.manual_seed(seed)
    likelihood = Likelihood().eval()
    with torch.inference_mode():
        for parameter in likelihood.parameters():
            parameter.copy_(torch.randn_like(parameter) * strength)
        heat = torch.rand(2, 3, 12, 9) ** 8
        heat[0, 0], heat[0, 1] = 0, 1
        view = plain_view(torch.rand(2, 3, 2) * 9, near_there=torch.rand(2, 1, 3) > 0.5)
        maps = likelihood(heat, heat_features(heat, view), view)
    assert (maps >= 0).all()
    np.testing.assert_allclose(maps.sum((2, 3)), 1, atol=1e-4)


def test_what_is_seen_is_likely(likelihood):
    heat = heat_at((5.0, 8.0), (11.0, 3.0))
    view = plain_view([[[5.0, 8.0], [11.0, 3.0]]])
    with torch.inference_mode():
        maps = likelihood(heat, heat_features(heat, view), view)
    assert maps.flatten(2).argmax(2).tolist() == [[8 * 16 + 5, 3 * 16 + 11]]


def test_neighbours_take_heat_away(likelihood):
    heat = heat_at((4.0, 6.0)).maximum(heat_at((12.0, 6.0)))
    own = [[[4.0, 6.0]]]
    alone = plain_view(own)
    near = torch.tensor([[[[12.0, 6.0]]]])
    crowd = plain_view(own, near=near, near_there=torch.ones(1, 1, 1, dtype=torch.bool))
    with torch.inference_mode():
        features = heat_features(heat, alone)
        before, after = (likelihood(heat, features, v)[0, 0] for v in (alone, crowd))
    assert after[6, 12] < 0.8 * before[6, 12]
    assert after[6, 4] > 1.1 * before[6, 4]


def test_large_kernels_blur(likelihood):
    heat = heat_at((8.0, 8.0))
    tops = []
    for kernel in (0.5, 6.0):
        view = plain_view([[[8.0, 8.0]]], kernel=torch.full((1, 1), kernel))
        with torch.inference_mode():
            maps = likelihood(heat, torch.zeros(1, 1, FEATURES), view)
        np.testing.assert_allclose(maps.sum(), 1, atol=1e-5)
        tops.append(maps.max())
    assert tops[1] < 0.7 * tops[0]


def test_features_tell_of_height_and_second_peak():
    one = heat_at((3.0, 3.0))
    two = one.maximum(heat_at((12.0, 16.0), tall=0.6))
    near = one.maximum(heat_at((6.0, 3.0), tall=0.6))
    view = plain_view([[[3.0, 3.0]]])
    plain, other, close = (heat_features(h, view)[0, 0] for h in (one, two, near))
    assert plain.shape == (FEATURES,)
    assert plain[0] == pytest.approx(math.log(0.9001 / 0.1001) / 4, rel=1e-3)
    assert other[0] == plain[0]
    assert other[1] == pytest.approx(math.log(0.6001 / 0.4001) / 4, rel=0.01)
    assert plain[1] < close[1] < other[1]
    assert other[3] > plain[3]


def test_log_odds_end():
    found = log_odds(torch.tensor([0.0, 0.5, 1.0]))
    np.testing.assert_allclose(found, [-9.21, 0, 9.21], atol=0.01)


def test_coverage_is_uniform_for_places_drawn_from_the_likelihood():
    rng = np.random.default_rng(0)
    height, width, count = 40, 30, 4000
    # Broad enough for cells to be small.
    maps = bells(torch.tensor([[[11.0, 22.0]]]), torch.full((1, 1), 5.0), height, width)
    second = bells(torch.tensor([[[22.0, 8.0]]]), torch.tensor([[3.0]]), height, width)
    maps = normalised(maps + 0.3 * second)
    share = maps.flatten().double().numpy()
    cells = rng.choice(height * width, count, p=share / share.sum())
    at = np.stack([cells % width, cells // width], -1).astype(np.float32)
    covered, density = coverage(maps.expand(count, -1, -1, -1), torch.tensor(at)[:, None])
    ranks = np.sort(covered[:, 0].numpy())
    off = np.abs(ranks - (np.arange(count) + 0.5) / count).max()
    assert off < 2.0 / np.sqrt(count)  # Kolmogorov-Smirnov, p < .001
    np.testing.assert_array_equal(density[:, 0], maps[0, 0].flatten()[cells])


def test_the_densest_place_is_covered_by_nothing_and_the_thinnest_by_all():
    maps = normalised(torch.tensor([[[[1.0, 2], [3, 4]]]]))
    found = [coverage(maps, torch.tensor([[at]]))[0].item() for at in ([1.0, 1.0], [0.0, 0.0])]
    np.testing.assert_allclose(found, [0, 0.9], atol=1e-6)
