"""ResNet-50, 101 and 152 (He et al. 2016), with the parameter names of torchvision.

So that ImageNet weights that are named as torchvision names them load as they are.
"""

import torch
from torch import Tensor, nn

from refine.refiner.image.backbones.imagenet import require_tensors

BLOCKS = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}
"""Bottlenecks a stage, by depth; table 1 of the paper."""
EXPANSION = 4
"""Output channels of a bottleneck over its inner ones."""
MOMENTUM = 0.01
"""Of the batch norms: PoseFix's lib/nets/basemodel.py has batch_norm_decay .99."""
MEAN = (0.485, 0.456, 0.406)
DEVIATION = (0.229, 0.224, 0.225)
"""Of ImageNet's pixels, R G B in [0, 1], as torchvision's weights expect them to be removed."""


def norm(channels: int) -> nn.BatchNorm2d:
    """Return a batch norm as PoseFix trains it."""
    return nn.BatchNorm2d(channels, momentum=MOMENTUM)


class _Bottleneck(nn.Module):
    """1x1, 3x3 (strided, as in torchvision), 1x1, and what came added."""

    def __init__(self, inputs: int, inner: int, stride: int) -> None:
        super().__init__()
        outputs = inner * EXPANSION
        self.conv1 = nn.Conv2d(inputs, inner, 1, bias=False)
        self.bn1 = norm(inner)
        self.conv2 = nn.Conv2d(inner, inner, 3, stride, 1, bias=False)
        self.bn2 = norm(inner)
        self.conv3 = nn.Conv2d(inner, outputs, 1, bias=False)
        self.bn3 = norm(outputs)
        self.downsample: nn.Sequential | None = None
        if stride != 1 or inputs != outputs:
            skip = nn.Conv2d(inputs, outputs, 1, stride, bias=False)
            self.downsample = nn.Sequential(skip, norm(outputs))

    def forward(self, x: Tensor) -> Tensor:
        y = torch.relu_(self.bn1(self.conv1(x)))
        y = torch.relu_(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        return torch.relu_(y + (x if self.downsample is None else self.downsample(x)))


class ResNet(nn.Module):
    """Features of a picture at stride 32: 2048 channels.

    Args:
        depth: 50, 101 or 152.
    """

    channels = 512 * EXPANSION

    def __init__(self, depth: int) -> None:
        super().__init__()
        self.depth = depth
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = norm(64)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        inputs, stages = 64, []
        for i, count in enumerate(BLOCKS[depth]):
            inner = 64 * 2**i
            blocks = [_Bottleneck(inputs, inner, 1 if i == 0 else 2)]
            inputs = inner * EXPANSION
            blocks += [_Bottleneck(inputs, inner, 1) for _ in range(count - 1)]
            stages.append(nn.Sequential(*blocks))
        self.layer1, self.layer2, self.layer3, self.layer4 = stages
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, pixels: Tensor, more: Tensor) -> Tensor:
        """Map pixels to features.

        Args:
            pixels: (N, 3, H, W), `MEAN` and `DEVIATION` removed.
            more: (N, 64, H/2, W/2), added to what the first convolution makes of them.

        Returns:
            (N, 2048, H/32, W/32).
        """
        x = self.maxpool(torch.relu_(self.bn1(self.conv1(pixels) + more)))
        features: Tensor = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return features

    def load_imagenet(self, state: dict[str, Tensor]) -> None:
        """Take over ImageNet weights named as in torchvision; the classifier is left out.

        Raises:
            WeightsError: a tensor is missing, beyond those of this depth, or of another shape.
        """
        features = {k: t for k, t in state.items() if not k.startswith("fc.")}
        counters = "num_batches_tracked"
        own = {k: tuple(t.shape) for k, t in self.state_dict().items() if not k.endswith(counters)}
        require_tensors(features, own, f"ResNet-{self.depth}", exactly=True)
        self.load_state_dict({k: features[k] for k in own}, strict=False)
