"""What an eye's maps say of poses, once looked at: the maps themselves need not be kept."""

from dataclasses import dataclass

from torch import Tensor

from refine.refiner.fusion.judge import joint_features
from refine.refiner.fusion.likelihood import Likelihood, coverage, heat_features
from refine.refiner.fusion.maps import peaks
from refine.refiner.fusion.posterior import LITTLE, MUCH, Fused, fuse
from refine.refiner.fusion.view import View


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """What maps say of N poses and K joints.

    Attributes:
        features: (N, K, F) of `joint_features`.
        little: the posterior that trusts the joints as they came little.
        much: the one that trusts them much.
        covered: (N, K) of `coverage` at the joints as they came.
        peak: (N, K, 2) cells of the maxima.
        height: (N, K) of the maxima.
    """

    features: Tensor
    little: Fused
    much: Fused
    covered: Tensor
    peak: Tensor
    height: Tensor


def weigh(heat: Tensor, view: View, likelihood: Likelihood) -> Evidence:
    """Set what an eye sees against what is known.

    Args:
        heat: (N, K, h, w) of the eye, in [0, 1].
        view: of the poses.
        likelihood: of the eye.
    """
    likely = likelihood(heat, heat_features(heat, view), view)
    covered, density = coverage(likely, view.own)
    little, much = fuse(heat, view, LITTLE), fuse(heat, view, MUCH)
    share = density / likely.amax((2, 3))
    features = joint_features(heat, view, little, much, covered, share)
    return Evidence(features, little, much, covered, *peaks(heat))
