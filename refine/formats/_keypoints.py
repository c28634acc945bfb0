"""What the formats share: numbers out of JSON, missing joints, kinds of score, skeletons."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from refine.exceptions import FormatError, SkeletonError
from refine.poses import ImageRef, Poses, ScoreKind
from refine.skeleton import Skeleton, skeleton, skeleton_names

Floats = npt.NDArray[np.float64]

FAR = 1e6
"""px; a coordinate beyond this is no place in an image."""

SENTINELS = {"zero": 0.0, "minus-one": -1.0}
"""What files write for the coordinates of a missing joint."""


@dataclass(frozen=True, slots=True)
class Options:
    """How to read.

    Attributes:
        where: the file, for messages.
        skeleton: of the poses, where the file does not tell.
        zero_is_missing: whether (0, 0) means a missing joint whatever its score.
    """

    where: str
    skeleton: Skeleton | None = None
    zero_is_missing: bool = True

    def record(self, what: str, number: int) -> str:
        """Name a record for messages."""
        return f"{self.where}, {what} {number}"


@dataclass(frozen=True, slots=True)
class Joints:
    """Keypoints of N poses as `Poses` holds them."""

    xy: Floats
    score: Floats
    kind: ScoreKind
    sentinel: str


def triples(rows: Sequence[Any], options: Options, what: str = "record") -> Floats:
    """Turn N lists x1, y1, c1, x2, ... of one length into (N, K, 3); null becomes NaN.

    Raises:
        FormatError: a list of another length than the first or not of triples, or a value that
            is not a number.
    """
    if not rows:
        return np.empty((0, 0, 3))
    length = len(rows[0]) if isinstance(rows[0], list) else 0
    for i, row in enumerate(rows):
        if not isinstance(row, list) or len(row) != length or length % 3 or not length:
            got = f"{len(row)} values" if isinstance(row, list) else f"{row!r:.40}"
            expected = (
                "a list of x, y, score for every joint"
                if length % 3 or not length or not isinstance(row, list)
                else f"{length} values of 'keypoints', as in the first {what}"
            )
            raise FormatError(f"expected {expected}, got {got}", where=options.record(what, i))
    return numbers(rows, options, what).reshape(len(rows), -1, 3)


def numbers(rows: Sequence[list[Any]], options: Options, what: str = "record") -> Floats:
    """Turn N lists of one length into a float64 array; null becomes NaN.

    Raises:
        FormatError: a value that is not a number, e.g. a string.
    """
    for i, row in enumerate(rows):
        if not {*map(type, row)} <= {int, float, type(None)}:
            bad = next(v for v in row if type(v) not in (int, float, type(None)))
            raise FormatError(
                f"expected numbers, got {bad!r:.40}",
                where=options.record(what, i),
                hint="numbers without quotes" if isinstance(bad, str) else None,
            )
    try:
        return np.array(rows, np.float64)
    except OverflowError:
        raise FormatError(
            "expected coordinates in px, got a huge integer", where=options.where
        ) from None


def number(value: Any, field: str, where: str) -> float:
    """Return a number or NaN for null.

    Raises:
        FormatError: anything else.
    """
    if value is None:
        return np.nan
    if type(value) not in (int, float):
        raise FormatError(f"expected a number {field!r}, got {value!r:.40}", where=where)
    return float(value)


def joints(values: Floats, options: Options, what: str = "record") -> Joints:
    """Tell missing joints and the kind of score.

    Missing are: NaN or null; (0, 0), whatever the score, unless `options` keep zeros; and
    (-1, -1) with no score above 0. Scores are kept, also those of missing joints.

    Args:
        values: (N, K, 3) x, y, third value.
        options: see `Options`.
        what: the word for a record in messages.

    Raises:
        FormatError: a coordinate beyond `FAR`.
    """
    xy, score = values[..., :2].copy(), values[..., 2].copy()
    gone = ~np.isfinite(xy).all(-1) & ~np.isinf(xy).any(-1)
    zero = (xy == 0).all(-1)
    minus = (xy == -1).all(-1) & ~(score > 0)
    for i, j in np.argwhere((np.abs(xy) > FAR).any(-1)):
        raise FormatError(
            f"expected coordinates in px, got {xy[i, j].tolist()} for joint {j}",
            where=options.record(what, int(i)),
            hint="a check of what wrote the file",
        )
    score[gone] = 0.0
    missing = gone | minus | (zero if options.zero_is_missing else False)
    xy[missing] = np.nan
    known = score[np.isfinite(score)]
    kind: ScoreKind = "flag" if np.isin(known, (0.0, 1.0, 2.0)).all() else "unknown"
    return Joints(xy, score, kind, "minus-one" if minus.any() and not zero.any() else "zero")


def flat(poses: Poses, precision: int | None = None) -> list[list[float]]:
    """Write joints as lists x1, y1, c1, ...; missing ones with the sentinel of their source."""
    sentinel = SENTINELS[poses.meta.get("missing", "zero")]
    xy = poses.xy if precision is None else poses.xy.round(precision)
    xy = np.where(poses.present[..., None], xy, sentinel)
    score = np.nan_to_num(poses.score, nan=0.0)
    return np.concatenate([xy, score[..., None]], -1).reshape(len(poses), -1).tolist()


def skeleton_of(count: int, options: Options, default: str | None = None) -> Skeleton:
    """Find the skeleton for K joints.

    Args:
        count: K.
        options: whose skeleton comes first.
        default: what the format usually holds at its own K.

    Raises:
        SkeletonError: the one asked for has another K, or several or none have this one.
    """
    if options.skeleton is not None:
        if len(options.skeleton) != count:
            raise SkeletonError(
                f"expected {len(options.skeleton)} joints for skeleton "
                f"{options.skeleton.name!r}, got {count}",
                where=options.where,
            )
        return options.skeleton
    if default is not None and len(skeleton(default)) == count:
        return skeleton(default)
    fitting = [n for n in skeleton_names() if len(skeleton(n)) == count]
    if len(fitting) == 1:
        return skeleton(fitting[0])
    raise SkeletonError(
        f"expected a skeleton for {count} joints, got "
        + (f"several: {', '.join(fitting)}" if fitting else "none that ships"),
        where=options.where,
        hint="--skeleton NAME" if fitting else "--skeleton FILE.toml with these joints",
    )


def image_id(value: Any, where: str) -> int | str:
    """Return an image id.

    Raises:
        FormatError: neither a whole number nor a string.
    """
    if type(value) is int or isinstance(value, str):
        return value
    if type(value) is float and value.is_integer():
        return int(value)
    raise FormatError(
        f"expected an image id, a whole number or a string, got {value!r:.40}", where=where
    )


def index_images(refs: Sequence[ImageRef]) -> tuple[npt.NDArray[np.intp], tuple[ImageRef, ...]]:
    """Number the images of poses in order of first appearance; the id tells them apart."""
    place: dict[int | str, int] = {}
    kept: list[ImageRef] = []
    index = np.empty(len(refs), np.intp)
    for i, ref in enumerate(refs):
        if ref.id not in place:
            place[ref.id] = len(kept)
            kept.append(ref)
        index[i] = place[ref.id]
    return index, tuple(kept)
