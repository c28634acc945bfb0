"""Heatmaps and tags to poses: Associative Embedding and HigherHRNet.

Every joint's peaks carry tags, and peaks of one person carry nearly the same tag. Joint by joint,
peaks are assigned to the groups so far by the distance to the groups' mean tags.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

import numpy as np
import numpy.typing as npt

from refine._types import Floats, Floats32, Indices
from refine.decoding.maps.check import checked_maps
from refine.decoding.tags import kernels
from refine.exceptions import ArrayError

Rules = Literal["associative-embedding", "higherhrnet"]


@dataclass(frozen=True, slots=True)
class _Rules:
    """What the two code bases do differently.

    Attributes:
        window: side of the square in which a peak must be the maximum.
        mean: the tag distance is the root of the mean over tag dimensions, not of the sum.
        closed: with `max_poses` groups, joints to come are left out instead of opening more.
        filled_score: of joints that no peak gave; None is the map's value.
    """

    window: int
    mean: bool
    closed: bool
    filled_score: float | None


RULES: dict[str, _Rules] = {
    "associative-embedding": _Rules(3, True, True, 1.0),
    "higherhrnet": _Rules(5, False, False, None),
}
"""princeton-vl/pose-ae-train utils/group.py, test.py; HigherHRNet lib/core/group.py, TEST.*."""

COCO_ORDER = (0, 1, 2, 3, 4, 5, 6, 11, 12, 7, 8, 9, 10, 13, 14, 15, 16)
"""Head, shoulders, hips, then limbs: `partOrder`, `joint_order`. HigherHRNet takes the first 14
for CrowdPose too, and starts from joint 17, the centre of the person, where there is one."""


def decode_tags(
    heatmaps: npt.ArrayLike,
    tags: npt.ArrayLike,
    rules: Rules = "higherhrnet",
    *,
    threshold: float = 0.1,
    tag_threshold: float = 1.0,
    max_poses: int = 30,
    order: Sequence[int] | None = None,
    fill: bool = True,
    compat: bool = False,
) -> tuple[Floats, Floats, Floats]:
    """Group the peaks of one image's heatmaps into poses by their tags.

    Args:
        heatmaps: (K, H, W), read as float32. Not modified.
        tags: (K, H, W) or (K, H, W, T): T numbers per cell and joint, see `stack_tags`.
        rules: whose; see `RULES` for what differs.
        threshold: peaks must exceed it; 0.1 in both (test.py; TEST.DETECTION_THRESHOLD).
        tag_threshold: peaks farther than this from their group open a new one; 1 in both.
        max_poses: highest peaks kept per joint, and first groups that joints can join; 30 in both.
        order: in which joints are grouped; by default `COCO_ORDER`, for 18 joints after the last.
        fill: give joints without a peak the cell with the highest heatmap - round(tag distance),
            if the map is positive there.
        compat: do as the code does where it is arbitrary or wrong: ties of the assignment as the
            solver has them, peaks whose first tags are the same float fall together, and joints
            filled in by "associative-embedding" look for their higher neighbour in other rows
            (test.py clamps rows to the number of joints, columns to the height). Without it,
            ties go to the smaller unrounded distance.

    Returns:
        xy (N, K, 2) in cells counted from their corner (the centre of cell 0 is 0.5; a peak lies
        a quarter cell toward its higher neighbour, and to the left or up between equal ones),
        NaN where missing; score (N, K), the map at the peak, 0 where missing; and the instance
        score (N,): the mean of the K scores before joints are filled in.

    Raises:
        ArrayError: shapes that do not agree, values that are not finite, options out of range.

    >>> maps, tags = np.zeros((1, 8, 8)), np.zeros((1, 8, 8))
    >>> maps[0, 2, 1], maps[0, 2, 6], tags[0, :, 4:] = 0.9, 0.8, 5
    >>> xy, score, _ = decode_tags(maps, tags)
    >>> xy[:, 0].tolist(), score[:, 0].round(2).tolist()
    ([[1.25, 2.25], [6.25, 2.25]], [0.9, 0.8])
    """
    if rules not in RULES:
        raise ArrayError(
            f"expected rules, got {rules!r}", hint=f"one of {', '.join(get_args(Rules))}"
        )
    rule = RULES[rules]
    maps, tag = _checked(heatmaps, tags)
    turn = _checked_order(order, len(maps))
    if not (np.isfinite(threshold) and threshold >= 0 and tag_threshold > 0 and max_poses >= 1):
        raise ArrayError(
            "expected threshold >= 0, tag_threshold > 0 and max_poses >= 1, "
            f"got {threshold}, {tag_threshold} and {max_poses}"
        )
    count, cell, value, highest, bad = kernels.peaks(
        maps, maps.view(np.int32), np.float32(threshold), rule.window, max_poses
    )
    if bad >= 0:
        raise ArrayError("expected finite heatmaps, got NaN or infinity", where=f"joint {bad}")
    at_peaks = np.take_along_axis(tag.reshape(*tag.shape[:2], -1), cell[:, None], 2)
    tag_at = at_peaks.transpose(0, 2, 1).astype(np.float64, order="C")
    used = np.arange(max_poses) < count[:, None]
    if not np.isfinite(tag_at[used]).all():
        joint = np.flatnonzero((~np.isfinite(tag_at).all(2) & used).any(1))[0]
        raise ArrayError("expected finite tags at peaks, got others", where=f"joint {joint}")
    peaks = _Peaks(count, value, tag_at)
    member = _grouped(peaks, turn, rule, tag_threshold, max_poses, compat)
    filled = np.nan if rule.filled_score is None else rule.filled_score
    odd = compat and rules == "associative-embedding"
    return kernels.finish(maps, tag, highest, member, count, cell, value, tag_at, fill, filled, odd)  # type: ignore[no-any-return]


def _checked(heatmaps: npt.ArrayLike, tags: npt.ArrayLike) -> tuple[Floats32, Floats32]:
    """Return heatmaps (K, H, W) and tags (K, T, H, W)."""
    maps = checked_maps(heatmaps, "heatmaps", "K, H, W", empty=False)
    axes = "K, H, W" if np.ndim(tags) == 3 else "K, H, W, T"
    tag = checked_maps(tags, "tags", axes, order="K")
    tag = tag[..., None] if tag.ndim == 3 else tag
    if tag.shape[:3] != maps.shape or 0 in tag.shape:
        raise ArrayError(
            "expected heatmaps (K, H, W) and tags (K, H, W) or (K, H, W, T), "
            f"got {maps.shape} and {np.shape(tags)}"
        )
    planes = np.moveaxis(tag, 3, 1)
    return np.ascontiguousarray(maps, np.float32), np.ascontiguousarray(planes, np.float32)


def _checked_order(order: Sequence[int] | None, joints: int) -> Indices:
    if order is None:
        first = [len(COCO_ORDER)] if joints == len(COCO_ORDER) + 1 else []
        order = [*first, *(k for k in COCO_ORDER if k < joints)]
    if sorted(order) != list(range(joints)):
        raise ArrayError(
            f"expected an order of {joints} joints, got {list(order)}", hint="order=range(K)"
        )
    return np.asarray(order, np.intp)


class _Peaks(NamedTuple):
    """The highest P peaks of each map: how many there are (K,), values (K, P), tags (K, P, T)."""

    number: Indices
    value: npt.NDArray[np.floating]
    tag: Floats


def _grouped(
    peaks: _Peaks,
    order: Indices,
    rule: _Rules,
    tag_threshold: float,
    max_poses: int,
    compat: bool,
) -> Indices:
    """Return which peak is which joint of each group, (N, K), -1 where none is."""
    joints, most, depth = peaks.tag.shape
    member = np.full((joints * most, joints), -1)
    total, size = np.zeros((joints * most, depth)), np.zeros(joints * most)
    key = np.zeros(joints * most)
    distance, cost = np.empty((2, most, most))
    state = (member, total, size, key, distance, cost)
    options = (rule.mean, rule.closed, max_poses, tag_threshold, compat)
    at, groups = 0, 0
    column = np.empty(0, np.intp)
    while True:
        at, groups = kernels.group(order, at, groups, column, *peaks, *state, *options)
        if at == joints:
            return member[:groups]
        column = _assigned(cost[: peaks.number[order[at]], : min(groups, max_poses)], compat)


def _assigned(cost: Floats, compat: bool) -> Indices:
    """Return the column of each row in the cheapest assignment, or one past the last column."""
    from scipy.optimize import linear_sum_assignment

    rows, columns = cost.shape
    if compat and rows > columns:
        cost = np.concatenate([cost, np.full((rows, rows - columns), 1e10)], 1)
    at, to = linear_sum_assignment(cost)
    column = np.full(rows, columns)
    column[at] = np.minimum(to, columns)
    return column
