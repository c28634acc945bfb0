"""What becomes of poses on their way from one format into another."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import chain
from typing import Any

import numpy as np

from refine._types import Floats
from refine.exceptions import FormatError, SkeletonError
from refine.files import SCALARS
from refine.formats._keypoints import shortest
from refine.formats._told import FPS
from refine.formats._unlabelled import FIELD as UNLABELLED
from refine.formats.base import Format
from refine.poses import Poses
from refine.skeletons import skeleton

FINITE = SCALARS - {float}
BLOCK = 1 << 16
"""Numbers that are shortened at once: 0.5 MB, which fit a processor's cache."""


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
    extra = poses.extra
    keys = dict.fromkeys(chain.from_iterable(extra)).keys()
    if keys & gone or any(name(key) != key for key in keys):
        extra = tuple({name(k): v for k, v in e.items() if k not in gone} for e in extra)
    images = tuple(
        ref
        if not ref.extra
        else replace(
            ref, extra={name(k): v for k, v in ref.extra.items() if k not in source.private}
        )
        for ref in poses.images
    )
    told = ", ".join(f"{old!r} is now {new!r}" for old, new in renamed.items())
    return poses.replace(extra=extra, images=images), told


def _check_finite(poses: Poses) -> None:
    """Refuse what JSON cannot hold in the fields that are carried along."""
    about = poses.meta.get("document")
    of_images = [ref.extra for ref in poses.images if ref.extra]
    if not _is_infinite([*of_images, *_distinct(poses), about]):
        return
    for where, value in chain(
        ((f"image {ref.id!r}", ref.extra) for ref in poses.images),
        ((f"pose {i}", row) for i, row in enumerate(poses.extra)),
        [("the file", about)],
    ):
        if _is_infinite([value]):
            raise FormatError(
                "expected finite numbers, which JSON holds, got Infinity in an unknown field",
                where=where,
                hint="null in its place",
            )


def _distinct(poses: Poses) -> Iterable[Mapping[str, Any]]:
    """Return the fields of poses, once where one mapping stands for many."""
    return {id(row): row for row in poses.extra}.values()


def _is_infinite(values: list[Any]) -> bool:
    """Whether Infinity is among values or in what they hold, however deep."""
    while values:
        held: list[Any] = []
        for kind in set(map(type, values)) - FINITE:
            some: list[Any] = [value for value in values if type(value) is kind]
            if issubclass(kind, float) and (math.inf in some or -math.inf in some):
                return True
            if issubclass(kind, Mapping):
                held += chain.from_iterable(value.values() for value in some)
            elif issubclass(kind, list | tuple):
                held += chain.from_iterable(some)
        values = held
    return False


def _without_noise(poses: Poses) -> Poses:
    """Write numbers of 32 bits as short as they are: 0.1 instead of 0.10000000149011612."""
    changes = {}
    for field in ("xy", "score", "instance_score", "box", "area"):
        values = getattr(poses, field)
        short = None if values is None else _short(values)
        if short is not values:
            changes[field] = short
    return poses.replace(**changes)


def _short(values: Floats) -> Floats:
    flat, out = values.ravel(), values
    for start in range(0, flat.size, BLOCK):
        part = flat[start : start + BLOCK]
        with np.errstate(over="ignore"):  # Beyond float32 a number is its own.
            single = part.astype(np.float32)
        exact = np.flatnonzero(single == part)
        if not len(exact):
            continue
        found, single = part[exact], single[exact]
        short = shortest(found, lambda short, single=single: short.astype(np.float32) == single)  # type: ignore[misc]
        if (short != found).any():
            out = flat.copy() if out is values else out
            out[start + exact] = short
    return values if out is values else out.reshape(values.shape)
