"""SimCC's two distributions as one map per joint."""

import numpy as np
import numpy.typing as npt

from refine._types import Floats, Floats32
from refine.decoding.simcc.outputs import SimccOptions

CELL = 4
"""Input px per cell, as of heatmaps; the finer bins are shared out among the cells."""


def maps_of_simcc(
    x: npt.NDArray[np.floating], y: npt.NDArray[np.floating], options: SimccOptions
) -> Floats32:
    """Return the outer products of SimCC's distributions on cells of `CELL` px.

    Each distribution is the softmax of beta times its bins. It is divided by the height that the
    network's target has in its own cell, so that 1 is as sure as the network was taught to be.

    Args:
        x: (N, K, Wx) logits of the columns.
        y: (N, K, Hy) logits of the rows.
        options: ratio, beta and sigma (bins) of the network.

    Returns:
        (N, K, Hy / ratio / 4, Wx / ratio / 4) in [0, 1]; cell i lies at 4 i px.

    >>> x, y = np.zeros((1, 1, 384)), np.zeros((1, 1, 512))
    >>> x[0, 0, 80] = y[0, 0, 160] = 20
    >>> heat = maps_of_simcc(x, y, SimccOptions())
    >>> heat.shape, np.argwhere(heat[0, 0] == 1).tolist()
    ((1, 1, 64, 48), [[20, 10]])
    """
    sigmas = np.broadcast_to(options.sigma, 2) / np.sqrt(options.beta)
    rows, columns = (
        _cells(np.asarray(m, np.float32), options.ratio, options.beta, float(s))
        for m, s in zip((y, x), sigmas[::-1], strict=True)
    )
    return rows[..., :, None] * columns[..., None, :]


def _cells(logits: Floats32, ratio: float, beta: float, sigma: float) -> Floats32:
    """Return the likeness (N, K, cells) of one axis."""
    bins = logits.shape[2]
    heat = np.exp(beta * (logits - logits.max(2, keepdims=True)))
    share = _shares(bins, ratio)
    cells = (heat / heat.sum(2, keepdims=True)) @ share.astype(np.float32)
    every = np.arange(-np.ceil(6 * sigma), np.ceil(6 * sigma) + 1)
    target = np.exp(-0.5 * (every / sigma) ** 2)
    height = target @ np.maximum(0, 1 - np.abs(every) / ratio / CELL) / target.sum()
    return np.asarray(np.minimum(cells / height, 1), np.float32)


def _shares(bins: int, ratio: float) -> Floats:
    """Share each bin between the two cells beside it, (bins, cells); centres of mass stay."""
    cells = max(int(np.rint(bins / ratio / CELL)), 1)
    at = np.clip(np.arange(bins) / ratio / CELL, 0, cells - 1)
    return np.asarray(np.maximum(0, 1 - np.abs(at[:, None] - np.arange(cells))), np.float64)
