"""Training of image refiners: one resumable loop for CPU, GPU and torchrun."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from refine.exceptions import RefineError
from refine.refiner.checkpoint import checkpoint_path, load_checkpoint, save_checkpoint
from refine.refiner.image.annotations import Labelled
from refine.refiner.image.crops import Pixels
from refine.refiner.image.dataset import Rows, load_crops
from refine.refiner.image.loss import PictureLosses
from refine.refiner.image.readout import in_cells
from refine.refiner.image.recipe import Recipe, make_recipe
from refine.refiner.image.refiner import EXTRA_SIGMA
from refine.refiner.image.settings import PictureSettings, Settings
from refine.refiner.image.weights import save_picture_weights
from refine.refiner.pose.refiner import Refiner

__all__ = ["PictureProgress", "PictureSettings", "train_on_pictures"]

AHEAD = 3
"""Batches whose crops are cut while the network works."""
HELD_SEED = 2**31
"""In place of an epoch, for the errors of persons held out: the same ones every time."""


@dataclass(frozen=True, slots=True)
class PictureProgress:
    """Where a training stands: epoch, step of it, steps an epoch, and the running figures.

    The last report of an epoch has those of the persons held out, too: ``held_...``. Of several
    processes the first one's are given.
    """

    epoch: int
    step: int
    steps: int
    figures: dict[str, float]


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a process works: its number, how many there are, the device, its reading threads."""

    rank: int
    world: int
    device: torch.device
    pool: ThreadPoolExecutor


def train_on_pictures(
    labelled: Labelled,
    refiner: Refiner,
    output: Path,
    settings: Settings,
    *,
    imagenet: dict[str, Tensor] | None = None,
    held_out: Labelled | None = None,
    resume: bool = False,
    device: str | None = None,
    workers: int = 2,
    report: Callable[[PictureProgress], None] | None = None,
) -> Path:
    """Train an image refiner on persons with pictures and write its weights.

    Beside `output` stand a checkpoint ``.ckpt`` after every epoch, removed at the end, and the
    curve ``.csv``. The same settings and seed on the same machine give the same weights, also
    when resumed in between.

    Args:
        labelled: persons, of `refine.refiner.image.annotations.read_labelled`.
        refiner: image-free; its belief is part of the light network's input.
        output: a .safetensors path.
        settings: how; their type says which network.
        imagenet: weights for the backbone to start from.
        held_out: persons that are looked at after every epoch, but not learned from.
        resume: go on from the checkpoint.
        device: "cpu" or "cuda"; by default the GPU if there is one.
        workers: threads that read pictures.
        report: called every few steps.

    Returns:
        `output`.

    Raises:
        WeightsError: a checkpoint of other settings, or weights of another backbone.
        FormatError: a picture that cannot be read, or nothing to resume.
        RefineError: no such device, a batch that the processes cannot share, or fewer persons than
            processes.
    """
    rank, world = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
    if settings.batch % world:
        raise RefineError(f"expected a batch that {world} processes share, got {settings.batch}")
    where = _device(device)
    if where.type == "cuda":
        where = torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0)))
        torch.cuda.set_device(where)
    if world > 1:
        torch.distributed.init_process_group("nccl" if where.type == "cuda" else "gloo")
    try:
        recipe = make_recipe(settings, refiner, imagenet, where)
        shared = asdict(settings) | ({"held_out": len(held_out.persons)} if held_out else {})
        log: list[dict[str, float]] = []
        if resume:
            log, _ = load_checkpoint(output, recipe.network, recipe.optimizer, shared)
        joints = (*refiner.skeleton.joints, *settings.extra)
        sigmas = np.r_[refiner.skeleton.require_sigmas(), np.full(len(settings.extra), EXTRA_SIGMA)]
        kernel = torch.tensor(2 * sigmas, dtype=torch.float32, device=where)
        with ThreadPoolExecutor(workers) as pool:
            place = _Place(rank, world, where, pool)
            for row in _epochs(recipe, labelled, held_out, settings, kernel, place, log, report):
                log.append(row)
                if rank == 0:
                    save_checkpoint(output, recipe.network, recipe.optimizer, shared, log)
        if rank == 0:
            facts = {"settings": asdict(settings), "persons": len(labelled.persons), **log[-1]}
            save_picture_weights(
                output, recipe.network, joints, settings.size, refiner.weights, facts
            )
            checkpoint_path(output).unlink(missing_ok=True)
    finally:
        if world > 1:
            torch.distributed.destroy_process_group()
    return output


def _device(name: str | None) -> torch.device:
    """Return a device that this machine has."""
    there = torch.cuda.is_available()
    try:
        where = torch.device(name or ("cuda" if there else "cpu"))
    except RuntimeError:
        where = None
    if where is None or (where.type == "cuda" and not there):
        raise RefineError(f"expected a device of this machine, got {name!r}", hint="cpu")
    return where


def _epochs(
    recipe: Recipe,
    labelled: Labelled,
    held_out: Labelled | None,
    settings: Settings,
    kernel: Tensor,
    place: _Place,
    log: list[dict[str, float]],
    report: Callable[[PictureProgress], None] | None,
) -> Iterator[dict[str, float]]:
    """Train the epochs that the log lacks and yield the figures of each."""
    draw = recipe.draw(labelled)
    held = None
    if held_out is not None and place.rank == 0:
        held = recipe.draw(held_out)(np.random.default_rng([settings.seed, HELD_SEED]))
    model: nn.Module = recipe.network
    if place.world > 1:
        # On CPUs a part of the light network is not trained.
        partly = place.device.type == "cpu"
        model = DistributedDataParallel(recipe.network, find_unused_parameters=partly)
    for epoch in range(len(log), settings.epochs):
        rows = draw(np.random.default_rng([settings.seed, epoch]))
        batch = min(settings.batch, len(rows) // place.world * place.world)
        if not batch:
            raise RefineError(
                f"expected a person for each of {place.world} processes, got {len(rows)}"
            )
        steps, share = len(rows) // batch, batch // place.world
        rows = rows[np.arange(place.rank, steps * batch, place.world)]
        seen = dict.fromkeys(_FIGURES, 0.0)
        recipe.network.train()
        batches = _batches(rows, share, labelled, settings.size, place.pool)
        for step, (some, crops) in enumerate(batches):
            rate = recipe.rate(epoch, epoch * steps + step, settings.epochs * steps)
            for group in recipe.optimizer.param_groups:
                group["lr"] = rate * group["factor"]
            light = np.random.default_rng([settings.seed, epoch, step, place.rank])
            pixels = torch.from_numpy(recipe.prepare(crops, light))
            losses = _judge(recipe, model, some, pixels, kernel, settings.mixed)
            recipe.optimizer.zero_grad(set_to_none=True)
            losses.total.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(model.parameters(), recipe.clip)
            recipe.optimizer.step()
            _add(seen, losses, 1)
            if report and place.rank == 0 and step % 10 == 9 and step < steps - 1:
                figures = {name: value / (step + 1) for name, value in seen.items()}
                report(PictureProgress(epoch, step + 1, steps, figures))
        figures = {name: value / steps for name, value in seen.items()}
        if held is not None and held_out is not None:
            figures |= _hold(recipe, held, held_out, settings, kernel, place)
        if report and place.rank == 0:
            report(PictureProgress(epoch, steps, steps, figures))
        yield {"epoch": epoch, **figures}


_FIGURES = tuple(f.name for f in fields(PictureLosses))


def _add(seen: dict[str, float], losses: PictureLosses, times: int) -> None:
    for name in seen:
        seen[name] += float(getattr(losses, name).detach()) * times


def _hold(
    recipe: Recipe,
    rows: Rows,
    labelled: Labelled,
    settings: Settings,
    kernel: Tensor,
    place: _Place,
) -> dict[str, float]:
    """Measure on rows that nothing is learned from; the crops are not varied."""
    seen = dict.fromkeys(_FIGURES, 0.0)
    recipe.network.eval()
    with torch.inference_mode():
        for some, crops in _batches(rows, settings.batch, labelled, settings.size, place.pool):
            pixels = torch.from_numpy(np.moveaxis(crops, -1, 1).astype(np.float32))
            losses = _judge(recipe, recipe.network, some, pixels, kernel, settings.mixed)
            _add(seen, losses, len(some))
    return {f"held_{name}": value / max(len(rows), 1) for name, value in seen.items()}


def _batches(
    rows: Rows,
    share: int,
    labelled: Labelled,
    size: tuple[int, int],
    pool: ThreadPoolExecutor,
) -> Iterator[tuple[Rows, Pixels]]:
    """Yield batches with their crops, which are cut a few batches ahead; the last may be short."""
    starts = range(0, len(rows), share)
    with ThreadPoolExecutor(1) as ahead:

        def load(start: int) -> tuple[Rows, Pixels]:
            batch = rows[np.arange(start, min(start + share, len(rows)))]
            return batch, load_crops(batch, labelled.pictures, size, pool)

        queue: list[Future[tuple[Rows, Pixels]]] = []
        for i in range(len(starts)):
            while len(queue) < AHEAD and i + len(queue) < len(starts):
                queue.append(ahead.submit(load, starts[i + len(queue)]))
            yield queue.pop(0).result()


def _judge(
    recipe: Recipe, model: nn.Module, batch: Rows, pixels: Tensor, kernel: Tensor, mixed: bool
) -> PictureLosses:
    """Let the network look at crops (N, 3, H, W) and compare with the truth."""
    where, network = kernel.device, recipe.network

    def tensor(values: Any) -> Tensor:
        return torch.from_numpy(np.asarray(values)).to(where)

    told = {f.name: tensor(getattr(batch.clues, f.name)) for f in fields(batch.clues)}
    image = pixels.to(where).to(memory_format=torch.channels_last)
    with torch.autocast(where.type, torch.bfloat16, enabled=mixed):
        said = model(image, **told)
    return recipe.losses(
        said,
        in_cells(told["own"], network.stride, network.offset),
        in_cells(tensor(batch.target), network.stride, network.offset),
        tensor(batch.weight),
        kernel * tensor(batch.area).sqrt()[:, None] / network.stride,
        tensor(batch.claims),
    )
