"""What one file has that another has not: poses kept, joints filled and moved."""

from dataclasses import dataclass

import numpy as np

from refine._types import Floats
from refine.evaluation.pairing import pair_poses
from refine.poses import Poses
from refine.report.tables import Table

LEAST = 0.5
"""Px from which a joint counts as moved: files are rounded."""


@dataclass(frozen=True, slots=True, eq=False)
class Changes:
    """What became of the poses of a file.

    Attributes:
        kept: poses that both files have.
        removed: that only the first has.
        new: that only the second has.
        filled: (K,) joints of kept poses that only the second has.
        lost: (K,) that only the first has.
        moved: (K,) by `LEAST` or more.
        both: (K,) that both have.
        away: (M,) px between those that both have.
    """

    kept: int
    removed: int
    new: int
    filled: Floats
    lost: Floats
    moved: Floats
    both: Floats
    away: Floats


def find_changes(before: Poses, after: Poses) -> Changes:
    """Compare the poses of two files of one skeleton."""
    was = pair_poses(before, after)
    rows = np.flatnonzero(was >= 0)
    old, new = before[was[rows]], after[rows]
    had, has = old.present, new.present
    away = np.linalg.norm(new.xy - old.xy, axis=-1)
    both = had & has
    return Changes(
        kept=len(rows),
        removed=len(before) - len(rows),
        new=len(after) - len(rows),
        filled=(has & ~had).sum(0),
        lost=(had & ~has).sum(0),
        moved=(both & (away >= LEAST)).sum(0),
        both=both.sum(0),
        away=away[both],
    )


def changes_table(found: dict[str, Changes]) -> Table:
    """Return what changed, a row per file."""
    head = ["", "poses kept", "removed", "new", "joints filled", "removed", "moved", "median px"]
    rows = [
        [
            label,
            *(str(n) for n in (c.kept, c.removed, c.new)),
            *(str(int(n.sum())) for n in (c.filled, c.lost, c.moved)),
            f"{np.median(c.away):.2f}" if len(c.away) else "-",
        ]
        for label, c in found.items()
    ]
    return Table(head, rows)


def joints_table(joints: tuple[str, ...], c: Changes) -> Table:
    """Return what changed joint by joint."""
    rows = [
        [joint, *(str(int(n[j])) for n in (c.both, c.moved, c.filled, c.lost))]
        for j, joint in enumerate(joints)
    ]
    return Table(["joint", "in both", "moved", "filled", "removed"], rows)
