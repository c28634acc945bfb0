"""The network on arrays, beside the torch module that was trained."""

import numpy as np
import pytest
import torch

from refine._kernel import interpreted
from refine.refiner.pose.features import (
    BORDER_REACH,
    NEIGHBOUR_REACH,
    NEIGHBOURS,
    REACH,
    Scene,
    body_frame,
    features,
    scene_from_poses,
)
from refine.refiner.pose.network import Network
from refine.refiner.pose.perceptron import Perceptron
from refine.refiner.pose.products import LANES, multiply, pack
from refine.refiner.pose.refiner import Refiner
from refine.refiner.pose.weights import load_network
from refine.sample import make_people, make_predictions


@pytest.fixture(scope="module")
def scene():
    truth, _ = make_people(30, np.random.default_rng(0))
    poses = make_predictions(truth, np.random.default_rng(1))
    lost = np.full((1, *poses.xy.shape[1:]), np.nan)
    xy = np.concatenate([lost, poses.xy[1:]])
    return scene_from_poses(poses.replace(xy=xy))


@pytest.fixture(scope="module")
def columns(scene):
    return features(scene, *body_frame(scene.xy, scene.present, Refiner.load().pairs))


def told(network, columns, joints):
    own = torch.from_numpy(columns[:, : 2 * joints].reshape(len(columns), joints, 2))
    with torch.inference_mode():
        out = network(torch.from_numpy(columns), own)
    each = (*(out.xy - own).unbind(-1), out.log_spread, out.keep, out.move, out.wrong)
    each = torch.stack([*each, out.annotated], -1).flatten(1)
    return torch.cat([each, out.oks[:, None]], 1).numpy()


@pytest.mark.parametrize("count", [1, 3, 60])
def test_shipped_weights_say_what_torch_says(columns, count):
    expected = told(load_network("coco17")[0], columns[:count], 17)
    network = Refiner.load().network
    np.testing.assert_allclose(network(columns[:count]), expected, rtol=1e-5, atol=1e-5)
    with interpreted():
        np.testing.assert_allclose(network(columns[:count]), expected, rtol=1e-5, atol=1e-5)


def test_norms_of_any_gain_and_offset_go_into_the_next_weights():
    torch.manual_seed(0)
    plain = Network(40, 3, 64, 2)
    with torch.no_grad():
        for p in plain.parameters():
            p.copy_(torch.randn(p.shape) * (0.3 if p.ndim == 1 else 0.1))
    state = {name: t.detach().numpy() for name, t in plain.state_dict().items()}
    # Far from 0, where the tail of the activation is nothing but its sign.
    columns = np.random.default_rng(0).normal(0, 30, (50, 40)).astype(np.float32)
    found = Perceptron.of(state, 40, 3, 64, 2)(columns)
    np.testing.assert_allclose(found, told(plain, columns, 3), rtol=1e-4, atol=2e-5)


def plain_features(scene, centre, size):
    """Lay features out array by array."""
    present, known = scene.present, scene.present[..., None] & (scene.score >= 0)
    own = (scene.xy - centre[:, None]) / size[:, None, None]
    own = np.clip(np.where(present[..., None], own, 0.0), -REACH, REACH)
    border = np.concatenate([-centre, scene.image_size - centre], 1) / size[:, None]
    border = np.clip(np.nan_to_num(border, nan=BORDER_REACH), -BORDER_REACH, BORDER_REACH)
    other = np.maximum(scene.near, 0)
    there = present[other] & (scene.near >= 0)[..., None]
    near = (scene.xy[other] - centre[:, None, None]) / size[:, None, None, None]
    there = there & (np.abs(near) <= NEIGHBOUR_REACH).all(-1)
    near = np.where(there[..., None], near, 0.0)
    score = np.where(known, 2 * scene.score - 1, 0.0)
    mean = present.mean(1, keepdims=True)
    parts = own, present, score, known, border / 5, mean, near / 2, there
    return np.concatenate([p.reshape(len(own), -1) for p in parts], 1).astype(np.float32)


@pytest.mark.parametrize("python", [False, True])
def test_features_are_those_of_plain_code(scene, python):
    rng = np.random.default_rng(2)
    n = len(scene.xy)
    size = np.where(rng.random((n, 1)) < 0.3, np.nan, rng.uniform(10, 900, (n, 2)))
    near = np.where(rng.random((n, NEIGHBOURS)) < 0.3, -1, rng.integers(0, n, (n, NEIGHBOURS)))
    score = np.where(rng.random(scene.score.shape) < 0.3, -1, scene.score)
    other = Scene(scene.xy, scene.present, score, near, size)
    frame = rng.uniform(0, 300, (n, 2)), rng.choice([2.0, 50, 300], n)
    with interpreted(python):
        np.testing.assert_array_equal(features(other, *frame), plain_features(other, *frame))


def test_beliefs_are_what_torch_says_in_px(scene, columns):
    refiner = Refiner.load()
    with torch.inference_mode():
        own = torch.from_numpy(columns[:, :34].reshape(-1, 17, 2))
        out = load_network("coco17")[0](torch.from_numpy(columns), own)
    centre, size = body_frame(scene.xy, scene.present, refiner.pairs)
    found = refiner.believe_scene(scene)
    with interpreted():
        in_python = refiner.believe_scene(scene)
    for name in ("move", "wrong", "annotated"):
        expected = getattr(out, name).sigmoid()
        np.testing.assert_allclose(getattr(found, name), expected, atol=1e-5)
    keep = np.where(scene.present, out.keep.sigmoid(), 0)
    np.testing.assert_allclose(found.keep, keep, atol=1e-5)
    np.testing.assert_allclose(found.sigma_px / size[:, None], out.spread, atol=1e-5)
    empty = ~scene.present.any(1)
    assert empty.sum() == 1
    xy = out.xy.numpy() * size[:, None, None] + centre[:, None]
    xy[empty] = np.nan
    np.testing.assert_allclose(found.xy / size[:, None, None], xy / size[:, None, None], atol=1e-5)
    np.testing.assert_allclose(found.oks, np.where(empty, 0, out.oks.sigmoid()), atol=1e-5)
    np.testing.assert_allclose(
        in_python.xy / size[:, None, None], found.xy / size[:, None, None], atol=1e-5
    )
    for name in ("keep", "move", "wrong", "annotated", "oks"):
        np.testing.assert_allclose(getattr(in_python, name), getattr(found, name), atol=1e-5)


def test_a_pose_alone_is_believed_in_as_among_others_to_the_last_digit(scene):
    refiner = Refiner.load()
    columns = features(scene, *body_frame(scene.xy, scene.present, refiner.pairs))
    whole = refiner.network(columns)
    for part in (slice(0, 1), slice(5, 12), slice(20, 61)):
        np.testing.assert_array_equal(refiner.network(columns[part]), whole[part])


@pytest.mark.parametrize("size", [(1, 1, 1), (9, 5, 40), (8, 277, 512), (23, 64, 120)])
def test_products_are_those_of_numpy(size):
    n, k, m = size
    rng = np.random.default_rng(0)
    a = rng.normal(size=(n, k)).astype(np.float32)
    weight = rng.normal(size=(k, m)).astype(np.float32)
    expected = a.astype(float) @ weight
    for python in (False, True):
        out = np.full((n, -(-m // LANES) * LANES), np.nan, np.float32)
        with interpreted(python):
            multiply(a, pack(weight), out)
        np.testing.assert_allclose(out[:, :m], expected, rtol=1e-4, atol=1e-4)
        assert (out[:, m:] == 0).all()
