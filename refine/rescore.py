"""Instance scores: what a pose is worth, so that the best come first."""

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

from refine.poses import Poses

Floats = npt.NDArray[np.float64]


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
        rank[known] = (rankdata(instance_score[known]) - 0.5) / known.sum()
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
    score = blend(oks, poses.instance_score)
    return poses.replace(instance_score=score, extra=extra).done("rescore", weights)
