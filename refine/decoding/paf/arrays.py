"""Part affinity fields: joints of several people, and fields that say which belong together."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
import numpy.typing as npt

from refine._types import Bools, Floats, Floats32
from refine.decoding.maps import resample
from refine.decoding.maps.check import check_enlarged, checked_maps
from refine.decoding.maps.local_maxima import find_peaks, refine_peaks
from refine.decoding.paf import kernels
from refine.decoding.people import Decoded
from refine.exceptions import ArrayError, SkeletonError
from refine.rescore import TotalRule, total_score
from refine.skeletons import skeleton as find_skeleton

Assignment = Literal["greedy", "hungarian"]
ASSIGNMENTS: tuple[str, ...] = get_args(Assignment)


@dataclass(frozen=True, slots=True, eq=False)
class Limbs:
    """What a network's affinity fields connect.

    Attributes:
        pairs: (L, 2) joints.
        channels: (L, 2) channels of the field's x and y.
        fill: (L,) limbs that complete a person but never begin one.
        uncounted: (K,) joints that OpenPose C++ leaves out of a person's count.
    """

    pairs: npt.NDArray[np.int64]
    channels: npt.NDArray[np.int64]
    fill: Bools
    uncounted: Bools


@dataclass(frozen=True, slots=True)
class PafRules:
    """How one code base turns maps and fields into people.

    Attributes:
        upsample: cells of the working resolution per cell of the network.
        resize: "repeat" cells, or "cubic" (OpenCV).
        blur: of the maps in which peaks are found, at the working resolution: "gaussian-3"
            (scipy, sigma 3), "smoother" (tf-pose), or none.
        peaks: see `find_peaks`.
        threshold: of peaks.
        position: see `refine_peaks`.
        apart: cells of the working resolution within which the second of two peaks goes.
        apart_inclusive: also at exactly that distance.
        samples: points on a limb; 0: by length, as OpenPose C++.
        ends: whether the last point is the second joint.
        centred: whether working cell X of a map upsampled by r is taken to lie where it does, at
            (X + 0.5) / r - 0.5, and not at X / r as in published code.
        rounding: of a point to the working cell where the field is read: halves to "even" or "up".
        above_only: mean over the points above `field_threshold` alone.
        min_share: of the points must lie above it, exclusive.
        field_threshold: of a point's affinity.
        max_length: heights of the map above which limbs are marked down; 0: none.
        short: affinity of limbs too short to judge, 0: none.
        assembly: "two-rows": a connection extends or joins the rows that hold either peak, or
            overwrites; "first-joint": extends the row with its first joint; "five-cases": best
            connection of all limbs first, nothing is overwritten.
        peak_weight: of the two peaks in the order of "five-cases".
        singles: whether a peak without partners begins a person.
        ignores_first: whether the very first peak passes for a missing one when rows are joined
            (tf-pose tests > 0 where it means >= 0).
        min_joints: fewest joints of a person.
        min_score: lowest mean score.
        score: of a person: "mean" (total by count), "total*count", "total*(count-1)", or
            "total/all" (by joints and limbs of the skeleton).
        source: code path.
    """

    upsample: int
    resize: Literal["repeat", "cubic"]
    peaks: Literal["first", "4", "4-ties", "8", "3x3", "5x5", "openpose-cpp"]
    threshold: float
    position: Literal["cell", "centroid", "fit"]
    samples: int
    ends: bool
    rounding: Literal["even", "up"]
    above_only: bool
    min_share: float
    max_length: float
    assembly: Literal["two-rows", "first-joint", "five-cases"]
    min_joints: int
    min_score: float
    score: TotalRule
    source: str
    blur: Literal["gaussian-3", "smoother"] | None = None
    field_threshold: float = 0.05
    short: float = 0.0
    apart: float = 0.0
    apart_inclusive: bool = False
    peak_weight: float = 0.0
    singles: bool = False
    ignores_first: bool = False
    centred: bool = False


MOST_PEAKS = 2000
"""Per joint; OpenPose keeps 127 (`POSE_MAX_PEOPLE`), and every pair of two joints is looked at."""


class Plan(NamedTuple):
    """How n cells of one axis become the working resolution.

    Attributes:
        cells: n.
        up: times upsampled by the rules' `resize`.
        low: first and
        high: last cell kept of those, exclusive.
        size: cells to which these are resized, cubic.
    """

    cells: int
    up: int
    low: int
    high: int
    size: int


@cache
def paf_rules() -> Mapping[str, PafRules]:
    """Read the rule sets that ship, by name.

    >>> paf_rules()["openpose"].samples
    10
    """
    return {k: PafRules(**v) for k, v in _table()["rules"].items()}


@cache
def paf_limbs(name: str) -> Limbs:
    """Return the limbs of a skeleton whose networks have affinity fields.

    Raises:
        SkeletonError: none are known.

    >>> paf_limbs("openpose18").pairs[0].tolist()
    [1, 2]
    """
    tables = _table()["limbs"]
    if name not in tables:
        raise SkeletonError(
            f"expected a skeleton with affinity fields, got {name!r}",
            hint=f"one of {', '.join(tables)}",
        )
    table, joints = tables[name], find_skeleton(name)
    pairs = [(joints.index(a), joints.index(b)) for a, b, _, _ in table["limbs"]]
    fill = {(joints.index(a), joints.index(b)) for a, b in table.get("fill", ())}
    return Limbs(
        np.array(pairs, np.int64),
        np.array([limb[2:] for limb in table["limbs"]], np.int64),
        np.array([pair in fill for pair in pairs]),
        np.array([j in table.get("uncounted", ()) for j in joints.joints]),
    )


def _table() -> Mapping[str, Any]:
    return tomllib.loads((resources.files("refine.decoding.paf") / "rules.toml").read_text("utf-8"))


def decode_paf(
    heatmaps: npt.ArrayLike,
    pafs: npt.ArrayLike,
    limbs: str | Limbs = "openpose18",
    rules: str | PafRules = "refine",
    *,
    assignment: Assignment = "greedy",
    size: tuple[int, int] | None = None,
) -> Decoded:
    """Find the people of one image.

    Args:
        heatmaps: (K, H, W) or (K + 1, H, W) with the background last; not modified.
        pafs: (C, H, W) fields.
        limbs: name of a skeleton for `paf_limbs`, or what they connect.
        rules: name in `paf_rules`, or the rules themselves.
        assignment: of peaks to each other, limb by limb: "greedy" as published, or "hungarian"
            for the highest total affinity.
        size: width and height of the working resolution, instead of the rules' `upsample`; the
            maps themselves at (W, H).

    Returns:
        people in the order in which the rules found them.

    Raises:
        ArrayError: shapes that do not agree, or an option out of range.

    >>> y, x = np.mgrid[:30, :30]
    >>> at = {1: (15, 5), 2: (8, 6), 3: (6, 14), 4: (7, 22)}
    >>> maps, fields = np.zeros((18, 30, 30)), np.zeros((38, 30, 30))
    >>> for joint, (u, v) in at.items():
    ...     maps[joint] = np.exp(-((x - u) ** 2 + (y - v) ** 2) / 2)
    >>> for a, b, channel in ((1, 2, 12), (2, 3, 14), (3, 4, 16)):
    ...     fields[channel : channel + 2] = np.subtract(at[b], at[a])[:, None, None] / 8
    >>> decode_paf(maps, fields).xy[0, :5].round(2).tolist()
    [[nan, nan], [15.0, 5.0], [8.0, 6.0], [6.0, 14.0], [7.0, 22.0]]
    """
    table = paf_limbs(limbs) if isinstance(limbs, str) else limbs
    system = find_rules(rules)
    if assignment not in ASSIGNMENTS:
        raise ArrayError(
            f"expected an assignment, got {assignment!r}", hint=f"one of {', '.join(ASSIGNMENTS)}"
        )
    maps, fields = check_paf(heatmaps, pafs, table)
    up = system.upsample if size is None else 1
    plans = [Plan(n, up, 0, n * up, n * up) for n in maps.shape[:0:-1]]
    if size is not None:
        plans = [plan._replace(size=to) for plan, to in zip(plans, size, strict=True)]
    found = decode_planned(maps, fields, table, system, assignment, *plans)
    half = 0.5 if system.centred else 0.0
    ratio = np.array([plan.cells / plan.size for plan in plans])
    return found._replace(xy=(found.xy + half) * ratio - half)


def find_rules(rules: str | PafRules) -> PafRules:
    """Look up a rule set.

    Raises:
        ArrayError: no such name.
    """
    if isinstance(rules, PafRules):
        return rules
    if rules not in paf_rules():
        raise ArrayError(
            f"expected a rule set, got {rules!r}", hint=f"one of {', '.join(paf_rules())}"
        )
    return paf_rules()[rules]


def check_paf(
    heatmaps: npt.ArrayLike, pafs: npt.ArrayLike, limbs: Limbs
) -> tuple[Floats32, Floats32]:
    """Return heatmaps (K, H, W) without the background and fields (C, H, W) as float32.

    Raises:
        ArrayError: shapes that do not agree.
    """
    maps, fields = (
        checked_maps(values, name, "K, H, W", empty=False).astype(np.float32, copy=False)
        for values, name in ((heatmaps, "heatmaps"), (pafs, "pafs"))
    )
    joints, channels = len(limbs.uncounted), int(limbs.channels.max()) + 1
    if len(maps) not in (joints, joints + 1) or len(fields) < channels:
        raise ArrayError(
            f"expected {joints} heatmaps, perhaps a background, and {channels} fields, "
            f"got {len(maps)} and {len(fields)}"
        )
    if maps.shape[1:] != fields.shape[1:]:
        raise ArrayError(
            f"expected fields of the size of the heatmaps {maps.shape[1:]}, got {fields.shape[1:]}"
        )
    return maps[:joints], fields


def decode_planned(
    maps: Floats32,
    pafs: Floats32,
    limbs: Limbs,
    rules: PafRules,
    assignment: Assignment,
    columns: Plan,
    rows: Plan,
) -> Decoded:
    """Do `decode_paf` on checked arrays, with its result in cells of the working resolution.

    Raises:
        ArrayError: more peaks than `MOST_PEAKS`, or maps that are too large.
    """
    check_enlarged(len(maps), (columns.size, rows.size))
    (plain_rows, smooth_rows), (plain, smooth) = _axis(rows, rules), _axis(columns, rules)
    values = _resampled(maps, plain_rows, plain)
    where = values if rules.blur is None else _resampled(maps, smooth_rows, smooth)
    peaks = find_peaks(where, rules.threshold, rules.peaks)
    if (most := int(np.diff(peaks.start).max(initial=0))) > MOST_PEAKS:
        raise ArrayError(
            f"expected at most {MOST_PEAKS} candidate peaks per joint, got {most}: "
            "these look like no heatmaps of people",
            hint="heatmaps before any threshold or scaling, in [0, 1]",
        )
    xy, start = refine_peaks(where, peaks, rules.position), peaks.start
    joint = np.repeat(np.arange(len(maps)), np.diff(start))
    score = values[joint, peaks.cell[:, 1], peaks.cell[:, 0]].astype(np.float64)
    if rules.apart > 0:
        kept, start = kernels.suppress_close(xy, start, rules.apart, rules.apart_inclusive)
        xy, score = xy[kept], score[kept]
    numbers = (
        rules.samples,
        rules.ends,
        rules.rounding == "even",
        rules.above_only,
        rules.min_share,
        rules.field_threshold,
        rules.max_length * rows.size,
        rules.short,
    )
    index, affinity = kernels.candidates(
        xy, start, limbs.pairs, limbs.channels, pafs, tuple(plain_rows), tuple(plain), numbers
    )
    if rules.assembly == "five-cases" and assignment == "greedy":
        key = affinity + rules.peak_weight * (score[index[:, 1]] + score[index[:, 2]])
        order = np.argsort(-key, kind="stable")
    elif assignment == "greedy":
        order = kernels.greedy(index, affinity, len(limbs.pairs), len(score))
    else:
        order = _hungarian(index, affinity, len(limbs.pairs))
        if rules.assembly == "five-cases":
            order = order[np.argsort(-affinity[order], kind="stable")]
    kind = ("two-rows", "first-joint", "five-cases").index(rules.assembly)
    part, total, count = kernels.assemble(
        kind, index[order], affinity[order], limbs.pairs, limbs.fill, score, start,
        rules.singles, rules.ignores_first,
    )  # fmt: skip
    return _people(part, total, count, xy, score, limbs, rules)


def _people(
    part: npt.NDArray[np.int64],
    total: Floats,
    count: npt.NDArray[np.int64],
    xy: Floats,
    score: Floats,
    limbs: Limbs,
    rules: PafRules,
) -> Decoded:
    counted = count
    if rules.assembly == "five-cases":
        counted = count - ((part >= 0) & limbs.uncounted).sum(1)
    # A person of uncounted joints alone has none to divide by, and too few anyway.
    keep = (counted >= rules.min_joints) & (total >= rules.min_score * np.maximum(counted, 1))
    part, total, count = part[keep], total[keep], count[keep]
    slots = part.shape[1] + len(limbs.pairs)
    instance = total_score(total, count, slots, rules.score)
    # One row of NaN at the end, where -1 points to.
    points = np.concatenate([xy, np.full((1, 2), np.nan)])
    values = np.concatenate([score, [np.nan]])
    return Decoded(points[part], values[part], instance)


def _resampled(maps: Floats32, rows: Any, columns: Any) -> Floats32:
    same = maps.shape[1:] == (len(rows.first), len(columns.first))
    if same and rows.weights.shape[1] == columns.weights.shape[1] == 1:
        return maps
    return resample.resample(maps, rows, columns)


@cache
def _axis(plan: Plan, rules: PafRules) -> Any:
    """Return the bands from an axis to the working resolution, plain and for finding peaks."""
    matrix = np.eye(plan.cells)
    if plan.up != 1:
        cubic = rules.resize == "cubic"
        matrix = (
            resample.cubic(plan.cells, plan.cells * plan.up)
            if cubic
            else resample.repeat(plan.cells, plan.up)
        )
    matrix = matrix[plan.low : plan.high]
    if plan.size != len(matrix):
        matrix = resample.cubic(len(matrix), plan.size) @ matrix
    plain = resample.bands(matrix)
    if rules.blur is None:
        return plain, plain
    border: Any = "mirror" if rules.blur == "gaussian-3" else "zero"
    taps = resample.gaussian_filter_taps(3.0) if border == "mirror" else resample.smoother_taps()
    return plain, resample.bands(resample.blur(plan.size, taps, border) @ matrix)


def _hungarian(index: npt.NDArray[np.int64], affinity: Floats, limbs: int) -> npt.NDArray[np.int64]:
    from scipy.optimize import linear_sum_assignment

    if not np.isfinite(affinity).all():
        raise ArrayError(
            "expected affinity fields with finite sums along the limbs, got infinity or NaN",
            hint="looking at the network's half precision or its export",
        )
    kept = []
    for limb in range(limbs):
        rows = np.flatnonzero(index[:, 0] == limb)
        _, a = np.unique(index[rows, 1], return_inverse=True)
        _, b = np.unique(index[rows, 2], return_inverse=True)
        if not len(rows):
            continue
        gain = np.zeros((a.max() + 1, b.max() + 1))
        at = np.full(gain.shape, -1)
        gain[a, b], at[a, b] = affinity[rows], rows
        chosen = at[linear_sum_assignment(gain, maximize=True)]
        kept.append(chosen[chosen >= 0])
    return np.concatenate([*kept, np.empty(0, np.int64)]).astype(np.int64)
