import numpy as np
import pytest
import torch

from refine.exceptions import RefineError, WeightsError
from refine.refiner.fusion.weights import KIND, load_fusion, save_fusion
from tests.oracles.fusion import plain_fusion


@pytest.fixture
def saved(tmp_path):
    path, fusion = tmp_path / "mine.fusion.safetensors", plain_fusion()
    facts = {"eye": "sha256:e", "image_free": "sha256:i", "persons": 3}
    save_fusion(path, fusion.likelihood, fusion.judge, facts)
    return path, fusion


def test_round_trip(saved):
    path, fusion = saved
    again = load_fusion(path)
    for one, two in ((fusion.likelihood, again.likelihood), (fusion.judge, again.judge)):
        assert not two.training
        for name, tensor in one.state_dict().items():
            np.testing.assert_array_equal(tensor, two.state_dict()[name])
    assert (again.facts["eye"], again.facts["persons"]) == ("sha256:e", 3)
    assert again.weights == f"sha256:{again.facts['sha256'][:12]}"


def test_damaged_files_are_said(saved):
    path, fusion = saved
    data = path.read_bytes()
    for cut in (0, 7, 100, len(data) - 1):
        path.write_bytes(data[:cut])
        with pytest.raises(RefineError, match=r"mine\.fusion"):
            load_fusion(path)
    for facts in ({"eye": "a"}, {"image_free": "a"}, {"eye": 3, "image_free": "a"}):
        save_fusion(path, fusion.likelihood, fusion.judge, facts)
        with pytest.raises(WeightsError, match="refine train --eyes"):
            load_fusion(path)
    header = {"eye": "a", "image_free": "b"}
    state = {f"judge.{k}": v for k, v in fusion.judge.state_dict().items()}
    state |= {f"likelihood.{k}": v for k, v in fusion.likelihood.state_dict().items()}
    for odd in (
        {k: v for k, v in state.items() if k != "likelihood.cell"},
        state | {"more.weight": torch.ones(2)},
        state | {"judge.layers.0.bias": torch.ones(3)},
        state | {"likelihood.cell": torch.tensor(float("nan"))},
    ):
        KIND.save(path, odd, header)
        with pytest.raises(WeightsError, match="refine train --eyes"):
            load_fusion(path)


def test_names_that_are_not_known_are_said():
    with pytest.raises(WeightsError, match="name of shipped weights"):
        load_fusion("nobody")
