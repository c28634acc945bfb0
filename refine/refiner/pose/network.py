"""The refiner's network: a residual MLP over one pose and its surroundings."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class Output:
    """What the network says, in the body frame and as logits.

    Attributes:
        xy: (N, K, 2) positions.
        log_spread: (N, K) raw spread; `spread` makes it a Laplace scale in body sizes.
        keep: (N, K) logit of the expected similarity of the joint as it came.
        move: (N, K) logit of the expected similarity of the joint at `xy`.
        wrong: (N, K) logit of the probability that the joint as it came is a miss (KS < .5).
        annotated: (N, K) logit of the probability that an annotator labels the joint at all.
        oks: (N,) logit of the expected OKS of the pose after refinement.
    """

    xy: Tensor
    log_spread: Tensor
    keep: Tensor
    move: Tensor
    wrong: Tensor
    annotated: Tensor
    oks: Tensor

    @property
    def spread(self) -> Tensor:
        """Laplace scale of the position, (N, K) in body sizes."""
        return nn.functional.softplus(self.log_spread) + 1e-3


class Network(nn.Module):
    """Residual MLP: ``blocks`` times (norm, linear, GELU, linear) of one width.

    Args:
        inputs: columns of `refine.refiner.pose.features.features`.
        joints: K.
        width: of every layer.
        blocks: residual blocks.
    """

    def __init__(self, inputs: int, joints: int, width: int = 512, blocks: int = 4) -> None:
        super().__init__()
        self.joints = joints
        self.enter = nn.Linear(inputs, width)
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.LayerNorm(width), nn.Linear(width, width), nn.GELU(), nn.Linear(width, width)
            )
            for _ in range(blocks)
        )
        self.norm = nn.LayerNorm(width)
        self.leave = nn.Linear(width, joints * 7 + 1)
        # Start from "leave every joint where it is".
        nn.init.zeros_(self.leave.bias)
        with torch.no_grad():
            self.leave.weight.mul_(0.1)

    def forward(self, features: Tensor, own: Tensor) -> Output:
        """Map features (N, F) and own coordinates (N, K, 2) to an `Output`."""
        hidden = self.enter(features)
        for block in self.blocks:
            hidden = hidden + block(hidden)
        raw = self.leave(self.norm(hidden)).float()
        each = raw[:, :-1].reshape(-1, self.joints, 7)
        log_spread, keep, move, wrong, annotated = each[..., 2:].unbind(-1)
        xy = own + each[..., :2]
        return Output(xy, log_spread, keep, move, wrong, annotated, oks=raw[:, -1])
