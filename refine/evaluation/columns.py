"""Annotations column by column."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from refine._types import Bools, Floats, Indices
from refine.categories import Category
from refine.exceptions import FormatError
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


def join_columns(parts: Sequence[Columns], wheres: Sequence[str]) -> Columns:
    """Join the annotations of several files; what is alike of their images is one image.

    Args:
        parts: of one skeleton.
        wheres: their files, for messages.

    Raises:
        FormatError: files of different joints, that tell different things of an image, or of which
            one tells no categories where others tell several.
    """
    images: dict[int | str, int] = {}
    refs: list[ImageRef] = []
    places, kinds = [], []
    known = {c for part in parts for c in part.categories} - {None}
    categories = tuple(sorted(known, key=lambda c: (isinstance(c, str), c))) or (None,)
    number = {c: i for i, c in enumerate(categories)} | {None: 0}
    for part, where in zip(parts, wheres, strict=True):
        if part.skeleton != parts[0].skeleton:
            raise FormatError(
                f"expected the joints of {parts[0].skeleton.name!r}, as in {wheres[0]}, "
                f"got those of {part.skeleton.name!r}",
                where=where,
            )
        for ref in part.images:
            at = images.setdefault(ref.id, len(refs))
            if at == len(refs):
                refs.append(ref)
            elif refs[at] != ref:
                raise FormatError(
                    f"expected one image {ref.id!r} in all files, got two that differ", where=where
                )
        if None in part.categories and len(known) > 1:
            raise FormatError(
                "expected a category_id for all annotations, as in other files, got none",
                where=where,
            )
        here = np.array([images[ref.id] for ref in part.images], np.intp)
        places.append(here[part.image])
        kind = np.array([number[c] for c in part.categories], np.intp)
        kinds.append(kind[part.category])
    joined = {
        name: np.concatenate([getattr(part, name) for part in parts])
        for name in ("xy", "visible", "box", "area", "crowd", "empty", "id", "head_size")
    }
    return Columns(
        skeleton=parts[0].skeleton,
        images=refs,
        image=np.concatenate(places),
        categories=categories,
        category=np.concatenate(kinds),
        listed_categories={},
        **joined,
    )


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
