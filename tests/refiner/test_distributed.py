"""Devices, and two processes of torchrun in either training."""

import os
import subprocess
import sys
import tarfile

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import refine
from refine.exceptions import RefineError
from refine.refiner.distributed import find_device, joined_process

RANK = """
import os, sys
from pathlib import Path

from safetensors.torch import save_file

import refine.refiner.distributed as distributed
from refine.evaluation.ground_truth import read_ground_truth
from refine.refiner.image.annotations import read_labelled
from refine.refiner.image import posefix
from refine.refiner.image.backbones import resnet
from refine.refiner.image.settings import PoseFixSettings
from refine.refiner.image.train import ImageData, Run, train_on_images
from refine.refiner.pose.refiner import Refiner
from refine.refiner.pose.train import PoseSettings, train

made, wrap = [], distributed.DistributedDataParallel
distributed.DistributedDataParallel = lambda net, **how: made.append(net) or wrap(net, **how)
folder, out = map(Path, sys.argv[2:])
run = Run(device="cpu")
if sys.argv[1] == "pose":
    truth = read_ground_truth(folder / "gt-{0..1}.parquet")
    settings = PoseSettings(epochs=2, batch=2, width=8, blocks=1, mixed=False)
    train(truth, out / "w.safetensors", settings, run)
else:
    body = Refiner.load()
    sets = [{"annotations": str(folder / "gt-*.parquet"), "images": str(folder / "{0..1}.tar")}]
    resnet.BLOCKS[50], posefix.UPSAMPLED = (1, 1, 1, 1), 16
    settings = PoseFixSettings(epochs=1, batch=2, size=(32, 64), depth=50, mixed=False)
    data = ImageData(read_labelled(sets, body.skeleton))
    train_on_images(data, body, out / "w.safetensors", settings, run)
state = {name: t.contiguous() for name, t in made[0].state_dict().items()}
save_file(state, out / f"rank{os.environ['RANK']}.safetensors")
"""


@pytest.mark.skipif(not torch.distributed.is_available(), reason="torch without distributed")
@pytest.mark.parametrize(("kind", "last"), [("pose", "leave.weight"), ("posefix", "leave.weight")])
def test_processes_of_torchrun_end_with_equal_weights(pictured, tmp_path, monkeypatch, kind, last):
    """Annotations come in tables, pictures in tar files."""
    pytest.importorskip("pyarrow")
    truth = refine.read(pictured / "gt.json")
    for i, ref in enumerate(truth.images):
        part = truth[truth.image == i]
        part = part.replace(images=(ref,), image=part.image * 0)
        refine.write(part, tmp_path / f"gt-{i}.parquet")
        with tarfile.open(tmp_path / f"{i}.tar", "w") as tar:
            tar.add(pictured / ref.file_name, ref.file_name)
    script = tmp_path / "rank.py"
    script.write_text(RANK)
    done = subprocess.run(
        [
            sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2",
            script, kind, tmp_path, tmp_path,
        ],
        capture_output=True, text=True, timeout=600, check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    first, second = (load_file(tmp_path / f"rank{i}.safetensors") for i in range(2))
    written = load_file(tmp_path / "w.safetensors")
    assert not torch.equal(first[last], start(kind, monkeypatch).state_dict()[last])
    # Each saw other persons, so that only shared gradients leave them equal.
    for name, tensor in first.items():
        # Batch norms measure each process's crops; the first one's are written.
        assert torch.equal(tensor, second[name]) or "running_" in name
        assert torch.equal(tensor.half() if tensor.is_floating_point() else tensor, written[name])


def start(kind, monkeypatch):
    """Return the network as its seed leaves it."""
    from refine.refiner.image.backbones import resnet
    from refine.refiner.image.posefix import PoseFixNetwork
    from refine.refiner.pose.features import feature_count
    from refine.refiner.pose.network import Network

    monkeypatch.setitem(resnet.BLOCKS, 50, (1, 1, 1, 1))
    monkeypatch.setattr("refine.refiner.image.posefix.UPSAMPLED", 16)
    torch.manual_seed(0)
    return Network(feature_count(17), 17, 8, 1) if kind == "pose" else PoseFixNetwork(17, 50)


@pytest.mark.parametrize("name", ["tpu", "abacus", "cuda:99"])
def test_devices_that_are_not_there_are_said(name):
    with pytest.raises(RefineError, match=f"device of this machine, got '{name}'; try cpu"):
        find_device(name)


def test_a_torch_without_cuda_is_a_machine_without(monkeypatch):
    def without(*_args, **_options):
        raise AssertionError("Torch not compiled with CUDA enabled")

    monkeypatch.setattr(torch, "empty", without)
    with pytest.raises(RefineError, match="device of this machine, got 'cuda'; try cpu"):
        find_device("cuda")


def test_every_process_has_its_own_rows_of_a_step(monkeypatch):
    from refine.refiner.training import rows_per_step

    parts = []
    for rank in ("0", "1"):
        monkeypatch.setenv("RANK", rank)
        with joined_process("cpu", batch=4, seed=0, workers=1) as here:
            shared = here.__class__(here.rank, 2, here.device, here.pool)
            parts.append(rows_per_step(11, 4, shared))
    assert [len(part) for part in parts] == [2, 2]
    both = np.concatenate([np.concatenate(part) for part in parts])
    assert sorted(both.tolist()) == list(range(8))
    # Fewer rows than a batch are one step.
    assert [r.tolist() for r in rows_per_step(3, 4, shared)] == [[1]]
    with pytest.raises(RefineError, match="a person for each of 2 processes, got 1"):
        rows_per_step(1, 4, shared)
