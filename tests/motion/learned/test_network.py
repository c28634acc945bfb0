"""The network without torch is the network that was trained."""

import numpy as np
import pytest
import torch

from refine.exceptions import RefineError, WeightsError
from refine.motion.learned.convolutions import PIECE, Convolutions
from refine.motion.learned.network import TemporalNetwork
from refine.motion.learned.refiner import TemporalRefiner
from refine.motion.learned.weights import save_weights
from refine.motion.learned.windows import features_of
from refine.skeletons import skeleton

BODY = skeleton("pennaction13")
DILATIONS = (1, 2, 4)


def network(width=16):
    torch.manual_seed(0)
    made = TemporalNetwork(13, width, DILATIONS)
    for parameter in made.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)
    return made.eval()


@pytest.mark.parametrize("frames", [0, 1, 2, 9, PIECE + 50])
def test_arrays_and_torch_agree(frames):
    made = network()
    state = {key: value.numpy() for key, value in made.state_dict().items()}
    rows = np.random.default_rng(0).normal(0, 1, (frames, features_of(13))).astype(np.float32)
    told = Convolutions.of(state, 13, 16, DILATIONS)(rows)
    assert told.shape == (frames, 13)
    if frames:
        with torch.inference_mode():
            wanted = made(torch.from_numpy(rows)[None])[0].numpy()
        np.testing.assert_allclose(told, wanted, atol=2e-4)


def test_weights_travel_with_their_skeleton(tmp_path):
    path = tmp_path / "w.safetensors"
    save_weights(path, network(), BODY, DILATIONS, {"tracks": 3})
    loaded = TemporalRefiner.load(path)
    assert loaded.skeleton.joints == BODY.joints
    assert loaded.facts["tracks"] == 3
    assert loaded.weights.startswith("sha256:")


@pytest.mark.parametrize(
    "change",
    [{"width": 17}, {"dilations": [1, 2]}, {"dilations": [0, 2, 4]}, {"dilations": "x"},
     {"skeleton": None}, {"width": -1}],
)  # fmt: skip
def test_headers_that_lie_are_refused(change, tmp_path):
    path = tmp_path / "w.safetensors"
    save_weights(path, network(), BODY, DILATIONS, change)
    with pytest.raises(WeightsError, match="refine train --video"):
        TemporalRefiner.load(path)


@pytest.mark.parametrize("damage", [b"", b"\x00" * 40, b'{"a": 1}'])
def test_damaged_weights_are_refused(damage, tmp_path):
    path = tmp_path / "w.safetensors"
    path.write_bytes(damage)
    with pytest.raises(RefineError, match="expected"):
        TemporalRefiner.load(path)


def test_weights_of_another_kind_are_refused():
    with pytest.raises(WeightsError, match="refine train --video"):
        TemporalRefiner.load("coco17")
