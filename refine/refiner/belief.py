"""What a refiner believes of poses, with or without pictures."""

from dataclasses import dataclass

from refine._types import Floats


@dataclass(frozen=True, slots=True, eq=False)
class Belief:
    """What the refiner believes of N poses, for the K joints of their own skeleton.

    Joints that the weights' skeleton lacks are NaN throughout.

    Attributes:
        xy: (N, K, 2) image px, where each joint most likely scores best.
        sigma_px: (N, K) its uncertainty: mean absolute error per axis, px.
        keep: (N, K) expected keypoint similarity of the joint as it came; 0 where missing.
        move: (N, K) expected keypoint similarity of `xy`.
        wrong: (N, K) probability that the joint as it came is a miss (similarity below .5).
        annotated: (N, K) probability that an annotator would label the joint.
        oks: (N,) expected OKS of the pose once refined.
        size_px: (N,) size of the body, about the square root of a person's area.
    """

    xy: Floats
    sigma_px: Floats
    keep: Floats
    move: Floats
    wrong: Floats
    annotated: Floats
    oks: Floats
    size_px: Floats
