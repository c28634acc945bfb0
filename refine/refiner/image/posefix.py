"""The network of the PoseFix paper: a ResNet that is shown the pose as heatmaps, deconvolutions.

Source of what is not said otherwise: Moon, Chang, Lee, CVPR 2019, and its published code
mks0601/PoseFix_RELEASE, main/model.py and main/config.py.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor, nn

from refine._types import Floats, Indices
from refine.crops.arrays import Pixels
from refine.geometry import Crop
from refine.refiner.belief import Belief
from refine.refiner.image.backbones.resnet import DEVIATION, MEAN, ResNet, norm
from refine.refiner.image.conditioning import POSE_PADDING, Conditioning, completed
from refine.refiner.image.export import PoseFixExport
from refine.refiner.image.light import gaussians
from refine.refiner.image.network import ExportedNetwork, ImageNetwork, NetworkOutput
from refine.refiner.image.posefix_inference import predict_posefix_crops
from refine.refiner.pose.boxes import pose_boxes
from refine.refiner.pose.features import Scene
from refine.refiner.prediction import CropPrediction

HEIGHT = 255.0
"""Of the rendered joints, on the scale of pixels: render_gaussian_heatmap."""
UPSAMPLED = 256
"""Channels of every deconvolution."""
INPUTS, OUTPUTS = 3, 4
"""Of an exported network: it is told the pose alone, and says nothing of the whole pose."""


class PoseFixNetwork(ImageNetwork):
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

    architecture = "posefix"
    stride = 4
    offset = 0.0

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

    @classmethod
    def from_header(cls, header: Mapping[str, Any]) -> Self:
        """Build the network that `header` describes, with random weights."""
        return cls(len(header["joints"]), int(header["depth"]), float(header["sigma"]))

    @property
    def header(self) -> dict[str, Any]:
        """Depth of the ResNet and size of the rendered joints."""
        return {"depth": self.backbone.depth, "sigma": self.sigma}

    def load_imagenet(self, state: dict[str, Tensor]) -> None:
        """Start the ResNet from ImageNet weights."""
        self.backbone.load_imagenet(state)

    def crops(self, scene: Scene, belief: Belief, size: tuple[int, int]) -> Crop:
        """Return crops around the joints as they came."""
        return Crop.from_box(pose_boxes(scene, belief), size, padding=POSE_PADDING)

    def predict(
        self,
        batches: Iterable[tuple[Indices, Pixels]],
        conditioning: Conditioning,
        kernel: Floats,
        mirror: Indices | None = None,
    ) -> Iterator[tuple[Indices, CropPrediction]]:
        """Look at crops and say where each joint is; shown are complete poses, as in training."""
        missing = conditioning.own[..., 2] == 0
        for rows, found in predict_posefix_crops(
            self, batches, completed(conditioning), kernel, mirror
        ):
            yield rows, replace(found, keep=np.where(missing[rows], 0.0, found.keep))

    def exported(self, mirror: list[int] | None) -> ExportedNetwork:
        """Describe the network as part of an ONNX file."""
        return ExportedNetwork(PoseFixExport(self, mirror), INPUTS, OUTPUTS, POSE_PADDING)

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
