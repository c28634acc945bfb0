"""Training of the image-free refiner, from annotations alone."""

from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from refine._types import Floats32, Indices
from refine.errors.statistics import read_statistics
from refine.evaluation.ground_truth import GroundTruth, read_ground_truth
from refine.poses import Poses
from refine.refiner.checkpoint import checkpoint_path
from refine.refiner.distributed import Process, joined_process
from refine.refiner.pose.dataset import Samples, draw_epoch
from refine.refiner.pose.features import (
    PairTable,
    Scene,
    body_frame,
    feature_count,
    features,
    own_coordinates,
)
from refine.refiner.pose.loss import losses
from refine.refiner.pose.network import Network
from refine.refiner.pose.simulate import training_persons
from refine.refiner.pose.weights import save_weights
from refine.refiner.training import Job, Run, check_settings, train_network, warm_cosine

__all__ = ["PoseSettings", "Run", "train"]


@dataclass(frozen=True, slots=True)
class PoseSettings:
    """How to train.

    Attributes:
        epochs: passes over the persons, each with fresh errors.
        batch: rows per step, over all processes.
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


def train(
    truth: Poses | GroundTruth, output: Path, settings: PoseSettings, run: Run | None = None
) -> Path:
    """Train a refiner on annotated persons and write its weights.

    Beside `output` stand a checkpoint ``.ckpt`` after every epoch, removed at the end, and the
    curve ``.csv``. The same settings and seed on the same machine give the same weights, also
    when resumed in between.

    Args:
        truth: annotated persons, of a skeleton with sigmas; see `read_ground_truth`.
        output: a .safetensors path.
        settings: what is trained.
        run: how.

    Returns:
        `output`.

    Raises:
        WeightsError: a checkpoint of other settings.
        FormatError: nothing to resume.
        RefineError: annotations without persons, no such device, or a batch that the processes
            cannot share.
    """
    run = run or Run()
    check_settings(settings)
    with joined_process(run.device, settings.batch, settings.seed, run.workers) as here:
        job = _PoseJob(truth, settings, here)
        last = train_network(job, here, output, run)
        if here.is_first:
            facts = {"settings": job.shared, "persons": len(job.persons), **last}
            save_weights(output, job.network, job.pairs, job.body, facts)
            checkpoint_path(output).unlink(missing_ok=True)
    return output


class _PoseJob(Job[dict[str, Tensor]]):
    network: Network
    clip = 1.0

    def __init__(self, truth: Poses | GroundTruth, settings: PoseSettings, here: Process) -> None:
        self.settings, self.here = settings, here
        self.epochs, self.batch, self.shared = settings.epochs, settings.batch, asdict(settings)
        table = read_ground_truth(truth)
        self.persons, self.body = training_persons(table), table.skeleton
        self.pairs = PairTable.measure(self.persons.xy, self.persons.visible > 0, self.persons.area)
        self.statistics = read_statistics(settings.statistics)
        k = len(self.body)
        self.network = Network(feature_count(k), k, settings.width, settings.blocks)
        self.network.to(here.device)
        self.optimizer = torch.optim.AdamW(
            self.network.parameters(), lr=settings.rate, weight_decay=settings.decay
        )
        variance = (2 * self.body.require_sigmas()) ** 2
        self.variance = torch.tensor(variance, dtype=torch.float32, device=here.device)
        self.guessed: Floats32 | None = None
        self.ahead: Future[Samples] | None = None
        self.samples: Samples

    def draw(self, epoch: int) -> int:
        if epoch in self.settings.guesses():
            self.guessed = self._guess()
        self.samples = self.ahead.result() if self.ahead else self._draw(epoch)
        # The next epoch is drawn meanwhile, unless the network first has to guess for it.
        follows = epoch + 1 < self.epochs and epoch + 1 not in self.settings.guesses()
        self.ahead = self.here.pool.submit(self._draw, epoch + 1) if follows else None
        return len(self.samples.own)

    def _draw(self, epoch: int) -> Samples:
        rng = np.random.default_rng([self.settings.seed, epoch])
        return draw_epoch(self.persons, self.guessed, self.pairs, self.body, self.statistics, rng)

    def batches(self, epoch: int, shares: list[Indices]) -> Iterator[dict[str, Tensor]]:
        for rows in shares:
            yield {
                f.name: torch.from_numpy(getattr(self.samples, f.name)[rows]).to(self.here.device)
                for f in fields(Samples)
            }

    def rate(self, epoch: int, done: int, total: int) -> float:
        return warm_cosine(self.settings.rate, done, total, warm=300)

    def losses(self, model: nn.Module, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        columns, own = batch["features"], batch["own"]
        with torch.autocast(columns.device.type, torch.bfloat16, enabled=self.settings.mixed):
            output = model(columns, own)
        found = losses(
            output,
            own,
            batch["present"],
            batch["target"],
            batch["labelled"],
            batch["area"],
            self.variance,
        )
        return {
            "loss": found.total,
            "filled": found.filled,
            "kept": found.kept,
            "moved": found.moved,
        }

    def _guess(self) -> Floats32:
        """Let the network say where the joints are that nobody annotated."""
        persons, device = self.persons, self.here.device
        scene = Scene.unscored(persons.xy, persons.image, persons.image_size)
        centre, size = body_frame(scene.xy, scene.present, self.pairs)
        columns = features(scene, centre, size)
        own = own_coordinates(columns, scene.present.shape[1])
        parts = []
        for start in range(0, len(own), 8192):
            told = (torch.from_numpy(a[start : start + 8192]).to(device) for a in (columns, own))
            with torch.inference_mode():
                parts.append(self.network(*told).xy.cpu().numpy())
        guess = np.concatenate(parts) * size[:, None, None] + centre[:, None]
        return np.asarray(guess, np.float32)

    def state(self) -> dict[str, Tensor]:
        return {} if self.guessed is None else {"guessed": torch.from_numpy(self.guessed)}

    def restore(self, state: dict[str, Tensor]) -> None:
        self.guessed = state["guessed"].numpy() if "guessed" in state else None
