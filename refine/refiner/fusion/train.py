"""Training of fusions: an eye's own error first, then whom to believe when."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from refine._types import Indices
from refine.exceptions import RefineError
from refine.refiner.checkpoint import checkpoint_path
from refine.refiner.distributed import Process, joined_process
from refine.refiner.fusion.examples import Example, Seen, examples_of
from refine.refiner.fusion.judge import Judge
from refine.refiner.fusion.likelihood import Likelihood, heat_features
from refine.refiner.fusion.maps import values_at
from refine.refiner.fusion.weights import save_fusion
from refine.refiner.pose.refiner import Refiner
from refine.refiner.training import Job, Run, check_settings, train_network, warm_cosine

LEAST = 1e-12
"""Likelihood of a place is not taken for less."""
COUNTS = (1, 4, 12, 40, 100, 250)
"""Poses that a source is known by, in training."""
SHOWN = 60
"""Poses of a draw that are judged at most."""
EYED_SHARE = 0.15
"""Of the draws that are of sources which err with the eye."""
WARM = 200
"""Steps in which the rate rises, at most."""


@dataclass(frozen=True, slots=True)
class FusionSettings:
    """How a fusion is trained.

    Attributes:
        epochs: of both trainings.
        batch: draws per step of the judge's; the likelihood learns from eight times as many poses.
        draws: per epoch, of the judge's.
        rate: peak learning rate of the judge's; the likelihood's is four times as high.
        decay: weight decay of the judge's.
        real: share of the draws in which a source has all of its errors.
        seed: of everything that is drawn.
    """

    epochs: int = 10
    batch: int = 6
    draws: int = 2400
    rate: float = 4e-3
    decay: float = 1e-2
    real: float = 0.65
    seed: int = 0


@dataclass(frozen=True, slots=True)
class FusionData:
    """What a fusion learns from.

    Attributes:
        persons: annotated persons themselves, as sources without an error.
        sources: poses of real sources with their truth.
        eye: hash of the eye's weights.
    """

    persons: Sequence[Seen]
    sources: Sequence[Seen]
    eye: str


def train_fusion(
    data: FusionData,
    refiner: Refiner,
    output: Path,
    settings: FusionSettings | None = None,
    run: Run | None = None,
) -> Path:
    """Train the fusion of an eye and write its weights.

    Beside `output` stand checkpoints after every epoch, removed at the end, and the curve ``.csv``.
    The same settings and seed on the same machine give the same weights.

    Args:
        data: persons and sources, as the eye saw them.
        refiner: image-free.
        output: a .safetensors path.
        settings: of both trainings.
        run: how.

    Returns:
        `output`.

    Raises:
        RefineError: no persons, no sources, or a device other than the CPU.
        WeightsError: a checkpoint of other settings.
    """
    settings, run = settings or FusionSettings(), run or Run()
    check_settings(settings)
    if not data.persons or not data.sources:
        raise RefineError(
            "expected annotated persons on pictures and predictions for them, got "
            f"{len(data.persons)} sets of persons and {len(data.sources)} of predictions",
            hint="`predictions` in the .toml file of sets",
        )
    if run.device not in (None, "cpu"):
        raise RefineError(
            f"expected no device, a fusion learns on the CPU in minutes, got {run.device!r}",
            hint="no --device",
        )
    first = output.with_suffix(f".likelihood{output.suffix}")
    with joined_process("cpu", settings.batch, settings.seed, run.workers) as here:
        seeing = _LikelihoodJob(data.persons, refiner, settings)
        nats = _train(seeing, here, first, run)
        judging = _JudgeJob(data.sources, seeing.network.eval(), refiner, settings)
        last = _train(judging, here, output, run)
        if here.is_first:
            facts = {
                "eye": data.eye,
                "image_free": refiner.weights,
                "settings": asdict(settings),
                "persons": sum(len(seen.truth) for seen in data.persons),
                "sources": [seen.name for seen in data.sources],
                "likelihood": nats,
                **last,
            }
            save_fusion(output, seeing.network, judging.network, facts)
            checkpoint_path(output).unlink(missing_ok=True)
            checkpoint_path(first).unlink(missing_ok=True)
            first.with_suffix(".csv").unlink(missing_ok=True)
    return output


def _train(job: Job[Any], here: Process, output: Path, run: Run) -> dict[str, float]:
    resume = run.resume and checkpoint_path(output).exists()
    return train_network(job, here, output, replace(run, resume=resume))


class _FusionJob(Job[Any]):
    """What both trainings share; everything is on the CPU, which is fast enough."""

    clip = 1.0

    def __init__(self, network: nn.Module, settings: FusionSettings, rate: float) -> None:
        self.network, self.settings, self.peak = network, settings, rate
        self.epochs, self.batch = settings.epochs, settings.batch
        self.shared = asdict(settings)
        self.optimizer = torch.optim.AdamW(network.parameters(), rate, weight_decay=settings.decay)

    def rate(self, epoch: int, done: int, total: int) -> float:
        del epoch
        return warm_cosine(self.peak, done, total, WARM)


class _LikelihoodJob(_FusionJob):
    network: Likelihood

    def __init__(self, persons: Sequence[Seen], refiner: Refiner, settings: FusionSettings) -> None:
        torch.manual_seed(settings.seed)
        super().__init__(Likelihood(), settings, 4 * settings.rate)
        self.persons, self.sigmas = persons, refiner.skeleton.require_sigmas()
        self.batch = 8 * settings.batch
        self.number = np.concatenate(
            [np.stack([np.full(len(s.truth), i), np.arange(len(s.truth))], 1)
             for i, s in enumerate(persons)]
        )  # fmt: skip
        self.order: Indices

    def draw(self, epoch: int) -> int:
        self.order = np.random.default_rng([self.settings.seed, epoch]).permutation(
            len(self.number)
        )
        return len(self.order)

    def batches(self, epoch: int, shares: list[Indices]) -> Iterator[Any]:
        del epoch
        for share in shares:
            of, rows = self.number[self.order[share]].T
            yield [(self.persons[i], rows[of == i]) for i in np.unique(of)]

    def losses(self, model: nn.Module, batch: list[tuple[Seen, Indices]]) -> dict[str, Tensor]:
        total, count = torch.zeros(()), 0
        for seen, rows in batch:
            heat, view = seen.heat[rows].float(), seen.view(self.sigmas, rows)
            likely = values_at(model(heat, heat_features(heat, view), view), view.own)
            found = likely.clamp(min=LEAST).log()[view.there]
            total, count = total - found.sum(), count + len(found)
        return {"nats": total / max(count, 1)}


class _JudgeJob(_FusionJob):
    network: Judge

    def __init__(
        self,
        sources: Sequence[Seen],
        likelihood: Likelihood,
        refiner: Refiner,
        settings: FusionSettings,
    ) -> None:
        torch.manual_seed(settings.seed)
        super().__init__(Judge(), settings, settings.rate)
        self.plain: list[list[Example]] = []
        self.eyed: list[list[Example]] = []
        for _, with_eye, examples in examples_of(sources, likelihood, refiner):
            (self.eyed if with_eye else self.plain).append(examples)

    def draw(self, epoch: int) -> int:
        del epoch
        return self.settings.draws

    def batches(self, epoch: int, shares: list[Indices]) -> Iterator[Any]:
        for share in shares:
            drawn = [np.random.default_rng([self.settings.seed, epoch, int(i)]) for i in share]
            yield [self._draw(rng) for rng in drawn]

    def _draw(self, rng: np.random.Generator) -> tuple[Example, Tensor]:
        kind = self.eyed if rng.random() < EYED_SHARE else self.plain
        examples = kind[rng.integers(len(kind))]
        real = rng.random() < self.settings.real
        example = examples[0 if real else rng.integers(1, len(examples))]
        count = min(len(example.known), int(rng.choice(COUNTS)))
        return example, torch.from_numpy(rng.permutation(len(example.known))[:count])

    def losses(self, model: nn.Module, batch: list[tuple[Example, Tensor]]) -> dict[str, Tensor]:
        total, gained, could = (torch.zeros(()) for _ in range(3))
        for example, rows in batch:
            source = torch.from_numpy(example.source(rows).numbers())
            rows = rows[:SHOWN]
            there, missing = example.view.there[rows], example.view.missing[rows]
            use = example.known[rows] & (there | missing)
            if not use.any():
                continue
            said = model(example.features[rows][use], source)
            right, own = example.right[rows][use], there[use].float()[:, None]
            error = (said - right) ** 2
            gain, truly = said[:, 1:] - said[:, :1], right[:, 1:] - right[:, :1]
            total = total + (own * error[:, :1] + error[:, 1:].sum(1, keepdim=True)).mean() / 2
            total = total + (own * (gain - truly) ** 2).mean()
            best, place = gain.detach().max(1)
            taken = truly.gather(1, place[:, None])[:, 0] * own[:, 0]
            gained = gained + (taken * (best > 0)).mean()
            could = could + (truly.amax(1).clamp(min=0) * own[:, 0]).mean()
        count = len(batch)
        return {"loss": total / count, "gain": gained / count, "possible": could / count}
