"""What is asked of networks that look at crops, and what they say."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from refine._types import Floats, Indices
from refine.crops.arrays import Pixels
from refine.geometry import Crop
from refine.poses import Poses
from refine.refiner.belief import Belief
from refine.refiner.pose.features import Scene


@dataclass(frozen=True, slots=True)
class CropPrediction:
    """What the picture says of N poses and K joints, in network-input px.

    Attributes:
        xy: (N, K, 2) where each joint has the highest expected similarity.
        move: (N, K) that similarity.
        keep: (N, K) the similarity expected of the joint as it came; 0 where missing.
        sigma: (N, K) mean absolute error per axis expected at `xy`.
        oks: (N,) expected OKS of the pose once refined.
        margin: (N,) expected similarity that a move must gain.
    """

    xy: Floats
    move: Floats
    keep: Floats
    sigma: Floats
    oks: Floats
    margin: Floats


@dataclass(frozen=True, slots=True, eq=False)
class CropQuery:
    """N poses that are to be looked at.

    Attributes:
        poses: as they came.
        scene: the same in the image-free refiner's skeleton, with their neighbours.
        belief: what that one believes of them.
        crop: image px -> network-input px, one per pose.
    """

    poses: Poses
    scene: Scene
    belief: Belief
    crop: Crop


class CropReader(Protocol):
    """What looks at the crops of poses and says where their joints are."""

    @property
    def joints(self) -> tuple[str, ...]:
        """Names of its K joints."""

    @property
    def weights(self) -> str:
        """The short hash that histories name its weights by."""

    def crops(self, scene: Scene, belief: Belief) -> Crop:
        """Return the crops (N) that it wants of poses."""

    def read(
        self, batches: Iterable[tuple[Indices, Pixels]], query: CropQuery
    ) -> Iterator[tuple[Indices, CropPrediction]]:
        """Look at crops and say where each joint is.

        Args:
            batches: rows (B,) of the poses and their crops (B, H, W, 3).
            query: all N poses.

        Yields:
            rows (B,) and what their pictures say.
        """
