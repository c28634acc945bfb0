"""One-stage networks: every cell of a few grids answers with a box, a score and all joints."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Literal

import numpy as np
import numpy.typing as npt

from refine._types import Floats
from refine.decoding.one_stage.nms import box_nms
from refine.decoding.people import Detections
from refine.decoding.simcc.arrays import decode_simcc
from refine.exceptions import ArrayError
from refine.geometry import keypoint_box
from refine.numerics import sigmoid
from refine.suppression import oks_nms

Suppress = Literal["box", "oks", "none"]

STRIDES = (8, 16, 32)
"""Ultralytics, YOLOX-pose; RTMO has (16, 32), the P6 models of YOLOv5 and v7 (8, 16, 32, 64)."""
FCOS_STRIDES = (8, 16, 32, 64, 128)
"""DirectPose and FCOS."""
DCC_PADDING = 1.25
"""Growth of the boxes that the bins span: `bbox_padding` of mmpose's RTMOHead."""


def grid_points(input_size: tuple[int, int], strides: Sequence[int]) -> tuple[Floats, Floats]:
    """Return the cells of all grids, row by row, grid by grid.

    Args:
        input_size: width and height of the network input.
        strides: px per cell of each grid.

    Returns:
        column and row (A, 2), and px per cell (A,); read-only, for they are kept.

    >>> cell, stride = grid_points((64, 32), (16, 32))
    >>> cell[3:5].tolist(), stride[7:].tolist()
    ([[3.0, 0.0], [0.0, 1.0]], [16.0, 32.0, 32.0])
    """
    return _grid_points(tuple(input_size), tuple(strides))


@lru_cache(maxsize=16)
def _grid_points(input_size: tuple[int, ...], strides: tuple[int, ...]) -> tuple[Floats, Floats]:
    cells, steps = [np.empty((0, 2))], [np.empty(0)]
    for s in strides:
        width, height = -(-input_size[0] // s), -(-input_size[1] // s)
        y, x = np.mgrid[:height, :width]
        cells.append(np.stack([x.ravel(), y.ravel()], 1).astype(np.float64))
        steps.append(np.full(width * height, float(s)))
    cell, step = np.concatenate(cells), np.concatenate(steps)
    cell.setflags(write=False)
    step.setflags(write=False)
    return cell, step


def decode_yolox_pose(
    cls: npt.ArrayLike,
    objectness: npt.ArrayLike,
    box: npt.ArrayLike,
    offsets: npt.ArrayLike,
    visibility: npt.ArrayLike,
    input_size: tuple[int, int],
    strides: Sequence[int] = STRIDES,
    *,
    threshold: float = 0.01,
) -> Detections:
    """Decode the heads of YOLOX-pose (mmpose YOLOXPoseHead), whose points are the cells' corners.

    Args:
        cls: (A, C) class logits; the best counts.
        objectness: (A,) or (A, 1) logits.
        box: (A, 4) middle, in cells from the point, and logarithm of the size in cells.
        offsets: (A, 2 K) or (A, K, 2) joints in cells from the point.
        visibility: (A, K) logits.
        input_size: width and height of the network input.
        strides: px per cell of each grid.
        threshold: poses whose class score times objectness is no more are left out.

    Raises:
        ArrayError: shapes that do not agree.

    >>> heads = [np.zeros((5, n)) for n in (1, 1, 4, 34, 17)]
    >>> found = decode_yolox_pose(*heads, (32, 32), (16, 32))
    >>> found.xy[3, 0].tolist(), found.box[3].tolist(), found.instance_score[3].tolist()
    ([16.0, 16.0], [8.0, 8.0, 24.0, 24.0], 0.25)
    """
    cell, stride = grid_points(input_size, strides)
    parts = _heads(
        len(cell), cls=cls, objectness=objectness, box=box, offsets=offsets, vis=visibility
    )
    joints = parts["offsets"].shape[1] // 2
    _check_columns(parts, objectness=1, box=4, offsets=2 * joints, vis=joints)
    score = sigmoid(parts["cls"]).max(1) * sigmoid(parts["objectness"])[:, 0]
    kept = score > threshold
    label = parts["cls"][kept].argmax(1) if parts["cls"].shape[1] > 1 else None
    cell, s = cell[kept], stride[kept, None]
    sides = parts["box"][kept]
    with np.errstate(over="ignore"):
        corners = corners_of((cell + sides[:, :2]) * s, np.exp(sides[:, 2:]) * s)
    offset = parts["offsets"][kept].reshape(len(cell), joints, 2)
    xy = (cell[:, None] + offset) * s[..., None]
    return Detections(xy, sigmoid(parts["vis"][kept]), score[kept], corners, label)


def decode_dcc(
    x: npt.ArrayLike, y: npt.ArrayLike, box: npt.ArrayLike, padding: float = DCC_PADDING
) -> Floats:
    """Decode the 1-D maps of RTMO, whose bins are spread over each pose's own box.

    Args:
        x: (M, K, Bx) logits; the first and the last bin lie on the sides of the grown box.
        y: (M, K, By) logits.
        box: (M, 4) xyxy input px.
        padding: growth of the box.

    Returns:
        xy (M, K, 2) input px, the expectation of the softmax.

    Raises:
        ArrayError: shapes that do not agree.

    >>> x, y = np.zeros((1, 1, 192)), np.zeros((1, 1, 256))
    >>> decode_dcc(x, y, [[10, 20, 30, 60]]).round(6).tolist()
    [[[20.0, 40.0]]]
    """
    corners = np.asarray(box, np.float64)
    bins = np.array([np.shape(x)[-1], np.shape(y)[-1]])
    at, _ = decode_simcc(x, y, 1.0, "expectation")
    if corners.shape != (len(at), 4):
        raise ArrayError(f"expected boxes ({len(at)}, 4), got {corners.shape}")
    middle, size = (
        (corners[:, :2] + corners[:, 2:]) / 2,
        (corners[:, 2:] - corners[:, :2]) * padding,
    )
    share = at / np.maximum(bins - 1, 1) - 0.5
    return np.asarray(middle[:, None] + share * size[:, None])


def decode_direct_pose(
    cls: npt.ArrayLike,
    centerness: npt.ArrayLike,
    offsets: npt.ArrayLike,
    input_size: tuple[int, int],
    strides: Sequence[int] = FCOS_STRIDES,
    *,
    threshold: float = 0.05,
) -> Detections:
    """Decode DirectPose (Tian et al., 2019): joints as offsets from the middles of FCOS's cells.

    Args:
        cls: (A,) or (A, 1) logits.
        centerness: (A,) or (A, 1) logits.
        offsets: (A, 2 K) or (A, K, 2) joints in cells from the middle, s / 2 + c s, of the cell.
        input_size: width and height of the network input.
        strides: px per cell of each grid.
        threshold: poses whose class score is no more are left out; they score that times
            centerness. The box is the tight one of the joints.

    Raises:
        ArrayError: shapes that do not agree.

    >>> heads = np.zeros((1, 1)), np.zeros((1, 1)), np.zeros((1, 34))
    >>> decode_direct_pose(*heads, (128, 128), (128,)).xy[0, 0].tolist()
    [64.0, 64.0]
    """
    cell, stride = grid_points(input_size, strides)
    parts = _heads(len(cell), cls=cls, centerness=centerness, offsets=offsets)
    joints = parts["offsets"].shape[1] // 2
    _check_columns(parts, centerness=1, offsets=2 * joints)
    score = sigmoid(parts["cls"]).max(1)
    kept = score > threshold
    offset = parts["offsets"][kept].reshape(int(kept.sum()), joints, 2)
    xy = (cell[kept, None] + 0.5 + offset) * stride[kept, None, None]
    instance = score[kept] * sigmoid(parts["centerness"][kept])[:, 0]
    return Detections(xy, np.full(xy.shape[:2], np.nan), instance, keypoint_box(xy))


def keep_best(
    found: Detections,
    suppress: Suppress = "box",
    nms_threshold: float = 0.7,
    *,
    sigmas: Floats | None = None,
    max_poses: int | None = 300,
) -> Detections:
    """Remove duplicates, best first; poses of different classes are none.

    Args:
        found: proposals.
        suppress: "box": box NMS, as published; "oks": OKS-NMS with the area of the box, so that
            people whose boxes overlap stay as long as their joints differ; "none": sort only
            (end-to-end networks).
        nms_threshold: IoU or OKS above which the worse pose goes.
        sigmas: (K,) for "oks".
        max_poses: keep no more than these.

    Raises:
        ArrayError: values that are not finite, no such kind of suppression, or no sigmas.
    """
    if suppress == "none":
        order = np.argsort(-found.instance_score, kind="stable")
        return found.take(order[:max_poses])
    if found.label is not None and len(found.label):
        kinds = np.unique(found.label)
        alone = [found.take(found.label == c)._replace(label=None) for c in kinds]
        best = [keep_best(f, suppress, nms_threshold, sigmas=sigmas, max_poses=None) for f in alone]
        joined = Detections(
            np.concatenate([f.xy for f in best]),
            np.concatenate([f.score for f in best]),
            np.concatenate([f.instance_score for f in best]),
            np.concatenate([f.box for f in best]),
            np.repeat(kinds, [len(f.xy) for f in best]),
        )
        return keep_best(joined, "none", max_poses=max_poses)
    if suppress == "box":
        kept = box_nms(found.box, found.instance_score, nms_threshold, max_poses=max_poses)
        return found.take(kept)
    if suppress != "oks" or sigmas is None:
        raise ArrayError(
            f"expected box, oks with sigmas, or none, got {suppress!r}", hint="suppress box"
        )
    area = np.prod(np.maximum(found.box[:, 2:] - found.box[:, :2], 0), axis=1)
    kept = oks_nms(found.xy, found.instance_score, area, sigmas, nms_threshold, max_poses=max_poses)
    return found.take(kept)


def _heads(n: int, **heads: npt.ArrayLike) -> dict[str, Floats]:
    out = {}
    for name, head in heads.items():
        array = np.asarray(head, np.float64)
        if array.ndim < 1 or len(array) != n or 0 in array.shape[1:]:
            raise ArrayError(f"expected {name} ({n}, ...) for this input, got {array.shape}")
        out[name] = array.reshape(n, -1)
    return out


def _check_columns(parts: Mapping[str, Floats], **columns: int) -> None:
    for name, count in columns.items():
        if parts[name].shape[1] != count:
            raise ArrayError(f"expected {name} of {count} columns, got {parts[name].shape[1]}")


def corners_of(middle: Floats, size: Floats) -> Floats:
    """Turn middles and sizes of boxes (M, 2) into corners xyxy (M, 4)."""
    return np.concatenate([middle - size / 2, middle + size / 2], 1)
