"""The small network that ships: picture and pose in, one map a joint and an expected OKS out."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from refine.refiner.image.backbones.efficientnet import EfficientNetLite0

STRIDE = 4
"""Input px a cell."""
SIGMA = 1.4
"""Of the rendered joints, in cells: PoseFix's 7 px of a 192 px wide input, at 144 px."""


@dataclass(frozen=True, slots=True)
class NetworkOutput:
    """What the network says of N crops.

    Attributes:
        maps: (N, K, h, w) logits of where each joint is, one softmax a map.
        oks: (N,) logit of the expected OKS of the refined pose.
    """

    maps: Tensor
    oks: Tensor


def gaussians(points: Tensor, sigma: Tensor, size: tuple[int, int]) -> Tensor:
    """Render joints as Gaussians of height 1 times their weight.

    Args:
        points: (N, K, 3) x, y in cells and weight.
        sigma: (N, K) cells.
        size: height and width of the maps.

    Returns:
        (N, K, height, width).
    """
    rows, columns = (torch.arange(n, device=points.device, dtype=points.dtype) for n in size)
    spread = 2 * sigma[..., None] ** 2
    x = torch.exp(-((points[..., 0, None] - columns) ** 2) / spread)
    y = torch.exp(-((points[..., 1, None] - rows) ** 2) / spread) * points[..., 2, None]
    return y[..., :, None] * x[..., None, :]


class PictureNetwork(nn.Module):
    """EfficientNet-Lite0, the pose rendered into its stride-4 features, and a light pyramid.

    Cells are aligned by centres: cell i lies at 4 i + 1.5 px, so that mirroring is exact.

    Args:
        joints: K.
        width: channels of the pyramid.

    Attributes:
        stride: input px a cell.
        offset: where cell 0 lies, input px.
        believes: whether it is told what the image-free refiner believes.
    """

    stride = STRIDE
    offset = (STRIDE - 1) / 2
    believes = True

    def __init__(self, joints: int, width: int = 64) -> None:
        super().__init__()
        self.joints, self.width = joints, width
        self.backbone = EfficientNetLite0()
        at4, at8, at16, at32 = self.backbone.channels
        self.pose = nn.Sequential(nn.Conv2d(3 * joints, width, 3, padding=1), nn.ReLU())
        self.tell = nn.Conv2d(width, at4, 1)
        laterals = [nn.Conv2d(c, width, 1) for c in (at32, at16, at8, at4)]
        merges = [nn.Conv2d(width, width, 3, padding=1) for _ in range(3)]
        self.lateral, self.merge = nn.ModuleList(laterals), nn.ModuleList(merges)
        self.leave = nn.Conv2d(width, joints, 3, padding=1)
        self.judge = nn.Sequential(nn.Linear(at32 + 1, width), nn.ReLU(), nn.Linear(width, 1))
        for convolution in (*laterals, *merges):
            nn.init.kaiming_normal_(convolution.weight, nonlinearity="relu")
        # Start as ImageNet left the picture's features and the image-free refiner the joints.
        nn.init.zeros_(self.tell.weight)
        with torch.no_grad():
            self.leave.weight.mul_(0.1)
        self.prior = nn.Parameter(torch.tensor([2.0, 4.0]))

    @property
    def header(self) -> dict[str, Any]:
        """What a weights file says of the architecture."""
        return {"width": self.width}

    def forward(
        self, pixels: Tensor, own: Tensor, belief: Tensor, near: Tensor, oks: Tensor
    ) -> NetworkOutput:
        """Look at N crops (N, 3, H, W), 0 to 255, with `Conditioning` as tensors."""
        size = (pixels.shape[2] // STRIDE, pixels.shape[3] // STRIDE)
        drawn = self._render(own, belief, near, size)
        pose = self.pose(drawn)
        # On CPUs the first stages stay as they are: half of the time for edges and blobs.
        with torch.set_grad_enabled(torch.is_grad_enabled() and pixels.device.type != "cpu"):
            at4 = self.backbone.early(pixels)
        at4 = at4 + self.tell(pose)
        at8, at16, at32 = self.backbone.late(at4)
        x = self.lateral[0](at32)
        for lateral, merge, finer in zip(
            self.lateral[1:], self.merge, (at16, at8, at4), strict=True
        ):
            x = nn.functional.interpolate(x, size=finer.shape[2:]) + lateral(finer)
            if finer is at4:
                x = x + pose
            x = merge(torch.relu(x))
        judged = torch.cat([at32.mean((2, 3)).float(), oks[:, None]], 1)
        # The image-free refiner's verdict is where the network's own starts from.
        came, believed, _ = drawn.chunk(3, 1)
        maps = self.leave(torch.relu(x)).float() + self.prior[0] * came + self.prior[1] * believed
        return NetworkOutput(maps, self.judge(judged)[:, 0].float() + oks)

    def _render(self, own: Tensor, belief: Tensor, near: Tensor, size: tuple[int, int]) -> Tensor:
        offset = (STRIDE - 1) / 2

        def cells(points: Tensor) -> Tensor:
            return torch.cat([(points[..., :2] - offset) / STRIDE, points[..., -1:]], -1)

        fixed = torch.full(own.shape[:2], SIGMA, device=own.device)
        spread = (belief[..., 2] / STRIDE).clamp(min=SIGMA)
        n, m, k, _ = near.shape
        others = gaussians(
            cells(near).reshape(n * m, k, 3), fixed[:1, :1].expand(n * m, k), size
        ).reshape(n, m, k, *size)
        parts = (
            gaussians(cells(own), fixed, size),
            gaussians(cells(belief), spread, size),
            others.amax(1),
        )
        maps = torch.cat(parts, 1)
        return maps.to(memory_format=torch.channels_last)
