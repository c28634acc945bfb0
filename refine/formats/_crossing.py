"""What becomes of poses on their way from one format into another."""

import math
from collections.abc import Mapping
from dataclasses import replace
from itertools import chain
from typing import Any

import numpy as np

from refine._types import Floats
from refine.exceptions import FormatError, SkeletonError
from refine.formats._keypoints import shortest
from refine.formats._told import FPS
from refine.formats._unlabelled import FIELD as UNLABELLED
from refine.formats.base import Format
from refine.poses import Poses
from refine.skeletons import skeleton


def prepare(poses: Poses, form: Format, source: Format | None) -> tuple[Poses, tuple[str, ...]]:
    """Give poses what a format demands, and leave behind what only their source understands.

    Args:
        poses: any.
        form: the format that they will be written in.
        source: the format that they came in, None if in none.

    Returns:
        The poses, and what a person should know of the change.

    Raises:
        FormatError: Infinity in what is carried along.
        SkeletonError: joints that the format has no order for.
    """
    _check_finite(poses)
    notes: list[str] = []
    _check_skeleton(poses, form)
    if form is not source:
        # What one format writes for a missing joint, say, another takes for a place.
        kept = {name: v for name, v in poses.meta.items() if name == FPS}
        poses = _without_noise(poses.replace(meta=kept))
        if source is not None:
            poses, renamed = _carry(poses, form, source)
            if renamed:
                notes.append(f"fields that {form.name} gives a meaning to: {renamed}")
    poses, added = form.complete(poses)
    return poses, (*notes, *added)


def _check_skeleton(poses: Poses, form: Format) -> None:
    known = [skeleton(name).joints for name in form.skeletons]
    if known and len(poses) and poses.skeleton.joints not in known:
        raise SkeletonError(
            f"expected the joints of {' or '.join(form.skeletons)} for {form.name}, "
            f"got {len(poses.skeleton)} of {poses.skeleton.name!r}",
            hint=f"--to-skeleton {form.skeletons[0]}",
        )


def _carry(poses: Poses, form: Format, source: Format) -> tuple[Poses, str]:
    """Carry unknown fields, renamed where they would be taken for others; and say which.

    Those that only the source understands stay behind.
    """
    renamed: dict[str, str] = {}

    def name(field: str) -> str:
        if field not in form.fields or field in source.fields:
            return field
        return renamed.setdefault(field, f"{source.name}_{field}")

    gone = source.private - ({UNLABELLED} & form.fields & source.fields)
    rows = [{name(k): v for k, v in e.items() if k not in gone} for e in poses.extra]
    images = tuple(
        ref
        if not ref.extra
        else replace(
            ref, extra={name(k): v for k, v in ref.extra.items() if k not in source.private}
        )
        for ref in poses.images
    )
    told = ", ".join(f"{old!r} is now {new!r}" for old, new in renamed.items())
    return poses.replace(extra=tuple(rows), images=images), told


def _check_finite(poses: Poses) -> None:
    """Refuse what JSON cannot hold in the fields that are carried along."""
    # One mapping may stand for many poses.
    last = len(poses) - 1
    first = dict(zip(map(id, reversed(poses.extra)), range(last, -1, -1), strict=True))
    for where, value in chain(
        ((f"image {ref.id!r}", ref.extra) for ref in poses.images if ref.extra),
        ((f"pose {i}", poses.extra[i]) for i in sorted(first.values())),
        [("the file", poses.meta.get("document"))],
    ):
        if value and _is_infinite(value):
            raise FormatError(
                "expected finite numbers, which JSON holds, got Infinity in an unknown field",
                where=where,
                hint="null in its place",
            )


def _is_infinite(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(map(_is_infinite, value.values()))
    if isinstance(value, list | tuple):
        return any(map(_is_infinite, value))
    return isinstance(value, float) and math.isinf(value)


def _without_noise(poses: Poses) -> Poses:
    """Write numbers of 32 bits as short as they are: 0.1 instead of 0.10000000149011612."""
    changes = {}
    for field in ("xy", "score", "instance_score", "box", "area"):
        values = getattr(poses, field)
        if values is not None and values.size:
            changes[field] = _short(values)
    return poses.replace(**changes)


def _short(values: Floats) -> Floats:
    with np.errstate(over="ignore"):  # Beyond float32 a number is its own.
        single = values.astype(np.float32)
        exact = single == values
        return shortest(values, lambda short: exact & (short.astype(np.float32) == single))
