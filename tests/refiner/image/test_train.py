import dataclasses

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from refine.exceptions import FormatError, RefineError, WeightsError
from refine.refiner.image.annotations import read_labelled
from refine.refiner.image.backbones import resnet
from refine.refiner.image.settings import PoseFixSettings
from refine.refiner.image.train import ImageData, Run, train_on_images
from refine.refiner.image.weights import load_image_weights

TINY = PoseFixSettings(epochs=2, batch=3, size=(32, 64), depth=50, mixed=False)


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """One bottleneck a stage and narrow deconvolutions, so that tests are quick."""
    monkeypatch.setitem(resnet.BLOCKS, 50, (1, 1, 1, 1))
    monkeypatch.setattr("refine.refiner.image.posefix.UPSAMPLED", 16)


@pytest.fixture(scope="module")
def labelled(pictured, body):
    sets = [{"annotations": str(pictured / "gt.json"), "images": str(pictured)}]
    return read_labelled(sets, body.skeleton)


def stop_in(epoch):
    def stop(at):
        if at.epoch == epoch:
            raise KeyboardInterrupt

    return stop


def test_training_resumes_exactly_and_holding_out_changes_nothing(labelled, body, tmp_path):
    both = ImageData(labelled, held_out=labelled)
    straight = train_on_images(both, body, tmp_path / "a.safetensors", TINY)
    stopped = tmp_path / "b.safetensors"
    with pytest.raises(KeyboardInterrupt):
        train_on_images(both, body, stopped, TINY, Run(report=stop_in(1)))
    with pytest.raises(WeightsError, match="same settings"):
        train_on_images(ImageData(labelled), body, stopped, TINY, Run(resume=True))
    train_on_images(both, body, stopped, TINY, Run(resume=True))
    assert straight.read_bytes() == stopped.read_bytes()
    assert not stopped.with_suffix(".ckpt").exists()
    table = stopped.with_suffix(".csv").read_text().splitlines()
    assert table[0].startswith("epoch,total,coarse,fine,before,after,held_total,")
    assert len(table) == 3
    # The errors of persons held out are the same ones every epoch.
    held = table[0].split(",").index("held_before")
    assert len({row.split(",")[held] for row in table[1:]}) == 1
    alone = train_on_images(ImageData(labelled), body, tmp_path / "c.safetensors", TINY)
    ours, theirs = load_file(alone), load_file(straight)
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_fewer_persons_than_a_batch_are_one_step(labelled, body, tmp_path):
    steps = []
    settings = dataclasses.replace(TINY, epochs=1, batch=64)
    path = train_on_images(
        ImageData(labelled), body, tmp_path / "w.safetensors", settings, Run(report=steps.append)
    )
    assert [(at.step, at.steps) for at in steps] == [(1, 1)]
    _, facts = load_image_weights(path)
    assert facts["persons"] == len(labelled.persons)
    assert (facts["architecture"], facts["depth"]) == ("posefix", 50)


def test_bad_input_is_said(labelled, body, tmp_path, monkeypatch):
    out = tmp_path / "w.safetensors"
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    unread = dataclasses.replace(labelled, pictures=(broken, *labelled.pictures[1:]))
    with pytest.raises(FormatError, match=r"broken\.png.*expected a picture"):
        train_on_images(ImageData(unread), body, out, TINY)
    with pytest.raises(RefineError, match="device of this machine"):
        train_on_images(ImageData(labelled), body, out, TINY, Run(device="abacus"))
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(RefineError, match="batch that 2 processes share, got 3"):
        train_on_images(ImageData(labelled), body, out, TINY)


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
    found = read_labelled(sets, body.skeleton)
    assert found.persons.image_size.tolist() == [[100, 90]]
    (tmp_path / "none").mkdir()
    with pytest.raises(RefineError, match=r"none: expected pictures.*1\.png"):
        read_labelled([{**sets[0], "images": str(tmp_path / "none")}], body.skeleton)
