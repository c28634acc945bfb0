import numpy as np
import pytest

from refine.decoding import decode_heatmaps, merge_flipped
from refine.exceptions import ArrayError
from refine.geometry import Grid

Y, X = np.mgrid[:64, :48]


def test_shift_one_is_shift_heatmap_of_hrnet():
    rng = np.random.default_rng(0)
    maps, flipped = rng.random((2, 2, 4, 5, 6)).astype(np.float32)
    mirror = [0, 2, 1, 3]
    back = flipped[:, mirror, :, ::-1].copy()
    back[..., 1:] = back[..., :-1].copy()
    np.testing.assert_array_equal(
        merge_flipped(maps, flipped, mirror, 1.0), (maps + back) * np.float32(0.5)
    )


@pytest.mark.parametrize("alignment", ["stride", "corners", "centers"])
def test_the_shift_of_the_grid_brings_both_passes_together(alignment):
    grid = Grid((48, 64), (192, 256), alignment)
    for place in (40.3, 101.7):
        here = grid.to_cells(np.array([place, 100.0]))
        there = grid.to_cells(np.array([191 - place, 100.0]))
        maps = np.exp(-((X - here[0]) ** 2 + (Y - here[1]) ** 2) / 8)[None, None]
        flipped = np.exp(-((X - there[0]) ** 2 + (Y - there[1]) ** 2) / 8)[None, None]
        merged = merge_flipped(maps, flipped, [0], grid.flip_shift)
        np.testing.assert_allclose(decode_heatmaps(merged)[0][0, 0], here, atol=0.01)
        unshifted = decode_heatmaps(merge_flipped(maps, flipped, [0]))[0][0, 0]
        np.testing.assert_allclose(here[0] - unshifted[0], grid.flip_shift / 2, atol=0.01)


def test_pairs_are_swapped_after_mirroring():
    maps = np.zeros((1, 3, 1, 4))
    maps[0, 1, 0, 0] = 1
    flipped = np.zeros((1, 3, 1, 4))
    flipped[0, 2, 0, 3] = 1
    np.testing.assert_array_equal(merge_flipped(maps, flipped, [0, 2, 1]), maps)


def test_float16_is_averaged_in_float32_and_arguments_stay():
    maps = np.ones((1, 1, 2, 2), np.float16)
    maps.setflags(write=False)
    assert merge_flipped(maps, maps, [0], 0.75).dtype == np.float32


@pytest.mark.parametrize(
    ("other", "mirror", "shift"),
    [((1, 2, 3, 5), [1, 0], 0.0), ((1, 2, 3, 4), [0], 0.0), ((1, 2, 3, 4), [1, 0], np.nan)],
)
def test_what_does_not_agree(other, mirror, shift):
    with pytest.raises(ArrayError, match="expected"):
        merge_flipped(np.zeros((1, 2, 3, 4)), np.zeros(other), mirror, shift)
