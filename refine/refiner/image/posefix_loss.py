"""PoseFix's two losses, coarse and fine."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import log_softmax

from refine.refiner.fusion.readout import soft_argmax


@dataclass(frozen=True, slots=True)
class ImageLosses:
    """The sum that is minimised, and the figures that a person watches.

    Attributes:
        total: scalar with gradient.
        coarse: cross-entropy of the maps.
        fine: mean absolute error of the soft-argmax, cells.
        before: mean keypoint similarity of labelled joints as they came; 0 for missing ones.
        after: the same where the soft-argmax puts them.
    """

    total: Tensor
    coarse: Tensor
    fine: Tensor
    before: Tensor
    after: Tensor


def posefix_losses(
    maps: Tensor, own: Tensor, target: Tensor, weight: Tensor, spread: Tensor
) -> ImageLosses:
    """Compare what the network says with the truth, as PoseFix does.

    Both means are over all joints, those without a label count as 0.

    Args:
        maps: (N, K, h, w) logits of the network.
        own: (N, K, 3) x, y and weight of the joints as they came, cells.
        target: (N, K, 2) truth, cells; what lies beyond the last cells counts as on them.
        weight: (N, K) 1 where labelled, else 0.
        spread: (N, K) standard deviation of the OKS kernel, cells.
    """
    h, w = maps.shape[2:]
    logs = log_softmax(maps.flatten(2), 2)
    mean = soft_argmax(logs.exp().view_as(maps))
    coarse = (_cross_entropy(logs, target, w, h) * weight).mean()
    # reduce_mean over x and y, too.
    off = ((mean - target).abs().mean(-1) * weight).mean()
    with torch.no_grad():
        came = _similarity(own[..., :2], target, spread) * (own[..., 2] > 0)
        reached = _similarity(mean, target, spread)
    everything = weight.sum().clamp(min=1)
    return ImageLosses(
        coarse + off,
        coarse.detach(),
        off.detach(),
        (came * weight).sum() / everything,
        (reached * weight).sum() / everything,
    )


def _similarity(at: Tensor, target: Tensor, spread: Tensor) -> Tensor:
    return torch.exp(-((at - target) ** 2).sum(-1) / (2 * spread**2))


def _cross_entropy(logs: Tensor, target: Tensor, w: int, h: int) -> Tensor:
    """Cross-entropy with the truth split over the four cells around it, (N, K)."""
    at = torch.stack([target[..., 0].clamp(0, w - 1), target[..., 1].clamp(0, h - 1)], -1)
    low = torch.minimum(at.floor(), torch.tensor([w - 2.0, h - 2.0], device=at.device))
    part = at - low
    cell = (low[..., 1] * w + low[..., 0]).long()
    out = torch.zeros_like(target[..., 0])
    for dy in (0, 1):
        for dx in (0, 1):
            share = (part[..., 0] if dx else 1 - part[..., 0]) * (
                part[..., 1] if dy else 1 - part[..., 1]
            )
            out = out - share * logs.gather(2, (cell + dy * w + dx)[..., None])[..., 0]
    return out
