"""Reading maps of probability: where a joint is expected to score best, and how well."""

import torch
from torch import Tensor

from refine.refiner.fusion import kernels
from refine.refiner.fusion.maps import bands

ITERATIONS = 12
"""Of mean shift; three quarters of the maps of real pictures move less than .01 cell after 6."""


def _similarity(at: Tensor, cells: int, spread: Tensor) -> Tensor:
    index = torch.arange(cells, device=at.device, dtype=at.dtype)
    return torch.exp(-((at[..., None] - index) ** 2) / (2 * spread[..., None] ** 2))


def expected_similarity_at(probability: Tensor, at: Tensor, spread: Tensor) -> Tensor:
    """Return the keypoint similarity that points are expected to have.

    Args:
        probability: (N, K, h, w), each map sums to 1.
        at: (N, K, 2) x, y in cells.
        spread: (N, K) standard deviation of the OKS kernel, 2 sigma sqrt(area), in cells.

    Returns:
        (N, K) in [0, 1].
    """
    h, w = probability.shape[2:]
    x, y = _similarity(at[..., 0], w, spread), _similarity(at[..., 1], h, spread)
    return ((y[..., None, :] @ probability)[..., 0, :] * x).sum(-1)


def in_cells(points: Tensor, stride: int, offset: float) -> Tensor:
    """Express x and y (..., 2 or more) in cells; what else stands in the last axis is kept."""
    return torch.cat([(points[..., :2] - offset) / stride, points[..., 2:]], -1)


def assess_points(
    probability: Tensor, at: Tensor, own: Tensor, spread: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Say what is expected of places and of the joints as they came.

    Args:
        probability: (N, K, h, w), each map sums to 1.
        at: (N, K, 2) x, y of the places in cells.
        own: (N, K, 3) x, y in cells and weight of the joints as they came, 0 where missing.
        spread: (N, K) standard deviation of the OKS kernel, in cells.

    Returns:
        (N, K) each: similarity of the places, that of the joints as they came, 0 where missing,
        and the mean absolute error per axis of the places, in cells.
    """
    keep = expected_similarity_at(probability, own[..., :2], spread)
    return (
        expected_similarity_at(probability, at, spread),
        torch.where(own[..., 2] > 0, keep, 0.0),
        expected_error(probability, at),
    )


def expected_oks_argmax(
    probability: Tensor, spread: Tensor, iterations: int = ITERATIONS
) -> Tensor:
    """Return where joints have the highest expected similarity, (N, K, 2) x, y in cells.

    The map blurred by the OKS kernel tells the cell; mean shift under that kernel climbs on to
    the place between cells. On the CPU, and without a gradient.

    >>> probability = torch.zeros(1, 1, 8, 8)
    >>> probability[0, 0, 3, 4] = probability[0, 0, 3, 5] = 0.5
    >>> expected_oks_argmax(probability, torch.ones(1, 1)).round(decimals=2).tolist()
    [[[4.5, 3.0]]]
    """
    n, k, h, w = probability.shape
    blurred = bands(spread, h) @ probability @ bands(spread, w)
    cell = blurred.flatten(2).argmax(2)
    at = torch.stack([cell % w, cell // w], -1).to(probability.dtype)
    maps = probability.contiguous().view(n * k, h, w)
    kernels.climb(maps.numpy(), spread.reshape(-1).numpy(), iterations, at.view(n * k, 2).numpy())
    return at


def soft_argmax(probability: Tensor) -> Tensor:
    """Return the means of maps (N, K, h, w) that each sum to 1, (N, K, 2) x, y in cells."""
    h, w = probability.shape[2:]
    columns = torch.arange(w, device=probability.device, dtype=probability.dtype)
    rows = torch.arange(h, device=probability.device, dtype=probability.dtype)
    return torch.stack(
        [(probability.sum(2) * columns).sum(2), (probability.sum(3) * rows).sum(2)], -1
    )


def expected_error(probability: Tensor, at: Tensor) -> Tensor:
    """Return the mean absolute error per axis that points are expected to have, (N, K) cells."""
    h, w = probability.shape[2:]
    columns = torch.arange(w, device=probability.device, dtype=probability.dtype)
    rows = torch.arange(h, device=probability.device, dtype=probability.dtype)
    across = (probability.sum(2) * (columns - at[..., 0, None]).abs()).sum(2)
    down = (probability.sum(3) * (rows - at[..., 1, None]).abs()).sum(2)
    return (across + down) / 2
