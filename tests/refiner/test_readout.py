import numpy as np
import torch

from refine.refiner.fusion.readout import (
    expected_error,
    expected_oks_argmax,
    expected_similarity_at,
)


def oracle(chance, at, spread):
    """Expected keypoint similarity by the definition, one map."""
    y, x = np.mgrid[: chance.shape[0], : chance.shape[1]]
    return (chance * np.exp(-((x - at[0]) ** 2 + (y - at[1]) ** 2) / (2 * spread**2))).sum()


def maps(rng, n=2, k=3, h=12, w=10):
    raw = np.exp(rng.normal(0, 2, (n, k, h, w)))
    return raw / raw.sum((2, 3), keepdims=True)


def test_expected_similarity_is_its_definition():
    rng = np.random.default_rng(0)
    chance, at = maps(rng), rng.uniform(0, 9, (2, 3, 2))
    spread = rng.uniform(0.5, 3, (2, 3))
    got = expected_similarity_at(*(torch.from_numpy(a) for a in (chance, at, spread))).numpy()
    for i in range(2):
        for j in range(3):
            np.testing.assert_allclose(got[i, j], oracle(chance[i, j], at[i, j], spread[i, j]))


def test_the_best_place_beats_every_cell_and_its_surroundings():
    rng = np.random.default_rng(1)
    chance, spread = maps(rng), rng.uniform(0.7, 3, (2, 3))
    at = expected_oks_argmax(torch.from_numpy(chance), torch.from_numpy(spread)).numpy()
    for i in range(2):
        for j in range(3):
            best = oracle(chance[i, j], at[i, j], spread[i, j])
            cells = [
                oracle(chance[i, j], (x, y), spread[i, j]) for x in range(10) for y in range(12)
            ]
            assert best >= max(cells) - 1e-6


def test_one_sharp_peak_between_cells_is_read_to_a_hundredth():
    y, x = np.mgrid[:16, :12]
    chance = np.exp(-((x - 5.3) ** 2 + (y - 7.6) ** 2) / 2)
    chance = torch.from_numpy(chance / chance.sum())[None, None]
    at = expected_oks_argmax(chance, torch.full((1, 1), 1.5, dtype=torch.float64))
    np.testing.assert_allclose(at[0, 0].numpy(), [5.3, 7.6], atol=0.01)


def test_expected_error_is_the_mean_absolute_deviation():
    chance = torch.zeros(1, 1, 4, 6, dtype=torch.float64)
    chance[0, 0, 1, 1] = chance[0, 0, 3, 5] = 0.5
    error = expected_error(chance, torch.tensor([[[3.0, 2.0]]], dtype=torch.float64))
    np.testing.assert_allclose(error.item(), (2 + 1) / 2)


def test_the_climb_is_twelve_steps_of_mean_shift():
    rng = np.random.default_rng(2)
    chance = maps(rng, 3, 5, 32, 24).astype(np.float32)
    spread = rng.uniform(0.3, 4, (3, 5)).astype(np.float32)
    found = expected_oks_argmax(torch.from_numpy(chance), torch.from_numpy(spread)).numpy()
    y, x = np.mgrid[:32, :24]
    for where in np.ndindex(3, 5):
        p, s = chance[where].astype(float), float(spread[where])
        blurred = [[oracle(p, (u, v), s) for u in range(24)] for v in range(32)]
        v, u = (float(i) for i in np.unravel_index(np.argmax(blurred), (32, 24)))
        for _ in range(12):
            weight = p * np.exp(-((x - u) ** 2 + (y - v) ** 2) / (2 * s**2))
            u, v = (weight * x).sum() / weight.sum(), (weight * y).sum() / weight.sum()
        np.testing.assert_allclose(found[where], [u, v], atol=1e-4)
