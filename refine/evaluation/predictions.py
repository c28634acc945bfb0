"""Predictions as evaluation needs them, from poses, files and rows of results."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np

from refine._types import Floats, Indices
from refine.categories import Category, category_codes
from refine.exceptions import ArrayError
from refine.files import dump_json, read_bytes
from refine.formats import read
from refine.formats._images import Images
from refine.formats.base import LARGE, Options
from refine.formats.plain import Results, scan_result_rows, scan_results
from refine.poses import ImageRef, Poses
from refine.skeletons import Skeleton


@runtime_checkable
class CocoObject(Protocol):
    """`pycocotools.coco.COCO`, or what else holds the parsed file as it does."""

    dataset: dict[str, Any]


@dataclass(frozen=True, slots=True, eq=False)
class Predictions:
    """N predictions.

    Attributes:
        skeleton: the K joints.
        xy: (N, K, 2) px, NaN where a joint is missing.
        score: (N,) of each as a whole.
        box: (N, 4) xyxy px, or None.
        area: (N,) px^2, or None.
        image: (N,) index into `images`.
        images: the images; those that are known by number alone may be there several times.
        categories: that there are.
        category: (N,) index into them.
    """

    skeleton: Skeleton
    xy: Floats
    score: Floats
    box: Floats | None
    area: Floats | None
    image: Indices
    images: Sequence[ImageRef]
    categories: tuple[Category, ...]
    category: Indices

    def __len__(self) -> int:
        return len(self.xy)


def finite_scores(score: Floats) -> Floats:
    """Return instance scores (N,) as they are.

    Raises:
        ArrayError: a score that is not finite.
    """
    bad = np.flatnonzero(~np.isfinite(score))
    if len(bad):
        raise ArrayError(
            f"expected a finite instance score for every pose, {len(bad)} of {len(score)} have "
            "none: average precision ranks poses by it",
            where=f"pose {bad[0]}",
            hint="`refine run`, which writes scores",
        )
    return score


Source = str | Path | Poses | CocoObject | Sequence[Any]


def predictions_of(poses: Poses) -> Predictions:
    """Take from poses what evaluation needs."""
    categories, category = category_codes(poses)
    return Predictions(
        poses.skeleton,
        poses.xy,
        poses.instance_score,
        poses.box,
        poses.area,
        poses.image,
        poses.images,
        categories,
        category,
    )


def find_predictions(source: Source, default: Skeleton) -> Predictions:
    """Read predictions: large plain ones become no poses on the way.

    Args:
        source: poses, a file that `refine.read` reads, rows of COCO results, or what
            `COCO.loadRes` returns.
        default: skeleton where the source does not tell.

    Raises:
        FormatError, SkeletonError: see `refine.read`.
    """
    found = source if isinstance(source, Poses) else _scanned_or_read(source, default)
    if isinstance(found, Poses):
        return predictions_of(found)
    categories: tuple[Category, ...] = (None,)
    category = np.zeros(len(found.xy), np.intp)
    if found.category is not None:
        known, category = np.unique(found.category, return_inverse=True)
        categories = tuple(known.tolist())
    return Predictions(
        found.skeleton,
        found.xy,
        found.instance_score,
        found.box,
        found.area,
        np.arange(len(found.xy)),
        Images(found.image),
        categories,
        category,
    )


def read_predictions(source: Source, default: Skeleton) -> Poses:
    """Read predictions for a comparison: of large plain files, no fields are carried along.

    Raises:
        FormatError, SkeletonError: see `refine.read`.
    """
    found = source if isinstance(source, Poses) else _scanned_or_read(source, default)
    if isinstance(found, Poses):
        return found
    poses = found.poses()
    return poses.replace(meta={**poses.meta, "format": "coco", "held": "document"})


def _scanned_or_read(
    source: str | Path | CocoObject | Sequence[Any], default: Skeleton
) -> Results | Poses:
    """Scan results if they are plain and many; read them otherwise, and where they look small."""
    if isinstance(source, str | Path):
        options = Options(str(source), default=default)
        large = Path(source).is_file() and Path(source).stat().st_size > LARGE
        found = scan_results(read_bytes(source), options) if large else None
        if found is None or found.small:
            return read(source, default=default)
    else:
        rows = source.dataset["annotations"] if isinstance(source, CocoObject) else source
        rows = list(rows)
        found = scan_result_rows(rows, Options("<file>", default=default))
        if found is None or found.small:
            return read(io.BytesIO(dump_json(rows)), "coco", default=default)
    return found
