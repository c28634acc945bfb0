import dataclasses

import numpy as np
import pytest
import torch

from refine.errors.statistics import read_statistics
from refine.exceptions import RefineError, WeightsError
from refine.poses import ImageRef, Poses
from refine.refiner.pose.dataset import draw_epoch
from refine.refiner.pose.features import PairTable
from refine.refiner.pose.loss import losses
from refine.refiner.pose.network import Network, Output
from refine.refiner.pose.refiner import Refiner
from refine.refiner.pose.simulate import persons_from_poses
from refine.refiner.pose.train import PoseSettings, Run, train
from refine.skeletons import skeleton

COCO = skeleton("coco17")
TINY = PoseSettings(epochs=3, batch=32, width=16, blocks=1)


@pytest.fixture(scope="module")
def truth() -> Poses:
    rng = np.random.default_rng(0)
    n = 160
    body = rng.uniform(0, 1, (17, 2)) * [40, 120]
    xy = body * rng.uniform(0.8, 1.6, (n, 1, 1)) + rng.uniform(0, 200, (n, 1, 2))
    xy += rng.normal(0, 2, xy.shape)
    flags = rng.choice([0.0, 1, 2, 2, 2], (n, 17))
    xy[flags == 0] = np.nan
    return Poses.from_arrays(
        COCO,
        xy,
        flags,
        image=np.arange(n) // 4,
        images=[ImageRef(i, width=500, height=400) for i in range(n // 4)],
        score_kind="flag",
        box=np.concatenate([np.nanmin(xy, 1), np.nanmax(xy, 1)], 1),
        area=np.full(n, 4000.0),
    )


def epoch(truth, estimated=None, seed=0):
    persons = persons_from_poses(truth)
    pairs = PairTable.measure(persons.xy, persons.visible > 0, persons.area)
    rng = np.random.default_rng(seed)
    return draw_epoch(persons, estimated, pairs, COCO, read_statistics("posefix"), rng)


def test_samples_hold_the_truth_in_the_body_frame(truth):
    samples = epoch(truth)
    assert np.isfinite(samples.features).all()
    real = samples.labelled.any(1)
    assert real.mean() > 0.7
    assert not real.all()
    # Joints shown near their truth are most; a wrong frame would leave none there.
    shown = samples.labelled & samples.present
    distance = np.linalg.norm(samples.own - samples.target, axis=-1)[shown]
    assert np.median(distance) < 0.1


def test_joints_that_nobody_annotated_are_shown_only_once_guessed(truth):
    persons = persons_from_poses(truth)
    assert not (epoch(truth).present & ~epoch(truth).labelled)[epoch(truth).labelled.any(1)].any()
    guessed = epoch(truth, np.nan_to_num(persons.xy, nan=100.0))
    assert (guessed.present & ~guessed.labelled)[guessed.labelled.any(1)].any()


def test_training_resumes_exactly(truth, tmp_path):
    straight = train(truth, tmp_path / "a.safetensors", TINY)
    stopped = tmp_path / "b.safetensors"

    def stop(at):
        if at.epoch == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(truth, stopped, TINY, Run(report=stop))
    assert stopped.with_suffix(".ckpt").is_file()
    train(truth, stopped, TINY, Run(resume=True))
    assert not stopped.with_suffix(".ckpt").exists()
    assert straight.read_bytes() == stopped.read_bytes()
    assert stopped.with_suffix(".csv").read_text().splitlines()[0] == "epoch,loss,filled,kept,moved"


def test_a_checkpoint_of_other_settings_is_refused(truth, tmp_path):
    path = tmp_path / "w.safetensors"

    def stop(at):
        if at.epoch == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(truth, path, TINY, Run(report=stop))
    with pytest.raises(WeightsError, match="same settings"):
        train(truth, path, dataclasses.replace(TINY, width=24), Run(resume=True))


def test_trained_weights_load_and_refine(truth, tmp_path):
    path = train(truth, tmp_path / "w.safetensors", TINY)
    refiner = Refiner.load(path)
    assert refiner.facts["persons"] == 160
    assert refiner.facts["settings"]["seed"] == 0
    assert refiner(truth).present.all()


def test_annotations_without_persons_are_refused(truth, tmp_path):
    empty = truth.replace(xy=truth.xy * np.nan)
    with pytest.raises(RefineError, match="labelled keypoints"):
        train(empty, tmp_path / "w.safetensors", TINY)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("damage", [b"", b"\x00" * 40, b'{"a": 1}'])
def test_damaged_weights_are_refused(damage, tmp_path):
    path = tmp_path / "w.safetensors"
    path.write_bytes(damage)
    with pytest.raises(RefineError, match="expected"):
        Refiner.load(path)


def test_unknown_weights_are_refused_with_the_names_that_exist():
    with pytest.raises(WeightsError, match="coco17"):
        Refiner.load("no-such")


def test_the_loss_is_least_where_the_truth_is():
    torch.manual_seed(0)
    target = torch.randn(8, 17, 2)
    variance = torch.tensor((2 * COCO.require_sigmas()) ** 2, dtype=torch.float32)

    def total(xy):
        flat = torch.zeros(8, 17)
        output = Output(xy, flat, flat, flat, flat, flat, torch.zeros(8))
        present = torch.ones(8, 17, dtype=torch.bool)
        return losses(output, target, present, target, present, torch.ones(8), variance)

    exact, off = total(target), total(target + 0.05)
    assert exact.total < off.total
    assert exact.moved == 1
    assert off.moved < 1
    assert off.kept == 1


def test_an_untrained_network_leaves_joints_about_where_they_are():
    torch.manual_seed(0)
    network = Network(50, 17, 32, 2).eval()
    own = torch.randn(4, 17, 2)
    assert (network(torch.randn(4, 50), own).xy - own).abs().max() < 1
