import numpy as np
import pytest

from refine.adapters.rtmlib import patch
from refine.exceptions import ArrayError, RefineError

CENTER, SCALE = np.array([120.0, 200.0]), np.array([150.0, 200.0])


class TopDown:
    """What `patch` sees of RTMPose and ViTPose."""

    model_input_size = (192, 256)

    def postprocess(self, outputs, center, scale):
        raise AssertionError


class OneStage:
    """What it sees of RTMO."""

    def postprocess(self, outputs, ratio):
        raise AssertionError


@pytest.fixture
def simcc():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((2, 17, 384)), rng.standard_normal((2, 17, 512))
    x[0, 3], y[0, 3] = -1.0, -2.0
    return x.astype(np.float32), y.astype(np.float32)


def test_heatmaps_are_placed_corner_on_corner(maps, centres):
    model = patch(TopDown())
    before = maps.copy()
    xy, score = model.postprocess([maps], CENTER, SCALE)
    truth = centres / (47, 63) * SCALE + CENTER - SCALE / 2
    assert np.median(np.linalg.norm(xy - truth, axis=-1)) < 0.1
    np.testing.assert_array_equal(score, maps.max((2, 3)))
    assert (maps == before).all()
    shown, _ = model.postprocess([maps], CENTER, SCALE, 1.5)
    outside = (-1 / np.array([47, 63]) - 0.5) * SCALE + CENTER
    assert np.argwhere(~np.isclose(shown, outside).all(-1)).tolist() == [[0, 2]]


def test_simcc_keeps_the_input_size_of_its_model(simcc):
    model = patch(TopDown())
    xy, score = model.postprocess(simcc, CENTER, SCALE)
    bins = np.stack([simcc[0].argmax(-1), simcc[1].argmax(-1)], -1)
    expected = bins / 2 / (192, 256) * SCALE + CENTER - SCALE / 2
    found = score > 0
    assert not found[0, 3]
    np.testing.assert_allclose(xy[found], expected[found], atol=1e-9)
    with pytest.raises(ArrayError, match="columns and rows"):
        model.postprocess([*simcc, simcc[0]], CENTER, SCALE)


def test_models_without_crops_are_refused():
    with pytest.raises(RefineError, match="got OneStage; try RTMPose or ViTPose"):
        patch(OneStage())


def test_argmax_of_simcc_is_theirs(peer, simcc):
    rtmlib = peer("rtmlib")
    theirs, ours = object.__new__(rtmlib.RTMPose), object.__new__(rtmlib.RTMPose)
    theirs.model_input_size = ours.model_input_size = (192, 256)
    patch(ours)
    for got, expected in zip(
        ours.postprocess(simcc, CENTER, SCALE, 2.0),
        theirs.postprocess(simcc, CENTER, SCALE, 2.0),
        strict=True,
    ):
        assert got.shape == expected.shape
        np.testing.assert_allclose(got, expected, rtol=1e-6, atol=1e-6)


def test_dark_of_heatmaps_is_theirs(peer, maps):
    vitpose = peer("rtmlib").ViTPose
    theirs, ours = object.__new__(vitpose), patch(object.__new__(vitpose), "dark-udp")
    xy, score = ours.postprocess([maps], CENTER, SCALE)
    expected, best = theirs.postprocess([maps.copy()], CENTER, SCALE)
    assert xy.shape == expected.shape
    np.testing.assert_array_equal(score, best)
    # Without a peak theirs goes on with the cell before the map, whatever it holds.
    found = best > 0
    np.testing.assert_allclose(xy[found], expected[found], atol=0.02)
