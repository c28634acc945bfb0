"""Keypoint similarity and object keypoint similarity (OKS), as pycocotools defines them."""

from typing import Literal

import numpy as np

from refine._exp import exp
from refine._kernel import kernel
from refine._types import AreaRule as AreaRule, Bools, Floats
from refine.exceptions import ArrayError
from refine.geometry import keypoint_box

EPS = float(np.spacing(1))
"""Added to the area: `np.spacing(1)` in pycocotools.cocoeval.COCOeval.computeOks."""

BOX_FRACTION = 0.53
"""Segment area over box area where no segment exists: CrowdPose, xtcocotools.cocoeval."""


def keypoint_similarity(a_xy: Floats, b_xy: Floats, area: Floats, sigmas: Floats) -> Floats:
    """Return exp(-d^2 / (2 * area * (2 * sigma)^2)) joint by joint.

    Args:
        a_xy: (N, K, 2) px.
        b_xy: (N, K, 2) px.
        area: (N,) px^2.
        sigmas: (K,).

    Returns:
        (N, K) in [0, 1], NaN where either joint is missing.

    >>> one = np.zeros((1, 1, 2))
    >>> keypoint_similarity(one, one + 3, np.array([100.0]), np.array([0.1])).round(4).tolist()
    [[0.1054]]
    """
    away = np.asarray(a_xy) - b_xy
    d2 = away[..., 0] ** 2 + away[..., 1] ** 2
    variance = (2 * np.asarray(sigmas)) ** 2
    return np.asarray(np.exp(-d2 / variance / (np.asarray(area)[:, None] + EPS) / 2))


def ks_distance(ks: float, area: Floats, sigmas: Floats) -> Floats:
    """Return the distance (N, K) in px at which the keypoint similarity is `ks`.

    >>> ks_distance(0.5, np.array([10000.0]), np.array([0.107])).round(2).tolist()
    [[25.2]]
    """
    scale = np.sqrt(-2 * np.asarray(area)[:, None] * np.log(ks))
    return np.asarray(scale * 2 * np.asarray(sigmas))


def pose_area(
    xy: Floats, rule: AreaRule, box: Floats | None = None, area: Floats | None = None
) -> Floats:
    """Return the area (N,) in px^2 that stands for the size of predicted poses.

    Args:
        xy: (N, K, 2) px, NaN where missing.
        rule: "keypoints": tight box of the present joints (pycocotools.loadRes without `bbox`);
            "box": width times height of `box`; "given": `area`.
        box: (N, 4) xyxy, for "box".
        area: (N,), for "given".

    Raises:
        ArrayError: the rule's source is None, or NaN for some pose.
    """
    if rule == "given":
        found = area
    else:
        corners = keypoint_box(xy) if rule == "keypoints" else box
        with np.errstate(over="ignore"):
            found = None if corners is None else np.prod(corners[:, 2:] - corners[:, :2], axis=1)
    if found is None or (rule != "keypoints" and np.isnan(found).any()):
        raise ArrayError(
            f"expected every pose to have what area rule {rule!r} needs, got none",
            hint="area rule 'keypoints'",
        )
    return np.asarray(np.nan_to_num(found, nan=0.0))


def pairwise_oks(
    a_xy: Floats,
    b_xy: Floats,
    area: Floats,
    sigmas: Floats,
    visible: Bools | None = None,
    missing: Literal["skip", "zero"] = "skip",
) -> Floats:
    """Object keypoint similarity between every pose in a and every pose in b.

    Args:
        a_xy: (N, K, 2) px, NaN where missing.
        b_xy: (M, K, 2) px, NaN where missing.
        area: (N,) px^2 of the poses in a, or (N, M) a pair.
        sigmas: (K,).
        visible: (N, K) joints of a that count, by default those present.
        missing: what a joint that only b lacks does: "skip" leaves it out (two predictions),
            "zero" counts as similarity 0 (prediction against ground truth).

    Returns:
        (N, M) float64 in [0, 1]; 0 where no joint counts.

    Raises:
        ArrayError: shapes that do not agree.

    >>> a = np.zeros((1, 3, 2))
    >>> pairwise_oks(a, a, np.array([4.0]), np.full(3, 0.1)).tolist()
    [[1.0]]
    """
    a = np.ascontiguousarray(a_xy, np.float64)
    b = np.ascontiguousarray(b_xy, np.float64)
    s = np.ascontiguousarray(sigmas, np.float64)
    if a.ndim != 3 or b.ndim != 3 or a.shape[1:] != b.shape[1:] or s.shape != a.shape[1:2]:
        raise ArrayError(
            f"expected (N, K, 2), (M, K, 2) and sigmas (K,), got {a.shape}, {b.shape}, {s.shape}"
        )
    size = np.asarray(area, np.float64)
    if size.shape not in ((len(a),), (len(a), len(b))):
        size = np.broadcast_to(size, (len(a), len(b)))
    counts = _NONE if visible is None else np.asarray(visible, np.bool_)
    return np.asarray(
        _pairwise(a, b, size.reshape(len(a), -1), s, counts, missing == "zero")
        if size.size
        else np.zeros((len(a), len(b)))
    )


LANES = 8
"""Poses of b that are compared at once; rows are filled up to whole ones."""


@kernel(fastmath={"contract"})  # type: ignore[untyped-decorator]
def _pairwise(
    a: Floats, b: Floats, area: Floats, sigmas: Floats, counts: Bools, zero: bool
) -> Floats:
    (n, k, _), m = a.shape, len(b)
    width = (m + LANES - 1) // LANES * LANES
    # Joints first, so that those of all b stand next to one another.
    at_x, at_y = np.zeros((k, width)), np.zeros((k, width))
    present = np.zeros((k, width), np.bool_)
    whole = True
    for j in range(m):
        for q in range(k):
            at_x[q, j], at_y[q, j] = b[j, q, 0], b[j, q, 1]
            there = not np.isnan(b[j, q, 0] + b[j, q, 1])
            present[q, j] = there
            whole &= there
    out, factor, used = np.zeros((n, width)), np.zeros(width), np.zeros(width)
    wide = area.shape[1] > 1
    for i in range(n):
        for j in range(m):
            factor[j] = -0.5 / (area[i, j if wide else 0] + EPS)
        used[:] = 0.0
        always = 0.0
        for q in range(k):
            x, y = a[i, q, 0], a[i, q, 1]
            here = np.isfinite(x) and np.isfinite(y)
            if not (counts[i, q] if len(counts) else here):
                continue
            if not here:
                always += zero
                continue
            # Rows by two indices: a slice costs as much as ten similarities.
            weight = 1 / (2 * sigmas[q]) ** 2
            if whole:
                for j in range(width):
                    dx, dy = at_x[q, j] - x, at_y[q, j] - y
                    out[i, j] += exp((dx * dx + dy * dy) * weight * factor[j])
                always += 1.0
            else:
                for j in range(width):
                    dx, dy = at_x[q, j] - x, at_y[q, j] - y
                    similarity = exp((dx * dx + dy * dy) * weight * factor[j])
                    out[i, j] += similarity if present[q, j] else 0.0
                    used[j] += 1.0 if present[q, j] or zero else 0.0
        for j in range(m):
            count = used[j] + always
            out[i, j] = out[i, j] / count if count else 0.0
    return out if width == m else out[:, :m].copy()


_NONE = np.zeros((0, 0), np.bool_)


def coco_oks(
    gt_xy: Floats,
    gt_visible: Bools,
    gt_area: Floats,
    gt_box_xywh: Floats,
    dt_xy: Floats,
    sigmas: Floats,
) -> Floats:
    """OKS of detections against ground truth exactly as pycocotools computes it.

    A ground truth without labelled joints takes, for every joint, the distance to its box
    doubled about its centre (x - w ... x + 2w).

    Args:
        gt_xy: (N, K, 2) px.
        gt_visible: (N, K), v > 0.
        gt_area: (N,) px^2.
        gt_box_xywh: (N, 4) px.
        dt_xy: (M, K, 2) px; write missing joints as (0, 0), as result files do, or as NaN for
            similarity 0.
        sigmas: (K,).

    Returns:
        (N, M) float64.
    """
    out = pairwise_oks(gt_xy, dt_xy, gt_area, sigmas, gt_visible, missing="zero")
    for i in np.flatnonzero(~np.asarray(gt_visible).any(1)):
        low = gt_box_xywh[i, :2] - gt_box_xywh[i, 2:]
        high = gt_box_xywh[i, :2] + gt_box_xywh[i, 2:] * 2
        away = np.maximum(0, low - dt_xy) + np.maximum(0, dt_xy - high)
        variance = (2 * np.asarray(sigmas)) ** 2
        ks = np.exp(-(away**2).sum(-1) / variance / (gt_area[i] + EPS) / 2)
        out[i] = np.nan_to_num(ks, nan=0.0).mean(1)
    return out
