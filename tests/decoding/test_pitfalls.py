"""What implementers get wrong with heatmaps, and has no place of its own in the other tests."""

import numpy as np
import pytest

from refine.decoding import decode, decode_heatmaps, raw_heatmaps
from refine.decoding.offsets.arrays import decode_combined
from tests.oracles.crops import CELLS, gaussians

AFFINE = [np.eye(2, 3)]


def one(x, y, sigma=2.0):
    return gaussians(np.array([[[x, y]]]), CELLS, sigma)


@pytest.mark.parametrize(
    ("preset", "place"),
    [
        ("hrnet", 4 * 20),
        ("mmpose-dark", 4 * 20),
        ("cpn", 4 * 20 + 2),
        ("mspn", 4 * 20 + 2),
        ("hourglass", 4 * (20 + 1 + 0.5) - 4),
        ("udp", 20 * 191 / 47),
        ("darkpose", 20 * 191 / 47),
    ],
)
def test_where_cell_20_lies(preset, place):
    """In input px, as every code base has it; hourglasses count from 1 and add a half."""
    maps = np.repeat(one(20, 30), 17, 1)
    raw = {"heatmaps": maps, "affine": AFFINE, "joints": [f"j{i}" for i in range(17)]}
    found = decode(raw_heatmaps(raw), preset, method="argmax").xy[0, 0, 0]
    assert found == pytest.approx(place, abs=1e-9)


def transcribed_final_preds(image):
    """The last step of pytorch-pose, pose/utils/evaluation.py, on one map; counted from 1."""
    height, width = image.shape
    index = image.argmax()
    coords = np.array([index % width + 1, index // width + 1], float)
    px, py = int(coords[0]), int(coords[1])
    if 1 < px < width and 1 < py < height:
        diff = [
            image[py - 1, px] - image[py - 1, px - 2],
            image[py, px - 1] - image[py - 2, px - 1],
        ]
        coords += np.sign(diff) * 0.25
    return coords + 0.5


@pytest.mark.parametrize("x", [-0.3, 0.0, 0.8, 1.2, 20.3, 45.6, 46.4, 46.8, 47.3])
def test_hourglasses_count_from_one_and_add_a_half(x):
    image = one(x, 30.2)
    joints = np.repeat(image, 16, 1)
    poses = decode(raw_heatmaps({"heatmaps": joints, "affine": AFFINE}), "hourglass")
    # `transform` takes one off again: cell 1 of the reference begins at input px 0.
    expected = 4 * (transcribed_final_preds(image[0, 0]) - 1)
    np.testing.assert_allclose(poses.xy[0, 0], expected, rtol=0, atol=1e-9)


def test_no_peak_is_minus_one_in_pytorch_pose():
    """Its (0, 0) counted from 1, before the half."""
    xy, _ = decode_heatmaps(np.zeros((1, 1, 8, 8)), "quarter", compat="pytorch-pose")
    assert xy.tolist() == [[[-1, -1]]]


@pytest.mark.parametrize("sigma", [1.5, 2.0, 3.0])
def test_the_second_order_step_is_newtons(sigma):
    """On a paraboloid, exactly; on a Gaussian, nearly: it has no logarithm."""
    x, y = np.meshgrid(np.arange(48), np.arange(64))
    bowl = 50 - 0.02 * (x - 20.3) ** 2 - 0.03 * (y - 30.6) ** 2 - 0.01 * (x - 20.3) * (y - 30.6)
    xy, score = decode_heatmaps(bowl[None, None], "taylor", 3)
    np.testing.assert_allclose(xy, [[[20.3, 30.6]]], rtol=0, atol=1e-9)
    assert score[0, 0] == bowl[31, 20]
    found, _ = decode_heatmaps(one(20.3, 30.6, sigma), "taylor", 11)
    np.testing.assert_allclose(found, [[[20.3, 30.6]]], rtol=0, atol=0.025)


def test_the_second_order_step_stays_in_bounds():
    """None in the outermost cells, and never longer than a cell."""
    assert decode_heatmaps(one(0.3, 30.0), "taylor", 3)[0].tolist() == [[[0, 30]]]
    rng = np.random.default_rng(0)
    maps = rng.random((200, 1, 12, 9))
    xy, _ = decode_heatmaps(maps, "taylor", 3)
    assert np.abs(xy - xy.round()).max() <= 1
    assert (xy >= 0).all()
    assert (xy <= (8, 11)).all()


def test_which_map_is_searched():
    """A lone cell is the highest of the raw map, a broad peak that of the blurred one."""
    maps = one(20, 30) * 0.9
    maps[0, 0, 50, 10] = 1.0
    raw, broad = [[[10, 50]]], [[[20, 30]]]
    for method, kernel in (("argmax", None), ("dark", 11), ("dark-udp", 11), ("quarter", None)):
        xy, score = decode_heatmaps(maps, method, kernel)
        np.testing.assert_allclose(xy, raw, atol=0.3, err_msg=method)
        assert score[0, 0] == 1
    for method, kernel in (("second", 21), ("taylor", 11)):
        xy, score = decode_heatmaps(maps, method, kernel)
        np.testing.assert_allclose(xy, broad, atol=0.3, err_msg=method)
        assert score[0, 0] == pytest.approx(0.9)
    assert decode_combined(maps, np.zeros((1, 1, 2, 64, 48)))[0].tolist() == broad


def test_the_floor_of_udp_is_absolute():
    """Maps that lie below it are flat and stay on their cell; brought to peak 1 they are exact."""
    weak = one(20.3, 30.6) * 5e-4
    xy, _ = decode_heatmaps(weak, "dark-udp", 11)
    assert np.abs(xy - (20.3, 30.6)).max() > 0.2
    xy, _ = decode_heatmaps(weak / weak.max(), "dark-udp", 11)
    np.testing.assert_allclose(xy, [[[20.3, 30.6]]], rtol=0, atol=1e-3)
    for method in ("dark", "fit"):
        xy, _ = decode_heatmaps(weak, method)
        np.testing.assert_allclose(xy, [[[20.3, 30.6]]], rtol=0, atol=1e-3)


@pytest.mark.parametrize(
    ("method", "kernel"), [("fit", None), ("dark", 11), ("dark-udp", 11), ("taylor", 11)]
)
def test_a_rounded_centre_cannot_be_undone(method, kernel):
    """Maps whose Gaussians stand on whole cells: .382 cells away, whoever reads them."""
    rng = np.random.default_rng(3)
    places = rng.uniform(12, 35, (2000, 1, 2))
    xy, _ = decode_heatmaps(gaussians(places.round(), CELLS), method, kernel)
    mean = np.linalg.norm(xy - places, axis=-1).mean()
    assert mean == pytest.approx(0.3826, abs=0.01)


@pytest.mark.parametrize(("shift", "bias"), [(0.0, -0.375), (0.75, 0.0), (1.0, 0.125)])
def test_flip_shifts_of_legacy_maps(shift, bias):
    """At stride 4 a mirrored map lies .75 cells too far left: the mean is off by half the rest."""
    x = 20.25
    back = (191 - 4 * x) / 4
    fields = {
        "heatmaps": np.repeat(one(x, 30), 17, 1),
        "heatmaps_flipped_input": np.repeat(one(back, 30), 17, 1),
        "affine": AFFINE,
    }
    poses = decode(raw_heatmaps(fields), "hrnet", method="fit", flip_shift=shift)
    assert poses.xy[0, 0, 0] / 4 - x == pytest.approx(bias, abs=0.01)
