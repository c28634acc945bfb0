"""What files tell of all their poses: skeleton, kind of score, frames per second."""

from collections.abc import Iterable
from typing import Any, get_args

from refine.exceptions import FormatError, SkeletonError
from refine.numerics import frame_rate
from refine.poses import ScoreKind
from refine.skeletons import (
    Skeleton,
    skeleton,
    skeleton_from_table,
    skeleton_names,
    skeleton_to_table,
)

FPS = "fps"
"""In files that tell it, and in `Poses.meta`: frames per second."""


def rate_told(values: Iterable[Any]) -> dict[str, float]:
    """Return `FPS` for `Poses.meta`, of several videos if they agree; empty where nothing tells."""
    rates = {frame_rate(value) for value in values}
    return {FPS: rate} if len(rates) == 1 and (rate := rates.pop()) is not None else {}


def skeleton_told(body: Any, where: str) -> Skeleton:
    """Return the skeleton that a file names, or has a table of.

    Raises:
        SkeletonError: neither.
    """
    if isinstance(body, dict):
        try:
            return skeleton_from_table(body, "inline")
        except (TypeError, ValueError, AttributeError) as error:
            raise SkeletonError(f"expected a skeleton table, got {error}", where=where) from None
    if not isinstance(body, str) or body not in skeleton_names():
        raise SkeletonError(
            f"expected a 'skeleton' that ships or a table of one, got {body!r:.60}",
            where=where,
            hint=f"--skeleton, or one of {', '.join(skeleton_names())}",
        )
    return skeleton(body)


def tell_skeleton(body: Skeleton) -> Any:
    """Return the name of a skeleton, or a table of one that does not ship so."""
    ships = body.name in skeleton_names() and skeleton(body.name) == body
    return body.name if ships else skeleton_to_table(body)


def kind_told(kind: Any, where: str) -> ScoreKind:
    """Return the kind of scores that a file names, "unknown" for null.

    Raises:
        FormatError: no such kind.
    """
    if kind is None:
        return "unknown"
    if kind not in get_args(ScoreKind):
        raise FormatError(
            f"expected a 'score_kind', got {kind!r:.40}",
            where=where,
            hint=f"one of {', '.join(get_args(ScoreKind))}",
        )
    known: ScoreKind = kind
    return known
