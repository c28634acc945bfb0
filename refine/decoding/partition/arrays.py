"""Partition and label body-part candidates: the integer program of DeepCut and DeeperCut.

Candidates d take a class c or none, and those of one person form a cluster. With x the classes,
y the pairs in one cluster and z = x x' y, minimise sum alpha x + sum beta z, where
alpha = log((1 - p) / p) of a candidate's class and beta the same of a pair's.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from refine._types import Floats, Indices
from refine.decoding.partition import kernels
from refine.exceptions import ArrayError

CLAMP = 1e-7
"""Probabilities keep this far from 0 and 1: pose-tensorflow multiperson/predict.py."""


class Partition(NamedTuple):
    """Candidates with a class and a person each.

    Attributes:
        label: (D,) class, -1 where suppressed.
        cluster: (D,) 0, 1, ... by first candidate, -1 where suppressed.
        cost: the objective; suppressing everything costs 0.
    """

    label: Indices
    cluster: Indices
    cost: float


def logit_cost(probability: npt.ArrayLike) -> Floats:
    """Turn probabilities into costs log((1 - p) / p), the negated logits.

    Raises:
        ArrayError: a value outside 0..1.

    >>> logit_cost([0.5, 0.0]).round(3).tolist()
    [0.0, 16.118]
    """
    p = np.asarray(probability, np.float64)
    if not ((p >= 0) & (p <= 1)).all():
        raise ArrayError(
            "expected probabilities in 0..1, got others",
            hint="minus the values, if they are logits",
        )
    p = np.clip(p, CLAMP, 1 - CLAMP)
    return np.asarray(np.log((1 - p) / p))


def partition_cost(
    unary: npt.ArrayLike, pair: npt.ArrayLike, label: npt.ArrayLike, cluster: npt.ArrayLike
) -> float:
    """Return the objective of a labelled partition; arguments as in `solve_fast`.

    >>> partition_cost([[-1.0], [-2.0]], [[0, -3.0], [-3.0, 0]], [0, 0], [0, 0])
    -6.0
    """
    alpha, beta = checked_costs(unary, pair)
    return _cost(alpha, beta, np.asarray(label, np.intp), np.asarray(cluster, np.intp))


def solve_fast(unary: npt.ArrayLike, pair: npt.ArrayLike, *, max_rounds: int = 100) -> Partition:
    """Partition and label by local search: fast, and nearly always optimal on small instances.

    Greedy additive edge contraction from each candidate's best class, then single moves and
    Kernighan-Lin updates of two clusters at a time, both over clusters and classes jointly, until
    nothing improves (pose-tensorflow lib/multicut_cython, Levinkov et al., CVPR 2017). A second
    search starts from nothing, and the better result counts.

    Args:
        unary: (D, C) costs alpha of the classes of each candidate; C is 1 where every candidate
            has but one class.
        pair: (D, D, C, C) costs beta of two candidates being in one cluster with classes c, c',
            equal to that of the pair the other way round; (D, D) for one class. The diagonal
            does not count; where beta is 0 throughout, two candidates do not hold each other.
        max_rounds: of Kernighan-Lin updates over all pairs of clusters.

    Returns:
        the partition; its clusters are connected through pairs with a beta that is not 0.

    Raises:
        ArrayError: shapes that do not agree, costs that are not finite, or pairs that are not
            symmetric.

    >>> beta = np.full((4, 4), 2.0)
    >>> beta[0, 1] = beta[1, 0] = beta[2, 3] = beta[3, 2] = -1
    >>> solve_fast(np.full((4, 1), -0.5), beta).cluster.tolist()
    [0, 0, 1, 1]
    """
    alpha, beta = checked_costs(unary, pair)
    best = None
    for greedy in (True, False):
        label, cluster = kernels.start(alpha, beta, greedy)
        kernels.search(alpha, beta, label, cluster, max_rounds)
        found = as_partition(alpha, beta, label, cluster)
        if best is None or found.cost < best.cost - kernels.GAIN:
            best = found
    assert best is not None
    return best


def checked_costs(unary: npt.ArrayLike, pair: npt.ArrayLike) -> tuple[Floats, Floats]:
    """Return alpha (D, C) and beta (D, D, C, C) of the arguments of a solver.

    Raises:
        ArrayError: see `solve_fast`.
    """
    alpha = np.ascontiguousarray(unary, np.float64)
    beta = np.ascontiguousarray(pair, np.float64)
    if alpha.ndim == 2 and alpha.shape[1] == 1 and beta.ndim == 2:
        beta = beta[..., None, None]
    d, c = alpha.shape if alpha.ndim == 2 else (-1, -1)
    if c < 1 or beta.shape != (d, d, c, c):
        raise ArrayError(
            "expected unary (D, C) and pair (D, D, C, C), or (D, 1) and (D, D), "
            f"got {alpha.shape} and {np.shape(pair)}"
        )
    beta = np.where(np.eye(d, dtype=bool)[..., None, None], 0.0, beta)
    if not (np.isfinite(alpha).all() and np.isfinite(beta).all()):
        raise ArrayError("expected finite costs, got NaN or infinity")
    if not np.allclose(beta, beta.transpose(1, 0, 3, 2), rtol=1e-9, atol=1e-12):
        raise ArrayError(
            "expected pair[i, j, a, b] == pair[j, i, b, a]",
            hint="the mean of both, or their sum if they are independent terms",
        )
    return alpha, np.ascontiguousarray(beta)


def _cost(alpha: Floats, beta: Floats, label: Indices, cluster: Indices) -> float:
    used = np.flatnonzero(label >= 0)
    a, g = label[used], cluster[used]
    same = np.triu(g[:, None] == g, 1)
    terms = beta[used[:, None], used, a[:, None], a]
    return float(alpha[used, a].sum() + terms[same].sum())


def as_partition(alpha: Floats, beta: Floats, label: Indices, cluster: Indices) -> Partition:
    """Split clusters that no pair term holds together and number them."""
    from scipy.sparse.csgraph import connected_components

    used = np.flatnonzero(label >= 0)
    held = (beta != 0).any((2, 3))[np.ix_(used, used)]
    same = cluster[used][:, None] == cluster[used]
    part = connected_components(held & same, directed=False)[1]
    _, start, inverse = np.unique(part, return_index=True, return_inverse=True)
    number = np.empty(len(start), np.intp)
    number[np.argsort(start)] = np.arange(len(start))
    out = np.full(len(label), -1)
    out[used] = number[inverse]
    return Partition(np.asarray(label), out, _cost(alpha, beta, label, out))
