"""YOLO pose networks: v5 and v7 forks, Ultralytics v8, 11 and 26."""

from collections.abc import Sequence
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from refine._types import Floats, Indices
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
MOST_ENDS = 1000
"""Rows of end-to-end outputs: Ultralytics `max_det` is 300, and 640 x 640 px have 8,400 cells."""
MOST_CLASSES = 100_000
"""More than any data set has; classes above it are no classes."""
SLACK = 0.01
"""By how much scores of 8-bit and half-precision networks may lie outside [0, 1]."""


def decode_yolo_pose(
    raw: npt.ArrayLike,
    joints: int,
    input_size: tuple[int, int],
    strides: Sequence[int] = STRIDES,
    version: Version = "v8",
    *,
    classes: int = 1,
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
        classes: C; the best counts.
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
        grid = (input_size, strides, anchors)
        return _decode_v5(table, joints, classes, grid, threshold)
    cell, stride = grid_points(input_size, strides)
    rows, n = table.shape
    if n != len(cell):
        raise ArrayError(f"expected {len(cell)} columns for input {input_size}, got {table.shape}")
    # What else the sides of the box and the classes leave over.
    for sides in (64, 4):
        if rows - sides - classes in (2 * joints, 3 * joints):
            heads, cells = (sides, classes), (cell, stride)
            return _decode_v8(table, joints, heads, cells, version, threshold)
    raise ArrayError(
        f"expected 64 or 4 rows for the box, {classes} for classes and {joints} joints of 3 or 2, "
        f"got {rows} rows",
        hint="--set classes=C, or --skeleton with the joints of these outputs",
    )


def decode_yolo_output(
    output: npt.ArrayLike,
    joints: int,
    layout: Layout = "v8",
    *,
    classes: int | None = None,
    cells: int | None = None,
    threshold: float = 0.0,
) -> Detections:
    """Read poses out of what an exported YOLO pose network returns, its own decoder included.

    Args:
        output: "v8": (4 + C + D K, A) or its transpose: middle, width and height of the box,
            class scores, then x, y (and visibility) of the joints. "v5": (A, 5 + C + D K): box,
            objectness, class scores, joints; they score objectness times class. "end2end":
            (M, 6 + D K): corners of the box, score, class, joints. The best class counts.
        joints: K.
        layout: which of these.
        classes: C; by default as many as the values per pose leave over, where scores and
            visibilities lie in [0, 1] then.
        cells: A, where known: tells the axes of "v8" apart; else that of one class is the one of
            the values, or else the shorter one.
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
    if layout == "v8" and _lies_down(table, joints, classes or 1, cells):
        table = table.T
    head = {"v8": 4, "v5": 5, "end2end": 6}[layout]
    several = 0 if layout == "end2end" else _classes(table, head, joints, classes)
    label: Indices | None
    if layout == "end2end":
        if table.shape[1] - head not in (2 * joints, 3 * joints):
            raise _unfit(table, head, joints)
        score, label = table[:, 4], _whole(table[:, 5])
    else:
        score, label = _best(table[:, head : head + several])
        score = table[:, 4] * score if layout == "v5" else score
    kept = score > threshold
    table, score = np.asarray(table[kept], np.float64), score[kept]
    box = table[:, :4] if layout == "end2end" else corners_of(table[:, :2], table[:, 2:4])
    xy, seen = _joints(table[:, head + several :], joints)
    label = None if label is None else label[kept]
    return Detections(xy, seen, np.asarray(score, np.float64), box, label)


def is_end_to_end(output: npt.ArrayLike, joints: int) -> bool:
    """Tell whether an exported output (M, 6 + D K) is end-to-end by its few rows and whole classes.

    Two classes and 3 K values have the same width, but thousands of cells and scores in between.

    >>> is_end_to_end(np.zeros((300, 57)), 17), is_end_to_end(np.full((300, 57), 0.5), 17)
    (True, False)
    """
    table = np.asarray(output)
    if table.ndim != 2 or table.shape[1] - 6 not in (2 * joints, 3 * joints):
        return False
    label = table[:, 5]
    return len(table) <= MOST_ENDS and bool(((label == np.floor(label)) & (label >= 0)).all())


def _lies_down(table: npt.NDArray[Any], joints: int, classes: int, cells: int | None) -> bool:
    """Tell whether the values of a pose lie along the first axis."""
    rows, columns = map(int, table.shape)
    if cells is not None and (rows == cells) != (columns == cells):
        return columns == cells
    usual = [4 + classes + d * joints for d in (3, 2)]
    if (rows < usual[1]) != (columns < usual[1]):
        return columns < usual[1]
    if (rows in usual) != (columns in usual):
        return rows in usual
    return rows < columns and columns not in usual


def _classes(table: npt.NDArray[Any], head: int, joints: int, classes: int | None) -> int:
    """Return the number of classes of a table (A, head + C + D K)."""
    rest = int(table.shape[1]) - head
    ways = [rest - d * joints for d in (3, 2)]
    if classes is not None:
        if classes in ways:
            return classes
        raise _unfit(table, head, joints, classes)
    if 1 in ways:
        return 1
    fits = [c for c in ways if c > 1 and _are_shares(table, head, c, joints)]
    if not fits:
        raise _unfit(table, head, joints)
    return fits[0]


def _are_shares(table: npt.NDArray[Any], head: int, classes: int, joints: int) -> bool:
    """Tell whether class scores and visibilities are no coordinates, and coordinates are."""
    joint = table[:, head + classes :].reshape(len(table), joints, -1)
    shares = [table[:, head : head + classes], joint[..., 2:].reshape(len(table), -1)]
    with np.errstate(invalid="ignore"):
        inside = all(((s >= -SLACK) & (s <= 1 + SLACK)).all() for s in shares)
        # Of two values per joint nothing else tells many classes from a wrong skeleton.
        return inside and (joint.shape[2] == 3 or bool((joint > 1 + SLACK).any()))


def _unfit(
    table: npt.NDArray[Any], head: int, joints: int, classes: int | None = None
) -> ArrayError:
    """Say that the values per pose do not fit."""
    count = "one per class" if classes is None else str(classes)
    scores = "" if head == 6 else f", scores in [0, 1] ({count})"
    return ArrayError(
        f"expected {head} values per pose{scores} and {joints} joints of 3 or 2 values, "
        f"got {table.shape}",
        hint="another layout or skeleton, or --set classes=C",
    )


def _best(scores: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], Indices | None]:
    """Return the best of the scores (A, C) and its class, None where there is one class."""
    if scores.shape[1] == 1:
        return scores[:, 0], None
    label = np.asarray(scores.argmax(1), np.intp)
    return np.take_along_axis(scores, label[:, None], 1)[:, 0], label


def _whole(label: npt.NDArray[Any]) -> Indices | None:
    """Return classes (M,) as whole numbers, None where all are the first."""
    if not len(label) or not (label != 0).any():
        return None
    with np.errstate(invalid="ignore"):
        if not ((label == np.floor(label)) & (label >= 0) & (label < MOST_CLASSES)).all():
            raise ArrayError(
                "expected whole numbers as classes of end-to-end outputs, got "
                f"{label.min():g} to {label.max():g}",
                hint="--set layout=v8",
            )
    return label.astype(np.intp)


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
    heads: tuple[int, int],
    cells: tuple[Floats, Floats],
    version: str,
    threshold: float,
) -> Detections:
    sides, classes = heads
    logit, label = _best(table[sides : sides + classes].T)
    score = sigmoid(logit)
    kept = score > threshold
    picked = np.asarray(table[:, kept].T, np.float64)
    cell, s = cells[0][kept], cells[1][kept, None]
    distance = picked[:, :4]
    if sides > 4:
        logits = picked[:, :sides].reshape(len(picked), 4, sides // 4)
        share = np.exp(logits - logits.max(2, keepdims=True, initial=-np.inf))
        distance = (share @ np.arange(share.shape[2])) / share.sum(2)
    box = np.concatenate([cell + 0.5 - distance[:, :2], cell + 0.5 + distance[:, 2:]], 1) * s
    xy, seen = _joints(picked[:, sides + classes :], joints)
    place = cell[:, None] + (2 * xy if version == "v8" else xy + 0.5)
    label = None if label is None else label[kept]
    return Detections(place * s[..., None], sigmoid(seen), score[kept], box, label)


def _decode_v5(
    table: npt.NDArray[Any],
    joints: int,
    classes: int,
    grid: tuple[tuple[int, int], Sequence[int], Sequence[Sequence[Sequence[float]]]],
    threshold: float,
) -> Detections:
    input_size, strides, anchors = grid
    cells, steps, sizes = [], [], []
    for side, of_grid in zip(strides, anchors, strict=False):
        points, step = grid_points(input_size, (side,))
        cells.append(np.tile(points, (len(of_grid), 1)))
        steps.append(np.tile(step, len(of_grid)))
        sizes.append(np.repeat(np.asarray(of_grid, np.float64), len(points), axis=0))
    cell, stride, anchor = np.concatenate(cells), np.concatenate(steps), np.concatenate(sizes)
    head = 5 + classes
    if len(strides) > len(anchors) or table.shape != (len(cell), head + 3 * joints):
        raise ArrayError(
            f"expected {len(cell)} rows of {head + 3 * joints} for input {input_size} and strides "
            f"{tuple(strides)}, got {table.shape}"
        )
    logit, label = _best(table[:, 5:head])
    score = sigmoid(table[:, 4]) * sigmoid(logit)
    kept = score > threshold
    picked = np.asarray(table[kept], np.float64)
    cell, s = cell[kept], stride[kept, None]
    y = sigmoid(picked[:, :4])
    box = corners_of((cell + 2 * y[:, :2] - 0.5) * s, (2 * y[:, 2:]) ** 2 * anchor[kept])
    xy, seen = _joints(picked[:, head:], joints)
    place = (cell[:, None] + 2 * xy - 0.5) * s[..., None]
    label = None if label is None else label[kept]
    return Detections(place, sigmoid(seen), score[kept], box, label)
