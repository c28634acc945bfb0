"""Training of the image refiner: one resumable loop for CPU, GPU and torchrun."""

import math
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

from refine.errors.statistics import read_statistics
from refine.posefix.dataset import Rows, draw_rows, load_crops
from refine.posefix.labels import Labelled
from refine.posefix.loss import PictureLosses, picture_losses
from refine.posefix.network import STRIDE, PictureNetwork
from refine.posefix.pictures import Pixels
from refine.posefix.weights import save_picture_weights
from refine.refiner import Refiner
from refine.refiner.checkpoint import checkpoint_path, load_checkpoint, save_checkpoint

Floats32 = np.ndarray[Any, np.dtype[np.float32]]

AHEAD = 3
"""Batches whose crops are cut while the network works."""


@dataclass(frozen=True, slots=True)
class PictureSettings:
    """How to train.

    Attributes:
        epochs: passes over the persons, each with fresh errors.
        batch: crops a step, over all processes.
        size: width and height of the network input, px.
        width: channels of the pyramid.
        rate: peak learning rate of AdamW for what is new; linear warm-up, cosine to zero.
        backbone_rate: factor on it for what ImageNet trained.
        decay: weight decay.
        fine: weight of the soft-argmax's error against the maps' cross-entropy.
        statistics: error table that the imaginary estimators scale, see ``stats/``.
        extra: names of the joints beyond the image-free refiner's.
        seed: of everything that is drawn.
        mixed: bfloat16 convolutions.
    """

    epochs: int = 12
    batch: int = 32
    size: tuple[int, int] = (144, 192)
    width: int = 64
    rate: float = 1e-3
    backbone_rate: float = 0.5
    decay: float = 1e-4
    fine: float = 0.1
    statistics: str = "posefix"
    extra: tuple[str, ...] = ("neck", "head_top")
    seed: int = 0
    mixed: bool = True


@dataclass(frozen=True, slots=True)
class PictureProgress:
    """Where a training stands: epoch, step of it, steps an epoch, and the running losses."""

    epoch: int
    step: int
    steps: int
    figures: dict[str, float]


def train_on_pictures(
    labelled: Labelled,
    refiner: Refiner,
    output: Path,
    settings: PictureSettings,
    *,
    imagenet: dict[str, Tensor] | None = None,
    resume: bool = False,
    device: str | None = None,
    workers: int = 2,
    report: Callable[[PictureProgress], None] | None = None,
) -> Path:
    """Train an image refiner on persons with pictures and write its weights.

    Beside `output` stand a checkpoint ``.ckpt`` after every epoch, removed at the end, and the
    curve ``.csv``.

    Args:
        labelled: persons, of `refine.posefix.labels.read_labelled`.
        refiner: image-free; its belief is part of the input.
        output: a .safetensors path.
        settings: how.
        imagenet: weights for the backbone to start from.
        resume: go on from the checkpoint.
        device: "cpu" or "cuda"; by default the GPU if there is one.
        workers: threads that read pictures.
        report: called every few steps.

    Returns:
        `output`.

    Raises:
        WeightsError: a checkpoint of other settings.
        FormatError: a picture that cannot be read.
    """
    rank, world = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
    where = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    if where.type == "cuda":
        where = torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0)))
        torch.cuda.set_device(where)
    if world > 1:
        torch.distributed.init_process_group("nccl" if where.type == "cuda" else "gloo")
    try:
        torch.manual_seed(settings.seed)
        body = refiner.skeleton
        network = PictureNetwork(len(body) + len(settings.extra), settings.width)
        if imagenet is not None:
            network.backbone.load_imagenet(imagenet)
        network = network.to(where).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        optimizer = _optimizer(network, settings)
        log: list[dict[str, float]] = []
        if resume:
            log, _ = load_checkpoint(output, network, optimizer, asdict(settings))
        with ThreadPoolExecutor(workers) as pool:
            _loop(
                network, optimizer, labelled, refiner, settings, where, output, log,
                (rank, world), pool, report,
            )  # fmt: skip
        if rank == 0:
            facts = {"settings": asdict(settings), "persons": len(labelled.persons), **log[-1]}
            joints = (*body.joints, *settings.extra)
            save_picture_weights(output, network, joints, settings.size, refiner.weights, facts)
            checkpoint_path(output).unlink(missing_ok=True)
    finally:
        if world > 1:
            torch.distributed.destroy_process_group()
    return output


def _optimizer(network: PictureNetwork, settings: PictureSettings) -> torch.optim.AdamW:
    old = list(network.backbone.parameters())
    ours = {id(p) for p in old}
    new = [p for p in network.parameters() if id(p) not in ours]
    groups = [
        {"params": new, "factor": 1.0},
        {"params": old, "factor": settings.backbone_rate},
    ]
    return torch.optim.AdamW(groups, lr=settings.rate, weight_decay=settings.decay)


def _loop(
    network: PictureNetwork,
    optimizer: torch.optim.AdamW,
    labelled: Labelled,
    refiner: Refiner,
    settings: PictureSettings,
    where: torch.device,
    output: Path,
    log: list[dict[str, float]],
    place: tuple[int, int],
    pool: ThreadPoolExecutor,
    report: Callable[[PictureProgress], None] | None,
) -> None:
    rank, world = place
    statistics = read_statistics(settings.statistics)
    sigmas = np.concatenate([refiner.skeleton.require_sigmas(), np.full(len(settings.extra), 0.08)])
    kernel = torch.tensor(2 * sigmas, dtype=torch.float32, device=where)
    model: nn.Module = DistributedDataParallel(network) if world > 1 else network
    network.train()
    for epoch in range(len(log), settings.epochs):
        rng = np.random.default_rng([settings.seed, epoch])
        rows = draw_rows(labelled, refiner, statistics, settings.size, rng)
        steps = len(rows) // settings.batch
        share = settings.batch // world
        rows = rows[np.arange(rank, steps * settings.batch, world)]
        seen = dict.fromkeys((f.name for f in fields(PictureLosses)), 0.0)
        for step, (batch, crops) in enumerate(_batches(rows, share, labelled, settings, pool)):
            done, total = epoch * steps + step, settings.epochs * steps
            rise = min(1.0, (done + 1) / min(200, max(1, total / 10)))
            rate = settings.rate * rise * (1 + math.cos(math.pi * done / total)) / 2
            for group in optimizer.param_groups:
                group["lr"] = rate * group["factor"]
            light = np.random.default_rng([settings.seed, epoch, step, rank])
            losses = _step(model, optimizer, batch, _tint(crops, light), kernel, settings, where)
            for name in seen:
                seen[name] += float(getattr(losses, name).detach())
            if report and rank == 0 and (step % 10 == 9 or step == steps - 1):
                figures = {name: value / (step + 1) for name, value in seen.items()}
                report(PictureProgress(epoch, step + 1, steps, figures))
        log.append({"epoch": epoch, **{name: v / max(steps, 1) for name, v in seen.items()}})
        if rank == 0:
            save_checkpoint(output, network, optimizer, asdict(settings), log)


def _batches(
    rows: Rows,
    share: int,
    labelled: Labelled,
    settings: PictureSettings,
    pool: ThreadPoolExecutor,
) -> Iterator[tuple[Rows, Pixels]]:
    """Yield batches with their crops, which are cut a few batches ahead."""
    count = len(rows) // share
    with ThreadPoolExecutor(1) as ahead:

        def load(i: int) -> tuple[Rows, Pixels]:
            batch = rows[np.arange(i * share, (i + 1) * share)]
            return batch, load_crops(batch, labelled.pictures, settings.size, pool)

        queue: list[Future[tuple[Rows, Pixels]]] = []
        for i in range(count):
            while len(queue) < AHEAD and i + len(queue) < count:
                queue.append(ahead.submit(load, i + len(queue)))
            yield queue.pop(0).result()


def _tint(crops: Pixels, rng: np.random.Generator) -> Floats32:
    """Vary contrast, brightness and colour of crops (N, H, W, 3); as (N, 3, H, W) floats."""
    n = len(crops)
    contrast = rng.uniform(0.7, 1.3, (n, 1)) * rng.uniform(0.9, 1.1, (n, 3))
    shift = rng.normal(0, 12, (n, 1))
    pixels = np.moveaxis(crops, -1, 1).astype(np.float32)
    changed = (pixels - 127) * contrast[:, :, None, None] + 127 + shift[..., None, None]
    return np.asarray(np.clip(changed, 0, 255), np.float32)


def _step(
    model: nn.Module,
    optimizer: torch.optim.AdamW,
    batch: Rows,
    pixels: Floats32,
    kernel: Tensor,
    settings: PictureSettings,
    where: torch.device,
) -> PictureLosses:
    def tensor(values: Any) -> Tensor:
        return torch.from_numpy(np.asarray(values)).to(where)

    told = {f.name: tensor(getattr(batch.clues, f.name)) for f in fields(batch.clues)}
    image = tensor(pixels).to(memory_format=torch.channels_last)
    with torch.autocast(where.type, torch.bfloat16, enabled=settings.mixed):
        said = model(image, **told)
    offset = (STRIDE - 1) / 2
    own = told["own"]
    own = torch.cat([(own[..., :2] - offset) / STRIDE, own[..., 2:]], -1)
    losses = picture_losses(
        said,
        own,
        (tensor(batch.target) - offset) / STRIDE,
        tensor(batch.weight),
        kernel * tensor(batch.area).sqrt()[:, None] / STRIDE,
        tensor(batch.claims),
        settings.fine,
    )
    optimizer.zero_grad(set_to_none=True)
    losses.total.backward()  # type: ignore[no-untyped-call]
    nn.utils.clip_grad_norm_(model.parameters(), 5.0)
    optimizer.step()
    return losses
