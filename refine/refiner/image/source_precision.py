"""How precise a source is beside the picture: one figure for all poses of a file.

The network was trained on estimators of every kind and takes each for the average one. What it
expects of a move is then right for sources that are coarser than itself, and too much for sources
that are as sharp: these are told by how close their joints lie to where the picture surely shows
them.
"""

from dataclasses import dataclass

import numpy as np

from refine._types import Floats

SAMPLE = 256
"""Poses that a source is judged by, the first of a file."""
SURE = 0.9
"""Expected similarity from which a place counts as surely shown."""
QUANTILE = 0.75
ONE_LOOK = 1.07
"""Spread beside one look at the crops, over that beside the mean of two, on the same sources."""
TYPICAL, PSEUDO = 0.175, 100
"""A file of few joints is taken for a typical one: this many joints of that spread are added."""
SHARP, BLUNT = 0.15, 0.19
"""Spreads of a source as sharp as the network itself, and of one that is not sharper than the
average."""
SHARPEST = 4.0
WIDEST_MARGIN, MARGIN_ENDS = 0.1, 0.16
"""Chosen with the above on development sources, whose spreads are .15 (PP-TinyPose 256x192), .16
(128x96), .175 (Lightweight OpenPose) and .21 to .23 (tf-pose, PoseNet, MoveNet)."""


@dataclass(frozen=True, slots=True)
class SourcePrecision:
    """What follows from the spread of a source.

    Attributes:
        precision: of its right joints beyond the average source's, in units of that of the OKS
            kernel; see `refine.refiner.fusion.readout.fuse_with_source`.
        margin: expected similarity that a move must gain.
    """

    precision: float = 0.0
    margin: float = 0.0


def source_spread(off: Floats, move: Floats, keep: Floats, *, mirrored: bool = True) -> float:
    """Measure how far a source's joints lie from where the picture surely shows them.

    Args:
        off: (N, K) distance between both, over the standard deviation of the OKS kernel.
        move: (N, K) similarity expected of the place in the picture.
        keep: (N, K) of the joint as it came; 0 where missing.
        mirrored: whether the mirrored crops were looked at, too.

    >>> places = np.full((1, 4), 0.95)
    >>> round(source_spread(np.full((1, 4), 0.3), places, places), 3)
    0.18
    """
    sure = off[(move > SURE) & (keep > 0)]
    if not len(sure):
        return TYPICAL
    spread = np.quantile(sure, QUANTILE) / (1.0 if mirrored else ONE_LOOK)
    return float((len(sure) * spread + PSEUDO * TYPICAL) / (len(sure) + PSEUDO))


def estimate_precision(spread: float) -> SourcePrecision:
    """Say what follows from a spread.

    >>> estimate_precision(0.3)
    SourcePrecision(precision=0.0, margin=0.0)
    """
    return SourcePrecision(
        float(np.interp(spread, [SHARP, BLUNT], [SHARPEST, 0.0])),
        float(np.interp(spread, [SHARP, MARGIN_ENDS], [WIDEST_MARGIN, 0.0])),
    )
