"""The network of the PoseFix paper: a ResNet that is shown the pose as heatmaps, deconvolutions.

Source of what is not said otherwise: Moon, Chang, Lee, CVPR 2019, and its published code
mks0601/PoseFix_RELEASE, main/model.py and main/config.py.
"""

from collections.abc import Mapping
from typing import Any, Self

import torch
from torch import Tensor, nn

from refine.refiner.image.backbones.resnet import DEVIATION, MEAN, ResNet, norm

HEIGHT = 255.0
"""Of the rendered joints, on the scale of pixels: render_gaussian_heatmap."""
UPSAMPLED = 256
"""Channels of every deconvolution."""


def gaussians(points: Tensor, sigma: float, size: tuple[int, int]) -> Tensor:
    """Render joints as Gaussians of height 1.

    Args:
        points: (N, K, 3) x, y in px and weight; those of weight 0 are not drawn.
        sigma: px.
        size: height and width of the maps.

    Returns:
        (N, K, height, width).
    """
    rows, columns = (torch.arange(n, device=points.device, dtype=points.dtype) for n in size)
    there = (points[..., 2, None] > 0).to(points.dtype)
    x = torch.exp(-((points[..., 0, None] - columns) ** 2) / (2 * sigma**2))
    y = torch.exp(-((points[..., 1, None] - rows) ** 2) / (2 * sigma**2)) * there
    return y[..., :, None] * x[..., None, :]


class PoseFixNetwork(nn.Module):
    """ResNet over picture and pose, three deconvolutions, one map per joint at a quarter size.

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

    def __init__(self, joints: int, depth: int = 152, sigma: float = 7.0) -> None:
        super().__init__()
        self.sigma = sigma
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

    @classmethod
    def from_header(cls, header: Mapping[str, Any]) -> Self:
        """Build the network that `header` describes, with random weights."""
        return cls(len(header["joints"]), int(header["depth"]), float(header["sigma"]))

    @property
    def header(self) -> dict[str, Any]:
        """Depth of the ResNet and size of the rendered joints."""
        return {"depth": self.backbone.depth, "sigma": self.sigma}

    def load_imagenet(self, state: dict[str, Tensor]) -> None:
        """Start the ResNet from ImageNet weights.

        Raises:
            WeightsError: weights of another backbone.
        """
        self.backbone.load_imagenet(state)

    def forward(self, pixels: Tensor, own: Tensor) -> Tensor:
        """Return logits (N, K, H / 4, W / 4) of where each joint is, one softmax per map.

        Args:
            pixels: (N, 3, H, W), RGB from 0 to 255.
            own: (N, K, 3) x, y in px and weight of the joints shown; 0 where none is.
        """
        mean, deviation = (255 * pixels.new_tensor(v)[:, None, None] for v in (MEAN, DEVIATION))
        drawn = gaussians(own, self.sigma, (pixels.shape[2], pixels.shape[3]))
        pose = self.pose(drawn * (HEIGHT / deviation.mean()))
        features = self.backbone((pixels - mean) / deviation, pose)
        maps: Tensor = self.leave(self.up(features)).float()
        return maps
