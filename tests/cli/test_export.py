"""`refine export`."""

import json
import sys

import numpy as np
import pytest
import torch

from refine.decoding import decode_heatmaps
from refine.poses import ImageRef, Poses
from refine.refiner.eyes.eye import load_eye, see
from refine.refiner.image.backbones.resnet import BLOCKS
from refine.refiner.image.posefix import PoseFixNetwork
from refine.refiner.image.posefix_inference import predict_posefix_crops
from refine.refiner.image.weights import load_image_weights, save_image_weights
from refine.refiner.pose.export import export_inputs
from refine.refiner.pose.refiner import Refiner
from refine.skeletons import skeleton

onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnx")
COCO = skeleton("coco17")


def load(path):
    """Return a function of named arrays, and the metadata."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [o.name for o in session.get_outputs()]
    facts = session.get_modelmeta().custom_metadata_map
    assert set(json.loads(facts["inputs"])) == {i.name for i in session.get_inputs()}
    assert set(json.loads(facts["outputs"])) == set(names)

    def run(**arrays):
        return dict(zip(names, session.run(None, arrays), strict=True))

    return run, facts


@pytest.fixture(scope="module")
def scene():
    """Nine poses on three images: some joints missing, one joint alone, no joint at all."""
    rng = np.random.default_rng(0)
    xy = rng.uniform(50, 400, (9, 1, 2)) + rng.normal(0, 40, (9, 17, 2))
    xy[rng.random((9, 17)) < 0.2] = np.nan
    xy[3], xy[4, 1:] = np.nan, np.nan
    xy[4, 0] = 30
    images = (ImageRef(1, "a.png", 640, 480), ImageRef(2, "b.png", 500, 400), ImageRef(3, "c.png"))
    poses = Poses.from_arrays(COCO, xy, rng.random((9, 17)))
    poses = poses.replace(image=np.array([0, 1, 2, 0, 1, 0, 0, 0, 2]), images=images)
    return Refiner.load().scene(poses)


@pytest.mark.parametrize("int8", [False, True])
def test_refiner_says_what_refine_says(cli, tmp_path, scene, int8):
    out = tmp_path / "refiner.onnx"
    result = cli("export", "-o", out, "--json", *["--int8"] * int8)
    assert result.code == 0, result.err
    told = json.loads(result.out)
    assert told["bytes"] == out.stat().st_size
    assert (out.stat().st_size < 4e6) == int8
    assert "differ from torch by" in result.err
    run, facts = load(out)
    refiner = Refiner.load()
    assert json.loads(facts["joints"]) == list(COCO.joints)
    assert facts["weights"].startswith(refiner.weights)
    assert json.loads(facts["int8"]) == int8
    got, expected = run(**export_inputs(scene)), refiner.believe_scene(scene)
    for name, value in got.items():
        pixels = name in ("refined", "sigma_px", "size_px")
        atol = (40 if pixels else 0.2) if int8 else (0.01 if pixels else 1e-4)
        known = getattr(expected, {"refined": "xy"}.get(name, name))
        np.testing.assert_allclose(value, known, rtol=0, atol=atol, err_msg=name)


@pytest.fixture(scope="module")
def posefix(tmp_path_factory):
    """A PoseFix of random weights: small crops and few layers, so that tests are quick."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "w.safetensors"
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(BLOCKS, 50, (1, 1, 1, 1))
        network = settled(PoseFixNetwork(17, 50))
        save_image_weights(path, network, COCO, (48, 64), "sha256:0", {})
        yield path


def settled(network):
    """Let the batch norms see random crops once; without, the maps would be one cell each."""
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = None
    with torch.no_grad():
        network.train()(255 * torch.rand(4, 3, 64, 48), torch.rand(4, 17, 3) * 48)
    return network


@pytest.mark.parametrize("options", [(), ("--no-flip",), ("--int8",)])
def test_posefix_says_what_refine_says(cli, tmp_path, posefix, options):
    out = tmp_path / "picture.onnx"
    result = cli("export", posefix, "-o", out, *options)
    assert result.code == 0, result.err
    run, facts = load(out)
    network, header = load_image_weights(posefix)
    assert json.loads(facts["size"]) == [48, 64]
    assert json.loads(facts["joints"]) == header["joints"]
    assert facts["weights"] == f"sha256:{header['sha256']}"
    assert facts["refiner"] == "sha256:0"
    rng = np.random.default_rng(1)
    crops = rng.integers(0, 256, (3, 64, 48, 3)).astype(np.uint8)
    shown = rng.uniform(8, 40, (3, 17, 3)).astype(np.float32)
    shown[..., 2] = rng.uniform(0.5, 1, (3, 17))
    shown[0, 3] = 0
    kernel = rng.uniform(3, 6, (3, 17)).astype(np.float32)
    pixels = np.moveaxis(crops, -1, 1).astype(np.float32)
    got = run(pixels=pixels, own=shown, kernel=kernel)
    mirror = None if "--no-flip" in options else COCO.mirror
    [(_, expected)] = predict_posefix_crops(
        network, [(np.arange(3), crops)], shown, kernel, np.zeros(3), mirror
    )
    names = {"refined": "xy", "sigma_px": "sigma"}
    for name, value in got.items():
        known = getattr(expected, names.get(name, name))
        pixels = name in ("refined", "sigma_px")
        atol = (2 if pixels else 0.1) if "--int8" in options else 1e-3
        np.testing.assert_allclose(value, known, rtol=0, atol=atol, err_msg=name)


def test_eyes_see_what_refine_sees(cli, tmp_path):
    out = tmp_path / "eye.onnx"
    result = cli("export", "image-small", "-o", out)
    assert result.code == 0, result.err
    run, facts = load(out)
    eye = load_eye("image-small", precision="float32")
    assert tuple(json.loads(facts["joints"])) == eye.joints
    assert tuple(json.loads(facts["size"])) == eye.size
    told = [json.loads(facts[name]) for name in ("stride", "offset", "padding")]
    assert told == [eye.stride, eye.offset, eye.padding]
    assert facts["weights"].startswith(eye.weights)
    crops = np.random.default_rng(0).integers(0, 256, (3, *eye.size[::-1], 3)).astype(np.uint8)
    maps = run(pixels=np.moveaxis(crops, -1, 1).astype(np.float32))["heatmaps"]
    np.testing.assert_allclose(maps, see(eye, crops), rtol=0, atol=1e-3)


@pytest.mark.parametrize("method", ["argmax", "quarter", "dark"])
def test_decoder_says_what_refine_says(cli, tmp_path, method):
    out = tmp_path / "decoder.onnx"
    result = cli("export", "decoder", "--method", method, "-o", out)
    assert result.code == 0, result.err
    run, facts = load(out)
    assert facts["method"] == method
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:64, :48]
    centre = rng.uniform(3, 44, (4, 17, 2, 1, 1))
    distance = (x - centre[:, :, 0]) ** 2 + (y - centre[:, :, 1]) ** 2
    maps = np.exp(-distance / 8).astype(np.float32)
    maps[1, 2] = 0
    keypoints = run(heatmaps=maps)["keypoints"]
    xy, score = decode_heatmaps(maps, method=method)
    np.testing.assert_allclose(keypoints[..., :2], xy, atol=1e-4)
    np.testing.assert_allclose(keypoints[..., 2], score, atol=1e-6)


def test_standard_output_holds_the_file_only(cli, monkeypatch):
    written = []
    monkeypatch.setattr("refine.files.write_bytes", lambda path, data: written.append(path))
    result = cli("export", "decoder", "--method", "argmax", "-o", "-", "--json")
    assert (result.code, result.out, written) == (0, "", ["-"])
    told = json.loads(result.err.splitlines()[-1])
    assert told["kind"] == "decoder"
    assert told["largest_difference"] == {"keypoints": 0.0}


def test_a_file_that_differs_is_not_written(cli, tmp_path, monkeypatch):
    out = tmp_path / "refiner.onnx"
    out.write_bytes(b"before")
    monkeypatch.setattr("refine.onnx.INT8_TOLERANCE", 1e-6)
    result = cli("export", "-o", out, "--int8")
    assert result.code == 3
    assert "within 1e-06 of the largest value, got a difference of" in result.err
    assert out.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [out]


@pytest.mark.parametrize("package", ["onnx", "onnxruntime"])
def test_without_the_packages_the_error_names_them(cli, tmp_path, monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)
    result = cli("export", "decoder", "-o", tmp_path / "d.onnx")
    assert result.code == 3
    assert 'pip install "refine-pose[export]"' in result.err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["-o", "x.pt"], 2, "an .onnx file"),
        (["decoder", "--int8", "-o", "x.onnx"], 2, "no weights"),
        (["decoder", "--kernel", "4", "-o", "x.onnx"], 3, "odd positive kernel"),
        (["coco17", "--kernel", "5", "-o", "x.onnx"], 2, "export decoder"),
        (["coco17", "--flip", "-o", "x.onnx"], 2, "an option of PoseFix"),
        (["image", "--no-flip", "-o", "x.onnx"], 2, "an option of PoseFix"),
        (["coco99", "-o", "x.onnx"], 3, "one of coco17"),
        (["nothing.safetensors", "-o", "x.onnx"], 3, "readable file"),
        (["argmax.safetensors", "-o", "x.onnx"], 3, "expected weights of `refine train`"),
        (["decoder", "-o", "nowhere/x.onnx"], 3, "writable target"),
    ],
)
def test_bad_input_is_told(cli, tmp_path, monkeypatch, arguments, code, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "argmax.safetensors").write_bytes(b"not weights at all")
    result = cli("export", *arguments)
    assert result.code == code
    assert words in result.err
    assert len(list(tmp_path.iterdir())) == 1
