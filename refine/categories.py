"""Categories of poses: persons, dogs, ... as COCO files number them in `category_id`."""

import math
from collections.abc import Hashable, Iterable, Mapping
from typing import Any, TypeAlias

import numpy as np

from refine._types import Indices
from refine.poses import Poses

Category: TypeAlias = Hashable
"""As files have it, int or str; None where none is told."""
PLAIN = frozenset({int, str, type(None)})


def category_of_class(label: int) -> int:
    """Return the category of a detector's class, which detectors count from 0.

    It is class + 1: 1 for COCO's persons, and what Ultralytics writes of data sets of one's own
    (`class_map` of ultralytics/models/yolo/detect/val.py), which wrote 0 there once: where truth
    and poses have one category each, its number may differ. COCO's numbers go to 90 for its 80
    classes, but only its persons have joints.

    >>> category_of_class(0)
    1
    """
    return label + 1


def category_of(row: Mapping[str, Any]) -> Any:
    """Return the `category_id` of a row; null, and numbers that JSON cannot hold, are none.

    >>> category_of({"category_id": 2}), category_of({"category_id": float("nan")})
    (2, None)
    """
    return _told(row.get("category_id"))


def categories_of(poses: Poses) -> tuple[Category, ...]:
    """Return the category of each pose, None where its source does not say.

    >>> from refine.skeletons import skeleton
    >>> categories_of(Poses.from_arrays(skeleton("coco17"), np.zeros((1, 17, 2))))
    (None,)
    """
    return categories_in(poses.extra)


def categories_in(rows: Iterable[Mapping[str, Any]]) -> tuple[Category, ...]:
    """Return the category that each of some rows tells, None where one does not.

    >>> categories_in([{"category_id": 2}, {}])
    (2, None)
    """
    found = tuple(row.get("category_id") for row in rows)
    if set(map(type, found)) <= PLAIN:
        return found
    return tuple(c if isinstance(c, Hashable) else repr(c) for c in map(_told, found))


def category_codes(poses: Poses) -> tuple[tuple[Category, ...], Indices]:
    """Return the categories that there are, as they first appear, and the index (N,) of each's.

    >>> from refine.skeletons import skeleton
    >>> category_codes(Poses.from_arrays(skeleton("coco17"), np.zeros((2, 17, 2))))
    ((None,), array([0, 0]))
    """
    found = categories_of(poses)
    known = tuple(dict.fromkeys(found))
    if len(known) < 2:
        return known, np.zeros(len(found), np.intp)
    place = {c: i for i, c in enumerate(known)}
    return known, np.fromiter(map(place.__getitem__, found), np.intp, len(found))


def groups_of(poses: Poses) -> Indices:
    """Number each pose's image and category, (N,), in the order of the images.

    >>> from refine.skeletons import skeleton
    >>> both = Poses.from_arrays(skeleton("coco17"), np.zeros((2, 17, 2)))
    >>> groups_of(both.replace(extra=({"category_id": 1}, {"category_id": 2}))).tolist()
    [0, 1]
    """
    known, codes = category_codes(poses)
    return np.asarray(poses.image * max(len(known), 1) + codes)


def _told(category: Any) -> Any:
    return None if isinstance(category, float) and not math.isfinite(category) else category
