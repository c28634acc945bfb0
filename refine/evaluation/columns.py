"""Annotations column by column."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from refine._types import Bools, Floats, Indices
from refine.categories import Category
from refine.formats.annotations import listed_categories_of
from refine.formats.plain import Truth, scan_annotations, scan_ground_truth
from refine.poses import ImageRef
from refine.skeletons import Skeleton


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """N annotations as a file has them.

    Attributes:
        skeleton: the K joints.
        images: in the order of the file.
        xy: (N, K, 2) px.
        visible: (N, K) flags 0, 1, 2.
        box: (N, 4) xyxy px, NaN where there is none; it is filled in.
        area: (N,) px^2, likewise.
        image: (N,) index into `images`.
        crowd: (N,) regions of many.
        empty: (N,) without joints that count.
        id: (N,) ids, whole numbers or objects.
        head_size: (N,) px, NaN where unknown.
        categories: ids of those that annotations have.
        category: (N,) index into them.
        listed_categories: id -> name of all of the file.
    """

    skeleton: Skeleton
    images: Sequence[ImageRef]
    xy: Floats
    visible: npt.NDArray[np.int8]
    box: Floats
    area: Floats
    image: Indices
    crowd: Bools
    empty: Bools
    id: npt.NDArray[Any]
    head_size: Floats
    categories: tuple[Category, ...]
    category: Indices
    listed_categories: Mapping[Any, str]


def scan_columns(source: bytes | Mapping[str, Any], where: str) -> Columns | None:
    """Return those of a large plain file, parsed or not; None of all others.

    See `refine.formats.plain`.
    """
    if isinstance(source, bytes):
        found = scan_ground_truth(source, where)
    else:
        found = scan_annotations(source, where)
    return None if found is None else _columns(found)


def _columns(found: Truth) -> Columns:
    flags = found.keypoints[..., 2]
    # Any flag above 0 is a label, as in pycocotools.
    visible = (flags > 0).view(np.int8) + (flags > 1)
    declared = found.numbers["num_keypoints"]
    counts = np.where(np.isnan(declared), np.count_nonzero(visible, 1), declared)
    categories, category = np.unique(found.category, return_inverse=True)
    return Columns(
        found.skeleton,
        found.images,
        found.keypoints[..., :2],
        visible,
        found.box,
        found.numbers["area"],
        found.image,
        found.numbers["iscrowd"] > 0,
        counts == 0,
        found.id,
        found.numbers["head_size"],
        tuple(categories.tolist()),
        category,
        listed_categories_of(found.document),
    )
