"""Maps over the cells of crops: bells around places, values between cells, neighbours."""

import torch
from torch import Tensor

from refine.refiner.fusion.view import View

NEIGHBOUR = 1.4
"""Standard deviation, cells, of the bell that a neighbour's joint puts on its kind's map: about
what the eye's maps have; chosen by hand with the settings of `refine.refiner.fusion.posterior`."""


def bells(at: Tensor, deviation: Tensor, height: int, width: int) -> Tensor:
    """Return Gaussians (N, K, h, w) with peaks of 1 at (N, K, 2) cells, of deviations (N, K)."""
    twice = 2 * deviation[..., None] ** 2
    x = torch.exp(-((at[..., 0, None] - torch.arange(width)) ** 2) / twice)
    y = torch.exp(-((at[..., 1, None] - torch.arange(height)) ** 2) / twice)
    return y[..., :, None] * x[..., None, :]


def bands(deviation: Tensor, cells: int) -> Tensor:
    """Return Gaussians (..., cells, cells) of the distance of every two cells, peaks of 1.

    Args:
        deviation: (...) of each.
        cells: in a row.

    >>> bands(torch.tensor([1.0]), 3)[0].mul(100).round().tolist()
    [[100.0, 61.0, 14.0], [61.0, 100.0, 61.0], [14.0, 61.0, 100.0]]
    """
    apart = torch.arange(1 - cells, cells, device=deviation.device, dtype=deviation.dtype)
    bell = torch.exp(-(apart**2) / (2 * deviation[..., None] ** 2))
    # Each row is the same bell, one cell further on.
    return bell.unfold(-1, cells, 1).flip(-2)


def squared_distances(at: Tensor, height: int, width: int) -> Tensor:
    """Return the squared distances (N, K, h, w) of all cells from (N, K, 2) cells."""
    x = (at[..., 0, None] - torch.arange(width)) ** 2
    y = (at[..., 1, None] - torch.arange(height)) ** 2
    return y[..., :, None] + x[..., None, :]


def values_at(maps: Tensor, at: Tensor) -> Tensor:
    """Read maps (N, K, h, w) at (N, K, 2) cells, bilinearly; places outside at the border.

    >>> maps = torch.arange(6.0).view(1, 1, 2, 3)
    >>> values_at(maps, torch.tensor([[[0.5, 0.5]]])).tolist()
    [[2.0]]
    """
    height, width = maps.shape[2:]
    x, y = at[..., 0].clamp(0, width - 1), at[..., 1].clamp(0, height - 1)
    left, top = x.floor().clamp(max=width - 2), y.floor().clamp(max=height - 2)
    across, down = x - left, y - top
    first = (top * width + left).long()
    flat = maps.flatten(2)

    def corner(step: int) -> Tensor:
        return flat.gather(2, (first + step)[..., None])[..., 0]

    upper = (1 - across) * corner(0) + across * corner(1)
    lower = (1 - across) * corner(width) + across * corner(width + 1)
    return (1 - down) * upper + down * lower


def neighbours(view: View, height: int, width: int) -> Tensor:
    """Return maps (N, K, h, w) in [0, 1] of where neighbouring poses have the same joint."""
    found = torch.zeros(*view.kernel.shape, height, width)
    narrow = torch.full_like(view.kernel, NEIGHBOUR)
    for other in range(view.near.shape[1]):
        there = view.near_there[:, other]
        if there.any():
            bell = bells(view.near[:, other], narrow, height, width)
            found = torch.maximum(found, bell * there[..., None, None])
    return found


def normalised(maps: Tensor) -> Tensor:
    """Make every map sum to 1."""
    return maps / maps.sum((2, 3), keepdim=True).clamp(min=1e-30)


def peaks(heat: Tensor, reach: float = 2.5) -> tuple[Tensor, Tensor]:
    """Return the places (N, K, 2) of the maxima of maps, between cells, and their heights (N, K).

    Args:
        heat: (N, K, h, w), not negative.
        reach: cells around the maximum whose centre of mass is taken, weights squared.
    """
    height, width = heat.shape[2:]
    top, index = heat.flatten(2).max(2)
    cell = torch.stack([index % width, index // width], -1).float()
    mass = heat**2 * (squared_distances(cell, height, width) <= reach**2)
    total = mass.sum((2, 3)).clamp(min=1e-30)
    x = (mass.sum(2) * torch.arange(width)).sum(-1) / total
    y = (mass.sum(3) * torch.arange(height)).sum(-1) / total
    return torch.where((top > 0)[..., None], torch.stack([x, y], -1), cell), top
