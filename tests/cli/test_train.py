"""`refine train`, from annotations and from pictures."""

import csv
import json
import sys

import numpy as np
import pytest
from PIL import Image

import refine
from refine.refiner.image.backbones.resnet import BLOCKS
from refine.refiner.image.weights import load_image_weights

TINY = ("--epochs", 2, "--batch", 4, "--no-mixed")


@pytest.fixture
def small(monkeypatch):
    """One bottleneck a stage and narrow deconvolutions, so that tests are quick."""
    monkeypatch.setitem(BLOCKS, 50, (1, 1, 1, 1))
    monkeypatch.setattr("refine.refiner.image.posefix.UPSAMPLED", 16)


@pytest.fixture
def trained(small, cli, pictured, tmp_path):
    out = tmp_path / "w.safetensors"
    result = cli(
        "train", "--images", pictured, "--annotations", pictured / "gt.json", "-o", out, *TINY,
        "--validate", pictured / "gt.json", "--json",
    )  # fmt: skip
    assert result.code == 0, result.err
    return out, result


def test_pictures_to_weights_to_refined_poses(cli, pictured, trained, tmp_path):
    out, result = trained
    facts = json.loads(result.out)
    assert facts["preset"] == "posefix-r50-256"
    assert facts["pictures"] == facts["held_pictures"] == 2
    assert facts["epochs"] == 2
    assert 0 < facts["held_before"] < 1
    for word in ("persons on 2 pictures", "held out", "random weights", "epoch 2/2", "similarity"):
        assert word in result.err
    rows = list(csv.DictReader(out.with_suffix(".csv").read_text().splitlines()))
    assert [row["epoch"] for row in rows] == ["0", "1"]
    assert float(rows[1]["held_total"]) == pytest.approx(facts["held_total"])
    pixels = np.asarray(Image.open(facts["curve"]).convert("RGB"))
    for colour in ((0x00, 0x72, 0xB2), (0xD5, 0x5E, 0x00)):
        assert (pixels == colour).all(-1).sum() > 50
    run = cli(
        "run", pictured / "gt.json", "--from", "coco-gt", "--images", pictured, "--to", "coco",
        "--picture-weights", out, "-o", tmp_path / "out.json",
    )  # fmt: skip
    assert run.code == 0, run.err
    assert "looked at in their pictures; 0 without" in run.err


def test_sets_name_their_pictures(cli, pictured, trained, tmp_path, monkeypatch):
    """And without matplotlib there is a curve in numbers."""
    for name in [m for m in sys.modules if m.startswith("matplotlib")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    sets = tmp_path / "sets.toml"
    sets.write_text(f"[[set]]\nannotations = '{pictured / 'gt.json'}'\nimages = '{pictured}'\n")
    out = tmp_path / "v.safetensors"
    result = cli("train", sets, "-o", out, *TINY, "--progress", "--json")
    assert result.code == 0, result.err
    assert json.loads(result.out)["curve"] is None
    assert "pip install 'refine-pose[draw]'" in result.err
    assert "epoch 2/2" in result.err
    ours, theirs = (load_image_weights(path)[0].state_dict() for path in (out, trained[0]))
    assert all((ours[name] == theirs[name]).all() for name in theirs)


def test_posefix_of_fifty_layers(cli, pictured, tmp_path, monkeypatch):
    """With narrow deconvolutions, which would be half of the checkpoint."""
    monkeypatch.setattr("refine.refiner.image.posefix.UPSAMPLED", 16)
    out = tmp_path / "w.safetensors"
    result = cli(
        "train", pictured / "gt.json", "--images", pictured, "-o", out, "--json",
        "--preset", "posefix-r50-256", "--epochs", 1, "--batch", 4, "--no-mixed",
    )  # fmt: skip
    assert result.code == 0, result.err
    assert json.loads(result.out)["preset"] == "posefix-r50-256"
    network, facts = load_image_weights(out)
    assert (facts["architecture"], facts["depth"]) == ("posefix", 50)
    assert facts["size"] == [192, 256]
    assert sum(p.numel() for p in network.parameters()) > 23.5e6


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (["--images", "{empty}"], 3, "expected pictures of the 2 images"),
        (["--images", "{empty}/none"], 3, "folder of pictures"),
        (
            ["--images", "{pictured}", "--preset", "huge"],
            3,
            "one of posefix-r50-256",
        ),
        (["--images", "{pictured}", "--blocks", "3"], 3, "'blocks'"),
        (["--images", "{pictured}", "--imagenet", "{pictured}/gt.json"], 3, "ImageNet weights"),
        (["--images", "{pictured}", "--imagenet", "{wrong}"], 3, "ResNet-50, got"),
        (["--images", "{pictured}", "--validate", "{pictured}/no.json"], 3, "no.json"),
        (["--images", "{pictured}", "--resume"], 3, "w.ckpt"),
        (["--images", "{broken}"], 3, "000002.png: expected a picture"),
        (["--images", "{pictured}", "--device", "tpu"], 3, "of this machine, got 'tpu'; try cpu"),
        (["--device", "tpu"], 3, "of this machine, got 'tpu'; try cpu"),
        (["--resume"], 3, "w.ckpt"),
        (["--preset", "posefix-r50-256"], 2, "--preset needs the pictures"),
        (["--annotations", "again.json"], 2, "annotations once"),
    ],
)
def test_bad_input_is_said(cli, pictured, tmp_path, options, code, words):
    from safetensors.numpy import save_file

    empty, broken, wrong = tmp_path / "e", tmp_path / "b", tmp_path / "wrong.safetensors"
    empty.mkdir()
    broken.mkdir()
    (broken / "000002.png").write_bytes(b"no picture")
    save_file({"conv1.weight": np.zeros(3, "f4")}, wrong)
    places = {"pictured": pictured, "empty": empty, "broken": broken, "wrong": wrong}
    filled = [option.format(**places) for option in options]
    result = cli("train", pictured / "gt.json", "-o", tmp_path / "w.safetensors", *filled)
    assert result.code == code
    assert words in result.err
    assert not (tmp_path / "w.safetensors").exists()


def test_nowhere_to_write_is_said_before_anything_is_read(cli, tmp_path):
    result = cli("train", "no.json", "--images", "no", "-o", tmp_path / "no" / "w.safetensors")
    assert result.code == 3
    assert "folder to write in" in result.err


def test_without_pictures_a_refiner_of_poses_is_trained(cli, pictured, tmp_path):
    out = tmp_path / "w.safetensors"
    result = cli(
        "train", pictured / "gt.json", "-o", out, "--epochs", 2, "--batch", 2, "--width", 8,
        "--blocks", 1, "--json",
    )  # fmt: skip
    assert result.code == 0, result.err
    assert json.loads(result.out)["epochs"] == 2
    assert refine.Refiner.load(out).facts["settings"]["blocks"] == 1


def test_turned_pictures_and_one_category(small, cli, pictured, tmp_path):
    """--exif and --category are what they are on every other verb."""
    truth = json.loads((pictured / "gt.json").read_text())
    for image in truth["images"]:
        lying = Image.open(pictured / image["file_name"]).transpose(Image.Transpose.ROTATE_90)
        exif = Image.Exif()
        exif[0x0112] = 6
        lying.save(tmp_path / image["file_name"], exif=exif)
    persons, cat = truth["categories"][0], {"id": 2, "name": "cat", "keypoints": ["nose", "tail"]}
    truth["categories"] = [persons, cat]
    image = truth["images"][0]["id"]
    truth["annotations"] += [
        {"id": 900, "image_id": image, "category_id": 2, "bbox": [0, 0, 9, 9], "area": 81,
         "keypoints": [1, 1, 2, 8, 8, 2], "num_keypoints": 2, "iscrowd": 0}
    ]  # fmt: skip
    (tmp_path / "gt.json").write_text(json.dumps(truth))
    how = ("train", tmp_path / "gt.json", "-o", tmp_path / "w.safetensors", *TINY, "--json")
    looks = (*how, "--images", tmp_path)
    assert cli(*looks, "--exif").code == 3, "several skeletons"
    assert cli(*looks, "--category", "person").code == 3, "pictures that lie"
    result = cli(*looks, "--category", "person", "--exif")
    assert result.code == 0, result.err
    assert json.loads(result.out)["pictures"] == 2
    assert cli(*how, "--category", "person", "--exif").code == 2, "no pictures to turn"
    poses_only = ("--epochs", 1, "--batch", 4, "--width", 8, "--blocks", 1, "--category", "person")
    result = cli(*how, *poses_only)
    assert result.code == 0, result.err
    assert cli(*how, *poses_only[:-1], "dog").code == 3
