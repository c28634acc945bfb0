"""How each architecture of image refiners is trained, as what the trainings do not share."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from refine._types import Floats32
from refine.crops.arrays import Pixels
from refine.errors.statistics import read_statistics
from refine.refiner.image.annotations import Labelled
from refine.refiner.image.dataset import Rows, draw_rows
from refine.refiner.image.light import LightNetwork
from refine.refiner.image.loss import ImageLosses, light_losses, posefix_losses
from refine.refiner.image.network import ImageNetwork
from refine.refiner.image.posefix import PoseFixNetwork
from refine.refiner.image.posefix_dataset import draw_posefix_rows, guess_joints
from refine.refiner.image.settings import ImageSettings, LightSettings, PoseFixSettings
from refine.refiner.pose.refiner import Refiner
from refine.refiner.training import warm_cosine

Draw = Callable[[np.random.Generator], Rows]


@dataclass(frozen=True, slots=True)
class TrainingRecipe:
    """What a training consists of.

    Attributes:
        network: at its start.
        groups: of its parameters, each with a ``factor`` on the rate.
        optimizer: groups -> optimiser.
        rate: epoch, steps done and steps in all -> learning rate.
        draw: persons -> what draws the rows of an epoch of them.
        prepare: crops (N, H, W, 3) and randomness -> floats (N, 3, H, W), varied.
        losses: of `refine.refiner.image.loss`, without what is set once.
        clip: greatest norm of the gradient.
    """

    network: ImageNetwork
    groups: list[dict[str, Any]]
    optimizer: Callable[[list[dict[str, Any]]], torch.optim.Optimizer]
    rate: Callable[[int, int, int], float]
    draw: Callable[[Labelled], Draw]
    prepare: Callable[[Pixels, np.random.Generator], Floats32]
    losses: Callable[[Any, Tensor, Tensor, Tensor, Tensor, Tensor], ImageLosses]
    clip: float


def make_recipe(settings: ImageSettings, refiner: Refiner) -> TrainingRecipe:
    """Make the recipe that settings ask for; torch draws the network's weights.

    Args:
        settings: of any architecture.
        refiner: image-free.
    """
    joints = len(refiner.skeleton) + len(settings.extra)
    return RECIPES[settings.architecture](settings, joints, refiner)


def _light(settings: LightSettings, joints: int, refiner: Refiner) -> TrainingRecipe:
    network = LightNetwork(joints, settings.width, settings.backbone)
    old = list(network.backbone.parameters())
    ours = {id(p) for p in old}
    new = [p for p in network.parameters() if id(p) not in ours]
    statistics = read_statistics(settings.statistics)
    return TrainingRecipe(
        network,
        [{"params": new, "factor": 1.0}, {"params": old, "factor": settings.backbone_rate}],
        partial(torch.optim.AdamW, lr=settings.rate, weight_decay=settings.decay),
        lambda _epoch, done, total: warm_cosine(settings.rate, done, total, warm=200),
        lambda labelled: partial(draw_rows, labelled, refiner, statistics, settings.size),
        tint,
        partial(light_losses, fine=settings.fine),
        clip=5.0,
    )


def _posefix(settings: PoseFixSettings, joints: int, refiner: Refiner) -> TrainingRecipe:
    network = PoseFixNetwork(joints, settings.depth, settings.sigma)
    body, size = refiner.skeleton, settings.size
    statistics = read_statistics(settings.statistics)

    def draw(labelled: Labelled) -> Draw:
        guessed = guess_joints(labelled, refiner)
        return lambda rng: draw_posefix_rows(labelled, guessed, body, statistics, size, rng)

    return TrainingRecipe(
        network,
        [{"params": list(network.parameters()), "factor": 1.0}],
        partial(torch.optim.Adam, lr=settings.rate, weight_decay=settings.decay),
        lambda epoch, _done, _total: settings.rate * 0.1 ** sum(epoch >= d for d in settings.drops),
        draw,
        lambda crops, _rng: np.moveaxis(crops, -1, 1).astype(np.float32),
        posefix_losses,
        clip=math.inf,
    )


RECIPES: dict[str, Callable[[Any, int, Refiner], TrainingRecipe]] = {
    LightNetwork.architecture: _light,
    PoseFixNetwork.architecture: _posefix,
}


def tint(crops: Pixels, rng: np.random.Generator) -> Floats32:
    """Vary contrast, brightness and colour of crops (N, H, W, 3); as (N, 3, H, W) floats."""
    n = len(crops)
    contrast = rng.uniform(0.7, 1.3, (n, 1)) * rng.uniform(0.9, 1.1, (n, 3))
    shift = rng.normal(0, 12, (n, 1))
    pixels = np.moveaxis(crops, -1, 1).astype(np.float32)
    changed = (pixels - 127) * contrast[:, :, None, None] + 127 + shift[..., None, None]
    return np.asarray(np.clip(changed, 0, 255), np.float32)
