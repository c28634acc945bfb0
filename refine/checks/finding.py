"""What a check says, and what it looks at."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from shlex import quote
from typing import Any

import numpy as np
import numpy.typing as npt

from refine._types import Bools, Floats, Indices
from refine.evaluation.ground_truth import GroundTruth
from refine.geometry import keypoint_box
from refine.poses import Poses

OUT = "OUT.json"
"""What commands write."""
NAMED = 5
"""Rows that a finding names; the others are counted."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong, why it probably is, and what mends it.

    Attributes:
        name: of the check, stable.
        what: was seen, with figures.
        cause: the likely one.
        cure: what mends it, where no command does, or what else helps.
        commands: that mend it, to be run one after the other.
        rows: the first `NAMED` that show it.
        count: of all rows that show it.
        figures: estimates and mappings, for who reads JSON.
    """

    name: str
    what: str
    cause: str
    cure: str = ""
    commands: tuple[str, ...] = ()
    rows: tuple[str, ...] = ()
    count: int = 0
    figures: dict[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return the attributes as JSON can hold them; the cure with its commands, in words."""
        return asdict(self) | {
            "cure": self.tries,
            "commands": [*self.commands],
            "rows": [*self.rows],
        }

    @property
    def tries(self) -> str:
        """The commands, and what else helps, in words."""
        return "; ".join(filter(None, (", then ".join(self.commands), self.cure)))

    def __str__(self) -> str:
        lines = [f"{self.name}: {self.what}", f"  likely: {self.cause}", f"  try: {self.tries}"]
        if self.rows:
            more = f" and {self.count - len(self.rows)} more" if self.count > NAMED else ""
            lines.insert(1, f"  at: {'; '.join(self.rows)}{more}")
        return "\n".join(lines)


@dataclass(frozen=True, slots=True, eq=False)
class Subject:
    """Poses as their file has them, and what is known beside them.

    Attributes:
        poses: N poses on I images; coordinates are not scaled, (0, 0) is missing.
        where: the file, and the options that it was read with, as commands have them.
        zeros: (N, K) joints at (0, 0) with a score.
        nulls: rows that give a joint without a place a score.
        truth: annotated persons, or None.
        known: (I,) index of each image in the truth, -1 where it is not there.
        sizes: (I, 2) width and height of each image in px, NaN where unknown.
        turned: (I,) whether EXIF turns the picture by a quarter or a half.
        pictures: their folder, as commands have it.
    """

    poses: Poses
    where: str
    zeros: Bools
    nulls: tuple[str, ...]
    truth: GroundTruth | None
    known: Indices
    sizes: Floats
    turned: Bools
    pictures: str = "DIR"

    @property
    def size(self) -> Floats:
        """Width and height (N, 2) of each pose's image."""
        return self.sizes[self.poses.image]

    @property
    def gt(self) -> str:
        """The file of the truth, for commands."""
        return quote(self.truth.where) if self.truth else "GT.json"

    def mending(self, *ways: str, sized: bool = False) -> tuple[str, ...]:
        """Return the command that mends poses in some `ways` of `refine.checks.mends`.

        Args:
            ways: in their order.
            sized: whether they need sizes of images, which the truth tells if the file does not.
        """
        told = sized and np.isnan(self.poses.image_sizes).any()
        sizes = f" --sizes {self.gt}" if told else ""
        mends = "".join(f" --mend {way}" for way in ways)
        return (f"refine convert {self.where}{sizes}{mends} -o {OUT}",)

    @property
    def extent(self) -> Floats:
        """Longer side (N,) of each pose in px."""
        box = keypoint_box(self.poses.xy)
        return np.asarray((box[:, 2:] - box[:, :2]).max(1))

    def at(self, rows: npt.ArrayLike) -> dict[str, Any]:
        """Name poses by row and image: `rows` and `count` of a finding."""
        index = np.arange(len(self.poses))[np.asarray(rows)]
        ids = [self.poses.images[i].id for i in self.poses.image[index[:NAMED]]]
        named = [
            f"pose {row} (image {i!r})" for row, i in zip(index[:NAMED].tolist(), ids, strict=True)
        ]
        return {"rows": tuple(named), "count": len(index)}


def named(things: Sequence[object]) -> dict[str, Any]:
    """Name things that are no poses: `rows` and `count` of a finding."""
    return {"rows": tuple(map(str, things[:NAMED])), "count": len(things)}
