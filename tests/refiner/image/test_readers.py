"""Which reader weights are of, and which fusion eyes get."""

import warnings
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from refine.exceptions import RefineWarning, WeightsError
from refine.refiner.eyes.eye import load_eye
from refine.refiner.eyes.movenet import MoveNet
from refine.refiner.eyes.weights import save_eye_weights
from refine.refiner.fusion.weights import KIND as FUSIONS, save_fusion
from refine.refiner.image import readers
from refine.refiner.image.readers import load_reader
from refine.refiner.image.refiner import ImageRefiner
from tests.oracles.fusion import COCO, drawing_eye, people, plain_fusion
from tests.refiner.fusion.test_source import PROFILE


def save(path, eye):
    fusion = plain_fusion()
    save_fusion(path, fusion.likelihood, fusion.judge, {"eye": eye, "image_free": "sha256:0"})
    return path


@pytest.fixture
def borrowed(tmp_path, monkeypatch):
    """Have a fusion ship that is of other eyes."""
    path = save(tmp_path / "borrowed.safetensors", "sha256:other")
    monkeypatch.setattr(readers, "FUSION", str(path))


@pytest.fixture
def mine(tmp_path):
    torch.manual_seed(0)
    path = tmp_path / "mine.eye.safetensors"
    save_eye_weights(path, MoveNet(0.25), COCO, {"width": 0.25, "network": "mine"})
    return path


def test_shipped_fusions_are_of_the_eyes_of_that_name(body):
    for name in FUSIONS.shipped():
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            reader = load_reader(name, body.skeleton)
        assert reader.eye is load_eye(name)
        assert reader.fusion.facts["eye"] == reader.eye.weights
        assert reader.fusion.facts["image_free"] == body.weights


def test_eyes_of_a_file_have_the_fusion_beside_them(mine, body, borrowed):
    beside = save(mine.with_name("mine.fusion.safetensors"), load_eye(mine).weights)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        reader = load_reader(mine, body.skeleton)
    assert reader.fusion.facts["eye"] == reader.eye.weights
    save(beside, "sha256:another")
    with pytest.raises(WeightsError, match="expected the fusion of mine") as caught:
        load_reader(mine, body.skeleton)
    assert caught.value.where == str(beside)


def test_eyes_without_a_fusion_borrow_one_and_it_is_said(mine, body, borrowed):
    with pytest.warns(RefineWarning, match="mine has no fusion of its own") as said:
        reader = load_reader(mine, body.skeleton)
    assert len(said) == 1
    assert reader.fusion.facts["eye"] == "sha256:other"


def test_a_function_looks_at_pictures(body, borrowed):
    truth, pictures = people(3)
    eye = drawing_eye(truth.xy)
    with pytest.warns(RefineWarning, match="drawing has no fusion of its own"):
        refiner = ImageRefiner.load(pictures, eye, body)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(refiner(truth).xy, truth.xy)
        profile = refiner.profile(truth)
    assert profile.eye == ""
    with pytest.warns(RefineWarning, match="no fusion"):
        again = ImageRefiner.load(pictures, eye, body, profile=profile)
    np.testing.assert_array_equal(again(truth[np.array([0])]).xy, truth.xy[:1])


def test_profiles_are_of_the_eyes_that_look(mine, body, borrowed):
    save(mine.with_name("mine.fusion.safetensors"), load_eye(mine).weights)
    own = replace(PROFILE, eye=load_eye(mine).weights)
    assert load_reader(mine, body.skeleton, profile=own).profile is own
    with pytest.raises(WeightsError, match="expected a profile made with mine"):
        load_reader(mine, body.skeleton, profile=PROFILE)


def test_trained_networks_have_no_profile(body, monkeypatch):
    facts = {"sha256": "0" * 64, "joints": COCO.joints}
    monkeypatch.setattr(readers, "load_image_weights", lambda _: (SimpleNamespace(), facts))
    refiner = ImageRefiner.load({}, "w.safetensors", body)
    with pytest.raises(WeightsError, match="expected eyes for a profile"):
        ImageRefiner.load({}, "w.safetensors", body, profile=PROFILE)
    with pytest.raises(WeightsError, match="expected eyes, got a network"):
        refiner.profile(people(1)[0])


def test_a_preset_is_asked_for_where_eyes_are_onnx(body):
    with pytest.raises(WeightsError, match="expected a preset"):
        load_reader("net.onnx", body.skeleton)


def test_damaged_eyes_are_named_as_eyes(body, tmp_path):
    (tmp_path / "cut.eye.safetensors").write_bytes(b"\x10\x00")
    with pytest.raises(WeightsError, match="import-weights"):
        load_reader(tmp_path / "cut.eye.safetensors", body.skeleton)
