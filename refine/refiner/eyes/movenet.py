"""MoveNet SinglePose's features and heatmaps: MobileNetV2, a pyramid, one map per joint."""

import torch
from torch import Tensor, nn
from torch.nn import functional

JOINTS = 17
"""COCO's, in COCO's order."""
DIVISOR = 32
"""Sides of the crops are multiples of it: five convolutions halve them."""
STRIDE = 4
"""Input px per cell of the maps."""
BLOCKS = (
    (1, 1, 16, 1), (6, 2, 24, 2), (6, 3, 32, 2), (6, 4, 64, 2), (6, 3, 96, 1), (6, 3, 160, 2),
    (6, 1, 320, 1),
)  # fmt: skip
"""Expansion, repeats, channels, stride: Sandler et al., MobileNetV2, CVPR 2018, table 2."""
TAPS = (2, 5, 9)
"""Blocks whose outputs, of strides 4, 8 and 16, the pyramid takes; as in the published graph."""
LAST = 1280
"""Channels of stride 32."""
LATERAL, MERGED, HEAD = (64, 64, 32, 24), (32, 24, 24), 96
"""Channels of the pyramid from stride 32 down to 4, and of the head; as in the published graph."""
MIDDLE = 127.5
"""Pixels of 0 to 255 go in as x / 127.5 - 1."""


class Convolution(nn.Conv2d):
    """A convolution padded as TensorFlow's "SAME" pads even sides: below and right at stride 2.

    Args:
        inputs: channels.
        outputs: channels.
        kernel: side.
        stride: of the output.
        depthwise: each channel by itself.
        bias: whether one is added.
        most: what the output is clipped to, from 0 on; None not to clip.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int = 1,
        stride: int = 1,
        *,
        depthwise: bool = False,
        bias: bool = True,
        most: float | None = None,
    ) -> None:
        even = stride == 1
        super().__init__(
            inputs,
            outputs,
            kernel,
            stride,
            padding=kernel // 2 if even else 0,
            groups=inputs if depthwise else 1,
            bias=bias,
        )
        self.pad = not even
        self.most = most

    def forward(self, input: Tensor) -> Tensor:
        """Convolve (B, C, H, W)."""
        padded = functional.pad(input, (0, 1, 0, 1)) if self.pad else input
        out = super().forward(padded)
        return out if self.most is None else functional.hardtanh_(out, 0.0, self.most)


class Block(nn.Module):
    """An inverted residual of MobileNetV2: expand, filter each channel, project."""

    def __init__(self, inputs: int, outputs: int, expansion: int, stride: int) -> None:
        super().__init__()
        wide = inputs * expansion
        self.expand = Convolution(inputs, wide, most=6) if expansion > 1 else nn.Identity()
        self.depthwise = Convolution(wide, wide, 3, stride, depthwise=True, most=6)
        self.project = Convolution(wide, outputs)
        self.residual = stride == 1 and inputs == outputs and expansion > 1

    def forward(self, x: Tensor) -> Tensor:
        """Return features (B, outputs, H / stride, W / stride)."""
        y: Tensor = self.project(self.depthwise(self.expand(x)))
        return x + y if self.residual else y


class Separable(nn.Module):
    """A 3 x 3 filter per channel, then their mixture."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.depthwise = Convolution(inputs, inputs, 3, depthwise=True, bias=False)
        self.pointwise = Convolution(inputs, outputs, most=torch.inf)

    def forward(self, x: Tensor) -> Tensor:
        """Return features (B, outputs, H, W)."""
        out: Tensor = self.pointwise(self.depthwise(x))
        return out


class MoveNet(nn.Module):
    """Heatmaps of MoveNet SinglePose (Votel and Li, Google Research, 2021), without its decoding.

    Fully convolutional: any sides that `DIVISOR` divides. The published network goes on to find the
    most central person and to refine places by offsets; here only its maps are read.

    Args:
        width: factor of MobileNetV2's channels: 1.75 in Thunder, 1 in Lightning.
        joints: K.
    """

    def __init__(self, width: float = 1.75, joints: int = JOINTS) -> None:
        super().__init__()
        channels = _divisible(32 * width)
        self.stem = Convolution(3, channels, 3, 2, most=6)
        blocks: list[nn.Module] = []
        taps: list[int] = []
        for expansion, repeats, base, stride in BLOCKS:
            for repeat in range(repeats):
                outputs = _divisible(base * width)
                blocks.append(Block(channels, outputs, expansion, 1 if repeat else stride))
                channels = outputs
                if len(blocks) - 1 in TAPS:
                    taps.append(channels)
        self.blocks = nn.ModuleList(blocks)
        self.last = Convolution(channels, LAST, most=6)
        inputs = (LAST, *reversed(taps))
        self.lateral = nn.ModuleList(map(Convolution, inputs, LATERAL))
        self.merge = nn.ModuleList(map(Separable, LATERAL[1:], MERGED))
        self.head = Separable(MERGED[-1], HEAD)
        self.heat = Convolution(HEAD, joints)

    def forward(self, pixels: Tensor) -> Tensor:
        """Return logits (B, K, H / 4, W / 4) of RGB crops (B, 3, H, W) of 0 to 255."""
        x: Tensor = self.stem(pixels / MIDDLE - 1)
        taps: list[Tensor] = []
        for number, block in enumerate(self.blocks):
            x = block(x)
            if number in TAPS:
                taps.append(x)
        x = self.lateral[0](self.last(x))
        for lateral, merge in zip(self.lateral[1:], self.merge, strict=True):
            x = functional.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
            x = merge(x + lateral(taps.pop()))
        heat: Tensor = self.heat(self.head(x))
        return heat


def _divisible(channels: float) -> int:
    """Round channels to a multiple of 8, never down by more than a tenth, as MobileNetV2 does."""
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * channels else rounded
