"""Training of PoseFix, from annotations and their pictures."""

import math
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from refine._types import Indices
from refine.crops.arrays import Pixels
from refine.errors.statistics import read_statistics
from refine.refiner.checkpoint import checkpoint_path
from refine.refiner.distributed import Process, joined_process
from refine.refiner.fusion.readout import in_cells
from refine.refiner.image.annotations import Labelled
from refine.refiner.image.posefix import PoseFixNetwork
from refine.refiner.image.posefix_dataset import Rows, draw_posefix_rows, guess_joints, load_crops
from refine.refiner.image.posefix_loss import ImageLosses, posefix_losses
from refine.refiner.image.settings import PoseFixSettings
from refine.refiner.image.weights import save_image_weights
from refine.refiner.pose.refiner import Refiner
from refine.refiner.training import Job, Run, check_settings, train_network

__all__ = ["ImageData", "Run", "train_on_images"]

AHEAD = 3
"""Batches whose crops are cut while the network works."""
DROP = 0.1
"""Factor on the rate at every epoch of `drops`."""
HELD_SEED = 2**31
"""In place of an epoch, for the errors of persons held out: the same ones every time."""


@dataclass(frozen=True, slots=True)
class ImageData:
    """What PoseFix learns from.

    Attributes:
        labelled: persons, of `refine.refiner.image.annotations.read_labelled`.
        held_out: persons that are looked at after every epoch, but not learned from.
        imagenet: weights for the backbone to start from.
    """

    labelled: Labelled
    held_out: Labelled | None = None
    imagenet: dict[str, Tensor] | None = None


def train_on_images(
    data: ImageData,
    refiner: Refiner,
    output: Path,
    settings: PoseFixSettings,
    run: Run | None = None,
) -> Path:
    """Train PoseFix on persons with pictures and write its weights.

    Beside `output` stand a checkpoint ``.ckpt`` after every epoch, removed at the end, and the
    curve ``.csv``. The same settings and seed on the same machine give the same weights, also
    when resumed in between.

    Args:
        data: persons, and weights to start from.
        refiner: image-free; it says where joints that are not labelled may be.
        output: a .safetensors path.
        settings: what is trained.
        run: how.

    Returns:
        `output`.

    Raises:
        WeightsError: a checkpoint of other settings, or weights of another backbone.
        FormatError: a picture that cannot be read, or nothing to resume.
        RefineError: no such device, a batch that the processes cannot share, or fewer persons than
            processes.
    """
    run = run or Run()
    check_settings(settings)
    with joined_process(run.device, settings.batch, settings.seed, run.workers) as here:
        job = _ImageJob(data, refiner, settings, here)
        last = train_network(job, here, output, run)
        if here.is_first:
            persons = len(data.labelled.persons)
            facts = {"settings": asdict(settings), "persons": persons, **last}
            save_image_weights(output, job.network, job.body, settings.size, refiner.weights, facts)
            checkpoint_path(output).unlink(missing_ok=True)
    return output


@dataclass(frozen=True, slots=True)
class _Batch:
    """Rows, and their crops as floats (N, 3, H, W), 0 to 255."""

    rows: Rows
    pixels: Tensor


class _ImageJob(Job[_Batch]):
    network: PoseFixNetwork
    clip = math.inf

    def __init__(
        self, data: ImageData, refiner: Refiner, settings: PoseFixSettings, here: Process
    ) -> None:
        self.data, self.settings, self.here = data, settings, here
        self.epochs, self.batch = settings.epochs, settings.batch
        self.shared = asdict(settings)
        if data.held_out:
            self.shared |= {"held_out": len(data.held_out.persons)}
        self.refiner, self.body = refiner, refiner.skeleton
        self.network = PoseFixNetwork(len(self.body), settings.depth, settings.sigma)
        if data.imagenet is not None:
            self.network.load_imagenet(data.imagenet)
        self.network.to(here.device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.optimizer = torch.optim.Adam(
            self.network.parameters(), lr=settings.rate, weight_decay=settings.decay
        )
        sigmas = 2 * self.body.require_sigmas()
        self.kernel = torch.tensor(sigmas, dtype=torch.float32, device=here.device)
        self.source = self._source(data.labelled)
        self.rows: Rows
        self.held_rows: Rows | None = None
        if data.held_out and here.is_first:
            draw = self._source(data.held_out)
            self.held_rows = draw(np.random.default_rng([settings.seed, HELD_SEED]))

    def _source(self, labelled: Labelled) -> Callable[[np.random.Generator], Rows]:
        """Return what draws the rows of an epoch."""
        guessed, size = guess_joints(labelled, self.refiner), self.settings.size
        statistics = read_statistics(self.settings.statistics)
        return lambda rng: draw_posefix_rows(labelled, guessed, self.body, statistics, size, rng)

    def draw(self, epoch: int) -> int:
        self.rows = self.source(np.random.default_rng([self.settings.seed, epoch]))
        return len(self.rows)

    def batches(self, epoch: int, shares: list[Indices]) -> Iterator[_Batch]:
        del epoch
        for rows, pixels in self._crops(self.rows, shares, self.data.labelled):
            yield _Batch(rows, _as_floats(pixels))

    def _crops(
        self, rows: Rows, shares: list[Indices], labelled: Labelled
    ) -> Iterator[tuple[Rows, Pixels]]:
        """Yield batches with their crops, which are cut a few batches ahead."""
        size, pool = self.settings.size, self.here.pool
        with ThreadPoolExecutor(1) as ahead:

            def load(share: Indices) -> tuple[Rows, Pixels]:
                return rows[share], load_crops(rows[share], labelled, size, pool)

            queue: list[Future[tuple[Rows, Pixels]]] = []
            for i in range(len(shares)):
                while len(queue) < AHEAD and i + len(queue) < len(shares):
                    queue.append(ahead.submit(load, shares[i + len(queue)]))
                yield queue.pop(0).result()

    def rate(self, epoch: int, done: int, total: int) -> float:
        del done, total
        return self.settings.rate * DROP ** sum(epoch >= drop for drop in self.settings.drops)

    def losses(self, model: nn.Module, batch: _Batch) -> dict[str, Tensor]:
        where, network, rows = self.here.device, self.network, batch.rows
        own, target, weight, area = (
            torch.from_numpy(values).to(where)
            for values in (rows.own, rows.target, rows.weight, rows.area)
        )
        pixels = batch.pixels.to(where).to(memory_format=torch.channels_last)
        with torch.autocast(where.type, torch.bfloat16, enabled=self.settings.mixed):
            maps = model(pixels, own)
        found = posefix_losses(
            maps,
            in_cells(own, network.stride, network.offset),
            in_cells(target, network.stride, network.offset),
            weight,
            self.kernel * area.sqrt()[:, None] / network.stride,
        )
        return {f.name: getattr(found, f.name) for f in fields(ImageLosses)}

    def held(self) -> dict[str, float]:
        """Measure on rows that nothing is learned from."""
        rows, held_out = self.held_rows, self.data.held_out
        if rows is None or held_out is None:
            return {}
        seen = {f"held_{f.name}": 0.0 for f in fields(ImageLosses)}
        starts = range(0, len(rows), self.batch)
        shares = [np.arange(s, min(s + self.batch, len(rows))) for s in starts]
        self.network.eval()
        with torch.inference_mode():
            for some, crops in self._crops(rows, shares, held_out):
                batch = _Batch(some, _as_floats(crops))
                for name, value in self.losses(self.network, batch).items():
                    seen[f"held_{name}"] += float(value) * len(some)
        return {name: value / max(len(rows), 1) for name, value in seen.items()}


def _as_floats(crops: Pixels) -> Tensor:
    """Return crops (N, H, W, 3) as floats (N, 3, H, W)."""
    return torch.from_numpy(np.moveaxis(crops, -1, 1).astype(np.float32))
