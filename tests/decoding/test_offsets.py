"""Class maps with offsets: UDP's combined target and G-RMI, from ideal outputs."""

import json

import numpy as np
import pytest

from refine.decoding import decode, decode_combined, raw_crops, vote_offsets
from refine.exceptions import ArrayError, FormatError, RefineError, SkeletonError
from refine.geometry import Grid
from refine.skeletons import skeleton
from tests.oracles.crops import CELLS, SIZE, crops, discs, gaussians, mirrored, places

MIRROR = skeleton("coco17").mirror
UDP = {"udp-offset": 4.0, "mmpose-udp-offset": 3.5, "mmpose0-udp-offset": 3.5}
"""Radius in cells; of mmpose 0.0546875 times 64."""
GRMI_SIZE = (257, 353)


def combined(xy, radius, everywhere):
    """Return maps (N, K, 3, H, W): class, and x and y in units of the radius."""
    grid = Grid(CELLS, SIZE, "corners")
    disc, offsets = discs(grid.to_cells(xy), CELLS, radius, everywhere)
    return np.concatenate([disc[:, :, None], offsets / radius], 2)


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("everywhere", [False, True])
@pytest.mark.parametrize("name", UDP)
def test_udp_round_trip(name, everywhere, flip):
    """Exact where offsets are not blurred, or known around the disc as well."""
    crop, xy = crops(SIZE), places(Grid(CELLS, SIZE, "corners"), 17, margin=9.0)
    fields = {"heatmaps": combined(xy, UDP[name], everywhere), "affine": crop.matrix}
    if flip:
        back = mirrored(xy, MIRROR, SIZE[0])
        fields["heatmaps_flipped_input"] = combined(back, UDP[name], everywhere)
    poses = decode(raw_crops(fields), name)
    # Blurred, the offsets of the disc are mixed with the nothing outside.
    reach = {("udp-offset", False): 0.15, ("mmpose0-udp-offset", False): 1.5}
    error = np.abs(crop(poses.xy) - xy).max()
    assert error < reach.get((name, everywhere), 1e-3)
    flat = {k: v.reshape(3, 51, *v.shape[3:]) if "maps" in k else v for k, v in fields.items()}
    np.testing.assert_array_equal(decode(raw_crops(flat), name).xy, poses.xy)


def test_the_radius_of_mmpose_follows_a_side_of_the_map():
    """A map that is wider than high: 1.x takes its width, 0.x its height."""
    disc, offsets = discs(np.full((1, 17, 2), 25.3), (64, 48), 3.5, everywhere=True)
    maps = np.concatenate([disc[:, :, None], offsets / 3.5], 2)
    fields = {"heatmaps": maps, "affine": [np.eye(2, 3)], "input_size": (64, 48)}
    for name, factor in (("mmpose-udp-offset", 1.0), ("mmpose0-udp-offset", 48 / 64)):
        step = decode(raw_crops(fields), name).xy - 25
        np.testing.assert_allclose(step, 0.3 * factor, atol=1e-6)


def test_the_peak_is_that_of_the_blurred_class_map():
    """A single cell of 1 in the raw map loses against a disc of 0.9."""
    maps = np.zeros((1, 1, 64, 48))
    y, x = np.mgrid[:64, :48]
    maps[0, 0][(x - 20) ** 2 + (y - 30) ** 2 <= 16] = 0.9
    maps[0, 0, 50, 10] = 1.0
    xy, score = decode_combined(maps, np.zeros((1, 1, 2, 64, 48)))
    np.testing.assert_array_equal(xy, [[[20, 30]]])
    assert 0.5 < score[0, 0] < 0.9


def voted(xy, cells):
    """Return discs of 25 input px and offsets in input px."""
    grid = Grid(cells, GRMI_SIZE, "corners")
    step = (GRMI_SIZE[0] - 1) / (cells[0] - 1)
    disc, offsets = discs(grid.to_cells(xy), cells, 25 / step, everywhere=True)
    return disc, offsets * step


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("cells", [GRMI_SIZE, (33, 45)])
def test_grmi_round_trip(cells, flip):
    """Votes meet in the joint: exact on whole px, where their sum is 1, else the next px."""
    rng = np.random.default_rng(0)
    xy = rng.uniform((40, 40), (215, 310), (3, 17, 2))
    xy[:2] = xy[:2].round()
    crop = crops(GRMI_SIZE)
    disc, offsets = voted(xy, cells)
    fields = {"heatmaps": disc, "offsets": offsets, "affine": crop.matrix}
    if flip:
        back = voted(mirrored(xy, MIRROR, GRMI_SIZE[0]), cells)
        fields["heatmaps_flipped_input"], fields["offsets_flipped_input"] = back
    poses = decode(raw_crops({**fields, "stride": (GRMI_SIZE[0] - 1) / (cells[0] - 1)}), "g-rmi")
    error = np.abs(crop(poses.xy) - xy).max((1, 2))
    assert error[:2].max() < 1e-3
    assert error[2] <= 0.5
    # A disc on the coarse map has a few cells more or less than its area.
    np.testing.assert_allclose(poses.score[:2], 1, atol=0.002 if cells == GRMI_SIZE else 0.08)
    np.testing.assert_allclose(poses.instance_score, poses.score.mean(1))


def test_grmi_takes_logits_and_interleaved_offsets():
    crop, xy = crops(GRMI_SIZE), np.full((3, 17, 2), 120.0)
    disc, offsets = voted(xy, (33, 45))
    fields = {"heatmaps": disc, "offsets": offsets, "affine": crop.matrix}
    one = decode(raw_crops(fields), "g-rmi")
    logits = np.where(disc > 0, 30.0, -30.0)
    other = {"heatmaps_logits": logits, "offsets": offsets.reshape(3, 34, 45, 33)}
    two = decode(raw_crops({**other, "affine": crop.matrix}), "g-rmi")
    np.testing.assert_array_equal(one.xy, two.xy)
    np.testing.assert_allclose(one.score, two.score, atol=1e-6)


def test_votes_are_the_sum_of_the_paper():
    """f(x) = sum of G(j + F(j) - x) h(j) / (pi R^2), pixel by pixel."""
    rng = np.random.default_rng(1)
    maps, offsets = rng.random((1, 1, 6, 5)) - 0.2, rng.normal(0, 3, (1, 1, 2, 6, 5))
    expected = np.zeros((6, 5))
    y, x = np.mgrid[:6, :5]
    for j in np.ndindex(6, 5):
        at = j[1] + offsets[0, 0, 0][j], j[0] + offsets[0, 0, 1][j]
        tent = np.clip(1 - abs(x - at[0]), 0, None) * np.clip(1 - abs(y - at[1]), 0, None)
        expected += tent * max(maps[0, 0][j], 0) / (np.pi * 4)
    np.testing.assert_allclose(vote_offsets(maps, offsets, 2.0)[0, 0], expected, atol=1e-12)


@pytest.mark.parametrize("name", [*UDP, "g-rmi"])
def test_from_the_shell(tmp_path, cli, name):
    crop = crops(SIZE)
    if name == "g-rmi":
        crop, xy = crops(GRMI_SIZE), np.full((3, 17, 2), 120.0)
        fields = dict(zip(("heatmaps", "offsets"), voted(xy, (33, 45)), strict=True))
    else:
        xy = places(Grid(CELLS, SIZE, "corners"), 17, margin=9.0)
        fields = {"heatmaps": combined(xy, UDP[name], True)}
    np.savez(tmp_path / "9.npz", affine=crop.matrix, **fields)
    got = cli("decode", tmp_path / "9.npz", "--preset", name, "-o", "-", "--precision", 6)
    assert got.code == 0, got.err
    found = np.array([p["keypoints"] for p in json.loads(got.out)]).reshape(3, 17, 3)
    np.testing.assert_allclose(crop(found[..., :2]), xy, rtol=0, atol=1e-3)


def test_maps_without_a_peak_are_missing():
    maps = gaussians(np.full((1, 3, 2), 6.0), (12, 12))
    maps[0, 0], maps[0, 1, 3, 3] = 0.0, np.nan
    xy, score = decode_combined(maps, np.zeros((1, 3, 2, 12, 12)))
    assert np.isnan(xy[0, :2]).all()
    assert score[0, 0] == 0
    assert np.isnan(score[0, 1])
    np.testing.assert_array_equal(xy[0, 2], [6, 6])


def test_arguments_are_not_modified():
    maps = gaussians(np.full((1, 2, 2), 6.0), (12, 12))
    offsets = np.ones((1, 2, 2, 12, 12))
    for array in (maps, offsets):
        array.setflags(write=False)
    decode_combined(maps, offsets)
    vote_offsets(maps, offsets)


def test_bad_input():
    maps, offsets = np.zeros((1, 17, 8, 8)), np.zeros((1, 17, 2, 8, 8))
    with pytest.raises(ArrayError, match=r"\(N, K, 2, H, W\)"):
        decode_combined(maps, offsets[:, :, 0])
    with pytest.raises(ArrayError, match="positive radius"):
        vote_offsets(maps, offsets, 0.0)
    with pytest.raises(ArrayError, match="real numbers"):
        vote_offsets(maps + 0j, offsets)
    affine = [np.eye(2, 3)]
    with pytest.raises(SkeletonError, match=r"expected 3 x 17 maps .*got 17"):
        decode(raw_crops({"heatmaps": maps, "affine": affine}), "udp-offset")
    with pytest.raises(FormatError, match="offsets"):
        decode(raw_crops({"heatmaps": maps, "affine": affine}), "g-rmi")
    raw = raw_crops({"heatmaps": np.zeros((1, 51, 8, 8)), "affine": affine})
    with pytest.raises(RefineError, match=r"'radius_of'.*one of height, longer"):
        decode(raw, "udp-offset", radius_of="width")
