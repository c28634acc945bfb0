"""What a backbone is: one file of this folder, named by a row of ``presets.toml``."""

from abc import ABC, abstractmethod
from importlib import import_module
from typing import ClassVar

from torch import Tensor, nn

from refine.exceptions import WeightsError


class Backbone(nn.Module, ABC):
    """Features of a picture at four strides, for the pyramid of the light network.

    A file ``backbones/x.py`` that names its class `BACKBONE` is the backbone ``x``.

    Attributes:
        channels: of the features at strides 4, 8, 16 and 32.
        early_on_cpu: whether `early` is trained on CPUs, too.
    """

    channels: ClassVar[tuple[int, int, int, int]]
    early_on_cpu: ClassVar[bool] = True

    @abstractmethod
    def early(self, pixels: Tensor) -> Tensor:
        """Map pixels (N, 3, H, W), R G B from 0 to 255, to features (N, C, H/4, W/4)."""

    @abstractmethod
    def late(self, at4: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Map features at stride 4 to those at strides 8, 16 and 32."""

    @abstractmethod
    def load_imagenet(self, state: dict[str, Tensor]) -> None:
        """Take over ImageNet weights as `refine train --imagenet` reads them.

        Raises:
            WeightsError: a tensor is missing, or has another shape.
        """


def make_backbone(name: str) -> Backbone:
    """Make the backbone of a file of this folder, with random weights.

    Raises:
        WeightsError: no such file.
    """
    try:
        module = import_module(f"refine.refiner.image.backbones.{name}")
    except ModuleNotFoundError:
        module = None
    made = getattr(module, "BACKBONE", None)
    if made is None:
        raise WeightsError(
            f"expected a backbone, got {name!r}",
            hint="the name of a file in refine/refiner/image/backbones/",
        )
    backbone: Backbone = made()
    return backbone
