"""`refine profile`, `refine run --profile` and `refine train --eyes`, end to end."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

import refine
from refine.refiner.eyes.movenet import MoveNet
from refine.refiner.eyes.weights import save_eye_weights
from refine.refiner.fusion.source import read_profile, save_profile
from refine.refiner.fusion.weights import load_fusion

FACTS = {"width": 0.25, "network": "mine"}


@pytest.fixture(scope="module")
def eyes(tmp_path_factory):
    """Eyes of random weights."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("eyes") / "mine.eye.safetensors"
    save_eye_weights(path, MoveNet(0.25), refine.skeleton("coco17"), FACTS)
    return path


@pytest.fixture(scope="module")
def pred(pictured, tmp_path_factory):
    truth = refine.read(pictured / "gt.json")
    rng = np.random.default_rng(0)
    poses = replace(truth, xy=truth.xy + rng.normal(0, 3, truth.xy.shape), area=None, box=None)
    path = tmp_path_factory.mktemp("pred") / "pred.json"
    refine.write(poses, path, "coco")
    return path


@pytest.fixture
def trained(cli, pictured, pred, eyes):
    """Train the fusion of these eyes, beside them."""
    out = eyes.with_name("mine.fusion.safetensors")
    sets = eyes.with_name("sets.toml")
    table = {"annotations": pictured / "gt.json", "images": pictured, "predictions": pred}
    sets.write_text("[[set]]\n" + "".join(f"{k} = '{v}'\n" for k, v in table.items()))
    if out.exists():
        return out, None
    result = cli("train", sets, "--eyes", eyes, "-o", out, "--epochs", 1, "--json")
    assert result.code == 0, result.err
    return out, result


def test_eyes_are_trained_profile_a_source_and_look_at_pictures(
    cli, pictured, pred, eyes, trained, tmp_path
):
    out, result = trained
    count = len(refine.read(pred))
    if result:
        facts = json.loads(result.out)
        assert (facts["persons"], facts["sources"], facts["poses"]) == (count, 1, 2 * count)
        assert (facts["weights"], facts["epochs"]) == (str(out), 1)
        for words in (
            f"mine has looked at {count} poses of pred",
            "nats per joint",
            "gain in similarity",
        ):
            assert words in result.err
    source = tmp_path / "source.json"
    made = cli("profile", pred, "--images", pictured, "--eyes", eyes, "-o", source, "--json")
    assert made.code == 0, made.err
    facts = json.loads(made.out)
    assert (facts["source"], facts["poses"]) == ("pred.json", count)
    assert f"{count} poses; of " in made.err
    assert read_profile(source).joints == facts["joints"] > 50
    looks = ("--images", pictured, "--eyes", eyes, "--steps", "complete,correct", "--json")
    whole = cli("run", pred, *looks, "-o", tmp_path / "whole.json")
    assert whole.code == 0, whole.err
    assert "no fusion of its own" not in whole.err
    assert json.loads(whole.out)["weights"] == load_fusion(out).weights
    told = cli("run", pred, *looks, "--profile", source, "-o", tmp_path / "told.json")
    assert told.code == 0, told.err
    one, two = (refine.read(tmp_path / f"{name}.json") for name in ("whole", "told"))
    np.testing.assert_allclose(one.xy, two.xy, atol=1e-3)
    # A picture alone, of a source that is known.
    alone = tmp_path / "alone.json"
    rows = json.loads(pred.read_text())
    first = [row for row in rows if row["image_id"] == rows[0]["image_id"]]
    alone.write_text(json.dumps(first))
    some = cli("run", alone, *looks, "--profile", source, "-o", tmp_path / "some.json")
    assert some.code == 0, some.err
    found = refine.read(tmp_path / "some.json")
    np.testing.assert_allclose(found.xy, one.xy[: len(found)], atol=1e-2)


def test_damaged_profiles_and_those_of_other_eyes_end_a_run(
    cli, pictured, pred, eyes, trained, tmp_path
):
    del trained
    source = tmp_path / "source.json"
    made = cli("profile", pred, "--images", pictured, "--eyes", eyes, "-o", source)
    assert made.code == 0, made.err
    save_profile(tmp_path / "other.json", replace(read_profile(source), eye="sha256:other"))
    (tmp_path / "cut.json").write_bytes(source.read_bytes()[:50])
    (tmp_path / "odd.json").write_text('{"format": "refine-profile-2"}')
    for name, words in (
        ("other", "expected a profile made with mine"),
        ("cut", "expected a profile of `refine profile`"),
        ("odd", "expected a profile of `refine profile`"),
        ("gone", "readable file"),
    ):
        out = tmp_path / "out.json"
        result = cli(
            "run", pred, "--images", pictured, "--eyes", eyes, "-o", out, "--profile",
            tmp_path / f"{name}.json",
        )  # fmt: skip
        assert result.code == 3, name
        assert words in result.err
        assert "Traceback" not in result.err
        assert not out.exists()


def test_the_fusion_of_other_eyes_ends_a_run(cli, pictured, pred, trained, tmp_path):
    torch.manual_seed(1)
    path = tmp_path / "yours.eye.safetensors"
    save_eye_weights(path, MoveNet(0.25), refine.skeleton("coco17"), {"width": 0.25})
    path.with_name("yours.fusion.safetensors").write_bytes(trained[0].read_bytes())
    result = cli("run", pred, "--images", pictured, "--eyes", path, "-o", tmp_path / "out.json")
    assert result.code == 3
    assert "expected the fusion of" in result.err
    assert "refine train --eyes" in result.err


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        ([], 2, "pictures of the poses: --images DIR"),
        (["--images", "none", "--eyes", "{eyes}"], 3, "folder of pictures"),
        (["--images", "{pictured}", "--eyes", "nobody"], 3, "nobody"),
        (["--images", "{pictured}", "--preset", "vitpose"], 3, ".onnx"),
        (["--images", "{pictured}", "--eyes", "net.onnx"], 3, "--preset vitpose"),
    ],
)
def test_bad_input_of_profile_is_said(cli, pictured, pred, trained, tmp_path, options, code, words):
    eyes = trained[0].with_name("mine.eye.safetensors")
    filled = [option.format(pictured=pictured, eyes=eyes) for option in options]
    result = cli("profile", pred, "-o", tmp_path / "s.json", *filled)
    assert result.code == code, result.err
    assert words in result.err
    assert not (tmp_path / "s.json").exists()


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (["--images", "{pictured}"], 3, "predictions for them"),
        (["--images", "{empty}"], 3, "picture"),
        (["--images", "{pictured}", "--width", "9"], 2, "--width is not for --eyes"),
        (["--images", "{pictured}", "--imagenet", "x.pth"], 2, "--imagenet is not for --eyes"),
        ([], 2, "--eyes needs the pictures"),
    ],
)
def test_bad_input_of_train_is_said(cli, pictured, eyes, tmp_path, options, code, words):
    (tmp_path / "empty").mkdir()
    filled = [o.format(pictured=pictured, empty=tmp_path / "empty") for o in options]
    out = tmp_path / "w.safetensors"
    result = cli("train", pictured / "gt.json", "--eyes", eyes, "-o", out, *filled)
    assert result.code == code, result.err
    assert words in result.err
    assert not out.exists()
