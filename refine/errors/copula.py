"""How joints are left out together: loadings of a Gaussian copula, from pairs of joints."""

import numpy as np
from scipy.optimize import brentq, nnls
from scipy.special import ndtr, ndtri

from refine._types import Bools, Floats
from refine.errors.sources import limbs
from refine.skeletons import Skeleton

NODES, WEIGHTS = np.polynomial.legendre.leggauss(24)
MILLION = 10**6
STRONGEST = 0.95
"""Most of a joint's variance that others may share."""


def fit_loadings(
    absent: Bools, labelled: Bools, chance: Floats, skeleton: Skeleton
) -> tuple[float, float, float]:
    """Fit what joints share that are left out together.

    Pairs of joints are of four relations: of one limb or not, mirror pair or not. Of each the
    tetrachoric correlation is found that explains how often both are absent; the correlations are
    split by least squares into what the body, the limb and the mirror pair share.

    Args:
        absent: (N, K) labelled joints that are left out.
        labelled: (N, K).
        chance: (N, K) rates of leaving each out.
        skeleton: tells limbs and mirror pairs.

    Returns:
        loadings of body, limb and mirror pair, see `refine.errors.statistics.Omission`.

    >>> import refine
    >>> rng = np.random.default_rng(0)
    >>> shared = 0.6 * rng.normal(size=(4000, 1)) + 0.8 * rng.normal(size=(4000, 17))
    >>> everywhere, rate = np.ones((4000, 17), bool), np.full((4000, 17), 0.2)
    >>> body, limb, _ = fit_loadings(
    ...     shared < ndtri(0.2), everywhere, rate, refine.skeleton("coco17"))
    >>> 0.55 < body < 0.65, limb < 0.2
    (True, True)
    """
    k = len(skeleton)
    limb = np.zeros(k, np.intp)
    for number, members in enumerate(limbs(skeleton)):
        limb[members] = number
    first, second = np.triu_indices(k, 1)
    same = limb[first] == limb[second]
    mirrored = skeleton.mirror[first] == second
    design, correlations, weights = [], [], []
    for in_limb in (False, True):
        for in_pair in (False, True):
            of = np.flatnonzero((same == in_limb) & (mirrored == in_pair))
            there = labelled[:, first[of]] & labelled[:, second[of]]
            row, column = np.nonzero(there)
            a, b = first[of][column], second[of][column]
            if not len(row):
                continue
            p, q = chance[row, a], chance[row, b]
            both = int((absent[row, a] & absent[row, b]).sum())
            design.append([1.0, float(in_limb), float(in_pair)])
            correlations.append(tetrachoric(p, q, both))
            weights.append(np.sqrt((p * q).sum()))
    if not design:
        return 0.0, 0.0, 0.0
    weight = np.array(weights)
    shares, _ = nnls(np.array(design) * weight[:, None], np.array(correlations) * weight)
    shares *= min(1.0, STRONGEST / max(shares.sum(), 1e-12))
    body, in_limb, in_pair = np.sqrt(shares).tolist()
    return body, in_limb, in_pair


def tetrachoric(a: Floats, b: Floats, both: float) -> float:
    """Return the correlation of normal variables that explains how often two events coincide.

    Args:
        a: (P,) chance of the one event in every trial.
        b: (P,) chance of the other.
        both: in how many trials both came.

    >>> round(tetrachoric(np.full(9, 0.5), np.full(9, 0.5), 3.0), 3)
    0.5
    """
    # Trials of the same chances, in millionths, count as one.
    one, other = np.rint(np.stack([a, b]).clip(1e-6, 1 - 1e-6) * MILLION).astype(np.int64)
    both_of, times = np.unique(one * MILLION + other, return_counts=True)
    h, k = (ndtri(part / MILLION)[:, None] for part in np.divmod(both_of, MILLION))

    def excess(r: float) -> float:
        # Plackett 1954: the derivative of the joint probability by r is the bivariate density.
        at = r * (NODES + 1) / 2
        rest = 1 - at**2
        density = np.exp(-(h**2 - 2 * at * h * k + k**2) / (2 * rest)) / np.sqrt(rest)
        area = (density * WEIGHTS).sum(1) * r / (4 * np.pi)
        return float((times * (ndtr(h[:, 0]) * ndtr(k[:, 0]) + area)).sum() - both)

    low, high = -0.99, 0.99
    if excess(low) >= 0:
        return low
    if excess(high) <= 0:
        return high
    return float(brentq(excess, low, high, xtol=1e-6))
