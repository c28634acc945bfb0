"""From annotated tracks to weights."""

import dataclasses

import numpy as np
import pytest

from refine.exceptions import ArrayError, FormatError, RefineError, WeightsError
from refine.motion.jitter import smooth
from refine.motion.learned.refiner import TemporalRefiner
from refine.motion.learned.train import TemporalSettings, annotated_tracks, train_temporal
from refine.refiner.pose.refiner import Refiner
from refine.refiner.training import Run

TINY = TemporalSettings(epochs=3, batch=4, width=8, dilations=(1, 2))


@pytest.fixture(scope="module")
def refiner():
    return Refiner.load()


def test_the_same_seed_gives_the_same_weights_also_when_resumed(truth, refiner, tmp_path):
    whole = train_temporal(truth, refiner, tmp_path / "a.safetensors", TINY, fps=30)

    def stop(at):
        if at.epoch == 1:
            raise KeyboardInterrupt

    path = tmp_path / "b.safetensors"
    with pytest.raises(KeyboardInterrupt):
        train_temporal(truth, refiner, path, TINY, Run(report=stop), fps=30)
    other = dataclasses.replace(TINY, width=16)
    with pytest.raises(WeightsError, match="same settings"):
        train_temporal(truth, refiner, path, other, Run(resume=True), fps=30)
    train_temporal(truth, refiner, path, TINY, Run(resume=True), fps=30)
    assert path.read_bytes() == whole.read_bytes()
    assert not path.with_suffix(".ckpt").exists()
    assert len(path.with_suffix(".csv").read_text().splitlines()) == 4
    loaded = TemporalRefiner.load(path)
    assert loaded.facts["tracks"] == 13
    assert loaded.facts["image_free"] == refiner.weights
    calm = smooth(truth, 30, "learned", weights=path)
    assert calm.history[-1].weights == loaded.weights
    assert (calm.present == truth.present).all()


def test_it_learns_which_joints_are_wrong(truth, refiner, tmp_path):
    figures = []
    settings = dataclasses.replace(TINY, epochs=16, rate=1e-2, width=16, clean=0.0)
    run = Run(report=lambda at: figures.append(at.figures))
    train_temporal(truth, refiner, tmp_path / "w.safetensors", settings, run, fps=30)
    assert figures[0]["loss"] > figures[0]["blind"]
    assert figures[-1]["loss"] < figures[-1]["blind"]
    assert np.isfinite(figures[-1]["held_loss"])


@pytest.mark.parametrize("seed", range(4))
def test_one_track_held_out_is_measured_on_whatever_is_drawn(seed, truth, refiner, tmp_path):
    figures = []
    settings = dataclasses.replace(TINY, epochs=1, seed=seed, refined=0.5)
    run = Run(report=lambda at: figures.append(at.figures))
    twelve = truth[truth.track < 12]
    train_temporal(twelve, refiner, tmp_path / "w.safetensors", settings, run, fps=30)
    assert np.isfinite(figures[-1]["held_loss"])


def test_hidden_joints_are_shown_and_not_asked_about(truth):
    tracks = annotated_tracks(truth)
    assert len(tracks) == 14
    for track in tracks:
        there = np.isfinite(track.xy).all(-1)
        assert (there & ~track.visible).any()
        assert not (track.visible & ~there).any()


@pytest.mark.parametrize(
    ("change", "fps", "error"),
    [
        (lambda p: p[:200], 30, RefineError),
        (lambda p: p.replace(score=np.minimum(p.score, 1)), 30, RefineError),
        (lambda p: p, None, ArrayError),
        (lambda p: p, -1, ArrayError),
        (lambda p: p.replace(track=None, image=p.image // 2), 30, FormatError),
    ],
)
def test_what_cannot_be_learned_from_is_refused(change, fps, error, truth, refiner, tmp_path):
    with pytest.raises(error, match="expected"):
        train_temporal(change(truth), refiner, tmp_path / "w.safetensors", TINY, fps=fps)
    assert not list(tmp_path.iterdir())
