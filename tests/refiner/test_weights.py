"""Weights files: whole skeletons in their headers, and the headers of older files."""

import json

import numpy as np
import pytest
import torch

from refine import tensors
from refine.exceptions import WeightsError
from refine.refiner.image.backbones import resnet
from refine.refiner.image.posefix import PoseFixNetwork
from refine.refiner.image.refiner import ImageRefiner
from refine.refiner.image.weights import KIND as IMAGE, load_image_weights, save_image_weights
from refine.refiner.pose.features import PairTable, feature_count
from refine.refiner.pose.network import Network
from refine.refiner.pose.refiner import Refiner
from refine.refiner.pose.weights import KIND as POSE, load_weights, save_weights
from refine.skeletons import (
    Skeleton,
    skeleton,
    skeleton_from_table,
    skeleton_names,
    skeleton_to_table,
)

MOUSE = Skeleton(
    "mouse",
    ("nose", "neck", "left_paw", "right_paw", "tail"),
    edges=((0, 1), (1, 2), (1, 3), (1, 4)),
    sigmas=np.array([0.026, 0.079, 0.089, 0.089, 0.1]),
    regions=("head", "upper", "hand", "hand", "lower"),
    derived={"neck": ("left_paw", "right_paw")},
    near=frozenset({"tail"}),
    stands_for={"nose": "snout"},
    source="made up",
)


def same(a, b):
    """Whether two skeletons agree in everything; `==` compares joints."""
    names = ("name", "joints", "edges", "regions", "near", "source")
    return (
        all(getattr(a, n) == getattr(b, n) for n in names)
        and np.array_equal(a.sigmas, b.sigmas, equal_nan=True)
        if a.sigmas is not None and b.sigmas is not None
        else a.sigmas is b.sigmas
    ) and (dict(a.derived), dict(a.stands_for)) == (dict(b.derived), dict(b.stands_for))


def network(body):
    torch.manual_seed(0)
    k = len(body)
    return Network(feature_count(k), k, 16, 1), PairTable(np.zeros((k, k)), np.eye(k))


@pytest.mark.parametrize("name", skeleton_names())
def test_a_skeleton_survives_being_a_table(name):
    body = skeleton(name)
    table = json.loads(json.dumps(skeleton_to_table(body)))
    assert same(skeleton_from_table(table, "other"), body)


def test_a_skeleton_of_ones_own_travels_whole(tmp_path):
    path = tmp_path / "w.safetensors"
    save_weights(path, *network(MOUSE), MOUSE, {"epoch": 3})
    loaded = Refiner.load(path)
    assert same(loaded.skeleton, MOUSE)
    assert loaded.facts["epoch"] == 3
    # What an image refiner on top needs.
    assert loaded.skeleton.require_sigmas().tolist() == MOUSE.sigmas.tolist()


@pytest.fixture
def posefix(monkeypatch):
    """A maker of PoseFix networks of few weights."""
    monkeypatch.setitem(resnet.BLOCKS, 50, (1, 1, 1, 1))
    monkeypatch.setattr("refine.refiner.image.posefix.UPSAMPLED", 16)
    return lambda joints, sigma=7.0: PoseFixNetwork(joints, 50, sigma)


def test_an_image_refiners_skeleton_travels_whole(tmp_path, posefix):
    path = tmp_path / "w.safetensors"
    save_image_weights(path, posefix(5), MOUSE, (48, 64), "sha256:0", {})
    _, facts = load_image_weights(path)
    assert facts["joints"] == list(MOUSE.joints)
    assert same(skeleton_from_table(facts["skeleton"], "other"), MOUSE)


def rewrite(path, change):
    """Change the header of a weights file."""
    metadata, arrays = tensors.read(path)
    facts = tensors.facts_of(metadata)
    change(facts)
    path.write_bytes(tensors.write(arrays, facts))


@pytest.mark.parametrize("body", [skeleton("coco17"), MOUSE])
def test_headers_that_name_a_skeleton_are_read(tmp_path, body):
    """As files of before headers held whole skeletons; the shipped ones are such, too."""
    path = tmp_path / "w.safetensors"
    save_weights(path, *network(body), body, {})

    def older(facts):
        facts |= {"skeleton": facts["skeleton"]["name"], "joints": facts["skeleton"]["joints"]}

    rewrite(path, older)
    found = load_weights(path)[2]
    assert (found.name, found.joints) == (body.name, body.joints)
    assert (found.sigmas is not None) == (body.name == "coco17")


def test_shipped_weights_are_of_the_older_kind_and_load():
    *_, body, facts = load_weights("coco17")
    assert facts["skeleton"] == "coco17"
    assert same(body, skeleton("coco17"))
    assert (POSE.shipped(), IMAGE.shipped()) == (("coco17",), ())


def test_older_headers_of_image_refiners_are_read(tmp_path, posefix):
    path = tmp_path / "w.safetensors"

    def older(facts):
        del facts["skeleton"], facts["architecture"]
        facts["architecture"] = f"resnet{facts.pop('depth')}"

    made = posefix(17, 3.5)
    save_image_weights(path, made, skeleton("coco17"), (48, 64), "sha256:0", {})
    rewrite(path, older)
    found, facts = load_image_weights(path)
    assert found.header == made.header
    assert facts["joints"] == list(skeleton("coco17").joints)


@pytest.mark.parametrize("change", [{"architecture": "light"}, {"architecture": None}])
def test_the_light_network_of_older_versions_is_refused_by_name(tmp_path, posefix, change):
    """Its headers named it, or no architecture at all."""
    path = tmp_path / "w.safetensors"
    save_image_weights(path, posefix(2), Skeleton("two", ("a", "b")), (48, 64), "x", {})

    def older(facts):
        del facts["architecture"], facts["depth"]
        facts |= {k: v for k, v in change.items() if v} | {"backbone": "efficientnet", "width": 64}

    rewrite(path, older)
    words = r"w\.safetensors: .*made by an older version; the eyes that ship .*image-small.*again"
    with pytest.raises(WeightsError, match=words):
        ImageRefiner.load(tmp_path, path)


def test_kinds_tell_their_files_apart(tmp_path, posefix):
    pose, image = tmp_path / "p.safetensors", tmp_path / "i.safetensors"
    save_weights(pose, *network(MOUSE), MOUSE, {})
    save_image_weights(image, posefix(5), MOUSE, (48, 64), "sha256:0", {})
    (tmp_path / "x.safetensors").write_bytes(b"not weights at all")
    names = ("coco17", "image", pose, image, tmp_path / "x.safetensors", tmp_path / "none", "no")
    assert [POSE.holds(n) for n in names] == [True, False, True, False, False, False, False]
    assert [IMAGE.holds(n) for n in names] == [False, False, False, True, False, False, False]
    with pytest.raises(WeightsError, match=r"refine-refiner-1\), got: format 'refine-posefix-1'"):
        load_weights(image)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"width": 17}, "where the header has"),
        ({"width": 20_000_000}, "where the header has"),
        ({"blocks": 10**9}, "1000000000 blocks in"),
        ({"width": [1]}, "int"),
        ({"skeleton": {"name": "mouse"}}, "names `joints`"),
        ({"blocks": None}, "int"),
    ],
)
def test_headers_that_do_not_fit_are_said(tmp_path, change, words):
    path = tmp_path / "w.safetensors"
    save_weights(path, *network(MOUSE), MOUSE, {})
    rewrite(path, lambda facts: facts.update(change))
    with pytest.raises(WeightsError, match=f"w.safetensors: expected weights of .* got: .*{words}"):
        load_weights(path)
    rewrite(path, lambda facts: facts.clear())
    with pytest.raises(WeightsError, match="format None"):
        load_weights(path)


def test_a_header_takes_no_more_memory_than_the_file_justifies(tmp_path, monkeypatch, posefix):
    path = tmp_path / "w.safetensors"
    save_image_weights(path, posefix(2), Skeleton("two", ("a", "b")), (48, 64), "x", {})
    made = []

    def build(header):
        network = PoseFixNetwork(2, header["depth"])
        made.append(next(network.parameters()).device.type)
        return network

    monkeypatch.setattr(PoseFixNetwork, "from_header", staticmethod(build))
    rewrite(path, lambda facts: facts.update(depth=152))
    with pytest.raises(WeightsError, match="where the header has"):
        load_image_weights(path)
    assert made == ["meta"]


@pytest.mark.parametrize(
    "change", [{"size": [48]}, {"size": [48, 10**6]}, {"size": 5}, {"joints": ["a", "a"]},
               {"joints": 7}, {"architecture": 5}, {"architecture": "x"}, {"depth": None},
               {"depth": 7}, {"sigma": "wide"}],
)  # fmt: skip
def test_image_headers_of_other_types_are_said(tmp_path, posefix, change):
    path = tmp_path / "w.safetensors"
    save_image_weights(path, posefix(2), Skeleton("two", ("a", "b")), (48, 64), "x", {})
    load_image_weights(path)
    rewrite(path, lambda facts: facts.update(change))
    with pytest.raises(WeightsError, match=r"w\.safetensors: expected weights"):
        load_image_weights(path)


def test_weights_that_are_no_numbers_are_said(tmp_path):
    path = tmp_path / "w.safetensors"
    broken, pairs = network(MOUSE)
    with torch.no_grad():
        broken.leave.bias[3] = float("nan")
    save_weights(path, broken, pairs, MOUSE, {})
    with pytest.raises(WeightsError, match=r"not finite in 'leave\.bias'"):
        load_weights(path)
