"""PoseFix's two losses, coarse and fine, and the expected OKS."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, log_softmax

from refine.refiner.fusion.readout import expected_oks_argmax, soft_argmax
from refine.refiner.image.network import NetworkOutput


@dataclass(frozen=True, slots=True)
class ImageLosses:
    """The sum that is minimised, and the figures that a person watches.

    Attributes:
        total: scalar with gradient.
        coarse: cross-entropy of the maps.
        fine: mean absolute error of the soft-argmax, cells.
        before: mean keypoint similarity of labelled joints as they came; 0 for missing ones.
        after: the same as the network puts them.
    """

    total: Tensor
    coarse: Tensor
    fine: Tensor
    before: Tensor
    after: Tensor


def light_losses(
    output: NetworkOutput,
    own: Tensor,
    target: Tensor,
    weight: Tensor,
    spread: Tensor,
    is_best: Tensor,
    fine: float,
) -> ImageLosses:
    """Compare what the network says with the truth.

    Args:
        output: of the network for N crops.
        own: (N, K, 3) x, y and weight of the joints as they came, cells.
        target: (N, K, 2) truth, cells.
        weight: (N, K) trust in the label; 0 where there is none. Labels outside of the map count
            for the OKS only.
        spread: (N, K) standard deviation of the OKS kernel, cells.
        is_best: (N,) bool, the best row of its person; the others count as OKS 0.
        fine: weight of the soft-argmax's error; 1 in PoseFix.
    """
    use, coarse, probability, mean = _read(output.maps, target, weight)
    count = use.sum().clamp(min=1)
    coarse = (coarse * use).sum() / count
    off = ((mean - target).abs().sum(-1) * use).sum() / count
    with torch.no_grad():
        came = _similarity(own[..., :2], target, spread) * (own[..., 2] > 0)
        reached = _similarity(
            expected_oks_argmax(probability, spread, iterations=3), target, spread
        )
        total = weight.sum(1).clamp(min=1e-6)
        oks = (torch.maximum(came, reached) * weight).sum(1) / total * is_best
    judged = binary_cross_entropy_with_logits(output.oks, oks)
    everything = weight.sum().clamp(min=1)
    return ImageLosses(
        coarse + fine * off + judged,
        coarse.detach(),
        off.detach(),
        (came * weight).sum() / everything,
        (reached * weight).sum() / everything,
    )


def posefix_losses(
    output: NetworkOutput,
    own: Tensor,
    target: Tensor,
    weight: Tensor,
    spread: Tensor,
    is_best: Tensor,
) -> ImageLosses:
    """Compare as PoseFix does: both means are over all joints, those without a label count as 0.

    The arguments are those of `light_losses`, but `is_best` is not used, and labels beyond the
    last cells count as on them. "After" is read where the soft-argmax puts the joints.
    """
    del is_best
    _, coarse, _, mean = _read(output.maps, target, weight)
    entropy = (coarse * weight).mean()
    # reduce_mean over x and y, too.
    off = ((mean - target).abs().mean(-1) * weight).mean()
    with torch.no_grad():
        came = _similarity(own[..., :2], target, spread) * (own[..., 2] > 0)
        reached = _similarity(mean, target, spread)
    everything = weight.sum().clamp(min=1)
    return ImageLosses(
        entropy + off,
        entropy.detach(),
        off.detach(),
        (came * weight).sum() / everything,
        (reached * weight).sum() / everything,
    )


def _read(maps: Tensor, target: Tensor, weight: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Read maps (N, K, h, w): weight of joints on them, cross-entropy, probability, its mean."""
    _n, _k, h, w = maps.shape
    inside = (target >= 0).all(-1) & (target[..., 0] <= w - 1) & (target[..., 1] <= h - 1)
    logs = log_softmax(maps.flatten(2), 2)
    probability = logs.exp().view_as(maps)
    return (
        weight * inside,
        _cross_entropy(logs, target, w, h),
        probability,
        soft_argmax(probability),
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
