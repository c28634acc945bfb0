"""EfficientNet-Lite0 (Tan and Le 2019; the "lite" variant without squeeze-and-excite, ReLU6)."""

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

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
EPSILON, MOMENTUM = 1e-3, 0.01


class Depthwise(nn.Conv2d):
    """Depthwise convolution whose filters are not trained on CPUs.

    There their gradient takes as long as all the rest, and strided ones are slower still to go
    back through than the same without stride.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Filter (N, C, H, W)."""
        if input.device.type != "cpu" or not torch.is_grad_enabled():
            return super().forward(input)
        weight = self.weight.detach()
        full = nn.functional.conv2d(input, weight, None, 1, self.padding, 1, self.groups)
        return full[..., :: self.stride[0], :: self.stride[1]]


class _Block(nn.Module):
    """Inverted residual: expand, filter, project."""

    def __init__(self, inputs: int, outputs: int, expand: int, kernel: int, stride: int) -> None:
        super().__init__()
        middle = inputs * expand
        self.residual = inputs == outputs and stride == 1
        self.expand = _unit(nn.Conv2d(inputs, middle, 1, bias=False)) if expand > 1 else None
        self.filter = _unit(
            Depthwise(middle, middle, kernel, stride, kernel // 2, groups=middle, bias=False)
        )
        self.project = nn.Sequential(
            nn.Conv2d(middle, outputs, 1, bias=False), nn.BatchNorm2d(outputs, EPSILON, MOMENTUM)
        )

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.expand(x) if self.expand is not None else x
        y = self.project(self.filter(y))
        return x + y if self.residual else y


def _unit(convolution: nn.Conv2d) -> nn.Sequential:
    norm = nn.BatchNorm2d(convolution.out_channels, EPSILON, MOMENTUM)
    return nn.Sequential(convolution, norm, nn.ReLU6(inplace=True))


class EfficientNetLite0(nn.Module):
    """Features of a picture at strides 4, 8, 16 and 32: 24, 40, 112 and 320 channels."""

    channels = (24, 40, 112, 320)

    def __init__(self) -> None:
        super().__init__()
        self.stem = _unit(nn.Conv2d(3, STEM, 3, 2, 1, bias=False))
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
        at4: Tensor = self.stages[1](self.stages[0](self.stem((pixels - 127) / 128)))
        return at4

    def late(self, at4: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Map features at stride 4 to those at 8, 16 and 32."""
        at8 = self.stages[2](at4)
        at16 = self.stages[4](self.stages[3](at8))
        return at8, at16, self.stages[6](self.stages[5](at16))

    def fuse(self) -> None:
        """Fold the batch norms into the convolutions, for inference."""
        for module in list(self.modules()):
            parts = list(module.children()) if isinstance(module, nn.Sequential) else []
            match parts:
                case [nn.Conv2d() as convolution, nn.BatchNorm2d() as norm, *_]:
                    module.register_module("0", fuse_conv_bn_eval(convolution, norm))
                    module.register_module("1", nn.Identity())

    def load_imagenet(self, state: dict[str, Tensor]) -> None:
        """Take over ImageNet weights named as in `efficientnet_lite_pytorch`.

        Raises:
            KeyError: a tensor is missing.
            RuntimeError: one has another shape.
        """
        names = {"stem.0": "_conv_stem", "stem.1": "_bn0"}
        number = 0
        for i, stage in enumerate(self.stages):
            for j, block in enumerate(stage.children()):
                here, there = f"stages.{i}.{j}", f"_blocks.{number}"
                if block.expand is not None:
                    names |= {f"{here}.expand.0": f"{there}._expand_conv"}
                    names |= {f"{here}.expand.1": f"{there}._bn0"}
                names |= {
                    f"{here}.filter.0": f"{there}._depthwise_conv",
                    f"{here}.filter.1": f"{there}._bn1",
                    f"{here}.project.0": f"{there}._project_conv",
                    f"{here}.project.1": f"{there}._bn2",
                }
                number += 1
        own = {}
        for key in self.state_dict():
            module, _, tensor = key.rpartition(".")
            if tensor != "num_batches_tracked":
                own[key] = state[f"{names[module]}.{tensor}"]
        self.load_state_dict(own, strict=False)
