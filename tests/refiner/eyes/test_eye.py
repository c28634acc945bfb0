"""Eyes: what they promise, what is checked of them, and that they are loaded once."""

from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
import torch

import refine
from refine.exceptions import ArrayError, SkeletonError, WeightsError
from refine.refiner.eyes import eye as module
from refine.refiner.eyes.eye import Eye, load_eye, mirror_shift, see
from refine.refiner.eyes.movenet import MoveNet
from refine.refiner.eyes.weights import save_eye_weights

COCO = refine.skeleton("coco17")
SIDES = ("left_eye", "right_eye")


def tiny(path, **facts):
    torch.manual_seed(0)
    save_eye_weights(path, MoveNet(0.25), COCO, {"width": 0.25, **facts})
    return path


@pytest.mark.parametrize(("name", "network"), [("image", "thunder"), ("image-small", "lightning")])
def test_shipped_eyes(name, network):
    eye = load_eye(name)
    assert (eye.joints, eye.size, eye.stride, eye.offset) == (COCO.joints, (192, 256), 4, 1.6)
    assert (eye.padding, eye.name) == (1.4, f"movenet-{network}")
    assert eye.weights.startswith("sha256:")
    assert len(eye.weights) == 19
    heat = see(eye, np.zeros((2, 256, 192, 3), np.uint8))
    assert (heat.shape, heat.dtype) == ((2, 17, 64, 48), np.float32)
    assert heat.max() < 0.5  # nobody is there


def test_eyes_are_loaded_once(tmp_path, monkeypatch):
    path = tiny(tmp_path / "tiny.safetensors")
    loads = []
    original = module._load.__wrapped__
    monkeypatch.setattr(module, "_load", lru_cache(4)(lambda *a: loads.append(a) or original(*a)))
    with ThreadPoolExecutor(4) as pool:
        eyes = list(pool.map(load_eye, [path] * 8))
    assert len(loads) == 1
    assert all(eye is eyes[0] for eye in eyes)
    assert load_eye(path, precision="float32") is not eyes[0]
    tiny(path, more="facts")
    assert load_eye(path) is not eyes[0]  # the file is another


def test_eyes_see_the_same_from_all_threads(tmp_path):
    eye = load_eye(tiny(tmp_path / "tiny.safetensors"), precision="float32")
    crops = np.random.default_rng(0).integers(0, 256, (6, 256, 192, 3), np.uint8)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda one: see(eye, one[None]), crops))
    np.testing.assert_allclose(np.concatenate(found), see(eye, crops), atol=1e-6)


@pytest.mark.parametrize("offset", [0.0, 1.5, 1.6])
def test_mirrored_look_of_an_exact_eye_changes_nothing(offset):
    """It sees the nose in red, the left eye in green, the right eye in blue; mirrored, in green."""

    def look(crops):
        at = 4 * np.arange(8) + offset
        low = np.floor(at).astype(int)
        row = crops[:, 0] / np.float32(255)
        row = row[:, low] + (at - low)[:, None] * (row[:, low + 1] - row[:, low])
        heat = np.moveaxis(row, 2, 1)
        turned = heat[:, 0, 0] > heat[:, 0, -1]
        heat = np.where(turned[:, None, None], heat[:, [0, 2, 1]], heat)
        return np.repeat(heat[:, :, None], 8, 2)

    eye = Eye(look, ("nose", *SIDES), (32, 32), 4.0, offset)
    crops = np.zeros((1, 32, 32, 3), np.uint8)
    crops[..., 0], crops[..., 1] = np.arange(100, 228, 4), np.arange(200, 40, -5)
    once, twice = see(eye, crops), see(eye, crops, mirrored=True)
    np.testing.assert_allclose(twice[..., 1:-1], once[..., 1:-1], atol=0.002)
    assert mirror_shift(eye, 8) == pytest.approx((31 - 2 * offset) / 4 - 7)


@pytest.mark.parametrize(
    ("heat", "says"),
    [
        (np.zeros((2, 3, 4, 4)), "expected maps"),
        (np.zeros((1, 2, 4, 4)), "expected maps"),
        (np.zeros((2, 2, 0, 4)), "expected maps"),
        (np.zeros((2, 2, 4)), "expected maps"),
        (np.full((2, 2, 4, 4), np.nan), r"in \[0, 1\]"),
        (np.full((2, 2, 4, 4), -3.0), r"in \[0, 1\]"),
    ],
)
def test_maps_that_are_none_are_told(heat, says):
    eye = Eye(lambda crops: heat, SIDES, (16, 16))
    with pytest.raises(ArrayError, match=says):
        see(eye, np.zeros((2, 16, 16, 3), np.uint8))


@pytest.mark.parametrize("crops", [np.zeros((2, 16, 8, 3), np.uint8), np.zeros((2, 16, 16, 3))])
def test_crops_of_another_kind_are_told(crops):
    eye = Eye(lambda c: np.zeros((len(c), 2, 4, 4), np.float32), SIDES, (16, 16))
    with pytest.raises(ArrayError, match="expected crops"):
        see(eye, crops)


def test_eyes_that_cannot_be():
    with pytest.raises(ArrayError, match="stride"):
        Eye(np.zeros, SIDES, (16, 16), 0.0)
    with pytest.raises(ArrayError, match="sides"):
        Eye(np.zeros, SIDES, (16, 0))
    with pytest.raises(SkeletonError):
        Eye(np.zeros, ("nose", "nose"), (16, 16))


@pytest.mark.parametrize(
    "facts",
    [
        {"size": [192, 250]},
        {"size": [192]},
        {"width": 9.0},
        {"width": "wide"},
        {"architecture": "hrnet"},
        {"stride": 0},
        {"offset": None},
        {"width": 0.5},
    ],
)
def test_damaged_headers(tmp_path, facts):
    with pytest.raises(WeightsError, match="import-weights"):
        load_eye(tiny(tmp_path / "bad.safetensors", **facts))


def test_weights_of_another_kind_and_none():
    with pytest.raises(WeightsError, match="image, image-small"):
        load_eye("images")
    with pytest.raises(WeightsError, match="expected weights of"):
        load_eye(Path(refine.__file__).parent / "weights" / "coco17.safetensors")
