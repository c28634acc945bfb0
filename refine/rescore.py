"""Instance scores: what a pose is worth, so that the best come first."""

import numpy as np
import numpy.typing as npt

from refine.poses import Poses

Floats = npt.NDArray[np.float64]

SCORE_DECIMALS = 4
"""Expected similarities are right to two decimals at best; more digits only make files longer."""


def mean_ranks(values: Floats) -> Floats:
    """Rank values within (0, 1), equal ones by the mean of their ranks.

    Args:
        values: (N,) finite.

    Returns:
        (N,): (rank - 1/2) / N, ranks from 1.

    >>> mean_ranks(np.array([30.0, 10.0, 10.0, 20.0])).tolist()
    [0.875, 0.25, 0.25, 0.625]
    """
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    middle = np.cumsum(count) - count / 2
    return np.asarray(middle[place] / len(values))


def blend(oks: Floats, instance_score: Floats) -> Floats:
    """Blend expected OKS with the source's own ranking: oks * (1/2 + rank).

    The source saw the image and the refiner did not; its score may be of any kind, so only its
    rank in (0, 1) enters. Poses without a score of their own rank in the middle.

    Args:
        oks: (N,) expected OKS in [0, 1].
        instance_score: (N,), NaN where the source gave none.

    Returns:
        (N,) in [0, 1.5].

    >>> blend(np.array([0.5, 0.5]), np.array([3.0, -2.0])).tolist()
    [0.625, 0.375]
    """
    rank = np.full(len(oks), 0.5)
    known = np.isfinite(instance_score)
    if known.any():
        rank[known] = mean_ranks(instance_score[known])
    return np.asarray(oks * (0.5 + rank))


def rescore(poses: Poses, oks: Floats, weights: str | None = None) -> Poses:
    """Replace instance scores by `blend`; the source's own are kept in ``extra``.

    Args:
        poses: N poses; ranks are taken over all of them.
        oks: (N,) expected OKS.
        weights: hash of the refiner's weights, for the history.
    """
    own = [None if np.isnan(s) else s for s in poses.instance_score.tolist()]
    extra = tuple({"source_score": score, **e} for e, score in zip(poses.extra, own, strict=True))
    score = blend(oks, poses.instance_score).round(SCORE_DECIMALS)
    return poses.replace(instance_score=score, extra=extra).done("rescore", weights)
