"""CenterNet and MoveNet: a person is a centre that predicts its joints, which snap to heatmaps."""

from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from refine._types import Floats, Floats32
from refine.decoding.centre import kernels
from refine.decoding.maps.local_maxima import find_peaks
from refine.decoding.people import Detections
from refine.exceptions import ArrayError
from refine.geometry import keypoint_box
from refine.numerics import sigmoid

Maps = Floats32
Compat = Literal["graph"]
COMPATS: tuple[str, ...] = get_args(Compat)

MAX_POSES, THRESHOLD, RADIUS = 100, 0.1, 0.3
"""CenterNet src/lib/models/decode.py multi_pose_decode: K, thresh, share of the longer side."""
SPREAD = 0.3
"""MoveNet.MultiPose graph: 2 sigma^2 of the pull to the regressed joint, in shorter map sides."""
COUNT_THRESHOLD = 0.127
"""MoveNet.MultiPose graph: joints above it count in the instance score."""
DISTANCE_OFFSET = 1.8
"""MoveNet.SinglePose graph: cells added to a distance that divides; lee-man/movenet-pytorch."""


def decode_centernet(
    centre: npt.ArrayLike,
    offsets: npt.ArrayLike,
    wh: npt.ArrayLike,
    reg: npt.ArrayLike | None = None,
    keypoint_maps: npt.ArrayLike | None = None,
    keypoint_offsets: npt.ArrayLike | None = None,
    max_poses: int = MAX_POSES,
    *,
    stride: float = 4,
    threshold: float = THRESHOLD,
    radius: float = RADIUS,
    logits: bool = False,
) -> Detections:
    """Decode the heads of CenterNet's `multi_pose_decode`.

    Args:
        centre: (H, W), network output `hm`.
        offsets: (2K, H, W) cells from the whole cell of the centre to the joints, dx and dy in
            turn: `hps`. The fraction of the centre is not added.
        wh: (2, H, W) width and height of the box, cells.
        reg: (2, H, W) dx and dy from cell to centre; half a cell without it.
        keypoint_maps: (K, H, W), `hm_hp`; without them joints stay where they are regressed.
        keypoint_offsets: (2, H, W) dx and dy from cell to joint, `hp_offset`; half a cell without.
        max_poses: most people, and most peaks per joint.
        stride: input px per cell.
        threshold: probability above which a peak attracts joints.
        radius: distance to the peak, in longer sides of the box, beyond which it does not.
        logits: whether the maps are logits, as the network gives them; else probabilities.

    Returns:
        the best 3x3 maxima of the centre map. Joints take the nearest peak, unless that lies
        outside of the box or beyond `radius`. `instance_score` is the centre's probability;
        `score`, which CenterNet does not give, that of the joint's cell (NaN without maps).

    Raises:
        ArrayError: shapes that do not agree, or less than one pose.

    >>> centre, offsets, wh = np.zeros((8, 8)), np.zeros((34, 8, 8)), np.full((2, 8, 8), 4.0)
    >>> centre[3, 2], offsets[:, 3, 2] = 0.9, 1.5
    >>> found = decode_centernet(centre, offsets, wh)
    >>> found.xy[0, 0].tolist(), found.box.tolist()
    ([14.0, 18.0], [[2.0, 6.0, 18.0, 22.0]])
    """
    if max_poses < 1:
        raise ArrayError(f"expected max_poses of at least 1, got {max_poses}")
    heat = _head(centre, "centre", None, None)[0]
    shape = heat.shape
    hops, sides = _head(offsets, "offsets", None, shape), _head(wh, "wh", 2, shape)
    if len(hops) % 2:
        raise ArrayError(f"expected dx and dy for every joint, got {len(hops)} channels")
    cell, value = _centres(heat, max_poses, "3x3", -np.inf if logits else 0.0, logits)
    x, y = cell.T
    hop: Floats = hops[:, y, x].T.reshape(len(cell), len(hops) // 2, 2).astype(np.float64)
    xy: Floats = cell[:, None] + hop
    middle = cell + _fraction(reg, "reg", x, y, shape)
    half = sides[:, y, x].T.astype(np.float64) / 2
    box = np.concatenate([middle - half, middle + half], 1)
    if keypoint_maps is None:
        return Detections(xy * stride, np.full(xy.shape[:2], np.nan), value, box * stride)
    maps = _head(keypoint_maps, "keypoint_maps", len(hops) // 2, shape)
    # Compared as float32, like the maps: 0.1 is not above 0.1.
    least = np.float32(_logit(threshold) if logits else threshold)
    peaks = find_peaks(maps, float(least), "3x3")
    joint = np.repeat(np.arange(len(maps)), np.diff(peaks.start))
    order = np.lexsort((-peaks.value, joint))
    kept = np.arange(len(joint)) - peaks.start[joint] < max_poses
    order, joint = order[kept], joint[kept]
    start = np.searchsorted(joint, np.arange(len(maps) + 1))
    u, v = peaks.cell[order].T
    at = peaks.cell[order] + _fraction(keypoint_offsets, "keypoint_offsets", u, v, shape)
    taken = kernels.snap(xy, box, start, at, float(radius))
    xy[taken >= 0] = at[taken[taken >= 0]]
    return Detections(xy * stride, _values(maps, xy, logits), value, box * stride)


def merge_centernet_flip(
    centre: npt.ArrayLike,
    offsets: npt.ArrayLike,
    wh: npt.ArrayLike,
    keypoint_maps: npt.ArrayLike,
    flipped: tuple[npt.ArrayLike, npt.ArrayLike, npt.ArrayLike, npt.ArrayLike],
    mirror: npt.ArrayLike,
) -> tuple[Maps, Maps, Maps, Maps]:
    """Average CenterNet's heads with those of the mirrored input.

    Args:
        centre: (H, W) probabilities, and offsets, wh, keypoint_maps: see `decode_centernet`.
            `reg` and `keypoint_offsets` are taken from the input alone.
        offsets: (2K, H, W); x changes sign and partners change places.
        wh: (2, H, W).
        keypoint_maps: (K, H, W) probabilities.
        flipped: the same four of the mirrored input, as the network gave them.
        mirror: (K,) index of every joint's left-right partner.

    Returns:
        the four averages. Source: CenterNet src/lib/detectors/multi_pose.py, models/utils.py.

    Raises:
        ArrayError: shapes that do not agree.

    >>> one, two = np.zeros((1, 2)), np.zeros((4, 1, 2))
    >>> hops = np.array([3.0, 1.0, 5.0, 2.0])[:, None, None] + two
    >>> heads = one, two, two[:2], two[:2]
    >>> merged = merge_centernet_flip(*heads, (one, hops, *heads[2:]), [1, 0])
    >>> merged[1][:, 0, 0].tolist()
    [-2.5, 1.0, -1.5, 0.5]
    """
    partner = np.asarray(mirror, np.intp)
    first = [np.asarray(a, np.float32) for a in (centre, offsets, wh, keypoint_maps)]
    second = [np.asarray(a, np.float32)[..., ::-1] for a in flipped]
    if [a.shape for a in first] != [a.shape for a in second] or len(first[1]) != 2 * len(partner):
        raise ArrayError(
            f"expected heads of one shape for {len(partner)} joints, got "
            f"{[a.shape for a in first]} and {[a.shape for a in second]}"
        )
    hops = second[1].reshape(len(partner), 2, *second[1].shape[1:])[partner]
    hops = hops * np.array([-1, 1], np.float32)[:, None, None]
    second = [second[0], hops.reshape(second[1].shape), second[2], second[3][partner]]
    half = np.float32(0.5)
    a, b, c, d = ((x + y) * half for x, y in zip(first, second, strict=True))
    return a, b, c, d


def decode_movenet_multipose(
    centre: npt.ArrayLike,
    box_scale: npt.ArrayLike,
    box_offset: npt.ArrayLike,
    regress: npt.ArrayLike,
    keypoint_maps: npt.ArrayLike,
    keypoint_offsets: npt.ArrayLike,
    max_poses: int = 6,
    *,
    stride: float = 4,
    spread: float = SPREAD,
    count_threshold: float = COUNT_THRESHOLD,
    logits: bool = True,
    compat: Compat | None = None,
) -> Detections:
    """Decode the heads of MoveNet.MultiPose.

    Args:
        centre: (H, W).
        box_scale: (2, H, W) height and width, cells.
        box_offset: (2, H, W) dy and dx from cell to centre of the box.
        regress: (2K, H, W) cells from the centre's cell to the joints, dy and dx in turn.
        keypoint_maps: (K, H, W).
        keypoint_offsets: (2K, H, W) cells from a cell to the joint, dy and dx in turn.
        max_poses: 6 in the published graph.
        stride: input px per cell.
        spread: 2 sigma^2 of the pull to the regressed joint, in shorter sides of the map.
        count_threshold: joints with a higher score count in the instance score.
        logits: whether the maps are logits; else probabilities.
        compat: "graph" scores a joint by the highest weight that any of the people gives its
            cell, as the published graph does; else by the person's own.

    Returns:
        the best 5x5 maxima of the centre map; `score` is the probability of the joint's cell
        times exp(-d^2 / spread), `instance_score` the centre's probability times the mean of the
        joints that count. A joint without any probability in the box stays where it is regressed.

    Raises:
        ArrayError: shapes that do not agree, or an option out of range.

    >>> head = np.zeros((34, 8, 8))
    >>> centre = np.full((8, 8), -9.0)
    >>> centre[4, 4] = 1.0
    >>> maps = np.full((17, 8, 8), -9.0)
    >>> maps[:, 5, 3] = 2.0
    >>> found = decode_movenet_multipose(centre, head[:2] + 4, head[:2], head, maps, head + 0.25, 1)
    >>> found.xy[:, 0].tolist(), found.score[:, 0].round(3).tolist()
    ([[13.0, 21.0]], [0.383])
    """
    if max_poses < 1 or not spread > 0:
        raise ArrayError(
            f"expected max_poses of at least 1 and a positive spread, got {max_poses} and {spread}"
        )
    if compat is not None and compat not in COMPATS:
        raise ArrayError(f"expected compat None or one of {COMPATS}, got {compat!r}")
    heat = _head(centre, "centre", None, None)[0]
    shape = heat.shape
    maps = _head(keypoint_maps, "keypoint_maps", None, shape)
    hops = _head(regress, "regress", 2 * len(maps), shape)
    steps = _head(keypoint_offsets, "keypoint_offsets", 2 * len(maps), shape)
    cell, value = _centres(heat, max_poses, "5x5", -np.inf if logits else 0.0, logits)
    x, y = cell.T
    coarse = cell[:, None] + _pairs(hops[:, y, x].T)
    middle = cell + _pairs(_head(box_offset, "box_offset", 2, shape)[:, y, x].T)[:, 0]
    half = np.maximum(_pairs(_head(box_scale, "box_scale", 2, shape)[:, y, x].T)[:, 0], 0) / 2
    top = np.array(shape[::-1], np.float64)
    box = np.concatenate([np.clip(middle - half, 0, top), np.clip(middle + half, 0, top)], 1)
    log_p = kernels.log_probability(maps, logits)
    width = spread * min(shape)
    at = kernels.snap_gaussian(log_p, coarse, box, width)
    score = kernels.weighted(log_p, coarse, box, at, width, compat == "graph")
    xy = np.where(at[..., :1] >= 0, at + _at_joint(steps, at), coarse)
    counts = score > count_threshold
    mean = np.where(counts, score, 0).sum(1) / np.maximum(counts.sum(1), 1)
    return Detections(xy * stride, score, mean * value, box * stride)


def decode_movenet(
    centre: npt.ArrayLike,
    regress: npt.ArrayLike,
    keypoint_maps: npt.ArrayLike,
    keypoint_offsets: npt.ArrayLike,
    *,
    stride: float = 4,
    distance_offset: float = DISTANCE_OFFSET,
    logits: bool = True,
) -> Detections:
    """Decode the heads of MoveNet.SinglePose: the person nearest to the middle of the frame.

    Args:
        centre: (H, W); divided by the distance to the middle (W / 2, H / 2), see below.
        regress: see `decode_movenet_multipose`.
        keypoint_maps: (K, H, W); divided by the distance to the regressed joint.
        keypoint_offsets: see `decode_movenet_multipose`.
        stride: input px per cell.
        distance_offset: cells added to both distances.
        logits: whether the maps are logits; else probabilities.

    Returns:
        one person. `score` is the probability of the joint's cell, `instance_score` their mean
        (the graph gives none), `box` the tight box of the joints (neither).

    Raises:
        ArrayError: shapes that do not agree.

    >>> centre, head = np.full((8, 8), -9.0), np.zeros((34, 8, 8))
    >>> centre[4, 5], centre[0, 0] = 1.0, 2.0
    >>> maps = np.full((17, 8, 8), -9.0)
    >>> maps[:, 5, 6] = 2.0
    >>> decode_movenet(centre, head, maps, head + 0.5).xy[:, 0].tolist()
    [[26.0, 22.0]]
    """
    heat = _head(centre, "centre", None, None)[0]
    shape = heat.shape
    maps = _head(keypoint_maps, "keypoint_maps", None, shape)
    hops = _head(regress, "regress", 2 * len(maps), shape)
    steps = _head(keypoint_offsets, "keypoint_offsets", 2 * len(maps), shape)
    middle = np.array([[shape[1] / 2, shape[0] / 2]])
    log_centre = kernels.log_probability(heat[None], logits)
    cell = kernels.snap_inverse(log_centre, middle, distance_offset)
    coarse = cell + _pairs(hops[:, cell[0, 1], cell[0, 0]][None])[0]
    log_p = kernels.log_probability(maps, logits)
    at = kernels.snap_inverse(log_p, coarse, distance_offset)[None]
    joint = np.arange(len(maps))
    score = np.exp(log_p[joint, at[0, :, 1], at[0, :, 0]])[None]
    xy = (at + _at_joint(steps, at)) * stride
    return Detections(xy, score, score.mean(1), keypoint_box(xy))


def _head(
    values: npt.ArrayLike, name: str, channels: int | None, shape: tuple[int, ...] | None
) -> Maps:
    array = np.asarray(values)
    array = array[None] if shape is None and array.ndim == 2 else array
    fits = array.ndim == 3 and 0 not in array.shape and array.dtype.kind in "fiu"
    fits = fits and (shape is None or array.shape[1:] == shape)
    if not fits or (shape is None and len(array) != 1) or channels not in (None, len(array)):
        wanted = (1 if shape is None else channels or "C", *(shape or ("H", "W")))
        raise ArrayError(f"expected {name} of shape {wanted}, got {array.dtype} {array.shape}")
    return array.astype(np.float32, order="K", copy=False)


def _centres(
    heat: Maps, max_poses: int, rule: Literal["3x3", "5x5"], least: float, logits: bool
) -> tuple[npt.NDArray[np.int64], Floats]:
    """Return the cells (N, 2) and probabilities of the highest peaks."""
    peaks = find_peaks(heat[None], least, rule)
    order = np.argsort(-peaks.value, kind="stable")[:max_poses]
    value = peaks.value[order]
    return peaks.cell[order], sigmoid(value) if logits else value


def _fraction(
    head: npt.ArrayLike | None,
    name: str,
    x: npt.NDArray[np.int64],
    y: npt.NDArray[np.int64],
    shape: tuple[int, ...],
) -> Floats:
    """Return dx, dy (N, 2) from cells to points: half a cell where no head says."""
    if head is None:
        return np.full((len(x), 2), 0.5)
    return _head(head, name, 2, shape)[:, y, x].T.astype(np.float64)


def _values(maps: Maps, xy: Floats, logits: bool) -> Floats:
    """Return the probability (N, K) of the cells that hold points; 0 outside."""
    _, height, width = maps.shape
    cell = np.floor(np.nan_to_num(xy, nan=-1.0))
    inside = np.asarray((cell >= 0) & (cell < (width, height))).all(-1)
    i, j = np.where(np.expand_dims(inside, -1), cell, 0).astype(np.intp).transpose(2, 0, 1)
    value = maps[np.arange(len(maps)), j, i].astype(np.float64)
    return np.where(inside, sigmoid(value) if logits else value, 0.0)


def _pairs(rows: Maps) -> Floats:
    """Turn dy, dx in turn (N, 2K) into (N, K, 2) dx, dy."""
    return rows.reshape(len(rows), rows.shape[1] // 2, 2)[..., ::-1].astype(np.float64)


def _at_joint(head: Maps, cell: npt.NDArray[np.int64]) -> Floats:
    """Return dx, dy (N, K, 2) that a head (2K, H, W) holds for every joint at its cell."""
    joint, (x, y) = np.arange(cell.shape[1]), np.maximum(cell, 0).transpose(2, 0, 1)
    return np.stack([head[2 * joint + 1, y, x], head[2 * joint, y, x]], -1).astype(np.float64)


def _logit(p: float) -> float:
    with np.errstate(divide="ignore"):
        return float(np.log(p) - np.log1p(-p))
