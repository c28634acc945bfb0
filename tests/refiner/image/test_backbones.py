"""A backbone is a file of `backbones/` and a row of `presets.toml`."""

import sys
import types
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn

from refine.exceptions import WeightsError
from refine.refiner.image import settings
from refine.refiner.image.annotations import read_labelled
from refine.refiner.image.backbones.base import Backbone, make_backbone
from refine.refiner.image.conditioning import Conditioning
from refine.refiner.image.train import ImageData, train_on_images
from refine.refiner.image.weights import load_image_weights

ROW = {"architecture": "light", "backbone": "toy", "size": [48, 64], "width": 8, "source": "here"}


class Toy(Backbone):
    """Four strided convolutions."""

    channels = (4, 6, 8, 10)

    def __init__(self):
        super().__init__()
        sizes = (3, *self.channels)
        self.steps = nn.ModuleList(nn.Conv2d(a, b, 3, 2, 1) for a, b in pairwise(sizes))
        self.first = nn.AvgPool2d(2)

    def early(self, pixels):
        return self.steps[0](self.first(pixels / 255))

    def late(self, at4):
        at8 = self.steps[1](at4)
        at16 = self.steps[2](at8)
        return at8, at16, self.steps[3](at16)

    def load_imagenet(self, state):
        self.load_state_dict(state)


@pytest.fixture
def toy(monkeypatch):
    """What adding ``backbones/toy.py`` and ``[toy]`` does."""
    name = "refine.refiner.image.backbones.toy"
    module = types.ModuleType(name)
    module.BACKBONE = Toy
    monkeypatch.setitem(sys.modules, name, module)
    rows = settings.preset_rows() | {"toy": ROW}
    monkeypatch.setattr(settings, "preset_rows", lambda: rows)


def test_a_toy_trains_is_saved_and_predicts(toy, pictured, body, tmp_path):
    assert "toy" in settings.preset_names()
    how = settings.read_preset("toy", epochs=1, batch=4, mixed=False)
    sets = [{"annotations": str(pictured / "gt.json"), "images": str(pictured)}]
    labelled = read_labelled(sets, body.skeleton, how.extra)
    torch.manual_seed(0)
    start = Toy().state_dict()
    path = tmp_path / "w.safetensors"
    train_on_images(ImageData(labelled, imagenet=start), body, path, how)
    network, facts = load_image_weights(path)
    assert facts["backbone"] == "toy"
    assert isinstance(network.backbone, Toy)
    # Its first stage is trained on CPUs as well, for it does not say otherwise.
    for name, before in start.items():
        assert not torch.equal(network.backbone.state_dict()[name], before.half().float())
    rng = np.random.default_rng(0)
    points = rng.uniform(5, 40, (2, 19, 3)).astype("f4")
    hints = Conditioning(
        points, np.insert(points, 2, 3.0, axis=-1), points[:, None].repeat(3, 1), points[:, 0, 2]
    )
    crops = rng.integers(0, 256, (2, 64, 48, 3)).astype(np.uint8)
    batches = [(np.arange(2), crops)]
    [(rows, found)] = network.predict(batches, hints, np.full((2, 19), 6.0))
    assert rows.tolist() == [0, 1]
    assert np.isfinite(found.xy).all()


@pytest.mark.parametrize("name", ["toy", "imagenet", "base", "..os"])
def test_what_is_no_backbone_is_said(name):
    with pytest.raises(WeightsError, match="expected a backbone"):
        make_backbone(name)


def test_a_row_with_a_key_that_no_setting_has_is_found(monkeypatch):
    monkeypatch.setattr(settings, "preset_rows", lambda: {"odd": {**ROW, "widht": 8}})
    with pytest.raises(TypeError, match="widht"):
        settings.read_preset("odd")
