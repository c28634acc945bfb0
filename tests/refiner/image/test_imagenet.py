import pickle

import pytest
import torch
from safetensors.torch import save_file

from refine.exceptions import FormatError, WeightsError
from refine.refiner.image.backbones import resnet
from refine.refiner.image.backbones.imagenet import read_imagenet
from refine.refiner.image.backbones.resnet import ResNet

STEPS = ("conv1.weight", "bn1.running_var", "layer1.0.downsample.0.weight", "layer4.2.bn3.bias")
SIZES = {50: 23_508_032, 152: 58_143_808}
"""Parameters of torchvision's networks (25,557,032 and 60,192,808) less those of fc."""


@pytest.fixture
def small(monkeypatch):
    """A ResNet of one bottleneck a stage in the place of the 50 layers."""
    monkeypatch.setitem(resnet.BLOCKS, 50, (1, 1, 1, 1))
    torch.manual_seed(0)
    return ResNet(50)


@pytest.mark.parametrize("depth", SIZES)
def test_resnets_have_the_tensors_of_torchvisions(depth):
    network = ResNet(depth)
    assert sum(p.numel() for p in network.parameters()) == SIZES[depth]
    names = network.state_dict()
    assert all(step in names for step in STEPS)
    # conv, and a batch norm's five, of every bottleneck's three and every stage's shortcut.
    assert len(names) == 6 * (1 + 3 * sum(resnet.BLOCKS[depth]) + 4)


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_files_named_as_torchvision_names_load(small, suffix, tmp_path):
    state = {**small.state_dict(), "fc.weight": torch.zeros(3, 2), "fc.bias": torch.zeros(3)}
    path = tmp_path / f"w{suffix}"
    torch.save(state, path) if suffix == ".pth" else save_file(state, path)
    other = ResNet(50)
    other.load_imagenet(read_imagenet(path))
    x, more = torch.randn(2, 3, 64, 32), torch.randn(2, 64, 32, 16)
    assert torch.equal(small.eval()(x, more), other.eval()(x, more))
    assert small(x, more).shape == (2, 2048, 2, 1)


def test_weights_of_another_backbone_are_refused_by_name(small, monkeypatch):
    state = small.state_dict()
    monkeypatch.setitem(resnet.BLOCKS, 101, (1, 1, 2, 1))
    with pytest.raises(
        WeightsError, match=r"ResNet-101, got 15 that are missing: layer3\.1\.conv1"
    ):
        ResNet(101).load_imagenet(state)
    with pytest.raises(WeightsError, match=r"ResNet-50, got 15 that it does not have: layer3\.1"):
        small.load_imagenet(ResNet(101).state_dict())
    with pytest.raises(WeightsError, match=r"1 of another shape: conv1\.weight"):
        small.load_imagenet({**state, "conv1.weight": torch.zeros(64, 20, 7, 7)})


def test_files_of_something_else_are_refused(tmp_path):
    path = tmp_path / "w.pth"
    with pytest.raises(FormatError, match="readable file"):
        read_imagenet(path)
    for data in (b"no weights", pickle.dumps({"a": print})):
        path.write_bytes(data)
        with pytest.raises(WeightsError, match=r"w\.pth: expected ImageNet weights"):
            read_imagenet(path)
    torch.save({"epoch": 3}, path)
    with pytest.raises(WeightsError, match="something else than tensors"):
        read_imagenet(path)
    wrong = tmp_path / "w.safetensors"
    wrong.write_bytes(b"no weights")
    with pytest.raises(WeightsError, match=r"w\.safetensors: expected ImageNet weights"):
        read_imagenet(wrong)
