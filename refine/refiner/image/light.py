"""The small network that ships: picture and pose in, one map per joint and an expected OKS out."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Self

import torch
from torch import Tensor, nn

from refine._types import Floats, Indices
from refine.crops.arrays import Pixels
from refine.geometry import Crop
from refine.refiner.belief import Belief
from refine.refiner.image.backbones.base import Backbone, make_backbone
from refine.refiner.image.conditioning import PADDING, Conditioning
from refine.refiner.image.export import INPUTS, OUTPUTS, LightExport
from refine.refiner.image.inference import predict_crops
from refine.refiner.image.network import ExportedNetwork, ImageNetwork, NetworkOutput
from refine.refiner.pose.boxes import crop_boxes
from refine.refiner.pose.features import Scene
from refine.refiner.prediction import CropPrediction

STRIDE = 4
"""Input px per cell."""
SIGMA = 1.4
"""Of the rendered joints, in cells: PoseFix's 7 px of a 192 px wide input, at 144 px."""


BACKBONE = "efficientnet"
"""Of weights whose header names none."""


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


class LightNetwork(ImageNetwork):
    """A backbone, the pose rendered into its stride-4 features, and a light pyramid.

    Cells are aligned by centres: cell i lies at 4 i + 1.5 px, so that mirroring is exact. The
    network is told what the image-free refiner believes, and of the neighbouring poses.

    Args:
        joints: K.
        width: channels of the pyramid.
        backbone: file in ``backbones/``.
    """

    architecture = "light"
    stride = STRIDE
    offset = (STRIDE - 1) / 2

    def __init__(self, joints: int, width: int = 64, backbone: str = BACKBONE) -> None:
        super().__init__()
        self.joints, self.width, self.backbone_name = joints, width, backbone
        self.backbone: Backbone = make_backbone(backbone)
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

    @classmethod
    def from_header(cls, header: Mapping[str, Any]) -> Self:
        """Build the network that `header` describes, with random weights."""
        backbone = str(header.get("backbone", BACKBONE))
        return cls(len(header["joints"]), int(header["width"]), backbone)

    @property
    def header(self) -> dict[str, Any]:
        """Backbone and width of the pyramid."""
        return {"backbone": self.backbone_name, "width": self.width}

    def load_imagenet(self, state: dict[str, Tensor]) -> None:
        """Start the backbone from ImageNet weights."""
        self.backbone.load_imagenet(state)

    def crops(self, scene: Scene, belief: Belief, size: tuple[int, int]) -> Crop:
        """Return crops around where the image-free refiner leaves or puts the joints."""
        return Crop.from_box(crop_boxes(scene, belief), size, padding=PADDING)

    def predict(
        self,
        batches: Iterable[tuple[Indices, Pixels]],
        conditioning: Conditioning,
        kernel: Floats,
        mirror: Indices | None = None,
    ) -> Iterator[tuple[Indices, CropPrediction]]:
        """Look at crops and say where each joint is."""
        return predict_crops(self, batches, conditioning, kernel, mirror)

    def exported(self, mirror: list[int] | None) -> ExportedNetwork:
        """Describe the network as part of an ONNX file."""
        return ExportedNetwork(LightExport(self, mirror), len(INPUTS), len(OUTPUTS), PADDING)

    def forward(
        self, pixels: Tensor, own: Tensor, belief: Tensor, near: Tensor, oks: Tensor
    ) -> NetworkOutput:
        """Look at N crops (N, 3, H, W), 0 to 255, with `Conditioning` as tensors."""
        size = (pixels.shape[2] // STRIDE, pixels.shape[3] // STRIDE)
        drawn = self._render(own, belief, near, size)
        pose = self.pose(drawn)
        learns = self.backbone.early_on_cpu or pixels.device.type != "cpu"
        with torch.set_grad_enabled(torch.is_grad_enabled() and learns):
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
