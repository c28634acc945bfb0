"""What the refiner is trained for: keypoint similarity, and honesty about it."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits as cross_entropy

from refine.refiner.pose.network import Output


@dataclass(frozen=True, slots=True)
class Losses:
    """The sum that is minimised, and the figures that a person watches.

    Attributes:
        total: scalar with gradient.
        filled: mean keypoint similarity of labelled joints that were missing.
        kept: mean keypoint similarity of labelled joints that were present, as they came.
        moved: mean keypoint similarity of the same as the network puts them.
    """

    total: Tensor
    filled: Tensor
    kept: Tensor
    moved: Tensor


def losses(
    output: Output,
    own: Tensor,
    present: Tensor,
    target: Tensor,
    labelled: Tensor,
    area: Tensor,
    variance: Tensor,
) -> Losses:
    """Compare what the network says with the truth.

    Positions are trained on 1 - KS at the true scale and at 2 and 4 times it, which have a
    gradient where KS itself is flat, and a slowly growing tail. Every head is trained on what
    it claims: the similarity of the joint as it came and as it was put, by cross-entropy.

    Args:
        output: of the network for N rows.
        own: (N, K, 2) joints as shown, body frame.
        present: (N, K) bool.
        target: (N, K, 2) truth, body frame.
        labelled: (N, K) bool.
        area: (N,) body units squared.
        variance: (K,) (2 sigma)^2.
    """
    weight = labelled.float()
    shown = weight * present
    count = weight.sum().clamp(min=1)
    unit = (2 * variance * area[:, None]).clamp(min=1e-6)
    d2 = ((output.xy - target) ** 2).sum(-1)
    e = d2 / unit
    ks = torch.exp(-e)
    place = (1 - ks) + 0.5 * (1 - torch.exp(-e / 4)) + 0.5 * (1 - torch.exp(-e / 16))
    place = place + 0.1 * torch.log1p(e / 16)
    reached = ks.detach()
    came = torch.exp(-((own - target) ** 2).sum(-1) / unit) * present
    error = (output.xy.detach() - target).abs().mean(-1)
    spread = output.spread
    calibration = (
        cross_entropy(output.move, reached, reduction="none")
        + cross_entropy(output.keep, came, reduction="none") * present
        + 0.5 * cross_entropy(output.wrong, (came < 0.5).float(), reduction="none") * present
    )
    likelihood = error / spread + torch.log(spread)
    real = labelled.any(1)
    annotated = cross_entropy(output.annotated, weight, reduction="none").mean(1)
    annotated = (annotated * real).sum() / real.sum().clamp(min=1)
    oks = (torch.maximum(came, reached) * weight).sum(1) / weight.sum(1).clamp(min=1)
    total = (
        ((place + 0.1 * likelihood + 0.3 * calibration) * weight).sum() / count
        + 0.1 * annotated
        + 0.2 * cross_entropy(output.oks, oks)
    )
    absent = weight * ~present

    def mean(value: Tensor, over: Tensor) -> Tensor:
        return (value * over).sum().detach() / over.sum().clamp(min=1)

    return Losses(total, mean(reached, absent), mean(came, shown), mean(reached, shown))
