"""The temporal network: dilated convolutions over the frames of one body."""

import torch
from torch import Tensor, nn

from refine.motion.learned.windows import features_of

USUAL = -2.5
"""Logarithm of an error in body sizes, from which the network starts."""


class TemporalNetwork(nn.Module):
    """Residual blocks: norm, convolution over three frames some way apart, GELU, linear.

    Args:
        joints: K.
        width: of every layer.
        dilations: frames between those that a block looks at.
    """

    def __init__(self, joints: int, width: int, dilations: tuple[int, ...]) -> None:
        super().__init__()
        self.enter = nn.Linear(features_of(joints), width)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in dilations)
        self.convolutions = nn.ModuleList(
            nn.Conv1d(width, width, 3, padding=d, dilation=d) for d in dilations
        )
        self.linears = nn.ModuleList(nn.Linear(width, width) for _ in dilations)
        self.norm = nn.LayerNorm(width)
        self.leave = nn.Linear(width, joints)
        nn.init.constant_(self.leave.bias, USUAL)
        with torch.no_grad():
            self.leave.weight.mul_(0.5)

    def forward(self, features: Tensor) -> Tensor:
        """Map features (B, T, F) to logarithms (B, T, K) of errors to be expected, body sizes."""
        hidden = self.enter(features)
        for norm, convolve, linear in zip(self.norms, self.convolutions, self.linears, strict=True):
            over_time = convolve(norm(hidden).transpose(1, 2)).transpose(1, 2)
            hidden = hidden + linear(nn.functional.gelu(over_time))
        told: Tensor = self.leave(nn.functional.gelu(self.norm(hidden)))
        return told
