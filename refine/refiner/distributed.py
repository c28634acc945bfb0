"""Where a training runs: devices, and the processes of torchrun that share it."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from refine.exceptions import RefineError


@dataclass(frozen=True, slots=True)
class Process:
    """One process of a training.

    Attributes:
        rank: its number; 0 is the one that writes and reports.
        world: how many there are.
        device: where its network is.
        pool: its threads for drawing and reading samples.
    """

    rank: int
    world: int
    device: torch.device
    pool: ThreadPoolExecutor

    @property
    def is_first(self) -> bool:
        """Whether this process speaks for all."""
        return self.rank == 0

    def share(self, network: nn.Module) -> nn.Module:
        """Wrap a network so that gradients are shared."""
        if self.world == 1:
            return network
        return DistributedDataParallel(network)


def find_device(name: str | None) -> torch.device:
    """Return a device that this machine has; by default this process's GPU if there is one.

    Raises:
        RefineError: it has no such device, or torch cannot use it.

    >>> find_device("tpu")
    Traceback (most recent call last):
    refine.exceptions.RefineError: expected a device of this machine, got 'tpu'; try cpu
    """
    try:
        device = torch.device(name or ("cuda" if torch.cuda.is_available() else "cpu"))
        if str(device) == "cuda":
            device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0)))
        torch.empty(1, device=device)
    # The last of a torch without CUDA.
    except (RuntimeError, AssertionError):
        raise RefineError(f"expected a device of this machine, got {name!r}", hint="cpu") from None
    return device


@contextmanager
def joined_process(device: str | None, batch: int, seed: int, workers: int) -> Iterator[Process]:
    """Join the processes that torchrun started, or be the only one, and leave them at the end.

    Args:
        device: "cpu" or "cuda"; by default the GPU if there is one.
        batch: rows per step, over all processes.
        seed: of what torch draws, the network's first weights.
        workers: threads for samples.

    Raises:
        RefineError: no such device, or a batch that the processes cannot share.
    """
    rank, world = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
    if batch % world:
        raise RefineError(f"expected a batch that {world} processes share, got {batch}")
    where = find_device(device)
    if where.type == "cuda":
        torch.cuda.set_device(where)
    if world > 1:
        torch.distributed.init_process_group("nccl" if where.type == "cuda" else "gloo")
    try:
        torch.manual_seed(seed)
        with ThreadPoolExecutor(workers) as pool:
            yield Process(rank, world, where, pool)
    finally:
        if world > 1:
            torch.distributed.destroy_process_group()
