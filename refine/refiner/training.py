"""The loop that all trainings share: resumable, on CPU, GPU and under torchrun."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from refine._types import Indices
from refine.exceptions import RefineError
from refine.refiner.checkpoint import load_checkpoint, save_checkpoint
from refine.refiner.distributed import Process

B = TypeVar("B")

REPORT_EVERY = 10
"""Steps between reports."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a training stands: epoch, step of it, steps per epoch, and the running figures.

    The last report of an epoch has those of persons held out, too: ``held_...``. Of several
    processes the first one's are given.
    """

    epoch: int
    step: int
    steps: int
    figures: dict[str, float]


@dataclass(frozen=True, slots=True)
class Run:
    """How a training is run; none of it changes what is learned.

    Attributes:
        resume: go on from the checkpoint.
        device: "cpu" or "cuda"; by default the GPU if there is one.
        workers: threads that draw samples and read pictures.
        report: called every few steps.
    """

    resume: bool = False
    device: str | None = None
    workers: int = 2
    report: Callable[[Progress], None] | None = None


class Job(ABC, Generic[B]):
    """What a training does that another does not; B are its batches.

    Attributes:
        network: what learns.
        optimizer: of it.
        epochs: passes over the persons.
        batch: rows per step, over all processes.
        clip: greatest norm of the gradient.
        shared: settings that a resumed training must share; plain data.
    """

    network: nn.Module
    optimizer: torch.optim.Optimizer
    epochs: int
    batch: int
    clip: float
    shared: Mapping[str, Any]

    @abstractmethod
    def draw(self, epoch: int) -> int:
        """Draw the samples of an epoch, and return how many they are."""

    @abstractmethod
    def batches(self, epoch: int, shares: list[Indices]) -> Iterator[B]:
        """Yield the samples drawn, batch by batch; `shares` are the rows of each."""

    @abstractmethod
    def rate(self, epoch: int, done: int, total: int) -> float:
        """Return the learning rate after `done` of `total` steps."""

    @abstractmethod
    def losses(self, model: nn.Module, batch: B) -> dict[str, Tensor]:
        """Let the network work on a batch: figures, the first of which is minimised."""

    def held(self) -> dict[str, float]:
        """Measure after an epoch on persons that nothing is learned from."""
        return {}

    def state(self) -> dict[str, Tensor]:
        """Return what a checkpoint keeps beside network and optimiser."""
        return {}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Take over what `state` returned."""
        del state


def check_settings(settings: Any) -> None:
    """Make sure that the numbers of a settings dataclass can be trained with.

    Raises:
        RefineError: a rate that is not positive and finite, or a negative seed.
    """
    for name in ("rate", "decay"):
        value = getattr(settings, name)
        if not (math.isfinite(value) and (value > 0 or (value == 0 and name == "decay"))):
            raise RefineError(
                f"expected a positive number for {name!r}, got {value}", hint="its default"
            )
    if not 0 <= settings.seed < 1 << 63:
        raise RefineError(f"expected a seed of 0 or more, got {settings.seed}", hint="0")


def warm_cosine(peak: float, done: int, total: int, warm: int) -> float:
    """Return a rate that rises over `warm` steps, or a tenth of a short training, then falls.

    >>> [round(warm_cosine(1.0, step, 100, 300), 2) for step in (0, 9, 50, 99)]
    [0.1, 0.98, 0.5, 0.0]
    """
    rise = min(1.0, (done + 1) / min(warm, max(1, total / 10)))
    return peak * rise * (1 + math.cos(math.pi * done / total)) / 2


def train_network(job: Job[B], here: Process, output: Path, run: Run) -> dict[str, float]:
    """Train the epochs that a checkpoint lacks, all of them without one.

    Beside `output` stand the checkpoint ``.ckpt``, after every epoch, and the curve ``.csv``.

    Returns:
        the figures of the last epoch.

    Raises:
        WeightsError: a checkpoint of other settings.
        FormatError: nothing to resume.
        RefineError: fewer samples than processes.
    """
    log: list[dict[str, float]] = []
    if run.resume:
        log, state = load_checkpoint(output, job.network, job.optimizer, job.shared)
        job.restore(state)
    report = run.report if here.is_first else None
    model = here.share(job.network)
    for epoch in range(len(log), job.epochs):
        shares = rows_per_step(job.draw(epoch), job.batch, here)
        steps = len(shares)
        seen: dict[str, float] = {}
        job.network.train()
        for step, batch in enumerate(job.batches(epoch, shares)):
            rate = job.rate(epoch, epoch * steps + step, job.epochs * steps)
            for group in job.optimizer.param_groups:
                group["lr"] = rate
            figures = job.losses(model, batch)
            job.optimizer.zero_grad(set_to_none=True)
            next(iter(figures.values())).backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(model.parameters(), job.clip)
            job.optimizer.step()
            for name, value in figures.items():
                seen[name] = seen.get(name, 0.0) + float(value.detach())
            if report and (step + 1) % REPORT_EVERY == 0 and step < steps - 1:
                report(Progress(epoch, step + 1, steps, _over(seen, step + 1)))
        row = _over(seen, steps) | (job.held() if here.is_first else {})
        if report:
            report(Progress(epoch, steps, steps, row))
        log.append({"epoch": epoch, **row})
        if here.is_first:
            save_checkpoint(output, job.network, job.optimizer, job.shared, log, job.state())
    return log[-1]


def rows_per_step(count: int, batch: int, here: Process) -> list[Indices]:
    """Return the rows of this process in every step of an epoch.

    Of `count` rows those beyond the last full batch are left out; fewer than a batch are one step.

    Raises:
        RefineError: fewer rows than processes.
    """
    batch = min(batch, count // here.world * here.world)
    if not batch:
        raise RefineError(f"expected a person for each of {here.world} processes, got {count}")
    steps, size = count // batch, batch // here.world
    rows = np.arange(here.rank, steps * batch, here.world)
    return [rows[step * size : (step + 1) * size] for step in range(steps)]


def _over(seen: dict[str, float], steps: int) -> dict[str, float]:
    return {name: value / steps for name, value in seen.items()}
