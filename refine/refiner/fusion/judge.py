"""Which place is best: a small network that has seen sources of known truth, poor to perfect.

For every joint it is told what the eye sees at the joint and elsewhere, what both settings of the
posterior make of it, what the pose alone says, and what the source is like; it says what keypoint
similarity to expect of the joint as it came and of both places. So it knows when to keep still.
"""

import torch
from torch import Tensor, nn

from refine.refiner.fusion.maps import values_at
from refine.refiner.fusion.posterior import Fused
from refine.refiner.fusion.source import TYPICAL
from refine.refiner.fusion.view import View

FEATURES = 21
"""Of `joint_features`."""
HIDDEN = 32


def _log(values: Tensor) -> Tensor:
    return torch.log(values.clamp(min=1e-6))


def joint_features(
    heat: Tensor, view: View, little: Fused, much: Fused, covered: Tensor, density: Tensor
) -> Tensor:
    """Say what is known of every joint, (N, K, `FEATURES`), each about in [-2, 2].

    Args:
        heat: (N, K, h, w) of the eye.
        view: of the same poses.
        little: the posterior that trusts the joints as they came little.
        much: the one that trusts them much.
        covered: (N, K) of `coverage` at the joints as they came.
        density: (N, K) of the likelihood there, over its maximum.
    """

    def apart(one: Tensor, two: Tensor) -> Tensor:
        return torch.log1p(torch.linalg.vector_norm(one - two, dim=-1) / view.kernel)

    own: tuple[Tensor, ...] = (
        apart(little.at, view.own),
        apart(much.at, view.own),
        covered,
        _log(density) / 5,
        _log(values_at(heat, view.own)) / 6,
        little.keep,
        much.keep,
        view.keep,
        apart(view.own, view.belief),
    )
    crowd = view.near_there.any(2).sum(1)[:, None] / 3
    others: tuple[Tensor, ...] = (
        apart(little.at, much.at),
        _log(heat.amax((2, 3))) / 4,
        _log(values_at(heat, little.at)) / 6,
        little.move,
        much.move,
        view.annotated,
        apart(little.at, view.belief),
        _log(view.spread / view.kernel) / 2,
        _log(view.kernel) / 2,
        (_log(view.sigma) + 2.8).expand_as(view.kernel),
        crowd.expand_as(view.kernel),
    )
    there = view.there.float()
    return torch.stack([*(there * x for x in own), *others, there], -1)


class Judge(nn.Module):
    """What similarity to expect of a joint as it came, and of the places of both posteriors."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(FEATURES + len(TYPICAL), HIDDEN),
            nn.SiLU(),
            nn.Linear(HIDDEN, HIDDEN),
            nn.SiLU(),
            nn.Linear(HIDDEN, 3),
        )

    def forward(self, joints: Tensor, source: Tensor) -> Tensor:
        """Return similarities (..., 3) in (0, 1).

        Args:
            joints: (..., `FEATURES`) of `joint_features`.
            source: (8,) of `SourceProfile.numbers`.
        """
        told = source.expand(*joints.shape[:-1], len(source))
        found: Tensor = self.layers(torch.cat([joints, told], -1)).sigmoid()
        return found
