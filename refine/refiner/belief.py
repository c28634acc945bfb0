"""What a refiner believes of poses, with or without pictures."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from refine._types import Bools, Floats
from refine.poses import Poses

MARGIN = 0.7
"""Expected similarity that a move must gain: on average over the development networks, moves that
expect less gain nothing and those that expect more do (`tests/benchmarks/moves.py`)."""
DOUBT = 0.3
"""Expected gain from which a joint is doubted: it stays, but does not say how large a body is."""
JOINT_FIELDS = ("xy", "sigma_px", "keep", "move", "wrong", "annotated")
"""Fields of `Belief` with one entry per pose and joint."""


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
        margin: expected similarity that a move must gain: one for all poses, or (N, 1).
        seen: (N,) whether the pose was looked at in its picture; None from a refiner that sees
            no pictures.
        unread: pictures that could not be read.
        unfit: pictures that were not what the poses were predicted on.
    """

    xy: Floats
    sigma_px: Floats
    keep: Floats
    move: Floats
    wrong: Floats
    annotated: Floats
    oks: Floats
    size_px: Floats
    margin: float | Floats = MARGIN
    seen: Bools | None = None
    unread: int = 0
    unfit: int = 0

    def __getitem__(self, rows: npt.NDArray[Any]) -> "Belief":
        """Select poses by indices or mask."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return Belief(**{n: v[rows] if isinstance(v, np.ndarray) else v for n, v in values.items()})


class SupportsBelief(Protocol):
    """A refiner of any kind: what it believes of poses, and which weights make it believe so."""

    @property
    def weights(self) -> str:
        """The short hash that histories name the weights by."""

    def believe(self, poses: Poses, progress: Callable[[int], None] | None = None) -> Belief:
        """Say what is believed of each joint of N poses; `progress` gets the number done."""
