import numpy as np
import torch

from refine.refiner.fusion.maps import (
    bells,
    neighbours,
    normalised,
    peaks,
    squared_distances,
    values_at,
)
from tests.oracles.fusion import bell, plain_view, value_at

RNG = np.random.default_rng(0)


def test_bells_are_gaussians():
    at, deviation = RNG.uniform(-2, 9, (2, 3, 2)), RNG.uniform(0.3, 3, (2, 3))
    found = bells(torch.tensor(at), torch.tensor(deviation), 7, 5)
    assert found.shape == (2, 3, 7, 5)
    for n, k in np.ndindex(2, 3):
        np.testing.assert_allclose(found[n, k], bell(*at[n, k], deviation[n, k], 7, 5), rtol=1e-9)


def test_squared_distances():
    found = squared_distances(torch.tensor([[[1.5, 2.0]]]), 4, 3)
    rows, columns = np.mgrid[:4, :3]
    np.testing.assert_allclose(found[0, 0], (columns - 1.5) ** 2 + (rows - 2) ** 2)


def test_values_between_cells_and_beyond_borders():
    maps = RNG.random((2, 3, 6, 4))
    at = RNG.uniform(-3, 8, (2, 3, 2))
    at[0, 0], at[0, 1], at[1, 0], at[1, 1] = [0, 0], [3, 5], [3, 0], [2, 4.5]
    found = values_at(torch.tensor(maps), torch.tensor(at))
    wanted = [[value_at(maps[n, k], *at[n, k]) for k in range(3)] for n in range(2)]
    np.testing.assert_allclose(found, wanted, rtol=1e-9)


def test_neighbours_are_the_highest_bell_of_those_that_have_the_joint():
    near = torch.tensor([[[[2.0, 3.0], [1.0, 1.0]], [[4.0, 3.0], [0.0, 0.0]]]])
    there = torch.tensor([[[True, False], [True, False]]])
    view = plain_view(np.zeros((1, 2, 2)), near=near, near_there=there)
    found = neighbours(view, 6, 8)
    wanted = np.maximum(bell(2, 3, 1.4, 6, 8), bell(4, 3, 1.4, 6, 8))
    np.testing.assert_allclose(found[0, 0], wanted, rtol=1e-5)
    assert not found[0, 1].any()


def test_normalised_maps_sum_to_one_and_empty_ones_stay_empty():
    maps = torch.tensor(RNG.random((1, 2, 3, 3)))
    maps[0, 1] = 0
    np.testing.assert_allclose(normalised(maps).sum((2, 3)), [[1, 0]])


def test_peaks_lie_between_cells():
    at = np.array([[[3.3, 4.6], [2.0, 2.0], [5.49, 1.5]]])
    heat = bells(torch.tensor(at), torch.full((1, 3), 1.2), 9, 9) * 0.8
    place, height = peaks(heat)
    np.testing.assert_allclose(place, at, atol=0.15)
    np.testing.assert_allclose(height, heat.amax((2, 3)))


def test_peaks_are_the_centre_of_mass_around_the_highest_cell():
    heat = RNG.random((1, 2, 8, 7))
    place, height = peaks(torch.tensor(heat))
    for k in range(2):
        top = np.unravel_index(heat[0, k].argmax(), (8, 7))
        rows, columns = np.mgrid[:8, :7]
        weight = heat[0, k] ** 2 * ((columns - top[1]) ** 2 + (rows - top[0]) ** 2 <= 2.5**2)
        wanted = [(weight * columns).sum() / weight.sum(), (weight * rows).sum() / weight.sum()]
        np.testing.assert_allclose(place[0, k], wanted, rtol=1e-6)
        assert height[0, k] == heat[0, k].max()


def test_the_other_peak_does_not_pull():
    heat = bells(torch.tensor([[[3.0, 3.0]]]), torch.full((1, 1), 1.0), 16, 16)
    heat = heat + 0.9 * bells(torch.tensor([[[12.0, 12.0]]]), torch.full((1, 1), 1.0), 16, 16)
    np.testing.assert_allclose(peaks(heat)[0], [[[3, 3]]], atol=1e-3)


def test_a_dark_map_has_no_height():
    place, height = peaks(torch.zeros(1, 1, 4, 4))
    assert height.item() == 0
    assert place.tolist() == [[[0, 0]]]
