from dataclasses import replace

import numpy as np
import pytest
import torch

from refine.refiner.fusion.maps import bells
from refine.refiner.fusion.posterior import LITTLE, MUCH, fuse
from tests.oracles.fusion import bell, plain_view

SIZE = (32, 24)


def heat_at(x, y, tall=0.9):
    return tall * bells(torch.tensor([[[x, y]]]), torch.full((1, 1), 1.2), *SIZE)


def one(own, **values):
    shapes = {name: torch.full((1, 1), v) for name, v in values.items()}
    return plain_view([[own]], **shapes)


def test_a_sure_joint_on_the_heat_stays():
    for trust in (LITTLE, MUCH):
        found = fuse(heat_at(10.0, 12.0), one([10.0, 12.0], keep=0.95), trust)
        np.testing.assert_allclose(found.at[0, 0], [10, 12], atol=0.1)
        assert found.keep.item() == pytest.approx(found.move.item(), abs=0.01)
        assert found.move.item() > 0.5


def test_a_missing_joint_goes_to_the_heat_near_the_belief():
    heat = heat_at(8.0, 9.0).maximum(heat_at(20.0, 27.0))
    for believed, wanted in (([9.0, 11.0], [8, 9]), ([19.0, 25.0], [20, 27])):
        view = plain_view(
            [[[0.0, 0.0]]],
            belief=torch.tensor([[believed]]),
            there=torch.zeros(1, 1, dtype=torch.bool),
            missing=torch.ones(1, 1, dtype=torch.bool),
            keep=torch.zeros(1, 1),
        )
        for trust in (LITTLE, MUCH):
            found = fuse(heat, view, trust)
            np.testing.assert_allclose(found.at[0, 0], wanted, atol=0.5)
            assert found.keep.item() == 0


def test_far_heat_is_followed_more_readily_with_little_trust():
    heat = heat_at(19.0, 25.0, 0.25)
    view = one([6.0, 6.0], keep=0.95, kernel=1.0)
    much, little = fuse(heat, view, MUCH), fuse(heat, view, LITTLE)
    np.testing.assert_allclose(much.at[0, 0], [6, 6], atol=1)
    assert much.keep.item() > little.keep.item()
    # Where the joint is not sure, the heat has it.
    doubted = one([6.0, 6.0], keep=0.02, kernel=1.0)
    np.testing.assert_allclose(fuse(heat, doubted, LITTLE).at[0, 0], [19, 25], atol=0.5)


def test_neighbours_explain_heat_away():
    heat = heat_at(6.0, 16.0).maximum(heat_at(16.0, 16.0))
    view = replace(
        one([0.0, 0.0], keep=0.0),
        there=torch.zeros(1, 1, dtype=torch.bool),
        missing=torch.ones(1, 1, dtype=torch.bool),
        belief=torch.tensor([[[11.2, 16.0]]]),
    )
    crowd = replace(
        view,
        near=torch.tensor([[[[16.0, 16.0]]]]),
        near_there=torch.ones(1, 1, 1, dtype=torch.bool),
    )
    for trust in (LITTLE, MUCH):
        np.testing.assert_allclose(fuse(heat, view, trust).at[0, 0], [16, 16], atol=0.5)
        np.testing.assert_allclose(fuse(heat, crowd, trust).at[0, 0], [6, 16], atol=0.5)


def test_it_is_bayes_rule():
    """Parity with the same in plain NumPy."""
    heat = np.random.default_rng(0).random((1, 1, *SIZE)) ** 3
    own, belief = [9.3, 11.8], [11.0, 12.5]
    view = replace(one(own, keep=0.7, spread=2.5, kernel=1.3), belief=torch.tensor([[belief]]))
    found = fuse(torch.tensor(heat, dtype=torch.float32), view, MUCH)
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]]
    seen = heat[0, 0] ** MUCH.power + MUCH.floor
    share, deviation = MUCH.share * 0.7, MUCH.width * 1.3
    near = bell(*own, deviation, *SIZE) / (2 * np.pi * deviation**2)
    tail = 1 / (1 + ((columns - belief[0]) ** 2 + (rows - belief[1]) ** 2) / 2.5**2)
    tail = 0.9 * tail / tail.sum() + 0.1 / tail.size
    posterior = seen * (share * near + (1 - share) * tail)
    posterior /= posterior.sum()
    assert found.keep.item() == pytest.approx((posterior * bell(*own, 1.3, *SIZE)).sum(), rel=1e-4)
    at = found.at[0, 0].double().numpy()
    assert found.move.item() == pytest.approx((posterior * bell(*at, 1.3, *SIZE)).sum(), rel=1e-4)
    error = (posterior * (np.abs(columns - at[0]) + np.abs(rows - at[1]))).sum() / 2
    assert found.error.item() == pytest.approx(error, rel=1e-4)
    assert found.move >= found.keep


def test_no_heat_at_all_leaves_joints_near():
    found = fuse(torch.zeros(1, 1, *SIZE), one([10.0, 12.0], keep=0.9), MUCH)
    np.testing.assert_allclose(found.at[0, 0], [10, 12], atol=0.2)
    assert torch.isfinite(found.move).all()
