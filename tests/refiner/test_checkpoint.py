"""Checkpoints that were damaged are said to be, and none is taken in part."""

import json

import numpy as np
import pytest
import torch

from refine import tensors
from refine.exceptions import FormatError, RefineError, WeightsError
from refine.refiner.checkpoint import load_checkpoint, save_checkpoint
from refine.refiner.image.settings import PoseFixSettings
from refine.refiner.pose.train import PoseSettings
from refine.refiner.training import check_settings


def stepped():
    torch.manual_seed(0)
    network = torch.nn.Linear(3, 2)
    optimizer = torch.optim.AdamW(network.parameters())
    network(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    return network, optimizer


@pytest.fixture
def held(tmp_path):
    out = tmp_path / "w.safetensors"
    save_checkpoint(out, *stepped(), {"a": 1}, [{"epoch": 0, "loss": 1.0}], {"m": torch.ones(2)})
    return out, out.with_suffix(".ckpt")


def test_what_was_saved_is_loaded(held):
    network, optimizer = stepped()
    log, more = load_checkpoint(held[0], network, optimizer, {"a": 1})
    assert (log, more["m"].tolist()) == ([{"epoch": 0, "loss": 1.0}], [1, 1])


def test_damage_is_said(held):
    out, path = held
    whole = path.read_bytes()
    metadata, arrays = tensors.read(whole)
    facts = tensors.facts_of(metadata)
    weight, moment = arrays["network.weight"], arrays["optimizer.0.exp_avg"]
    broken = [
        whole[:200],
        whole[:-4],
        whole.replace(b"refine", b"\xff\xfe\xfdine", 1),
        *(
            tensors.write({**arrays, **change}, facts)
            for change in (
                {"network.weight": weight[:1]},
                {"network.weight": weight * np.nan},
                {"network.other": weight},
                {"optimizer.0.exp_avg": moment.ravel()},
                {"optimizer.x.exp_avg": moment},
                {"optimizer.7.exp_avg": moment},
                {"optimizer.": moment},
            )
        ),
        tensors.write({k: v for k, v in arrays.items() if k != "optimizer.0.exp_avg"}, facts),
        *(
            tensors.write(arrays, facts | {"log": log})
            for log in (None, [], 5, [5], [{"loss": "x"}], {"loss": 1})
        ),
        tensors.write(arrays, {"log": facts["log"]}),
    ]
    for data in broken:
        path.write_bytes(data)
        with pytest.raises(WeightsError, match=r"w\.ckpt: expected a checkpoint.*--resume"):
            load_checkpoint(out, *stepped(), {"a": 1})
    path.write_bytes(b"")
    with pytest.raises(FormatError):
        load_checkpoint(out, *stepped(), {"a": 1})


@pytest.mark.parametrize("settings", [PoseSettings, PoseFixSettings])
def test_numbers_that_nothing_can_be_trained_with_are_refused(settings):
    check_settings(settings())
    for change in ({"rate": float("nan")}, {"rate": 0.0}, {"rate": -1.0}, {"rate": float("inf")},
                   {"seed": -1}, {"seed": 1 << 70}):  # fmt: skip
        with pytest.raises(RefineError, match=next(iter(change))):
            check_settings(settings(**change))


def test_the_command_line_says_so_too(cli, pictured, tmp_path):
    for option, value in (("--seed", "-1"), ("--rate", "nan")):
        out = tmp_path / "w.safetensors"
        for looks in ([], ["--images", pictured]):
            result = cli("train", pictured / "gt.json", "-o", out, option, value, *looks)
            assert result.code == 3
            assert option[2:] in json.dumps(result.err)
    assert list(tmp_path.iterdir()) == []
