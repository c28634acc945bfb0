"""YOLO pose networks: v5 and v7 forks, Ultralytics v8, 11 and 26."""

from collections.abc import Sequence
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from refine._types import Floats
from refine.decoding.one_stage.arrays import STRIDES, corners_of, grid_points
from refine.decoding.people import Detections
from refine.exceptions import ArrayError
from refine.numerics import sigmoid

Version = Literal["v5", "v8", "v26"]
Layout = Literal["v5", "v8", "end2end"]
VERSIONS: tuple[str, ...] = get_args(Version)
LAYOUTS: tuple[str, ...] = get_args(Layout)

YOLOV7_ANCHORS = (
    ((19, 27), (44, 40), (38, 94)),
    ((96, 68), (86, 152), (180, 137)),
    ((140, 301), (303, 264), (238, 542)),
    ((436, 615), (739, 380), (925, 792)),
)
"""Width and height in px of the anchors of each grid: yolov7-w6-pose.yaml."""


def decode_yolo_pose(
    raw: npt.ArrayLike,
    joints: int,
    input_size: tuple[int, int],
    strides: Sequence[int] = STRIDES,
    version: Version = "v8",
    *,
    anchors: Sequence[Sequence[Sequence[float]]] = YOLOV7_ANCHORS,
    threshold: float = 0.0,
) -> Detections:
    """Decode what the last convolutions of a YOLO pose network say, before its own decoder.

    With a cell c, its stride s and the raw answer r, joints lie at
    "v8" (Ultralytics v8, 11): (c + 2 r) s, for they add the anchor c + 0.5 less 0.5;
    "v5" (YOLOv5 and v7 forks): (c + 2 r - 0.5) s, half a cell up and left of that;
    "v26" (Ultralytics 26): (c + 0.5 + r) s.

    Args:
        raw: "v8" and "v26": (4 R + C + D K, A), sides of the box as logits over R distances in
            cells (R = 16, softmax; R = 1, as they are), class logits, and x, y (and visibility
            logit) of the joints. "v5": (A, 5 + C + 3 K), anchor by anchor within a grid: box and
            objectness logits, class logits, joints.
        joints: K.
        input_size: width and height of the network input.
        strides: px per cell of each grid.
        version: whose offsets.
        anchors: of each grid, width and height in px, for "v5".
        threshold: poses that score no more are left out before anything else is computed.

    Raises:
        ArrayError: not such an array, or no such version.

    >>> raw = np.zeros((64 + 1 + 51, 84))
    >>> decode_yolo_pose(raw, 17, (64, 64)).xy[9, 0].tolist()
    [8.0, 8.0]
    """
    if version not in VERSIONS:
        raise ArrayError(f"expected a version, got {version!r}", hint=f"of {', '.join(VERSIONS)}")
    table = _table(raw, "raw")
    if version == "v5":
        return _decode_v5(table, joints, input_size, strides, anchors, threshold)
    cell, stride = grid_points(input_size, strides)
    rows, n = table.shape
    if n != len(cell):
        raise ArrayError(f"expected {len(cell)} columns for input {input_size}, got {table.shape}")
    # One class, or what else the sides of the box leave over.
    for sides in (64, 4):
        for dims in (3, 2):
            if rows - sides - dims * joints == 1:
                return _decode_v8(table, joints, sides, cell, stride, version, threshold)
    raise ArrayError(
        f"expected 64 or 4 rows for the box, 1 class and {joints} joints of 3 or 2, got {rows} rows"
    )


def decode_yolo_output(
    output: npt.ArrayLike, joints: int, layout: Layout = "v8", *, threshold: float = 0.0
) -> Detections:
    """Read poses out of what an exported YOLO pose network returns, its own decoder included.

    Args:
        output: "v8": (4 + C + D K, A) or its transpose: middle, width and height of the box,
            class scores, then x, y (and visibility) of the joints. "v5": (A, 5 + C + 3 K): box,
            objectness, class scores, joints; they score objectness times class. "end2end":
            (M, 6 + D K): corners of the box, score, class, joints.
        joints: K.
        layout: which of these.
        threshold: poses that score no more are left out.

    Raises:
        ArrayError: not such an array, or no such layout.

    >>> row = np.concatenate([[50, 50, 20, 40, 0.9], np.arange(51)])
    >>> found = decode_yolo_output(row[:, None], 17)
    >>> found.box.tolist(), found.xy[0, 1].tolist(), found.instance_score.tolist()
    ([[40.0, 30.0, 60.0, 70.0]], [3.0, 4.0], [0.9])
    """
    if layout not in LAYOUTS:
        raise ArrayError(f"expected a layout, got {layout!r}", hint=f"one of {', '.join(LAYOUTS)}")
    table = _table(output, "output")
    head = {"v8": 5, "v5": 6, "end2end": 6}[layout]
    widths = [head + 3 * joints, head + 2 * joints]
    if layout == "v8" and table.shape[0] in widths and table.shape[1] not in widths:
        table = table.T
    if table.shape[1] not in widths:
        raise ArrayError(
            f"expected {widths[0]} or {widths[1]} values per pose for layout {layout!r}, "
            f"got {table.shape}",
            hint="another layout or skeleton",
        )
    score = table[:, 4] * table[:, 5] if layout == "v5" else table[:, 4]
    kept = score > threshold
    table, score = np.asarray(table[kept], np.float64), score[kept]
    box = table[:, :4] if layout == "end2end" else corners_of(table[:, :2], table[:, 2:4])
    return Detections(*_joints(table[:, head:], joints), np.asarray(score, np.float64), box)


def _table(array: npt.ArrayLike, name: str) -> npt.NDArray[Any]:
    table = np.asarray(array)
    if table.ndim != 2 or table.dtype.kind not in "fiu":
        raise ArrayError(f"expected {name} with two axes of real numbers, got {table.shape}")
    return table if table.dtype.kind == "f" else table.astype(np.float64)


def _joints(values: npt.NDArray[Any], joints: int) -> tuple[Floats, Floats]:
    table = values.reshape(len(values), joints, values.shape[1] // joints)
    score = table[..., 2] if table.shape[2] == 3 else np.full(table.shape[:2], np.nan)
    return table[..., :2].copy(), score.copy()


def _decode_v8(
    table: npt.NDArray[Any],
    joints: int,
    sides: int,
    cell: Floats,
    stride: Floats,
    version: str,
    threshold: float,
) -> Detections:
    score = sigmoid(table[sides])
    kept = score > threshold
    picked = np.asarray(table[:, kept].T, np.float64)
    cell, s = cell[kept], stride[kept, None]
    distance = picked[:, :4]
    if sides > 4:
        logits = picked[:, :sides].reshape(len(picked), 4, -1)
        share = np.exp(logits - logits.max(2, keepdims=True, initial=-np.inf))
        distance = (share @ np.arange(share.shape[2])) / share.sum(2)
    box = np.concatenate([cell + 0.5 - distance[:, :2], cell + 0.5 + distance[:, 2:]], 1) * s
    xy, seen = _joints(picked[:, sides + 1 :], joints)
    place = cell[:, None] + (2 * xy if version == "v8" else xy + 0.5)
    return Detections(place * s[..., None], sigmoid(seen), score[kept], box)


def _decode_v5(
    table: npt.NDArray[Any],
    joints: int,
    input_size: tuple[int, int],
    strides: Sequence[int],
    anchors: Sequence[Sequence[Sequence[float]]],
    threshold: float,
) -> Detections:
    cells, steps, sizes = [], [], []
    for side, of_grid in zip(strides, anchors, strict=False):
        points, step = grid_points(input_size, (side,))
        cells.append(np.tile(points, (len(of_grid), 1)))
        steps.append(np.tile(step, len(of_grid)))
        sizes.append(np.repeat(np.asarray(of_grid, np.float64), len(points), axis=0))
    cell, stride, anchor = np.concatenate(cells), np.concatenate(steps), np.concatenate(sizes)
    if len(strides) > len(anchors) or table.shape != (len(cell), 6 + 3 * joints):
        raise ArrayError(
            f"expected {len(cell)} rows of {6 + 3 * joints} for input {input_size} and strides "
            f"{tuple(strides)}, got {table.shape}"
        )
    score = sigmoid(table[:, 4]) * sigmoid(table[:, 5])
    kept = score > threshold
    picked = np.asarray(table[kept], np.float64)
    cell, s = cell[kept], stride[kept, None]
    y = sigmoid(picked[:, :4])
    box = corners_of((cell + 2 * y[:, :2] - 0.5) * s, (2 * y[:, 2:]) ** 2 * anchor[kept])
    xy, seen = _joints(picked[:, 6:], joints)
    place = (cell[:, None] + 2 * xy - 0.5) * s[..., None]
    return Detections(place, sigmoid(seen), score[kept], box)
