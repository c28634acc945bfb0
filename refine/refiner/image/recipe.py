"""The two ways of training an image refiner, as what they do not share."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from refine.errors.statistics import read_statistics
from refine.refiner.image.annotations import Labelled
from refine.refiner.image.crops import Pixels
from refine.refiner.image.dataset import Rows, draw_rows
from refine.refiner.image.light import PictureNetwork
from refine.refiner.image.loss import PictureLosses, paper_losses, picture_losses
from refine.refiner.image.posefix import PaperNetwork
from refine.refiner.image.posefix_dataset import draw_paper_rows, guess_joints
from refine.refiner.image.settings import PaperSettings, PictureSettings, Settings
from refine.refiner.pose.refiner import Refiner

Floats32 = np.ndarray[Any, np.dtype[np.float32]]
Draw = Callable[[np.random.Generator], Rows]
Network = TypeVar("Network", PictureNetwork, PaperNetwork)


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a training consists of.

    Attributes:
        network: at its start.
        optimizer: of it; every parameter group has a ``factor`` on the rate.
        rate: epoch, steps done and steps in all -> learning rate.
        draw: persons -> what draws the rows of an epoch of them.
        prepare: crops (N, H, W, 3) and randomness -> floats (N, 3, H, W), varied.
        losses: of `refine.refiner.image.loss`, without what is set once.
        clip: greatest norm of the gradient.
    """

    network: PictureNetwork | PaperNetwork
    optimizer: torch.optim.Optimizer
    rate: Callable[[int, int, int], float]
    draw: Callable[[Labelled], Draw]
    prepare: Callable[[Pixels, np.random.Generator], Floats32]
    losses: Callable[[Any, Tensor, Tensor, Tensor, Tensor, Tensor], PictureLosses]
    clip: float


def make_recipe(
    settings: Settings,
    refiner: Refiner,
    imagenet: dict[str, Tensor] | None,
    where: torch.device,
) -> Recipe:
    """Make the recipe that settings ask for; the network's weights are drawn from its seed.

    Args:
        settings: of either kind.
        refiner: image-free.
        imagenet: weights for the backbone to start from.
        where: device of the network.

    Raises:
        WeightsError: weights of another backbone.
    """
    torch.manual_seed(settings.seed)
    joints = len(refiner.skeleton) + len(settings.extra)
    if isinstance(settings, PaperSettings):
        return _paper(settings, joints, refiner, imagenet, where)
    return _light(settings, joints, refiner, imagenet, where)


def _light(
    settings: PictureSettings,
    joints: int,
    refiner: Refiner,
    imagenet: dict[str, Tensor] | None,
    where: torch.device,
) -> Recipe:
    network = _start(PictureNetwork(joints, settings.width), imagenet, where)
    old = list(network.backbone.parameters())
    ours = {id(p) for p in old}
    new = [p for p in network.parameters() if id(p) not in ours]
    groups = [
        {"params": new, "factor": 1.0},
        {"params": old, "factor": settings.backbone_rate},
    ]

    def rate(_epoch: int, done: int, total: int) -> float:
        rise = min(1.0, (done + 1) / min(200, max(1, total / 10)))
        return settings.rate * rise * (1 + math.cos(math.pi * done / total)) / 2

    statistics = read_statistics(settings.statistics)
    return Recipe(
        network,
        torch.optim.AdamW(groups, lr=settings.rate, weight_decay=settings.decay),
        rate,
        lambda labelled: partial(draw_rows, labelled, refiner, statistics, settings.size),
        tint,
        partial(picture_losses, fine=settings.fine),
        clip=5.0,
    )


def _paper(
    settings: PaperSettings,
    joints: int,
    refiner: Refiner,
    imagenet: dict[str, Tensor] | None,
    where: torch.device,
) -> Recipe:
    network = _start(PaperNetwork(joints, settings.depth, settings.sigma), imagenet, where)
    body, size = refiner.skeleton, settings.size
    statistics = read_statistics(settings.statistics)

    def draw(labelled: Labelled) -> Draw:
        guessed = guess_joints(labelled, refiner)
        return lambda rng: draw_paper_rows(labelled, guessed, body, statistics, size, rng)

    return Recipe(
        network,
        torch.optim.Adam(
            [{"params": list(network.parameters()), "factor": 1.0}],
            lr=settings.rate,
            weight_decay=settings.decay,
        ),
        lambda epoch, _done, _total: settings.rate * 0.1 ** sum(epoch >= d for d in settings.drops),
        draw,
        lambda crops, _rng: np.moveaxis(crops, -1, 1).astype(np.float32),
        paper_losses,
        clip=math.inf,
    )


def _start(network: Network, imagenet: dict[str, Tensor] | None, where: torch.device) -> Network:
    if imagenet is not None:
        network.backbone.load_imagenet(imagenet)
    return network.to(where).to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def tint(crops: Pixels, rng: np.random.Generator) -> Floats32:
    """Vary contrast, brightness and colour of crops (N, H, W, 3); as (N, 3, H, W) floats."""
    n = len(crops)
    contrast = rng.uniform(0.7, 1.3, (n, 1)) * rng.uniform(0.9, 1.1, (n, 3))
    shift = rng.normal(0, 12, (n, 1))
    pixels = np.moveaxis(crops, -1, 1).astype(np.float32)
    changed = (pixels - 127) * contrast[:, :, None, None] + 127 + shift[..., None, None]
    return np.asarray(np.clip(changed, 0, 255), np.float32)
