"""Checkpoints of a training: safetensors, nothing pickled; and its curve."""

import csv
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from refine import tensors
from refine.exceptions import WeightsError
from refine.files import read_bytes, write_bytes
from refine.refiner.weights import DAMAGES


def checkpoint_path(output: Path) -> Path:
    """Return where the checkpoint of a training that makes `output` stands."""
    return output.with_suffix(".ckpt")


def save_checkpoint(
    output: Path,
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    settings: Mapping[str, Any],
    log: list[dict[str, float]],
    more: Mapping[str, Tensor],
) -> None:
    """Write network, optimiser and log; and the log as ``.csv`` beside, one row per epoch.

    Args:
        output: the weights that the training is to make.
        network: and
        optimizer: as they stand.
        settings: what a resumed training must share.
        log: figures of the epochs done, at least one.
        more: other tensors to keep.
    """
    state = {f"network.{k}": v for k, v in network.state_dict().items()}
    for i, moments in optimizer.state_dict()["state"].items():
        state |= {f"optimizer.{i}.{k}": v for k, v in moments.items()}
    state |= {f"more.{k}": v for k, v in more.items()}
    arrays = {name: t.detach().cpu().numpy() for name, t in state.items()}
    write_bytes(checkpoint_path(output), tensors.write(arrays, {"settings": settings, "log": log}))
    table = io.StringIO()
    writer = csv.DictWriter(table, list(log[0]))
    writer.writeheader()
    writer.writerows(log)
    write_bytes(output.with_suffix(".csv"), table.getvalue().encode())


def load_checkpoint(
    output: Path,
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    settings: Mapping[str, Any],
) -> tuple[list[dict[str, float]], dict[str, Tensor]]:
    """Put network and optimiser where the checkpoint left them.

    Returns:
        the log of the epochs done, and the other tensors.

    Raises:
        WeightsError: the checkpoint is damaged, or of other settings.
        FormatError: there is none.
    """
    path = checkpoint_path(output)
    try:
        metadata, arrays = tensors.read(read_bytes(path))
        facts = tensors.facts_of(metadata)
        before, log = facts["settings"], facts["log"]
        if not log or not all(isinstance(v, int | float) for row in log for v in row.values()):
            raise ValueError("a log without figures")
    except DAMAGES as error:
        raise _damaged(path, error) from None
    if before != json.loads(json.dumps(settings)):
        raise WeightsError(
            f"expected a checkpoint of the same settings, got {before}",
            where=str(path),
            hint="the same options, or training without --resume",
        )

    def part(name: str) -> dict[str, Tensor]:
        # Copied: the bytes of a file are read-only.
        return {
            key.removeprefix(name): torch.from_numpy(np.array(array))
            for key, array in arrays.items()
            if key.startswith(name)
        }

    try:
        if bad := next((k for k, a in arrays.items() if not np.isfinite(a).all()), None):
            raise ValueError(f"numbers that are not finite in {bad!r}")
        network.load_state_dict(part("network."))
        packed = optimizer.state_dict() | {"state": {}}
        for key, value in part("optimizer.").items():
            index, name = key.split(".", 1)
            packed["state"].setdefault(int(index), {})[name] = value
        _check_moments(optimizer, packed["state"])
        optimizer.load_state_dict(packed)
    except DAMAGES as error:
        raise _damaged(path, error) from None
    return log, part("more.")


def _check_moments(optimizer: torch.optim.Optimizer, state: Mapping[int, Any]) -> None:
    """Make sure that each parameter has moments of its own shape; the optimiser does not look."""
    shapes = [p.shape for group in optimizer.param_groups for p in group["params"]]
    for index, moments in state.items():
        for name, value in moments.items():
            if index >= len(shapes) or (value.ndim and value.shape != shapes[index]):
                raise ValueError(f"moments {name!r} of another shape than parameter {index}")
    if len({frozenset(moments) for moments in state.values()}) > 1:
        raise ValueError("parameters with moments of other names")


def _damaged(path: Path, error: Exception) -> WeightsError:
    reason = (str(error) or type(error).__name__).splitlines()[0]
    return WeightsError(
        f"expected a checkpoint of `refine train`, got: {reason}",
        where=str(path),
        hint="training without --resume",
    )
