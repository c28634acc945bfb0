"""Peaks, and the matrices that resize maps."""

import numpy as np
import pytest

from refine.decoding.maps.local_maxima import RULES, find_peaks, refine_peaks
from refine.decoding.maps.resample import bands, blur, cubic, double, resample
from tests.oracles.paf import peaks_plain


@pytest.mark.parametrize("rule", RULES)
def test_peaks_are_those_of_the_oracle(rule):
    rng = np.random.default_rng(5)
    # Few levels, so that plateaus and ties with neighbours are common.
    maps = rng.integers(0, 5, (4, 9, 11)).astype(np.float32)
    found = find_peaks(maps, 1.0, rule)
    for k in range(4):
        cells = found.cell[found.start[k] : found.start[k + 1]]
        assert [tuple(c) for c in cells.tolist()] == peaks_plain(maps[k], 1.0, rule)
    np.testing.assert_array_equal(
        found.value,
        maps[np.repeat(range(4), np.diff(found.start)), found.cell[:, 1], found.cell[:, 0]],
    )


def test_many_peaks_and_none():
    noise = np.random.default_rng(0).random((3, 40, 40))
    assert find_peaks(noise, -np.inf, "4").start[-1] > 300
    assert find_peaks(noise, 2.0).cell.shape == (0, 2)
    assert find_peaks(np.full((1, 5, 5), np.nan), -np.inf).cell.shape == (0, 2)
    assert find_peaks([[[0, 2, 2, 0]]], 0.5).cell.tolist() == [[1, 0]]
    assert len(find_peaks([[[0, 2, 2, 0]]], 0.5, "8").cell) == 0
    # A plateau gives all of its cells, or none.
    assert len(find_peaks(np.ones((1, 3, 4)), 0.5, "4-ties").cell) == 12
    assert len(find_peaks(np.ones((1, 3, 4)), 0.5, "4").cell) == 0


def test_fitted_peaks_reach_the_border():
    y, x = np.mgrid[:20, :24]
    for px, py in ((0.3, 10.4), (11.7, 0.2), (22.8, 18.9), (9.35, 9.6)):
        maps = np.exp(-((x - px) ** 2 + (y - py) ** 2) / 2 / 1.1**2)[None]
        peaks = find_peaks(maps, 0.5)
        fitted = refine_peaks(maps, peaks, "fit")[0]
        np.testing.assert_allclose(fitted, (px, py), rtol=0, atol=1e-3)
        centroid = refine_peaks(maps, peaks, "centroid")[0]
        assert np.abs(centroid - (px, py)).max() > np.abs(fitted - (px, py)).max()


def test_a_fit_stays_with_its_peak():
    y, x = np.mgrid[:20, :24]
    maps = sum(np.exp(-((x - u) ** 2 + (y - 9.6) ** 2) / 2) * a for u, a in ((8.2, 1), (11.4, 0.4)))
    peaks = find_peaks(maps[None], 0.1)
    moved = refine_peaks(maps[None], peaks, "fit") - peaks.cell
    assert len(moved) == 2
    assert np.abs(moved).max() <= 1


@pytest.mark.parametrize("size", [(54, 432), (10, 37), (9, 9), (1, 5)])
def test_cubic_is_opencv(size):
    cv2 = pytest.importorskip("cv2")
    rows = np.random.default_rng(1).random((size[0], 3)).astype(np.float32)
    expected = cv2.resize(rows, (3, size[1]), interpolation=cv2.INTER_CUBIC)
    np.testing.assert_allclose(cubic(*size) @ rows, expected, rtol=0, atol=2e-6)


def test_gaussian_is_scipy():
    from scipy.ndimage import gaussian_filter

    from refine.decoding.maps.resample import gaussian_filter_taps

    maps = np.random.default_rng(1).random((2, 7, 30)).astype(np.float32)
    axes = [bands(blur(n, gaussian_filter_taps(3.0), "mirror")) for n in (7, 30)]
    expected = np.stack([gaussian_filter(m.astype(float), 3) for m in maps])
    np.testing.assert_allclose(resample(maps, *axes), expected, rtol=0, atol=1e-6)


def test_doubling_is_a_transposed_convolution():
    from torch import ones, outer, tensor
    from torch.nn.functional import conv_transpose2d

    maps = np.random.default_rng(1).random((1, 1, 5, 6)).astype(np.float32)
    tap = tensor([0.25, 0.75, 0.75, 0.25])
    kernel = outer(tap, tap)[None, None] * ones(1)
    expected = conv_transpose2d(tensor(maps), kernel, stride=2, padding=1).numpy()[0]
    axes = [bands(double(n)) for n in (5, 6)]
    np.testing.assert_allclose(resample(maps[0], *axes), expected, rtol=0, atol=1e-6)
