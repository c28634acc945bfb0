"""Where joints are, by an eye and by the pose: Bayes' rule, cell by cell.

The truth lies near the joint as it came, or else about where the image-free refiner believes it,
with a heavy tail: what that one thinks it knows is far too narrow for poor sources. Two settings
trust the joint as it came more and less; which of them, if any, is better than the joint itself
is for `refine.refiner.fusion.judge` to say.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from refine.refiner.fusion.maps import bells, neighbours, normalised, squared_distances
from refine.refiner.fusion.readout import (
    expected_error,
    expected_oks_argmax,
    expected_similarity_at,
)
from refine.refiner.fusion.view import View

NARROWEST = 0.7
"""Least scale of the belief's tail, cells: MoveNet's own rounding."""
LEAST_BELL = 0.5
"""Least standard deviation, cells, of the bell around a joint as it came."""
LEAST_KERNEL = 0.3
"""Least standard deviation, cells, of the OKS kernel that a place is chosen by."""
ANYWHERE = 0.1
"""Probability that a joint lies anywhere in the crop."""
CROWDED = 0.5
"""Part of the heat that a neighbour's joint explains at most."""


@dataclass(frozen=True, slots=True)
class Trust:
    """How far the joints as they came are trusted beside an eye.

    Attributes:
        power: of the heat.
        floor: added to it, so that no place is impossible.
        share: of what the image-free refiner expects of a joint, its probability to be near.
        width: standard deviation of the bell around the joint, in OKS kernels.
    """

    power: float
    floor: float
    share: float
    width: float


LITTLE = Trust(power=2.0, floor=1e-4, share=0.5, width=3.0)
MUCH = Trust(power=1.5, floor=3e-4, share=0.7, width=1.0)
"""Chosen by hand on half of the pictures of three development sources: the best for poor ones, and
for one that is sharper than the eye."""


@dataclass(frozen=True, slots=True)
class Fused:
    """What a posterior says of N poses and K joints.

    Attributes:
        at: (N, K, 2) cells, where the expected similarity is highest.
        move: (N, K) that similarity.
        keep: (N, K) the similarity expected of the joint as it came, 0 where it is not there.
        error: (N, K) mean absolute error per axis expected at `at`, cells.
    """

    at: Tensor
    move: Tensor
    keep: Tensor
    error: Tensor


def fuse(heat: Tensor, view: View, trust: Trust) -> Fused:
    """Say where joints are.

    Args:
        heat: (N, K, h, w) in [0, 1] of an eye.
        view: of the same poses.
        trust: in the joints as they came.
    """
    height, width = heat.shape[2:]
    away = CROWDED * neighbours(view, height, width)
    seen = normalised((heat**trust.power + trust.floor) * (1 - away))
    share = (trust.share * view.keep * view.there)[..., None, None]
    deviation = (trust.width * view.kernel).clamp(min=LEAST_BELL)
    near = bells(view.own, deviation, height, width)
    near = near / (2 * torch.pi * deviation**2)[..., None, None]
    scale = view.spread.clamp(min=NARROWEST)[..., None, None]
    tail = normalised(1 / (1 + squared_distances(view.belief, height, width) / scale**2))
    tail = (1 - ANYWHERE) * tail + ANYWHERE / (height * width)
    posterior = normalised(seen * (share * near + (1 - share) * tail))
    kernel = view.kernel.clamp(min=LEAST_KERNEL)
    at = expected_oks_argmax(posterior, kernel)
    keep = expected_similarity_at(posterior, view.own, kernel)
    return Fused(
        at=at,
        move=expected_similarity_at(posterior, at, kernel),
        keep=torch.where(view.there, keep, 0.0),
        error=expected_error(posterior, at),
    )
