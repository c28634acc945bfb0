"""Synthetic keypoint errors as PoseFix makes them: jitter, inversion, swap and miss.

Source of the procedure and of every constant: PoseFix (Moon, Chang, Lee, CVPR 2019), section 3,
and its published code mks0601/PoseFix_RELEASE, main/gen_batch.py, `synthesize_pose`.
"""

import numba as nb
import numpy as np
import numpy.typing as npt

from refine._types import Bools, Floats, Indices
from refine.errors.statistics import ErrorStatistics
from refine.evaluation.kinds import GOOD, INVERSION, MISS, SWAP
from refine.exceptions import ArrayError
from refine.skeletons import Skeleton

__all__ = ["INVALID", "corrupt"]


INVALID = -1
"""Kind of a joint that was not synthesised."""

DRAWS = 500
"""How often PoseFix draws per point before it gives an error up; good is drawn a quarter of it,
miss four times."""

AWAY = 0.25
"""Weight of a miss around the mirror partner or another person's joint against one around the
joint itself."""


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
    sigmas = _sigmas(skeleton)
    joints = k - int(skeleton.is_derived.sum())
    seeds = rng.integers(0, 2**64, n, np.uint64)
    bands = statistics.bands(shown.sum(1), np.diff(start), joints)
    out = np.full((n, k, 2), np.nan)
    kind = np.full((n, k), INVALID, np.int8)
    _corrupt(
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


def _sigmas(skeleton: Skeleton) -> Floats:
    if skeleton.sigmas is None or np.isnan(skeleton.sigmas[~skeleton.is_derived]).any():
        return skeleton.require_sigmas()
    return skeleton.sigmas


@nb.njit(cache=True, nogil=True, error_model="numpy")
def _corrupt(  # type: ignore[no-untyped-def]
    xy,
    visible,
    known,
    unit,
    near_xy,
    near_visible,
    near_start,
    mirror,
    rates,
    visible_band,
    overlap_band,
    distances,
    seeds,
    compat,
    out,
    kind,
):
    n, k, _ = xy.shape
    most = 0
    for i in range(n):
        most = max(most, near_start[i + 1] - near_start[i])
    # The places a joint may be mistaken for: itself, swaps, inversion, swaps of the partner.
    places = np.empty((2 * most + 2, 2))
    weight = np.empty(rates.shape[0])
    state = np.empty(1, np.uint64)
    for i in range(n):
        state[0] = seeds[i]
        for j in range(k):
            if not known[i, j]:
                continue
            partner = mirror[j]
            places[0] = xy[i, j]
            count = 1
            for m in range(near_start[i], near_start[i + 1]):
                if near_visible[m, j]:
                    places[count] = near_xy[m, j]
                    count += 1
            inversion, third = -1, count
            if partner != j and visible[i, partner]:
                inversion = count
                places[count] = xy[i, partner]
                if compat and partner < j:
                    # An invalid joint is (0, 0) in the published code.
                    for axis in range(2):
                        moved = out[i, partner, axis]
                        places[count, axis] = 0.0 if np.isnan(moved) else moved
                count += 1
            if partner != j:
                for m in range(near_start[i], near_start[i + 1]):
                    if near_visible[m, partner]:
                        places[count] = near_xy[m, partner]
                        count += 1
            # The place that is no swap: the inversion, or what the published code takes for it.
            own = third if compat and third < count else inversion
            weight[:] = rates[:, j, visible_band[i], overlap_band[i]]
            # Striking out a kind only once it was chosen and found no place gives the same
            # distribution as finding out beforehand which kinds do, and dividing by their sum.
            while weight.sum() > 0:
                chosen = _choose(weight, state)
                if _place(
                    chosen, places, count, inversion, own, unit[i, j], distances, state, out[i, j]
                ):
                    kind[i, j] = chosen
                    break
                weight[chosen] = 0.0


@nb.njit(cache=True, nogil=True, error_model="numpy")
def _place(kind, places, count, inversion, own, unit, distances, state, point):  # type: ignore[no-untyped-def]
    """Draw a point of one kind until it is admissible, at most as often as PoseFix.

    One of the survivors of many draws, as PoseFix chooses it, is distributed as the first is.
    """
    center, tries = 0, DRAWS
    candidates, others = 1, (count - 1) * AWAY
    if kind == GOOD:
        tries = DRAWS // 4
    elif kind == INVERSION:
        center = inversion
        tries = DRAWS if inversion >= 0 else 0
    elif kind == SWAP:
        candidates = count - 1 - (own >= 0)
        tries = DRAWS * candidates
    elif kind == MISS:
        tries = int(4 * DRAWS * (1 + others))
    for _ in range(tries):
        if kind == SWAP:
            center = 1 + int(_uniform(state) * candidates)
            center += 0 <= own <= center
        elif kind == MISS:
            ticket = _uniform(state) * (1 + others)
            center = 0 if ticket < 1 else min(1 + int((ticket - 1) / AWAY), count - 1)
        at = _uniform(state) * (distances.shape[1] - 1)
        q = int(at)
        radius = distances[kind, q] + (distances[kind, q + 1] - distances[kind, q]) * (at - q)
        radius *= unit
        angle = 2 * np.pi * _uniform(state)
        dx, dy = radius * np.cos(angle), radius * np.sin(angle)
        # A miss keeps its distance from all places, the others are nearest to their own.
        clear = distances[MISS, 0] * unit if kind == MISS else radius
        admissible = True
        for other in range(count):
            if other == center or (kind == SWAP and other != 0 and other != own):
                continue
            ox = places[other, 0] - places[center, 0]
            oy = places[other, 1] - places[center, 1]
            # |offset - d|^2 >= clear^2 without its cancelling terms, so that a place exactly at
            # the centre, as annotators' whole numbers make them, is a tie and no rival.
            if ox * ox + oy * oy - 2 * (ox * dx + oy * dy) < clear * clear - radius * radius:
                admissible = False
                break
        if admissible:
            point[0] = places[center, 0] + dx
            point[1] = places[center, 1] + dy
            return True
    return False


@nb.njit(cache=True, nogil=True, error_model="numpy")
def _choose(weight, state):  # type: ignore[no-untyped-def]
    rest = _uniform(state) * weight.sum()
    chosen = 0
    for i in range(len(weight)):
        if weight[i] > 0:
            chosen = i
            if rest < weight[i]:
                break
            rest -= weight[i]
    return chosen


@nb.njit(cache=True, nogil=True, error_model="numpy")
def _uniform(state):  # type: ignore[no-untyped-def]
    """Draw from [0, 1) with SplitMix64 (Steele, Lea, Flood, OOPSLA 2014)."""
    state[0] += np.uint64(0x9E3779B97F4A7C15)
    z = state[0]
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z = z ^ (z >> np.uint64(31))
    return (z >> np.uint64(11)) * (1.0 / 9007199254740992.0)
