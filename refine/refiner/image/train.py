"""Training of image refiners, from annotations and their pictures."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from refine._types import Indices
from refine.crops.arrays import Pixels
from refine.refiner.checkpoint import checkpoint_path
from refine.refiner.distributed import Process, joined_process
from refine.refiner.fusion.readout import in_cells
from refine.refiner.image.annotations import Labelled
from refine.refiner.image.dataset import Rows, load_crops
from refine.refiner.image.loss import ImageLosses
from refine.refiner.image.network import ImageNetwork
from refine.refiner.image.network_reader import EXTRA_SIGMA
from refine.refiner.image.recipe import Draw, make_recipe
from refine.refiner.image.settings import ImageSettings
from refine.refiner.image.weights import save_image_weights
from refine.refiner.pose.refiner import Refiner
from refine.refiner.training import Job, Run, check_settings, train_network
from refine.skeletons import Skeleton

__all__ = ["ImageData", "Run", "train_on_images"]

AHEAD = 3
"""Batches whose crops are cut while the network works."""
HELD_SEED = 2**31
"""In place of an epoch, for the errors of persons held out: the same ones every time."""


@dataclass(frozen=True, slots=True)
class ImageData:
    """What an image refiner learns from.

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
    settings: ImageSettings,
    run: Run | None = None,
) -> Path:
    """Train an image refiner on persons with pictures and write its weights.

    Beside `output` stand a checkpoint ``.ckpt`` after every epoch, removed at the end, and the
    curve ``.csv``. The same settings and seed on the same machine give the same weights, also
    when resumed in between.

    Args:
        data: persons, and weights to start from.
        refiner: image-free; its belief is part of the light network's input.
        output: a .safetensors path.
        settings: what is trained; their type says which network.
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


def with_extra_joints(body: Skeleton, extra: tuple[str, ...]) -> Skeleton:
    """Return the skeleton of an image refiner: the image-free one's joints and more."""
    sigmas = np.r_[body.require_sigmas(), np.full(len(extra), EXTRA_SIGMA)]
    if not extra:
        return body
    regions = (*(body.regions or ("upper",) * len(body)), *("upper",) * len(extra))
    return replace(
        body,
        name=f"{body.name}+{'+'.join(extra)}",
        joints=(*body.joints, *extra),
        sigmas=sigmas,
        regions=regions,
    )


@dataclass(frozen=True, slots=True)
class _Batch:
    """Rows, and their crops as floats (N, 3, H, W), 0 to 255."""

    rows: Rows
    pixels: Tensor


class _ImageJob(Job[_Batch]):
    network: ImageNetwork

    def __init__(
        self, data: ImageData, refiner: Refiner, settings: ImageSettings, here: Process
    ) -> None:
        self.data, self.settings, self.here = data, settings, here
        self.epochs, self.batch = settings.epochs, settings.batch
        self.shared = asdict(settings)
        if data.held_out:
            self.shared |= {"held_out": len(data.held_out.persons)}
        self.recipe = make_recipe(settings, refiner)
        self.network, self.clip = self.recipe.network, self.recipe.clip
        if data.imagenet is not None:
            self.network.load_imagenet(data.imagenet)
        self.network.to(here.device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.optimizer = self.recipe.optimizer(self.recipe.groups)
        # On CPUs a part of the light network is not trained.
        self.partly = here.device.type == "cpu"
        self.body = with_extra_joints(refiner.skeleton, settings.extra)
        sigmas = 2 * self.body.require_sigmas()
        self.kernel = torch.tensor(sigmas, dtype=torch.float32, device=here.device)
        self.source: Draw = self.recipe.draw(data.labelled)
        self.rows: Rows
        self.held_rows: Rows | None = None
        if data.held_out and here.is_first:
            draw = self.recipe.draw(data.held_out)
            self.held_rows = draw(np.random.default_rng([settings.seed, HELD_SEED]))

    def draw(self, epoch: int) -> int:
        self.rows = self.source(np.random.default_rng([self.settings.seed, epoch]))
        return len(self.rows)

    def batches(self, epoch: int, shares: list[Indices]) -> Iterator[_Batch]:
        crops = self._crops(self.rows, shares, self.data.labelled)
        for step, (rows, pixels) in enumerate(crops):
            light = np.random.default_rng([self.settings.seed, epoch, step, self.here.rank])
            yield _Batch(rows, torch.from_numpy(self.recipe.prepare(pixels, light)))

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
        return self.recipe.rate(epoch, done, total)

    def losses(self, model: nn.Module, batch: _Batch) -> dict[str, Tensor]:
        where, network, rows = self.here.device, self.network, batch.rows

        def tensor(values: Any) -> Tensor:
            return torch.from_numpy(np.asarray(values)).to(where)

        conditioning = {
            f.name: tensor(getattr(rows.conditioning, f.name)) for f in fields(rows.conditioning)
        }
        pixels = batch.pixels.to(where).to(memory_format=torch.channels_last)
        with torch.autocast(where.type, torch.bfloat16, enabled=self.settings.mixed):
            output = model(pixels, **conditioning)
        found = self.recipe.losses(
            output,
            in_cells(conditioning["own"], network.stride, network.offset),
            in_cells(tensor(rows.target), network.stride, network.offset),
            tensor(rows.weight),
            self.kernel * tensor(rows.area).sqrt()[:, None] / network.stride,
            tensor(rows.is_best),
        )
        return {f.name: getattr(found, f.name) for f in fields(ImageLosses)}

    def held(self) -> dict[str, float]:
        """Measure on rows that nothing is learned from; the crops are not varied."""
        rows, held_out = self.held_rows, self.data.held_out
        if rows is None or held_out is None:
            return {}
        seen = {f"held_{f.name}": 0.0 for f in fields(ImageLosses)}
        starts = range(0, len(rows), self.batch)
        shares = [np.arange(s, min(s + self.batch, len(rows))) for s in starts]
        self.network.eval()
        with torch.inference_mode():
            for some, crops in self._crops(rows, shares, held_out):
                pixels = torch.from_numpy(np.moveaxis(crops, -1, 1).astype(np.float32))
                for name, value in self.losses(self.network, _Batch(some, pixels)).items():
                    seen[f"held_{name}"] += float(value) * len(some)
        return {name: value / max(len(rows), 1) for name, value in seen.items()}
