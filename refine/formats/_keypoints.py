"""What the formats share: numbers out of JSON, missing joints, kinds of score, skeletons."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

import numpy as np

from refine._types import Bools, Floats
from refine.exceptions import FormatError, SkeletonError
from refine.formats.base import Options, Where
from refine.history import EXPECTED_KS_STEPS, Step
from refine.poses import Poses, ScoreKind
from refine.skeletons import Skeleton, skeleton, skeleton_from_category, skeleton_names
from refine.skeletons.model import joint_key

FAR = 1e6
"""px; a coordinate beyond this is no place in an image."""

SENTINELS = {"zero": 0.0, "minus-one": -1.0, "null": np.nan}
"""What files write for the coordinates of a missing joint; NaN becomes null in JSON."""

NUMBERS = frozenset({int, float})

HUGE = float(np.finfo(np.float64).max)
"""JSON integers may exceed what a float holds."""


@dataclass(frozen=True, slots=True)
class Joints:
    """Keypoints of N poses as `Poses` holds them, and what `flat` needs to write them back."""

    xy: Floats
    score: Floats
    kind: ScoreKind
    meta: Mapping[str, Any]


def matrix(rows: Sequence[Any], width: int, field: str, where: Where) -> Floats:
    """Turn N lists of numbers into (N, width); null becomes NaN, also in place of a list.

    Raises:
        FormatError: a list of another length, or a value that is not a finite number.
    """
    blank = [None] * width
    lists = [blank if row is None else row for row in rows]
    for i, row in enumerate(lists):
        if type(row) is not list or len(row) != width:
            got = f"{len(row)} values" if type(row) is list else f"{row!r:.40}"
            raise FormatError(f"expected {width} numbers in {field!r}, got {got}", where=where(i))
    if not set(map(type, chain.from_iterable(lists))) <= {*NUMBERS, type(None)}:
        for i, row in enumerate(lists):
            for value in row:
                if value is not None and type(value) not in NUMBERS:
                    raise _not_a_number(value, field, where(i))
    try:
        values = np.array(lists, np.float64).reshape(len(lists), width)
    except OverflowError:
        at = next(
            i for i, row in enumerate(lists) if any(type(v) is int and abs(v) > HUGE for v in row)
        )
        raise FormatError(
            f"expected numbers in {field!r}, got an integer of hundreds of digits", where=where(at)
        ) from None
    bad = np.flatnonzero(np.isinf(values).any(1))
    if len(bad):
        raise FormatError(
            f"expected finite numbers in {field!r}, got Infinity", where=where(int(bad[0]))
        )
    return values


def triples(rows: Sequence[Any], field: str, where: Where) -> Floats:
    """Turn N lists x1, y1, c1, x2, ... of one length into (N, K, 3); null becomes NaN.

    Rows that are None have no keypoints at all: NaN at NaN, score 0.

    Raises:
        FormatError: a list of another length than the first, or not of triples.
    """
    first: Any = next((row for row in rows if row is not None), [])
    width = len(first) if isinstance(first, list) else -1
    if width % 3 or (not width and rows and rows[0] is not None):
        at = next(i for i, row in enumerate(rows) if row is not None)
        got = f"{first!r:.40}" if width < 1 else f"{width} values, which is not 3 K"
        raise FormatError(
            f"expected a list x1, y1, score1, x2, ... in {field!r}, got {got}",
            where=where(at),
            hint=_nearby(width) if width > 0 else None,
        )
    values = matrix(rows, width, field, where).reshape(len(rows), width // 3, 3)
    values[[row is None for row in rows], :, 2] = 0.0
    return values


def joints(values: Floats, options: Options, where: Where) -> Joints:
    """Tell missing joints and the kind of score.

    Missing are: NaN or null, whose score becomes 0; (0, 0), whatever the score, unless `options`
    keep zeros; and (-1, -1) with no score above 0. These keep their scores.

    Args:
        values: (N, K, 3) x, y, third value.
        options: see `Options`.
        where: of a row.

    Raises:
        FormatError: a coordinate beyond `FAR`.
    """
    xy, score = places(values, where), values[..., 2].copy()
    x, y = xy[..., 0], xy[..., 1]
    gone = np.isnan(x) | np.isnan(y)
    score[gone & ~np.isnan(score)] = 0.0
    zero = (x == 0) & (y == 0) & options.zero_is_missing
    minus = (x == -1) & (y == -1) & ~(score > 0)
    xy[gone | zero | minus] = np.nan
    counts = {"zero": zero.sum(), "minus-one": minus.sum(), "null": gone.sum()}
    usual = max(counts, key=lambda name: counts[name])
    if not counts[usual]:
        usual = "zero" if options.zero_is_missing else "null"
    known = score[np.isfinite(score)]
    flags = len(known) and np.isin(known, (0.0, 1.0, 2.0)).all()
    meta = {"missing": usual, "null_scores": bool(np.isnan(score).any())}
    return Joints(xy, score, "flag" if flags else "unknown", meta)


def no_joints(n: int, k: int) -> Joints:
    """Return N poses none of whose K joints is known."""
    return Joints(np.full((n, k, 2), np.nan), np.zeros((n, k)), "unknown", {})


def places(values: Floats, where: Where) -> Floats:
    """Return the coordinates (N, K, 2) of (N, K, 3), NaN where one of the two is.

    Raises:
        FormatError: a coordinate beyond `FAR`.
    """
    xy = values[..., :2].copy()
    far = (xy > FAR) | (xy < -FAR)
    if far.any():
        i, j = np.argwhere(far.any(-1))[0].tolist()
        raise FormatError(
            f"expected coordinates in px, got {xy[i, j].tolist()} for joint {j}",
            where=where(i),
            hint="a look at the tool that wrote the file",
        )
    xy[np.isnan(xy[..., 0]) | np.isnan(xy[..., 1])] = np.nan
    return xy


def flat(poses: Poses, precision: int | None = None) -> list[list[float]]:
    """Write joints as lists, see `flat_values`."""
    rows: list[list[float]] = flat_values(poses, precision).tolist()
    return rows


def flat_values(poses: Poses, precision: int | None = None) -> Floats:
    """Write joints as x1, y1, c1, ... (N, 3 K); missing ones with the sentinel of their source.

    Joints without a score get 1, as COCO has it for results without confidences, if none has one.
    """
    present, score = poses.present, poses.score
    sentinel = np.full(present.shape, SENTINELS[poses.meta.get("missing", "zero")])
    if poses.meta.get("null_scores"):
        sentinel[np.isnan(score)] = np.nan
    else:
        score = np.where(np.isnan(score), (poses.score_kind == "none") & present, score)
    xy = np.where(present[..., None], rounded(poses, precision), sentinel[..., None])
    return np.concatenate([xy, score[..., None]], -1).reshape(len(xy), 3 * xy.shape[1])


def rounded(poses: Poses, precision: int | None) -> Floats:
    """Return the coordinates (N, K, 2) rounded to `precision` decimals, or as they are."""
    return poses.xy if precision is None else np.asarray(poses.xy.round(precision))


def shortest(values: Floats, same: Callable[[Floats], Bools]) -> Floats:
    """Return values with as few decimals, at most 8, as leave `same` true; else unchanged.

    Differences of rounded numbers carry noise (230.9 - 140.8 is 90.10000000000001); the shortest
    number that gives the same sum is the one that was there before.
    """
    out = values.copy()
    left = np.ones(values.shape, np.bool_)
    # With more than 8, digits of a full number would pass for noise: same() has some slack.
    for decimals in range(9):
        short = values.round(decimals)
        fits = left & same(short)
        out[fits] = short[fits]
        left &= ~fits
        if not left.any():
            break
    return out


def skeleton_of(
    count: int, options: Options, default: str | None = None, where: str | None = None
) -> Skeleton:
    """Find the skeleton for K joints.

    Args:
        count: K.
        options: whose skeleton comes first.
        default: what the format usually holds at its own K.
        where: the record, for messages.

    Raises:
        SkeletonError: the one asked for has another K, or several or none have this one.
    """
    where = where or options.where
    if options.skeleton is not None:
        if len(options.skeleton) != count:
            raise SkeletonError(
                f"expected {len(options.skeleton)} joints for skeleton "
                f"{options.skeleton.name!r}, got {count}",
                where=where,
            )
        return options.skeleton
    if options.default is not None and len(options.default) == count:
        return options.default
    if default is not None and len(skeleton(default)) == count:
        return skeleton(default)
    fitting = [n for n in skeleton_names() if len(skeleton(n)) == count]
    if len(fitting) == 1:
        return skeleton(fitting[0])
    if fitting:
        raise SkeletonError(
            f"expected one skeleton for {count} joints, got several: {', '.join(fitting)}",
            where=where,
            hint="--skeleton with the one in whose order the joints are",
        )
    raise SkeletonError(
        f"expected a skeleton for {count} joints, got none that ships: {_nearby(3 * count)}",
        where=where,
        hint="--skeleton FILE.toml with these joints",
    )


def named_joints(names: Sequence[str], options: Options, form: str) -> tuple[Skeleton, list[int]]:
    """Return the skeleton of joints that a file names, and the place of each of them in it.

    Without one asked for it is the one that ships with these joints, or a new one called `form`.

    Raises:
        SkeletonError: no names, one twice, or the skeleton asked for lacks one.
    """
    if options.skeleton is None:
        body = skeleton_from_category({"keypoints": list(names)}, form)
        body = replace(body, source="") if body.name == form else body
        return body, list(range(len(body)))
    place = {joint: j for j, joint in enumerate(options.skeleton.joints)}
    alike = {joint_key(joint): j for joint, j in place.items()}
    found = [place.get(name, alike.get(joint_key(name), -1)) for name in names]
    if -1 in found or len(set(found)) < len(found):
        lacking = [
            name for name, j in zip(names, found, strict=True) if found.count(j) > 1 or j < 0
        ]
        raise SkeletonError(
            f"expected each joint of the file in skeleton {options.skeleton.name!r}, "
            f"got {', '.join(map(repr, lacking)):.200}",
            where=options.where,
            hint="no --skeleton, for this file names its joints; --to-skeleton maps them",
        )
    return options.skeleton, found


def kind_after(history: Sequence[Step], kind: ScoreKind) -> ScoreKind:
    """Return the kind of scores: the refiner's where it wrote them."""
    return "expected_ks" if any(step.name in EXPECTED_KS_STEPS for step in history) else kind


def number(value: Any, field: str, where: str) -> float:
    """Return a finite number, or NaN for null and NaN.

    Raises:
        FormatError: anything else.
    """
    if value is None:
        return np.nan
    if type(value) not in NUMBERS:
        raise _not_a_number(value, field, where)
    try:
        result = float(value)
    except OverflowError:
        result = math.inf
    if math.isinf(result):
        raise FormatError(f"expected a finite number in {field!r}, got {value!r:.40}", where=where)
    return result


def _nearby(width: int) -> str:
    """Say which skeletons have about so many values."""
    sizes = sorted({len(skeleton(n)) for n in skeleton_names()}, key=lambda k: abs(3 * k - width))
    names = {k: [n for n in skeleton_names() if len(skeleton(n)) == k] for k in sorted(sizes[:2])}
    return "; ".join(f"{3 * k} values for {', '.join(of)}" for k, of in names.items())


def _not_a_number(value: Any, field: str, where: str) -> FormatError:
    return FormatError(
        f"expected numbers in {field!r}, got {value!r:.40}",
        where=where,
        hint="numbers without quotes" if isinstance(value, str) else None,
    )
