"""MoveNet as a torch module: what the original graph says, also when it is made fast."""

from pathlib import Path

import numpy as np
import pytest
import torch

from refine._threads import set_threads
from refine.refiner.eyes import inference
from refine.refiner.eyes.inference import BATCH, prepare, with_direct_convolutions
from refine.refiner.eyes.movenet import MoveNet
from refine.refiner.eyes.weights import load_eye_weights

# `crop` (128, 96, 3) uint8 drawn at random; `thunder` and `lightning` are the outputs (17, 32, 24)
# of the node kpt_heatmap_0/conv2d_5/BiasAdd of the published graphs for it, in tfjs 4 (wasm), with
# the sizes of the input and of the three ResizeBilinear set to those of the crop.
REFERENCE = Path(__file__).parent / "movenet.npz"
NETWORKS = (("image", "thunder"), ("image-small", "lightning"))


@pytest.fixture(scope="module")
def reference():
    return dict(np.load(REFERENCE))


def logits(network, crops):
    with torch.inference_mode():
        return network(torch.from_numpy(crops).permute(0, 3, 1, 2).float()).numpy()


@pytest.mark.parametrize(("weights", "name"), NETWORKS)
def test_logits_are_those_of_the_original_graph(reference, weights, name):
    network, _ = load_eye_weights(weights)
    found = logits(network, reference["crop"][None])
    assert np.ptp(reference[name]) > 3
    np.testing.assert_allclose(found[0], reference[name], rtol=0, atol=1e-3)


@pytest.mark.parametrize("onednn", [True, False])
@pytest.mark.parametrize(("weights", "name"), NETWORKS)
def test_fast_form_is_the_same_network(reference, weights, name, onednn, monkeypatch):
    monkeypatch.setattr(inference, "ONEDNN", onednn and inference.ONEDNN)
    network, _ = load_eye_weights(weights)
    crops = np.stack([reference["crop"], reference["crop"][::-1]])
    before = logits(network, crops)
    np.testing.assert_allclose(logits(with_direct_convolutions(network), crops), before, atol=1e-4)
    np.testing.assert_array_equal(logits(network, crops), before)
    found = prepare(network, "float32")(crops)
    np.testing.assert_allclose(found, 1 / (1 + np.exp(-before)), atol=1e-5)
    rounded = prepare(network, "bfloat16")(crops)
    assert 0 < np.abs(rounded - found).max() < 0.1
    assert np.abs(rounded - found).mean() < 3e-3


def test_batches_do_not_mix():
    torch.manual_seed(0)
    network = MoveNet(0.25, 5).eval()
    crops = np.random.default_rng(0).integers(0, 256, (2 * BATCH + 3, 64, 32, 3), np.uint8)
    look = prepare(network, "float32")
    together = look(crops)
    assert together.shape == (len(crops), 5, 16, 8)
    alone = np.concatenate([look(one[None]) for one in crops])
    np.testing.assert_allclose(together, alone, atol=1e-6)
    assert look(crops[:0]).shape == (0, 5, 16, 8)
    np.testing.assert_array_equal(look(crops[:, :, ::-1]), look(crops[:, :, ::-1].copy()))


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_clamp_within_the_product_changes_nothing(precision, monkeypatch):
    look = prepare(load_eye_weights("image-small")[0], precision)
    crops = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), np.uint8)
    found = look(crops)
    monkeypatch.setattr(inference, "FUSED", False)
    np.testing.assert_array_equal(look(crops), found)


def test_any_number_of_threads_sees_the_same():
    look = prepare(load_eye_weights("image-small")[0])
    crops = np.random.default_rng(0).integers(0, 256, (3 * BATCH + 1, 64, 64, 3), np.uint8)
    found = look(crops)
    set_threads(3)
    try:
        np.testing.assert_array_equal(look(crops), found)
    finally:
        set_threads(1)
