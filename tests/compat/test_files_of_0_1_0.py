"""Files that 0.1.0 wrote in November 2026, before the rooms were moved, are read the same.

All of files/ was made by that version (commit b7724db) from its own sample data:

    make_people(3, default_rng(0)) -> gt.json, pred.json; refine run pred.json --images gt.json
        -o coco.json and -o poses.ndjson; refine calibrate on 20 such images -o calibration.json
    refine train gt.json -o tiny.safetensors --epochs 1 --width 8 --blocks 1 --batch 4
    refine train 40 made-up animals --skeleton paw.toml -o paw.safetensors, as small

expected.json holds what that version read from them and did with them; where scores matter, with
poses without any, for it showed networks the ranks of scores within a file.
"""

import json
import warnings
from pathlib import Path

import numpy as np
import pytest

import refine

FILES = Path(__file__).parent / "files"
EXPECTED = json.loads((FILES / "expected.json").read_text("utf-8"))


def agree(found, expected, tolerance):
    np.testing.assert_allclose(found, np.array(expected, float), rtol=0, atol=tolerance)


@pytest.fixture
def predictions():
    return refine.read(FILES / "pred.json", images=FILES / "gt.json")


@pytest.fixture
def unscored(predictions):
    return predictions.replace(score=np.full(predictions.score.shape, np.nan), score_kind="none")


@pytest.mark.parametrize("name", ["coco.json", "poses.ndjson"])
def test_poses_and_their_history(name):
    poses, expected = refine.read(FILES / name), EXPECTED[name]
    agree(poses.xy, expected["xy"], 1e-4)
    agree(poses.score, expected["score"], 1e-5)
    agree(poses.instance_score, expected["instance_score"], 1e-5)
    assert poses.score_kind == expected["score_kind"]
    assert poses.skeleton.name == expected["skeleton"]
    assert [ref.id for ref in poses.images] == expected["ids"]
    assert poses.image.tolist() == expected["image"]
    assert [sorted(extra) for extra in poses.extra] == expected["extra"]
    history = [[s.name, s.weights, dict(s.parameters)] for s in poses.history]
    assert history == expected["history"]


def test_what_was_refined_says_so():
    with pytest.raises(refine.RefineError, match="not refined yet"):
        refine.run(refine.read(FILES / "coco.json"))


def test_weights(unscored):
    refiner = refine.Refiner.load(FILES / "tiny.safetensors")
    expected = EXPECTED["tiny.safetensors"]
    refined = refiner(unscored, margin=0.3)
    assert refiner.weights == expected["weights"]
    agree(refined.xy, expected["xy"], 0.01)
    agree(refined.score, expected["score"], 1e-3)


def test_weights_for_a_skeleton_of_their_own():
    """The header holds names of joints alone."""
    paws = refine.read(FILES / "paws.json", skeleton=FILES / "paw.toml")
    refiner = refine.Refiner.load(FILES / "paw.safetensors")
    expected = EXPECTED["paw.safetensors"]
    assert refiner.skeleton.joints == paws.skeleton.joints
    assert refiner.weights == expected["weights"]
    refined = refiner(paws)
    assert not paws.present.all()
    agree(refined.xy, expected["xy"], 0.01)
    agree(refined.score, expected["score"], 1e-3)


def test_a_calibration(unscored):
    steps = ("complete", "correct", "rescore")
    better = refine.run(unscored, calibration=FILES / "calibration.json", steps=steps)
    expected = EXPECTED["calibration.json"]
    agree(better.xy, expected["xy"], 0.01)
    agree(better.score, expected["score"], 1e-3)
    agree(better.instance_score, expected["instance_score"], 1e-3)


def test_the_names_in_onnx_files(cli, tmp_path):
    onnx = pytest.importorskip("onnx")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        done = cli("export", FILES / "tiny.safetensors", "-o", tmp_path / "tiny.onnx")
    assert done.code == 0, done.err
    model, expected = onnx.load(tmp_path / "tiny.onnx"), EXPECTED["tiny.onnx"]
    assert {p.key: p.value for p in model.metadata_props} == expected["metadata"]
    assert [i.name for i in model.graph.input] == expected["inputs"]
    assert [o.name for o in model.graph.output] == expected["outputs"]


def test_shipped_weights_are_those_of_then():
    """Those for keypoints alone; "image" was a network then and are eyes now."""
    assert refine.Refiner.load("coco17").weights == "sha256:97328ec0d857"
