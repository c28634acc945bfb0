"""PoseFix's two losses, coarse and fine, and the expected OKS."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, log_softmax

from refine.posefix.network import Said
from refine.posefix.readout import best_places


@dataclass(frozen=True, slots=True)
class PictureLosses:
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


def picture_losses(
    said: Said,
    own: Tensor,
    target: Tensor,
    weight: Tensor,
    spread: Tensor,
    claims: Tensor,
    fine: float,
) -> PictureLosses:
    """Compare what the network said with the truth.

    Args:
        said: of N crops.
        own: (N, K, 3) x, y and weight of the joints as they came, cells.
        target: (N, K, 2) truth, cells.
        weight: (N, K) trust in the label; 0 where there is none. Labels outside of the map count
            for the OKS only.
        spread: (N, K) standard deviation of the OKS kernel, cells.
        claims: (N,) bool, the best row of its person; the others count as OKS 0.
        fine: weight of the soft-argmax's error; 1 in PoseFix.
    """
    _n, _k, h, w = said.maps.shape
    inside = (target >= 0).all(-1) & (target[..., 0] <= w - 1) & (target[..., 1] <= h - 1)
    use = weight * inside
    count = use.sum().clamp(min=1)
    logs = log_softmax(said.maps.flatten(2), 2)
    coarse = (_cross_entropy(logs, target, w, h) * use).sum() / count
    chance = logs.exp().view_as(said.maps)
    columns = torch.arange(w, device=logs.device, dtype=logs.dtype)
    rows = torch.arange(h, device=logs.device, dtype=logs.dtype)
    mean = torch.stack([(chance.sum(2) * columns).sum(2), (chance.sum(3) * rows).sum(2)], -1)
    off = ((mean - target).abs().sum(-1) * use).sum() / count
    with torch.no_grad():

        def similarity(at: Tensor) -> Tensor:
            return torch.exp(-((at - target) ** 2).sum(-1) / (2 * spread**2))

        came = similarity(own[..., :2]) * (own[..., 2] > 0)
        reached = similarity(best_places(chance, spread, iterations=3))
        total = weight.sum(1).clamp(min=1e-6)
        oks = (torch.maximum(came, reached) * weight).sum(1) / total * claims
    judged = binary_cross_entropy_with_logits(said.oks, oks)
    everything = weight.sum().clamp(min=1)
    return PictureLosses(
        coarse + fine * off + judged,
        coarse.detach(),
        off.detach(),
        (came * weight).sum() / everything,
        (reached * weight).sum() / everything,
    )


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
