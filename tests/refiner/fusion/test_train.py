import csv
from dataclasses import replace

import numpy as np
import pytest

from refine.exceptions import FormatError, RefineError, WeightsError
from refine.refiner.fusion.reader import FusionReader
from refine.refiner.fusion.train import FusionSettings, train_fusion
from refine.refiner.fusion.weights import load_fusion
from refine.refiner.image.fusion_data import read_fusion_data
from refine.refiner.image.refiner import ImageRefiner
from refine.refiner.training import Run
from tests.oracles.fusion import drawing_eye, people

TINY = FusionSettings(epochs=2, batch=3, draws=24)


class Interrupted(Exception):
    """What ends a training half-way."""


@pytest.fixture(scope="module")
def data(made, body):
    return read_fusion_data([made], drawing_eye(people(4)[0].xy, "sha256:e"), body)


def same(one, two):
    for name in ("likelihood", "judge"):
        mine, theirs = (getattr(f, name).state_dict() for f in (one, two))
        for key, tensor in mine.items():
            np.testing.assert_array_equal(tensor, theirs[key], err_msg=f"{name}.{key}")


@pytest.fixture(scope="module")
def trained(data, body, tmp_path_factory):
    path = tmp_path_factory.mktemp("trained") / "mine.fusion.safetensors"
    return train_fusion(data, body, path, TINY, Run(device="cpu"))


def test_the_header_says_what_it_was_trained_on(trained, body):
    facts = load_fusion(trained).facts
    assert (facts["eye"], facts["image_free"]) == ("sha256:e", body.weights)
    assert (facts["persons"], facts["sources"]) == (4, ["good", "poor"])
    assert facts["settings"]["draws"] == 24
    assert facts["likelihood"]["nats"] > 0
    assert {f.name for f in trained.parent.iterdir()} == {trained.name, "mine.fusion.csv"}
    rows = list(csv.DictReader(trained.with_suffix(".csv").read_text().splitlines()))
    assert [row["epoch"] for row in rows] == ["0", "1"]


def test_the_same_seed_gives_the_same_weights(data, body, trained, tmp_path):
    again = train_fusion(data, body, tmp_path / "a.safetensors", TINY, Run(device="cpu"))
    same(load_fusion(again), load_fusion(trained))
    other = train_fusion(
        data, body, tmp_path / "b.safetensors", replace(TINY, seed=1), Run(device="cpu")
    )
    with pytest.raises(AssertionError):
        same(load_fusion(other), load_fusion(trained))


@pytest.mark.parametrize("figure", ["nats", "gain"])
def test_an_interrupted_training_goes_on(data, body, trained, tmp_path, figure):
    """In the second epoch of the likelihood's and of the judge's."""
    path = tmp_path / "mine.fusion.safetensors"

    def stop(at):
        if figure in at.figures and at.epoch == 1:
            raise Interrupted

    with pytest.raises(Interrupted):
        train_fusion(data, body, path, TINY, Run(device="cpu", report=stop))
    assert not path.exists()
    with pytest.raises(WeightsError, match="settings"):
        train_fusion(data, body, path, replace(TINY, rate=1e-3), Run(device="cpu", resume=True))
    train_fusion(data, body, path, TINY, Run(device="cpu", resume=True))
    same(load_fusion(path), load_fusion(trained))
    assert {f.name for f in tmp_path.iterdir()} == {path.name, "mine.fusion.csv"}


def test_what_was_trained_looks_at_pictures(trained, body):
    truth, pictures = people(4)
    eye = drawing_eye(truth.xy, "sha256:e")
    reader = FusionReader(eye, load_fusion(trained), body.skeleton)
    belief = ImageRefiner(body, reader, pictures).believe(truth)
    assert belief.seen.all()
    assert ((belief.keep > 0) & (belief.keep < 1)).all()


def test_what_lacks_is_said(data, made, body, tmp_path):
    path = tmp_path / "w.safetensors"
    for lacking in (replace(data, sources=[]), replace(data, persons=[])):
        with pytest.raises(RefineError, match="predictions for them") as caught:
            train_fusion(lacking, body, path, TINY)
        assert "predictions" in caught.value.hint
    with pytest.raises(RefineError, match="positive number for 'rate'"):
        train_fusion(data, body, path, replace(TINY, rate=0.0))
    eye = drawing_eye(people(4)[0].xy)
    empty = tmp_path / "none"
    empty.mkdir()
    with pytest.raises(RefineError, match="picture"):
        read_fusion_data([made | {"images": str(empty)}], eye, body)
    with pytest.raises(FormatError, match="gone"):
        read_fusion_data([made | {"predictions": [str(tmp_path / "gone.json")]}], eye, body)
    assert not path.exists()


def test_another_device_is_an_error(data, body, tmp_path):
    with pytest.raises(RefineError, match="got 'cuda'"):
        train_fusion(data, body, tmp_path / "a.safetensors", TINY, Run(device="cuda"))
