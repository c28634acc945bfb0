"""Checkpoints of a training: safetensors, nothing pickled; and its curve."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load, save
from torch import Tensor, nn

from refine.exceptions import WeightsError
from refine.files import read_bytes, write_bytes


def checkpoint_path(output: Path) -> Path:
    """Return where the checkpoint of a training that makes `output` stands."""
    return output.with_suffix(".ckpt")


def save_checkpoint(
    output: Path,
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    settings: dict[str, Any],
    log: list[dict[str, float]],
    more: dict[str, Tensor] | None = None,
) -> None:
    """Write network, optimiser and log, one entry an epoch; and the log as ``.csv`` beside.

    Args:
        output: the weights that the training is to make.
        network: and
        optimizer: as they stand.
        settings: what a resumed training must share.
        log: figures of the epochs done, at least one.
        more: other tensors to keep.
    """
    tensors = {f"network.{k}": v for k, v in network.state_dict().items()}
    for i, moments in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{i}.{k}": v for k, v in moments.items()}
    tensors |= {f"more.{k}": v for k, v in (more or {}).items()}
    facts = {"settings": settings, "log": log}
    data = save({k: v.contiguous() for k, v in tensors.items()}, {"refine": json.dumps(facts)})
    write_bytes(checkpoint_path(output), data)
    table = io.StringIO()
    writer = csv.DictWriter(table, list(log[0]))
    writer.writeheader()
    writer.writerows(log)
    write_bytes(output.with_suffix(".csv"), table.getvalue().encode())


def load_checkpoint(
    output: Path,
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    settings: dict[str, Any],
) -> tuple[list[dict[str, float]], dict[str, Tensor]]:
    """Put network and optimiser where the checkpoint left them.

    Returns:
        the log of the epochs done, and the other tensors.

    Raises:
        WeightsError: the checkpoint is of other settings.
        FormatError: there is none.
    """
    path = checkpoint_path(output)
    data = read_bytes(path)
    tensors = load(data)
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    facts: dict[str, Any] = json.loads(header["__metadata__"]["refine"])
    if facts["settings"] != json.loads(json.dumps(settings)):
        raise WeightsError(
            f"expected a checkpoint of the same settings, got {facts['settings']}",
            where=str(path),
            hint="the same options, or training without --resume",
        )

    def part(name: str) -> dict[str, Tensor]:
        return {k.removeprefix(name): v for k, v in tensors.items() if k.startswith(name)}

    network.load_state_dict(part("network."))
    packed = optimizer.state_dict()
    for key, value in part("optimizer.").items():
        index, name = key.split(".", 1)
        packed["state"].setdefault(int(index), {})[name] = value
    optimizer.load_state_dict(packed)
    return facts["log"], part("more.")
