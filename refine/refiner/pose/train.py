"""Training of the refiner: one resumable loop for CPU, GPU and torchrun."""

import math
import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from refine._types import Floats32, Indices
from refine.errors.statistics import read_statistics
from refine.evaluation.ground_truth import GroundTruth, read_ground_truth
from refine.evaluation.persons import Persons
from refine.poses import Poses
from refine.refiner.checkpoint import checkpoint_path, load_checkpoint, save_checkpoint
from refine.refiner.pose.dataset import Samples, draw_epoch
from refine.refiner.pose.features import (
    PairTable,
    Scene,
    body_frame,
    feature_count,
    features,
    nearest_poses,
    own_coordinates,
)
from refine.refiner.pose.loss import Losses, losses
from refine.refiner.pose.network import Network
from refine.refiner.pose.simulate import training_persons
from refine.refiner.pose.weights import save_weights
from refine.skeletons import Skeleton


@dataclass(frozen=True, slots=True)
class Settings:
    """How to train.

    Attributes:
        epochs: passes over the persons, each with fresh errors.
        batch: rows a step, over all processes.
        width: of the network's layers.
        blocks: residual blocks.
        rate: peak learning rate of AdamW; linear warm-up, cosine to zero.
        decay: weight decay.
        statistics: error table that the imaginary estimators scale, see ``stats/``.
        guess: share of the epochs before unannotated joints are first shown, as the network
            itself guesses them; it guesses again at four times that share.
        seed: of everything that is drawn.
        mixed: bfloat16 matrix products.
    """

    epochs: int = 100
    batch: int = 768
    width: int = 512
    blocks: int = 4
    rate: float = 1e-3
    decay: float = 1e-4
    statistics: str = "posefix"
    guess: float = 0.1
    seed: int = 0
    mixed: bool = True

    def guesses(self) -> tuple[int, int]:
        """Return the epochs before which the network guesses unannotated joints."""
        first = max(1, round(self.guess * self.epochs))
        return first, 4 * first


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a training stands: epoch, step of it, steps an epoch, and the running figures."""

    epoch: int
    step: int
    steps: int
    loss: float
    filled: float
    kept: float
    moved: float


@dataclass(slots=True)
class _State:
    network: Network
    optimizer: torch.optim.AdamW
    epoch: int
    guessed: Floats32 | None
    log: list[dict[str, float]]


def train(
    truth: Poses | GroundTruth,
    output: Path,
    settings: Settings,
    *,
    resume: bool = False,
    device: str | None = None,
    report: Callable[[Progress], None] | None = None,
) -> Path:
    """Train a refiner on annotated persons and write its weights.

    Beside `output` stand a checkpoint ``.ckpt`` after every epoch, removed at the end, and the
    curve ``.csv``. The same settings and seed on the same machine give the same weights, also
    when resumed in between.

    Args:
        truth: annotated persons, of a skeleton with sigmas; see `read_ground_truth`.
        output: a .safetensors path.
        settings: how.
        resume: go on from the checkpoint.
        device: "cpu" or "cuda"; by default the GPU if there is one.
        report: called every few steps.

    Returns:
        `output`.

    Raises:
        WeightsError: nothing to resume, or a checkpoint of other settings.
        RefineError: annotations without persons.
    """
    rank, world = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
    where = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    if where.type == "cuda":
        where = torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0)))
        torch.cuda.set_device(where)
    if world > 1:
        torch.distributed.init_process_group("nccl" if where.type == "cuda" else "gloo")
    try:
        table = read_ground_truth(truth)
        persons, body = training_persons(table), table.skeleton
        pairs = PairTable.measure(persons.xy, persons.visible > 0, persons.area)
        state = _start(body, settings, where, resume, output)
        _loop(state, persons, pairs, body, settings, where, output, (rank, world), report)
        if rank == 0:
            facts = {"settings": asdict(settings), "persons": len(persons), **state.log[-1]}
            save_weights(output, state.network, pairs, body, facts)
            checkpoint_path(output).unlink(missing_ok=True)
    finally:
        if world > 1:
            torch.distributed.destroy_process_group()
    return output


def _loop(
    state: _State,
    persons: Persons,
    pairs: PairTable,
    body: Skeleton,
    settings: Settings,
    where: torch.device,
    output: Path,
    place: tuple[int, int],
    report: Callable[[Progress], None] | None,
) -> None:
    rank, world = place
    statistics = read_statistics(settings.statistics)
    variance = torch.tensor((2 * body.require_sigmas()) ** 2, dtype=torch.float32, device=where)
    model: nn.Module = state.network
    if world > 1:
        model = DistributedDataParallel(state.network)

    def draw(epoch: int) -> Samples:
        rng = np.random.default_rng([settings.seed, epoch])
        return draw_epoch(persons, state.guessed, pairs, body, statistics, rng)

    drawn: Future[Samples] | None = None
    with ThreadPoolExecutor(1) as pool:
        for epoch in range(state.epoch, settings.epochs):
            if epoch in settings.guesses():
                state.guessed = _guess(state.network, persons, pairs, where)
            samples = drawn.result() if drawn else draw(epoch)
            # The next epoch is drawn meanwhile, unless the network first has to guess for it.
            ahead = epoch + 1 < settings.epochs and epoch + 1 not in settings.guesses()
            drawn = pool.submit(draw, epoch + 1) if ahead else None
            share = settings.batch // world
            rows = np.arange(rank, len(samples.own) - len(samples.own) % settings.batch, world)
            steps = len(rows) // share
            seen = np.zeros(4)
            for step in range(steps):
                # Warm-up over 300 steps, or a tenth of a short training.
                done = epoch * steps + step
                total = settings.epochs * steps
                rise = min(1.0, (done + 1) / min(300, total / 10))
                for group in state.optimizer.param_groups:
                    group["lr"] = settings.rate * rise * (1 + math.cos(math.pi * done / total)) / 2
                batch = _batch(samples, rows[step * share : (step + 1) * share], where)
                result = _step(model, state.optimizer, batch, variance, settings.mixed)
                seen += [float(getattr(result, f.name).detach()) for f in fields(Losses)]
                if report and rank == 0 and (step % 20 == 19 or step == steps - 1):
                    report(Progress(epoch, step + 1, steps, *(seen / (step + 1))))
            mean = seen / max(steps, 1)
            names = ("loss", "filled", "kept", "moved")
            state.log.append({"epoch": epoch, **dict(zip(names, mean.tolist(), strict=True))})
            state.epoch = epoch + 1
            if rank == 0:
                more = {} if state.guessed is None else {"guessed": torch.from_numpy(state.guessed)}
                save_checkpoint(
                    output, state.network, state.optimizer, asdict(settings), state.log, more
                )


def _step(
    model: nn.Module,
    optimizer: torch.optim.AdamW,
    batch: dict[str, torch.Tensor],
    variance: torch.Tensor,
    mixed: bool,
) -> Losses:
    columns = batch.pop("features")
    with torch.autocast(columns.device.type, torch.bfloat16, enabled=mixed):
        said = model(columns, batch["own"])
    result = losses(said, **batch, variance=variance)
    optimizer.zero_grad(set_to_none=True)
    result.total.backward()  # type: ignore[no-untyped-call]
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    return result


def _batch(samples: Samples, rows: Indices, where: torch.device) -> dict[str, torch.Tensor]:
    return {
        f.name: torch.from_numpy(getattr(samples, f.name)[rows]).to(where) for f in fields(Samples)
    }


def _guess(network: Network, persons: Persons, pairs: PairTable, where: torch.device) -> Floats32:
    """Let the network say where the joints are that nobody annotated."""
    present = persons.visible > 0
    xy = np.where(present[..., None], persons.xy, 0.0)
    near = nearest_poses(xy, present, persons.image)
    score = np.full((*present.shape, 2), -1.0)
    scene = Scene(xy, present, score, near, persons.image_size)
    centre, size = body_frame(xy, present, pairs)
    columns = features(scene, centre, size)
    own = own_coordinates(scene, centre, size).astype(np.float32)
    parts = []
    for start in range(0, len(xy), 8192):
        rows = slice(start, start + 8192)
        with torch.inference_mode():
            said = network(
                torch.from_numpy(columns[rows]).to(where), torch.from_numpy(own[rows]).to(where)
            )
        parts.append(said.xy.cpu().numpy())
    guess = np.concatenate(parts) * size[:, None, None] + centre[:, None]
    return np.asarray(guess, np.float32)


def _start(
    body: Skeleton, settings: Settings, where: torch.device, resume: bool, output: Path
) -> _State:
    torch.manual_seed(settings.seed)
    network = Network(feature_count(len(body)), len(body), settings.width, settings.blocks)
    network.to(where)
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=settings.rate, weight_decay=settings.decay
    )
    state = _State(network, optimizer, 0, None, [])
    if resume:
        state.log, more = load_checkpoint(output, network, optimizer, asdict(settings))
        state.epoch = len(state.log)
        state.guessed = more["guessed"].numpy() if "guessed" in more else None
    return state
