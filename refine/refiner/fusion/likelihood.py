"""An eye's own error: how likely its maps make every place, measured on persons of known truth.

No source of poses takes part in it. The maps are sharpened, get a floor and a share of doubt, all
by what is seen of the joint (height, second peak, the pose's other maps, scale), and are blurred
by what annotators differ by. True joints lie within the densest part of a map that holds a share p
of it with frequency p: see `coverage`.
"""

import torch
from torch import Tensor, nn

from refine.refiner.fusion.maps import bands, neighbours, normalised, squared_distances, values_at
from refine.refiner.fusion.view import View

SECOND = 6.0
"""Cells from the maximum at which a second peak begins."""
FEATURES = 6
"""Of `heat_features`."""
HIDDEN = 16


def log_odds(share: Tensor) -> Tensor:
    """Return log(p / (1 - p)), of 0 and 1 about -9 and 9."""
    return torch.log((share + 1e-4) / (1 - share + 1e-4))


def heat_features(heat: Tensor, view: View) -> Tensor:
    """Say what an eye sees of joints, (N, K, `FEATURES`), each about in [-2, 2].

    Args:
        heat: (N, K, h, w) of the eye, in [0, 1].
        view: of the same poses.
    """
    height, width = heat.shape[2:]
    flat = heat.flatten(2)
    top, index = flat.max(2)
    cell = torch.stack([index % width, index // width], -1).float()
    far = squared_distances(cell, height, width) > SECOND**2
    second = (heat * far).amax((2, 3))
    whole = top.mean(1, keepdim=True).expand_as(top)
    mass = torch.log(flat.sum(2) / top.clamp(min=1e-6) + 1e-6)
    size = torch.log(view.kernel / view.sigma)
    return torch.stack(
        [
            log_odds(top) / 4,
            log_odds(second) / 4,
            log_odds(whole) / 4,
            mass / 3,
            size - 3.5,
            torch.log(view.sigma).expand_as(top) + 2.8,
        ],
        -1,
    )


class Likelihood(nn.Module):
    """How likely an eye's maps make every place of a joint."""

    def __init__(self) -> None:
        super().__init__()
        self.seen = nn.Linear(FEATURES, HIDDEN)
        self.shape = nn.Linear(HIDDEN, 3)
        self.neighbour = nn.Parameter(torch.tensor(0.0))
        self.annotator = nn.Parameter(torch.tensor(-1.3))
        self.cell = nn.Parameter(torch.tensor(-1.5))
        with torch.no_grad():
            self.shape.weight.mul_(0.1)
            # Of the logarithms of power and floor, and the logit of doubt: those of plain fusion.
            self.shape.bias.copy_(torch.tensor([1.0, -10.0, -2.0]))

    def forward(self, heat: Tensor, features: Tensor, view: View) -> Tensor:
        """Return maps (N, K, h, w) that sum to 1.

        Args:
            heat: (N, K, h, w) in [0, 1], the mean of both looks.
            features: of `heat_features`.
            view: of the same poses.
        """
        shape = self.shape(torch.tanh(self.seen(features)))[..., None, None]
        power, floor = shape[..., 0, :, :].clamp(-2, 3).exp(), shape[..., 1, :, :].clamp(-16, -1)
        doubt = shape[..., 2, :, :].sigmoid()
        height, width = heat.shape[2:]
        level = torch.log(heat + floor.exp())
        maps = normalised(torch.exp(power * (level - level.amax((2, 3), keepdim=True))))
        maps = (1 - doubt) * maps + doubt / (height * width)
        away = self.neighbour.sigmoid() * neighbours(view, height, width)
        deviation = torch.sqrt((self.annotator.exp() * view.kernel) ** 2 + self.cell.exp() ** 2)
        return _blurred(normalised(maps * (1 - away)), deviation)


def _blurred(maps: Tensor, deviation: Tensor) -> Tensor:
    """Blur every map (N, K, h, w) by a Gaussian of its own (N, K); what it sums to stays."""

    def smear(cells: int) -> Tensor:
        bell = bands(deviation.clamp(min=0.15), cells)
        return bell / bell.sum(-2, keepdim=True)

    height, width = maps.shape[2:]
    return smear(height) @ maps @ smear(width).transpose(-1, -2)


def coverage(likelihood: Tensor, at: Tensor) -> tuple[Tensor, Tensor]:
    """Return the share of maps that is denser than at places, and the density there, (N, K) each.

    Args:
        likelihood: (N, K, h, w), each map sums to 1.
        at: (N, K, 2) cells.
    """
    density = values_at(likelihood, at)
    denser = likelihood > density[..., None, None]
    return (likelihood * denser).sum((2, 3)), density
