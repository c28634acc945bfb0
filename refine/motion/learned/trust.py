"""From errors to be expected to how far the smoother trusts a place."""

import numpy as np

from refine._types import Bools, Floats

PASSABLE = 0.25
"""Body sizes: places whose expected error is less are trusted alike. Wrong joints are about half a
body off, so that from here on a place is likelier wrong than right. This and the next three were
chosen on development videos, so that noise of kinds that training lacks is smoothed as before."""
USUAL = 2.0
"""Times the median of a track's expected errors, below which places are trusted alike, too."""
STEEPNESS = 6.0
"""Power of the expected error that the variance of a place is."""
WORST = 1.0
"""Body sizes, beyond which errors are alike."""
ROUNDS = 2
"""Times that the network looks at the paths, the second time at those that its answer made."""


def trust_of(
    error: Floats,
    here: Bools,
    *,
    passable: float = PASSABLE,
    steepness: float = STEEPNESS,
    worst: float = WORST,
) -> Floats:
    """Return relative variances (T, K) of places, 1 where they are trusted as usual.

    Args:
        error: (T, K) to be expected, in body sizes.
        here: (T, K) joints that there are.
        passable: see `PASSABLE`; the others likewise.
        steepness: of the variance.
        worst: error beyond which errors are alike.

    >>> trust_of(np.array([[0.02, 0.04, 0.5]]), np.ones((1, 3), bool)).tolist()
    [[1.0, 1.0, 64.0]]
    """
    usual = float(np.median(error[here])) if here.any() else 0.0
    least = max(passable, USUAL * usual)
    return np.asarray((np.clip(error, least, max(worst, least)) / least) ** steepness)
