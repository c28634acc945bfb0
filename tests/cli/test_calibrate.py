"""`refine calibrate`, and `refine run` with what it wrote and with published scores."""

import io
import json

import numpy as np
import pytest
from PIL import Image

import refine
from refine.calibration import read_calibration
from refine.rescore import instance_scores
from refine.sample import make_people, make_predictions


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Ground truth on 16 images, predictions, and a calibration for them."""
    folder = tmp_path_factory.mktemp("calibrate")
    rng = np.random.default_rng(1)
    truth, _ = make_people(16, rng)
    refine.write(truth, folder / "gt.json", "coco-gt")
    refine.write(make_predictions(truth, rng), folder / "pred.json", "coco")
    return folder


@pytest.fixture
def calibrated(cli, files, tmp_path):
    out = tmp_path / "c.json"
    result = cli("calibrate", files / "pred.json", files / "gt.json", "-o", out)
    assert result.code == 0, result.err
    return out, result


def scores(file):
    return np.array([row["score"] for row in json.loads(file.read_text())])


def test_a_calibration_and_what_it_is_worth(calibrated):
    out, result = calibrated
    assert result.out == ""
    for word in ("16 images", "AP", "ECE joints", "source", "refined", "calibrated"):
        assert word in result.err
    found = read_calibration(out)
    assert found.skeleton == "coco17"
    assert found.facts["source"] == "pred.json"
    assert found.facts["images"] == 16


def test_json_and_the_picture(cli, files, tmp_path):
    picture = tmp_path / "r.png"
    result = cli(
        "calibrate", files / "pred.json", "--gt", files / "gt.json", "-o", tmp_path / "c.json",
        "--picture", picture, "--json",
    )  # fmt: skip
    facts = json.loads(result.out)
    assert 0 < facts["ece_oks"]["after"] < 1
    assert facts["ap"]["refined"] > facts["ap"]["source"]
    pixels = np.asarray(Image.open(io.BytesIO(picture.read_bytes())).convert("RGB"))
    for colour in ((0xD5, 0x5E, 0x00), (0x00, 0x72, 0xB2)):
        assert (pixels == colour).all(-1).sum() > 500


def test_run_takes_the_calibration(cli, files, calibrated, tmp_path):
    out, _ = calibrated
    pred = files / "pred.json"
    assert cli("run", pred, "-o", tmp_path / "a.json", "--steps", "rescore").code == 0
    done = cli(
        "run", pred, "-o", tmp_path / "b.json", "--steps", "complete,correct,rescore",
        "--calibration", out, "--json",
    )  # fmt: skip
    assert done.code == 0
    assert json.loads(done.out)["steps"] == ["complete", "correct", "rescore"]
    assert not np.array_equal(scores(tmp_path / "a.json"), scores(tmp_path / "b.json"))
    history = refine.read(tmp_path / "b.json").history
    assert history[1].parameters["margin"] == read_calibration(out).margin
    assert history[2].parameters["scores"] == "calibrated"
    forced = cli(
        "run", pred, "-o", tmp_path / "c.json", "--calibration", out, "--margin", 1, "--json"
    )
    assert json.loads(forced.out)["joints_moved"] == 0


def test_standard_output_carries_the_calibration_alone(cli, files):
    result = cli("calibrate", files / "pred.json", files / "gt.json", "-o", "-", "--json")
    assert json.loads(result.out)["format"] == "refine-calibration-1"
    assert '"ece_oks"' in result.err


@pytest.mark.parametrize("recipe", ["mean", "hrnet", "pifpaf", "alphapose"])
def test_published_scores_are_those_of_the_source(cli, files, tmp_path, recipe):
    poses = refine.read(files / "pred.json")
    expected = instance_scores(poses.score, poses.instance_score, recipe)
    for steps in ("rescore", "complete,correct,rescore"):
        out = tmp_path / "out.json"
        assert (
            cli("run", files / "pred.json", "-o", out, "--steps", steps, "--scores", recipe).code
            == 0
        )
        np.testing.assert_allclose(scores(out), expected, atol=1e-4)


def test_poses_rescored_by_a_published_recipe_can_still_be_refined(cli, files, tmp_path):
    out = tmp_path / "out.json"
    cli("run", files / "pred.json", "-o", out, "--steps", "rescore", "--scores", "mean")
    assert cli("run", out, "-o", tmp_path / "again.json").code == 0
    cli("run", files / "pred.json", "-o", out, "--steps", "rescore")
    assert cli("run", out, "-o", tmp_path / "again.json").code == 3


def test_own_scores_stay_and_expected_oks_stands_alone(cli, files, tmp_path):
    out = tmp_path / "out.json"
    options = ("-o", out, "--steps", "complete,rescore", "--scores")
    assert cli("run", files / "pred.json", *options, "own").code == 0
    np.testing.assert_array_equal(scores(out), scores(files / "pred.json"))
    assert [s.name for s in refine.read(out).history] == ["complete"]
    assert cli("run", files / "pred.json", *options, "expected-oks").code == 0
    assert 0 < scores(out).min() < scores(out).max() < 1


def test_bad_input(cli, files, calibrated, tmp_path):
    pred, gt, out = files / "pred.json", files / "gt.json", tmp_path / "out.json"
    ids = tmp_path / "ids.txt"
    ids.write_text("\n".join(str(i["id"]) for i in json.loads(gt.read_text())["images"][:4]))
    few = cli("calibrate", pred, gt, "-o", out, "--image-ids", ids)
    assert few.code == 3
    assert "at least 10 annotated images, got 4" in few.err
    assert cli("calibrate", pred, gt, "--gt", gt, "-o", out).code == 2
    assert cli("calibrate", pred, "-o", out).code == 2
    wrong = cli("run", pred, "-o", out, "--scores", "median")
    assert wrong.code == 3
    assert "one of blend, expected-oks, own, box" in wrong.err
    not_one = cli("run", pred, "-o", out, "--calibration", pred)
    assert not_one.code == 3
    assert "pred.json: expected a calibration" in not_one.err
    assert cli("run", pred, "-o", out, "--calibration", tmp_path / "none.json").code == 3
    done = tmp_path / "done.json"
    cli("run", pred, "-o", done)
    again = cli("calibrate", done, gt, "-o", out)
    assert again.code == 3
    assert "as the source gave them" in again.err
    table = json.loads(calibrated[0].read_text()) | {"weights": "sha256:other"}
    other = tmp_path / "other.json"
    other.write_text(json.dumps(table))
    stale = cli("run", pred, "-o", out, "--calibration", other)
    assert stale.code == 3
    assert "`refine calibrate` to make it again" in stale.err
    assert not out.exists()
