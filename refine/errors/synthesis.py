"""Synthetic keypoint errors as PoseFix makes them: jitter, inversion, swap and miss.

Source of the procedure and of every constant: PoseFix (Moon, Chang, Lee, CVPR 2019), section 3,
and its published code mks0601/PoseFix_RELEASE, main/gen_batch.py, `synthesize_pose`.
"""

import numpy as np
import numpy.typing as npt

from refine._types import Bools, Floats, Indices
from refine.errors import kernels
from refine.errors.statistics import ErrorStatistics
from refine.exceptions import ArrayError
from refine.skeletons import Skeleton

__all__ = ["INVALID", "corrupt"]


INVALID = -1
"""Kind of a joint that was not synthesised."""


def corrupt(
    xy: Floats,
    visible: Bools,
    area: Floats,
    near_xy: Floats,
    near_visible: Bools,
    near_start: Indices,
    *,
    skeleton: Skeleton,
    statistics: ErrorStatistics,
    rng: np.random.Generator,
    estimated: Floats | None = None,
    compat: bool = False,
) -> tuple[Floats, npt.NDArray[np.int8]]:
    """Draw a plausible wrong prediction of every pose.

    Every joint turns good, or into one of four errors: jitter around it; inversion, on its
    left-right partner; swap, on the same joint or its partner of a neighbour; miss, near any of
    these but on none. A kind that finds no place leaves its probability to the others.

    Args:
        xy: (N, K, 2) annotated poses in px; anything where not visible.
        visible: (N, K) joints that are annotated; for a crop, inside the crop.
        area: (N,) px^2, sets the unit sqrt(area) * 2 * sigma of all distances. PoseFix takes that
            of the annotated box, while COCO's OKS takes that of the segment, about 0.53 of it:
            measured in OKS its errors are 1.37 times as far as their definitions say.
        near_xy: (M, K, 2) px, the neighbours of pose 0, then those of pose 1, ...
        near_visible: (M, K).
        near_start: (N + 1,) where each pose's neighbours begin, see `neighbours`.
        skeleton: joints, mirror pairs and sigmas; derived joints are not synthesised.
        statistics: rates and distances, see `refine.errors.statistics.read_statistics`.
        rng: all randomness; every pose gets a stream of its own.
        estimated: (N, K, 2) px, taken for joints that are not visible (PoseFix: another network's
            prediction).
        compat: do two things as the published code does. The inversion of a pair's second joint
            lies at the already corrupted first one; and the partner of the first neighbour who
            shows it is never swapped to where the person's own partner is not visible.

    Returns:
        xy (N, K, 2), not clamped to the image, and kind (N, K): `GOOD`, `JITTER`, `INVERSION`,
        `SWAP`, `MISS`, or `INVALID` with xy NaN where nothing could be drawn: neither visible nor
        estimated, derived, or no kind found a place.

    Raises:
        ArrayError: shapes that do not agree, a coordinate or area that is not finite.
        SkeletonError: a joint that is not derived has no sigma.

    >>> import refine
    >>> from refine.errors.statistics import read_statistics
    >>> out, kind = corrupt(
    ...     np.random.default_rng(0).uniform(0, 100, (1, 17, 2)), np.ones((1, 17), bool),
    ...     np.array([1e4]), np.empty((0, 17, 2)), np.empty((0, 17), bool), np.array([0, 0]),
    ...     skeleton=refine.skeleton("coco17"), statistics=read_statistics("posefix"),
    ...     rng=np.random.default_rng(1))
    >>> out.shape, kind.shape
    ((1, 17, 2), (1, 17))
    """
    poses = _points(xy, "xy", None, skeleton)
    n, k = poses.shape[:2]
    shown = _mask(visible, "visible", poses.shape[:2]) & ~skeleton.is_derived
    near = _points(near_xy, "near_xy", None, skeleton)
    near_shown = _mask(near_visible, "near_visible", near.shape[:2])
    start = np.asarray(near_start)
    if start.dtype.kind not in "iu":
        raise ArrayError(f"expected near_start of integers, got {start.dtype}")
    rising = start.shape == (n + 1,) and start[0] == 0 and bool((np.diff(start) >= 0).all())
    if not rising or start[-1] != len(near):
        raise ArrayError(
            f"expected near_start ({n + 1},) rising from 0 to {len(near)}, got shape {start.shape}"
            + (f" from {start[0]} to {start[-1]}" if start.size else "")
        )
    size = np.asarray(area, np.float64)
    if size.shape != (n,):
        raise ArrayError(f"expected area ({n},), got {size.shape}")
    for i in np.flatnonzero(~(np.isfinite(size) & (size >= 0))):
        raise ArrayError(f"expected an area of at least 0, got {size[i]}", where=f"pose {i}")
    _require_finite(poses, shown, "pose")
    _require_finite(near, near_shown, "neighbour")
    known = shown
    if estimated is not None:
        guess = _points(estimated, "estimated", n, skeleton)
        poses = np.where(shown[..., None], poses, guess)
        known = (shown | np.isfinite(guess).all(-1)) & ~skeleton.is_derived
    sigmas = skeleton.require_sigmas(derived=False)
    joints = k - int(skeleton.is_derived.sum())
    seeds = rng.integers(0, 2**64, n, np.uint64)
    bands = statistics.bands(shown.sum(1), np.diff(start), joints)
    out = np.full((n, k, 2), np.nan)
    kind = np.full((n, k), INVALID, np.int8)
    kernels.corrupt(
        np.ascontiguousarray(poses),
        shown,
        known,
        np.sqrt(size)[:, None] * 2 * sigmas,
        np.ascontiguousarray(near),
        near_shown,
        np.ascontiguousarray(start, np.intp),
        skeleton.mirror,
        statistics.rates_for(skeleton),
        *bands,
        statistics.distances(),
        seeds,
        compat,
        out,
        kind,
    )
    return out, kind


def _points(xy: Floats, what: str, n: int | None, skeleton: Skeleton) -> Floats:
    points = np.asarray(xy, np.float64)
    k = len(skeleton)
    if points.ndim != 3 or points.shape[1:] != (k, 2) or n not in (None, len(points)):
        raise ArrayError(
            f"expected {what} ({'N' if n is None else n}, {k}, 2) for skeleton {skeleton.name!r}, "
            f"got {points.shape}"
        )
    return points


def _mask(values: Bools, what: str, shape: tuple[int, ...]) -> Bools:
    mask = np.asarray(values)
    if mask.shape != shape or mask.dtype != np.bool_:
        raise ArrayError(
            f"expected {what} {shape} of bool, got {mask.shape} of {mask.dtype}",
            hint="v > 0, where v are COCO visibilities",
        )
    return np.ascontiguousarray(mask)


def _require_finite(xy: Floats, visible: Bools, what: str) -> None:
    for i, j in np.argwhere(visible & ~np.isfinite(xy).all(-1)):
        raise ArrayError(
            f"expected finite coordinates where visible, got {xy[i, j].tolist()}",
            where=f"{what} {i}, joint {j}",
        )
