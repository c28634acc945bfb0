"""What every network that looks at crops answers; each architecture is a file of its own."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from torch import Tensor, nn

from refine._types import Floats, Indices
from refine.crops.arrays import Pixels
from refine.geometry import Crop
from refine.refiner.belief import Belief
from refine.refiner.image.conditioning import Conditioning
from refine.refiner.pose.features import Scene
from refine.refiner.prediction import CropPrediction


@dataclass(frozen=True, slots=True)
class NetworkOutput:
    """What the network says of N crops.

    Attributes:
        maps: (N, K, h, w) logits of where each joint is, one softmax per map.
        oks: (N,) logit of the expected OKS of the refined pose.
    """

    maps: Tensor
    oks: Tensor


@dataclass(frozen=True, slots=True)
class ExportedNetwork:
    """A network from crops to places, for `refine.refiner.image.export`.

    Attributes:
        module: from the first `inputs` of its ``INPUTS`` to the first `outputs` of its
            ``OUTPUTS``.
        inputs: how many.
        outputs: how many.
        padding: sides of the crop over those of the box.
    """

    module: nn.Module
    inputs: int
    outputs: int
    padding: float


class ImageNetwork(nn.Module, ABC):
    """A network that looks at crops, and how it is asked.

    Attributes:
        architecture: its name in headers of weights.
        stride: input px per cell.
        offset: where cell 0 lies, input px.
        joints: K.
        leave: the last layer.
    """

    architecture: ClassVar[str]
    stride: ClassVar[int]
    offset: ClassVar[float]
    joints: int
    leave: nn.Conv2d

    @classmethod
    @abstractmethod
    def from_header(cls, header: Mapping[str, Any]) -> Self:
        """Build the network that `header` describes, with random weights."""

    @property
    @abstractmethod
    def header(self) -> dict[str, Any]:
        """What a weights file says of the network beside its architecture and joints."""

    @abstractmethod
    def load_imagenet(self, state: dict[str, Tensor]) -> None:
        """Start the backbone from ImageNet weights.

        Raises:
            WeightsError: weights of another backbone.
        """

    @abstractmethod
    def forward(
        self, pixels: Tensor, own: Tensor, belief: Tensor, near: Tensor, oks: Tensor
    ) -> NetworkOutput:
        """Look at N crops (N, 3, H, W), 0 to 255, with `Conditioning` as tensors."""

    @abstractmethod
    def crops(self, scene: Scene, belief: Belief, size: tuple[int, int]) -> Crop:
        """Return the crops (N) of a size, width and height, that the network expects of poses."""

    @abstractmethod
    def predict(
        self,
        batches: Iterable[tuple[Indices, Pixels]],
        conditioning: Conditioning,
        kernel: Floats,
        mirror: Indices | None = None,
    ) -> Iterator[tuple[Indices, CropPrediction]]:
        """Look at crops and say where each joint is.

        Args:
            batches: rows (B,) of the poses and their crops (B, H, W, 3).
            conditioning: of all N poses.
            kernel: (N, K) standard deviation of the OKS kernel, 2 sigma sqrt(area), input px.
            mirror: (K,) index of every joint's mirror partner, to look at the mirrored crops as
                well; None not to.

        Yields:
            rows (B,) and what their pictures say.
        """

    @abstractmethod
    def exported(self, mirror: list[int] | None) -> ExportedNetwork:
        """Describe the network as part of an ONNX file; `mirror` as for `predict`."""
