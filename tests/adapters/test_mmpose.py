import copy
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from refine.adapters.mmpose import RefineCodec
from refine.exceptions import RefineError

SIZE = {"input_size": (192, 256), "heatmap_size": (48, 64)}


class Registry(dict):
    """As much of MMEngine's as a codec meets: names to classes, configs to objects."""

    def build(self, config):
        return self[config.pop("type")](**config)


class Heatmap:
    label_mapping_table = {"keypoint_weights": "keypoint_weights"}

    def __init__(self, input_size, heatmap_size):
        self.input_size, self.heatmap_size = input_size, heatmap_size
        self.scale_factor = np.array(input_size) / heatmap_size

    def encode(self, keypoints, keypoints_visible=None):
        return {"heatmaps": keypoints, "keypoint_weights": keypoints_visible}


def test_a_config_is_built_by_their_registry(monkeypatch, maps):
    registry = Registry(Heatmap=Heatmap, RefineCodec=RefineCodec)
    module = SimpleNamespace(KEYPOINT_CODECS=registry)
    monkeypatch.setitem(sys.modules, "mmpose.registry", module)
    inner = {"type": "Heatmap", **SIZE}
    codec = registry.build({"type": "RefineCodec", "codec": inner, "method": "dark"})
    assert inner["type"] == "Heatmap"
    assert codec.encode(1, keypoints_visible=2) == {"heatmaps": 1, "keypoint_weights": 2}
    assert codec.label_mapping_table == Heatmap.label_mapping_table
    assert codec.support_batch_decoding
    assert copy.deepcopy(codec).decode(maps[1])[0].shape == (1, 17, 2)


def test_batches_are_decoded_like_single_poses(maps):
    codec = RefineCodec(Heatmap(**SIZE))
    keypoints, scores = codec.batch_decode(torch.from_numpy(maps))
    assert len(keypoints) == len(scores) == len(maps)
    for i, one in enumerate(maps):
        xy, score = codec.decode(one)
        assert xy.shape == (1, 17, 2)
        assert score.shape == (1, 17)
        assert xy.dtype == score.dtype == np.float32
        np.testing.assert_array_equal(keypoints[i], xy)
        np.testing.assert_array_equal(scores[i], score)
    np.testing.assert_array_equal(keypoints[0][0, :2], -4.0)


@pytest.mark.parametrize(
    "codec",
    [
        SimpleNamespace(**SIZE, scale_factor=4.0, heatmap_type="combined"),
        SimpleNamespace(simcc_split_ratio=2.0),
    ],
)
def test_other_codecs_are_refused(codec):
    with pytest.raises(RefineError, match="one Gaussian heatmap per joint"):
        RefineCodec(codec)


@pytest.mark.filterwarnings("ignore:Passing more than 2:DeprecationWarning")
@pytest.mark.parametrize(
    ("unbiased", "method", "apart"), [(False, "quarter", 1e-5), (True, "dark", 1e-2)]
)
def test_published_methods_give_what_theirs_give(peer, maps, unbiased, method, apart):
    theirs = peer("mmpose.codecs").MSRAHeatmap(**SIZE, sigma=2, unbiased=unbiased)
    ours = RefineCodec(theirs, method)
    # Theirs divides by the maximum, which is 0 in a map of the first pose.
    for one in maps[1:]:
        xy, score = ours.decode(one)
        expected, best = theirs.decode(one)
        np.testing.assert_array_equal(score, best)
        np.testing.assert_allclose(xy, expected, atol=apart)


@pytest.mark.parametrize("name", ["MSRAHeatmap", "UDPHeatmap"])
def test_their_targets_decode_to_the_truth(peer, name):
    codecs = peer("mmpose.codecs")
    registry = peer("mmpose.registry").KEYPOINT_CODECS
    options = {"unbiased": True} if name == "MSRAHeatmap" else {}
    inner = {"type": name, **SIZE, "sigma": 2.0, **options}
    codec = registry.build({"type": "refine.adapters.mmpose.RefineCodec", "codec": inner})
    assert isinstance(codec.codec, getattr(codecs, name))
    truth = np.random.default_rng(0).uniform([20, 20], [170, 230], (1, 17, 2))
    xy, _ = codec.decode(codec.encode(truth, np.ones((1, 17)))["heatmaps"])
    # With UDP theirs returns W / (W - 1) of the place, which their estimator undoes.
    size = np.array(SIZE["input_size"])
    factor = size / (size - 1) if name == "UDPHeatmap" else 1.0
    np.testing.assert_allclose(xy, truth * factor, atol=0.01)
