import dataclasses
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from refine.exceptions import FormatError, RefineError, WeightsError
from refine.refiner.image.annotations import read_labelled
from refine.refiner.image.light import PictureNetwork
from refine.refiner.image.settings import PictureSettings
from refine.refiner.image.train import train_on_pictures
from refine.refiner.image.weights import load_picture_weights

TINY = PictureSettings(epochs=2, batch=3, size=(48, 64), width=8, mixed=False)


@pytest.fixture(scope="module")
def labelled(pictured, body):
    sets = [{"annotations": str(pictured / "gt.json"), "images": str(pictured)}]
    return read_labelled(sets, body.skeleton, TINY.extra)


def stop_in(epoch):
    def stop(at):
        if at.epoch == epoch:
            raise KeyboardInterrupt

    return stop


def test_training_resumes_exactly_and_holding_out_changes_nothing(labelled, body, tmp_path):
    straight = train_on_pictures(
        labelled, body, tmp_path / "a.safetensors", TINY, held_out=labelled
    )
    stopped = tmp_path / "b.safetensors"
    with pytest.raises(KeyboardInterrupt):
        train_on_pictures(labelled, body, stopped, TINY, held_out=labelled, report=stop_in(1))
    with pytest.raises(WeightsError, match="same settings"):
        train_on_pictures(labelled, body, stopped, TINY, resume=True)
    train_on_pictures(labelled, body, stopped, TINY, held_out=labelled, resume=True)
    assert straight.read_bytes() == stopped.read_bytes()
    assert not stopped.with_suffix(".ckpt").exists()
    table = stopped.with_suffix(".csv").read_text().splitlines()
    assert table[0].startswith("epoch,total,coarse,fine,before,after,held_total,")
    assert len(table) == 3
    # The errors of persons held out are the same ones every epoch.
    held = table[0].split(",").index("held_before")
    assert len({row.split(",")[held] for row in table[1:]}) == 1
    alone = train_on_pictures(labelled, body, tmp_path / "c.safetensors", TINY)
    ours, theirs = load_file(alone), load_file(straight)
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_fewer_persons_than_a_batch_are_one_step(labelled, body, tmp_path):
    steps = []
    settings = dataclasses.replace(TINY, epochs=1, batch=64)
    path = train_on_pictures(
        labelled, body, tmp_path / "w.safetensors", settings, report=steps.append
    )
    assert [(at.step, at.steps) for at in steps] == [(1, 1)]
    _, facts = load_picture_weights(path)
    assert facts["persons"] == len(labelled.persons)
    assert "architecture" not in facts
    assert facts["width"] == 8


def test_bad_input_is_said(labelled, body, tmp_path, monkeypatch):
    out = tmp_path / "w.safetensors"
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    unread = dataclasses.replace(labelled, pictures=(broken, *labelled.pictures[1:]))
    with pytest.raises(FormatError, match=r"broken\.png.*expected a picture"):
        train_on_pictures(unread, body, out, TINY)
    with pytest.raises(RefineError, match="device of this machine"):
        train_on_pictures(labelled, body, out, TINY, device="abacus")
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(RefineError, match="batch that 2 processes share, got 3"):
        train_on_pictures(labelled, body, out, TINY)


def test_sizes_that_annotations_leave_out_come_from_the_pictures(body, tmp_path):
    import json

    Image.fromarray(np.zeros((90, 100), np.uint8)).save(tmp_path / "1.png")
    person = {
        "id": 1, "image_id": 1, "category_id": 1, "iscrowd": 0, "area": 900, "num_keypoints": 17,
        "bbox": [20, 20, 30, 60], "keypoints": [30, 40, 2] * 17,
    }  # fmt: skip
    truth = {"images": [{"id": 1, "file_name": "1.png"}], "annotations": [person]}
    truth["categories"] = [{"id": 1, "name": "person", "keypoints": list(body.skeleton.joints)}]
    (tmp_path / "gt.json").write_text(json.dumps(truth))
    sets = [{"annotations": str(tmp_path / "gt.json"), "images": str(tmp_path)}]
    found = read_labelled(sets, body.skeleton, ())
    assert found.persons.image_size.tolist() == [[100, 90]]
    (tmp_path / "none").mkdir()
    with pytest.raises(RefineError, match=r"none: expected pictures.*1\.png"):
        read_labelled([{**sets[0], "images": str(tmp_path / "none")}], body.skeleton, ())


RANK = """
import os, sys
from pathlib import Path

from safetensors.torch import save_file

import refine.refiner.image.train as training
from refine.refiner.image.annotations import read_labelled
from refine.refiner.image.settings import PictureSettings
from refine.refiner.pose.refiner import Refiner

made, wrap = [], training.DistributedDataParallel
training.DistributedDataParallel = lambda net, **how: made.append(net) or wrap(net, **how)
folder, out = map(Path, sys.argv[1:])
body = Refiner.load()
sets = [{"annotations": str(folder / "gt.json"), "images": str(folder)}]
settings = PictureSettings(epochs=1, batch=2, size=(48, 64), width=8, mixed=False)
labelled = read_labelled(sets, body.skeleton, settings.extra)
training.train_on_pictures(labelled, body, out / "w.safetensors", settings, device="cpu")
state = {name: t.contiguous() for name, t in made[0].state_dict().items()}
save_file(state, out / f"rank{os.environ['RANK']}.safetensors")
"""


@pytest.mark.skipif(not torch.distributed.is_available(), reason="torch without distributed")
def test_processes_of_torchrun_end_with_equal_weights(pictured, tmp_path):
    script = tmp_path / "rank.py"
    script.write_text(RANK)
    done = subprocess.run(
        [
            sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2",
            script, pictured, tmp_path,
        ],
        capture_output=True, text=True, timeout=600, check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    first, second = (load_file(tmp_path / f"rank{i}.safetensors") for i in range(2))
    written = load_file(tmp_path / "w.safetensors")
    torch.manual_seed(0)
    start = PictureNetwork(19, 8).state_dict()
    assert not torch.equal(first["leave.weight"], start["leave.weight"])
    # Each saw other persons, so that only shared gradients leave them equal.
    for name, tensor in first.items():
        assert torch.equal(tensor, second[name])
        assert torch.equal(tensor.half(), written[name])
