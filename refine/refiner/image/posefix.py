"""The network of the PoseFix paper: a ResNet that is shown the pose as heatmaps, deconvolutions.

Source of what is not said otherwise: Moon, Chang, Lee, CVPR 2019, and its published code
mks0601/PoseFix_RELEASE, main/model.py and main/config.py.
"""

from typing import Any

import torch
from torch import Tensor, nn

from refine.refiner.image.backbones.resnet import DEVIATION, MEAN, ResNet, norm
from refine.refiner.image.light import NetworkOutput, gaussians

HEIGHT = 255.0
"""Of the rendered joints, on the scale of pixels: render_gaussian_heatmap."""
UPSAMPLED = 256
"""Channels of every deconvolution."""


class PaperNetwork(nn.Module):
    """ResNet over picture and pose, three deconvolutions, one map a joint at a quarter of the size.

    The paper stacks the picture and K heatmaps and convolves them at once; here two convolutions
    are summed, which is the same and leaves the one for the picture with its ImageNet weights.
    These are torchvision's, so channels are R G B and divided by ImageNet's deviation; the
    heatmaps are divided alike, which keeps their height against the picture's.

    Cells are aligned as published: cell i lies at 4 i px.

    Args:
        joints: K.
        depth: of the ResNet, 50, 101 or 152.
        sigma: of the rendered joints, input px: 7 at 192 x 256, 9 at 288 x 384.
    """

    stride = 4
    offset = 0.0
    believes = False

    def __init__(self, joints: int, depth: int = 152, sigma: float = 7.0) -> None:
        super().__init__()
        self.joints, self.sigma = joints, sigma
        self.backbone = ResNet(depth)
        self.pose = nn.Conv2d(joints, self.backbone.conv1.out_channels, 7, 2, 3, bias=False)
        layers: list[nn.Module] = []
        for inputs in (self.backbone.channels, UPSAMPLED, UPSAMPLED):
            up = nn.ConvTranspose2d(inputs, UPSAMPLED, 4, 2, 1, bias=False)
            nn.init.trunc_normal_(up.weight, std=0.01)
            layers += [up, norm(UPSAMPLED), nn.ReLU(inplace=True)]
        self.up = nn.Sequential(*layers)
        self.leave = nn.Conv2d(UPSAMPLED, joints, 1)
        # As a filter over 3 + K channels is initialised.
        nn.init.normal_(self.pose.weight, std=(2 / ((3 + joints) * 49)) ** 0.5)
        nn.init.kaiming_normal_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)  # type: ignore[arg-type]

    @property
    def header(self) -> dict[str, Any]:
        """What a weights file says of the architecture."""
        return {"architecture": f"resnet{self.backbone.depth}", "sigma": self.sigma}

    def forward(
        self, pixels: Tensor, own: Tensor, belief: Tensor, near: Tensor, oks: Tensor
    ) -> NetworkOutput:
        """Look at N crops (N, 3, H, W), 0 to 255, with `Conditioning` as tensors.

        Only where the joints are is used of these. The expected OKS comes out as it went in: the
        paper leaves instance scores alone.
        """
        mean, deviation = (255 * pixels.new_tensor(v)[:, None, None] for v in (MEAN, DEVIATION))
        there = torch.cat([own[..., :2], (own[..., 2:] > 0).to(own.dtype)], -1)
        sigma = own.new_full(own.shape[:2], self.sigma)
        drawn = gaussians(there, sigma, (pixels.shape[2], pixels.shape[3]))
        pose = self.pose(drawn * (HEIGHT / deviation.mean()))
        features = self.backbone((pixels - mean) / deviation, pose)
        return NetworkOutput(self.leave(self.up(features)).float(), oks)
