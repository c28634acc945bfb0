"""The temporal refiner: what tells, of joints that came, how wrong each is likely to be."""

from pathlib import Path
from typing import Any, Self

import numpy as np

from refine._types import Bools, Floats
from refine.exceptions import WeightsError
from refine.motion.arrays import Path as Paths, Seen, present
from refine.motion.learned.convolutions import Convolutions
from refine.motion.learned.trust import trust_of
from refine.motion.learned.weights import load_weights
from refine.motion.learned.windows import RATE, show
from refine.skeletons import Skeleton

TEMPORAL = "pennaction13"
"""The weights that ship."""
SHARED_JOINTS = 6
"""A skeleton that shares fewer joints than this with the weights' is not looked at."""
FASTEST = 1.5
"""Of `RATE`: faster videos are looked at as several slower ones, whose frames alternate."""


class TemporalRefiner:
    """A trained temporal refiner for one skeleton and all that map onto it by joint name."""

    def __init__(self, network: Convolutions, skeleton: Skeleton, facts: dict[str, Any]) -> None:
        self.network = network
        self.skeleton = skeleton
        self.facts = facts

    @classmethod
    def load(cls, weights: str | Path = TEMPORAL) -> Self:
        """Load shipped weights by name, or a .safetensors file of `refine train --video`.

        Raises:
            WeightsError: no such weights, or a damaged file.
        """
        return cls(*load_weights(weights))

    @property
    def weights(self) -> str:
        """The short hash that histories name these weights by."""
        return f"sha256:{self.facts['sha256'][:12]}"

    def trust(self, seen: Seen, path: Paths, skeleton: Skeleton) -> Floats:
        """Return relative variances (T, K) of places: those that they came with, or more.

        Joints that the weights do not know keep theirs.

        Args:
            seen: a track's joints.
            path: smooth paths through them.
            skeleton: of the joints.

        Raises:
            WeightsError: the skeletons share too few joints.
        """
        index, _ = self.skeleton.map_from(skeleton)
        fed = index >= 0
        if (shared := int(fed.sum())) < min(SHARED_JOINTS, len(self.skeleton)):
            raise WeightsError(
                f"expected a skeleton that shares at least {SHARED_JOINTS} joints with "
                f"{self.skeleton.name!r}, got {skeleton.name!r} with {shared}: "
                "there are no weights for it",
                hint="`refine train TRACKS --video -o mine.safetensors`, or another smoothing",
            )

        def ours(values: Floats | Bools, absent: float) -> Any:
            taken = values[:, index]
            taken[:, ~fed] = absent
            return taken

        expected = None if seen.variance is None else ours(seen.variance, np.nan)
        shown = Seen(ours(seen.xy, np.nan), seen.time, seen.size, expected)
        paths = Paths(ours(path.xy, np.nan), ours(path.variance, np.inf), ours(path.kept, False))
        told = trust_of(self._errors(shown, paths), present(shown.xy))
        out = np.ones(path.variance.shape) if seen.variance is None else seen.variance.copy()
        out[:, index[fed]] *= told[:, fed]
        return out

    def _errors(self, seen: Seen, path: Paths) -> Floats:
        """Return errors (T, K) to be expected, in body sizes."""
        rate = 1 / float(np.median(np.diff(seen.time))) if len(seen.time) > 1 else RATE
        every = max(1, round(rate / RATE)) if rate > FASTEST * RATE else 1
        xy, when, size, known = seen
        out = np.empty(path.variance.shape)
        for first in range(min(every, len(out))):
            rows = slice(first, None, every)
            part = Seen(xy[rows], when[rows], size[rows], None if known is None else known[rows])
            lines = Paths(path.xy[rows], path.variance[rows], path.kept[rows])
            told = self.network(show(part, lines))
            out[rows] = np.exp(told.astype(np.float64))
        return out
