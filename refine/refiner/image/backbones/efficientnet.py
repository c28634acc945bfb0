"""EfficientNet-Lite0 (Tan and Le 2019; the "lite" variant without squeeze-and-excite, ReLU6).

Batch norms are folded into the convolutions when ImageNet's weights are loaded: crops of a few
persons are no statistics, and the norms would take a fifth of the time.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import relu6
from torch.nn.utils.fusion import fuse_conv_bn_weights

from refine.refiner.image.backbones.base import Backbone
from refine.refiner.image.backbones.imagenet import require_tensors

STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
"""Blocks, kernel, stride, expansion and channels: tpu/models/official/efficientnet/lite."""
STEM = 32
EPSILON = 1e-3
"""Of the batch norms: efficientnet_lite_builder.efficientnet_lite."""
STATISTICS = ("running_mean", "running_var", "weight", "bias")
"""Tensors of a batch norm, in the order in which they fold."""


class Depthwise(nn.Conv2d):
    """Depthwise convolution whose filters are not trained on CPUs.

    There their gradient takes as long as all the rest, and strided ones are slower still to go
    back through than the same without stride.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Filter (N, C, H, W)."""
        if input.device.type != "cpu" or not torch.is_grad_enabled():
            return super().forward(input)
        weight, bias = self.weight.detach(), None if self.bias is None else self.bias.detach()
        full = nn.functional.conv2d(input, weight, bias, 1, self.padding, 1, self.groups)
        return full[..., :: self.stride[0], :: self.stride[1]]


class _Block(nn.Module):
    """Inverted residual: expand, filter, project."""

    def __init__(self, inputs: int, outputs: int, expand: int, kernel: int, stride: int) -> None:
        super().__init__()
        middle = inputs * expand
        self.residual = inputs == outputs and stride == 1
        self.expand = nn.Conv2d(inputs, middle, 1) if expand > 1 else None
        self.filter = Depthwise(middle, middle, kernel, stride, kernel // 2, groups=middle)
        self.project = nn.Conv2d(middle, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        wide = relu6(self.expand(x), inplace=True) if self.expand is not None else x
        y: Tensor = self.project(relu6(self.filter(wide), inplace=True))
        return x + y if self.residual else y


class EfficientNetLite0(Backbone):
    """Features of a picture at strides 4, 8, 16 and 32: 24, 40, 112 and 320 channels."""

    channels = (24, 40, 112, 320)
    # On CPUs the first stages stay as they are: half of the time for edges and blobs.
    early_on_cpu = False

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, STEM, 3, 2, 1)
        self.stages = nn.ModuleList()
        inputs = STEM
        for blocks, kernel, stride, expand, outputs in STAGES:
            first = _Block(inputs, outputs, expand, kernel, stride)
            rest = [_Block(outputs, outputs, expand, kernel, 1) for _ in range(blocks - 1)]
            self.stages.append(nn.Sequential(first, *rest))
            inputs = outputs

    def early(self, pixels: Tensor) -> Tensor:
        """Map pixels (N, 3, H, W), 0 to 255, to (N, 24, H/4, W/4)."""
        # (x - 127) / 128: efficientnet_lite_builder.MEAN_RGB and STDDEV_RGB.
        at4: Tensor = self.stages[1](self.stages[0](relu6(self.stem((pixels - 127) / 128))))
        return at4

    def late(self, at4: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Map features at stride 4 to those at 8, 16 and 32."""
        at8 = self.stages[2](at4)
        at16 = self.stages[4](self.stages[3](at8))
        return at8, at16, self.stages[6](self.stages[5](at16))

    def load_imagenet(self, state: dict[str, Tensor]) -> None:
        """Take over ImageNet weights named as in `efficientnet_lite_pytorch`.

        Raises:
            WeightsError: a tensor is missing, or has another shape.
        """
        names = {"stem": ("_conv_stem", "_bn0")}
        blocks = [
            (f"stages.{i}.{j}", block)
            for i, stage in enumerate(self.stages)
            for j, block in enumerate(stage.children())
        ]
        for number, (here, block) in enumerate(blocks):
            there = f"_blocks.{number}"
            if block.expand is not None:
                names[f"{here}.expand"] = (f"{there}._expand_conv", f"{there}._bn0")
            names[f"{here}.filter"] = (f"{there}._depthwise_conv", f"{there}._bn1")
            names[f"{here}.project"] = (f"{there}._project_conv", f"{there}._bn2")
        own: dict[str, Tensor] = {}
        shapes = {}
        for here, (convolution, norm) in names.items():
            weight = self.get_parameter(f"{here}.weight")
            shapes[f"{convolution}.weight"] = tuple(weight.shape)
            shapes |= {f"{norm}.{n}": (len(weight),) for n in STATISTICS}
        require_tensors(state, shapes, "EfficientNet-Lite0")
        for here, (convolution, norm) in names.items():
            mean, variance, gain, shift = (state[f"{norm}.{n}"] for n in STATISTICS)
            own[f"{here}.weight"], own[f"{here}.bias"] = fuse_conv_bn_weights(
                state[f"{convolution}.weight"], None, mean, variance, EPSILON, gain, shift
            )
        self.load_state_dict(own)


BACKBONE = EfficientNetLite0
