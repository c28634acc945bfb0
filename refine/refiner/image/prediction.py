"""What a network says of crops."""

from dataclasses import dataclass

from refine._types import Floats


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
