"""How well ids are kept through a video: MOTA and IDF1 of poses, and PoseTrack's joint by joint."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from math import hypot
from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment

from refine._types import Floats, Indices
from refine.exceptions import ArrayError, FormatError
from refine.motion.arrays import present
from refine.motion.frames import frames_of
from refine.motion.pairing import Likeness
from refine.poses import Poses

SAME = 0.5
"""OKS from which a pose may be a person: the matching of OKS-based MOTA."""
HEAD = 0.6
"""Of the diagonal of a head's box, the head size: MPII and PoseTrack, ``poseval/eval_helpers.py``,
getHeadSize."""
NEAR_HEAD = 0.5
"""Head sizes within which a joint may be that of a person: PoseTrack, ``evaluateTracking.py``."""
FAR = 1e6
"""Cost of what may not be matched."""


@dataclass(frozen=True, slots=True)
class TrackingReport:
    """How well ids are kept.

    Attributes:
        idf1: F1 of poses that have the id which the best one-to-one assignment of ids gives them
            (Ristani et al. 2016); `idp` and `idr` are precision and recall.
        mota: 1 minus misses, false positives and switches, per true pose (Bernardin and
            Stiefelhagen 2008).
        switches: times that a person's id changed.
        misses: true poses without one.
        false_positives: poses that are nobody's.
        poses: true poses.
        switch_recall: of switches in poses before, share that are none any more; None without.
        switch_precision: of switches that came or went, share that went.
    """

    idf1: float
    idp: float
    idr: float
    mota: float
    switches: int
    misses: int
    false_positives: int
    poses: int
    switch_recall: float | None = None
    switch_precision: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return {name: value for name, value in asdict(self).items() if value is not None}


@dataclass(frozen=True, slots=True)
class PoseTrackReport:
    """PoseTrack's figures: those of each joint, and their means over joints that are labelled.

    Attributes:
        mota: 1 minus misses, false positives and switches, per true joint.
        motp: 1 minus the mean distance of joints that are found, head sizes.
        precision: share of joints that are somebody's.
        recall: share of true joints that are found.
        switches: times that the id of a person's joint changed, all joints together.
        joints: MOTA of each joint.
    """

    mota: float
    motp: float
    precision: float
    recall: float
    switches: int
    joints: Mapping[str, float] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return asdict(self)


def evaluate_tracking(
    truth: Poses, poses: Poses, threshold: float = SAME, before: Poses | None = None
) -> TrackingReport:
    """Compare the tracks of poses with true ones.

    Args:
        truth: with tracks.
        poses: of the same skeleton, with tracks.
        threshold: OKS from which a pose may be a person.
        before: what poses were made of, to tell which switches were mended.

    Raises:
        ArrayError: no tracks, other joints, no frame in common.
        FormatError: images without the numbers of their frames.
    """
    likeness = Likeness(truth, poses)
    person, number = _identities(truth, poses, likeness)
    together = np.zeros((person.max(initial=-1) + 1, number.max(initial=-1) + 1), np.int64)
    counts = _Counts()
    seen = np.zeros(len(poses), np.bool_)
    for persons, rows in likeness.frames():
        seen[rows] = True
        table = likeness.of(persons, rows)
        i, j = np.nonzero(table >= threshold)
        np.add.at(together, (person[persons[i]], number[rows[j]]), 1)
        distance = np.where(table >= threshold, 1 - table, np.nan)
        counts.see(person[persons], number[rows], distance)
    a, b = linear_sum_assignment(-together)
    right = int(together[a, b].sum())
    n, m = len(truth), len(poses)
    wrong = counts.wrong + int((~seen).sum())
    mended: dict[str, float] = {}
    if before is not None:
        mended = _mended(_switches(truth, before, threshold), counts.switches)
    return TrackingReport(
        idf1=2 * right / max(n + m, 1),
        idp=right / max(m, 1),
        idr=right / max(n, 1),
        mota=1 - (counts.misses + wrong + len(counts.switches)) / max(n, 1),
        switches=len(counts.switches),
        misses=counts.misses,
        false_positives=wrong,
        poses=n,
        **mended,
    )


def evaluate_posetrack(truth: Poses, poses: Poses, threshold: float = NEAR_HEAD) -> PoseTrackReport:
    """Compare tracks with true ones joint by joint, within half a head, as poseval does.

    Unlike it, this counts the last frame of a video, too, and frames without poses or persons as
    they are, not as one joint missed and one wrong.

    Args:
        truth: with tracks and head sizes: `head_size` in px, or `bbox_head` as PoseTrack has it.
        poses: of the same skeleton, with tracks.
        threshold: head sizes.

    Raises:
        ArrayError: see `evaluate_tracking`.
        FormatError: no head sizes, or images without the numbers of their frames.
    """
    likeness = Likeness(truth, poses)
    person, number = _identities(truth, poses, likeness)
    head = _head_sizes(truth)
    labelled, there = present(truth.xy), present(poses.xy)
    counts = [_Counts() for _ in truth.skeleton.joints]
    seen = np.zeros(len(poses), np.bool_)
    for persons, rows in likeness.frames():
        seen[rows] = True
        apart = np.linalg.norm(truth.xy[persons][:, None] - poses.xy[rows][None], axis=-1)
        apart /= head[persons][:, None, None]
        for k, count in enumerate(counts):
            a, b = persons[labelled[persons, k]], rows[there[rows, k]]
            near = apart[np.ix_(labelled[persons, k], there[rows, k])][..., k]
            count.see(person[a], number[b], np.where(near <= threshold, near, np.nan))
    for k, count in enumerate(counts):
        count.wrong += int(there[~seen, k].sum())
    scored = [c for c in counts if c.objects]
    motas = [c.mota if c.objects else float("nan") for c in counts]
    return PoseTrackReport(
        mota=_mean([c.mota for c in scored]),
        motp=_mean([1 - c.distance / c.matched if c.matched else 0.0 for c in scored]),
        precision=_mean([c.matched / n for c in scored if (n := c.matched + c.wrong)]),
        recall=_mean([c.matched / c.objects for c in scored]),
        switches=sum(len(c.switches) for c in counts),
        joints=dict(zip(truth.skeleton.joints, motas, strict=True)),
    )


class _Counts:
    """CLEAR MOT, frame by frame: who was followed stays with who followed, if near enough."""

    def __init__(self) -> None:
        self.last: dict[int, int] = {}
        self.matched = self.misses = self.wrong = self.frames = 0
        self.distance = 0.0
        self.switches: list[tuple[int, int]] = []

    @property
    def objects(self) -> int:
        return self.matched + self.misses

    @property
    def mota(self) -> float:
        return 1 - (self.misses + self.wrong + len(self.switches)) / max(self.objects, 1)

    def see(self, who: Indices, which: Indices, distance: Floats) -> None:
        """Count a frame.

        Args:
            who: (N,) numbers of persons.
            which: (M,) numbers of ids.
            distance: (N, M), NaN where somebody may not be somebody.
        """
        cost = np.where(np.isnan(distance), FAR, distance)
        pairs: list[tuple[int, int]] = []
        taken: set[int] = set()
        for i, name in enumerate(who.tolist()):
            same = np.flatnonzero(which == self.last.get(name, -1)).tolist()
            j = next((j for j in same if j not in taken), None)
            if j is not None and cost[i, j] < FAR:
                pairs.append((i, j))
                taken.add(j)
        cost[[i for i, _ in pairs], :] = FAR
        cost[:, list(taken)] = FAR
        pairs += [
            (i, j) for i, j in zip(*linear_sum_assignment(cost), strict=True) if cost[i, j] < FAR
        ]
        for i, j in pairs:
            name, now = int(who[i]), int(which[j])
            if self.last.get(name, now) != now:
                self.switches.append((name, self.frames))
            self.last[name] = now
            self.distance += float(distance[i, j])
        self.matched += len(pairs)
        self.misses += len(who) - len(pairs)
        self.wrong += len(which) - len(pairs)
        self.frames += 1


def _switches(truth: Poses, poses: Poses, threshold: float) -> list[tuple[int, int]]:
    likeness, counts = Likeness(truth, poses), _Counts()
    person, number = _identities(truth, poses, likeness)
    for persons, rows in likeness.frames():
        table = likeness.of(persons, rows)
        counts.see(person[persons], number[rows], np.where(table >= threshold, 1 - table, np.nan))
    return counts.switches


def _mended(before: list[tuple[int, int]], after: list[tuple[int, int]]) -> dict[str, float]:
    """Return recall and precision of the switches that are no more."""
    went, came = set(before) - set(after), set(after) - set(before)
    nan = float("nan")
    return {
        "switch_recall": len(went) / len(before) if before else nan,
        "switch_precision": len(went) / len(went | came) if went | came else nan,
    }


def _identities(truth: Poses, poses: Poses, likeness: Likeness) -> tuple[Indices, Indices]:
    """Number the persons, and the ids, of each video.

    Raises:
        ArrayError: a pose without a track.
    """
    for name, which in (("true", truth), ("predicted", poses)):
        if len(which) and (which.track is None or (which.track < 0).any()):
            raise ArrayError(f"expected a track for every {name} pose", hint="`refine track`")
    video = np.r_[frames_of(truth).video, -1]
    out = []
    for which, image in ((truth, truth.image), (poses, likeness.image)):
        track = np.zeros(0, np.int64) if which.track is None else which.track
        pairs = np.stack([video[image], track], 1)
        out.append(np.unique(pairs, axis=0, return_inverse=True)[1].reshape(-1))
    return out[0], out[1]


def _head_sizes(truth: Poses) -> Floats:
    """Return the head size (N,) of persons in px.

    Raises:
        FormatError: a person without.
    """
    sizes = np.full(len(truth), np.nan)
    for i, row in enumerate(truth.extra):
        box, size = row.get("bbox_head"), row.get("head_size")
        if isinstance(size, int | float):
            sizes[i] = size
        elif (
            isinstance(box, list) and len(box) == 4 and all(isinstance(v, int | float) for v in box)
        ):
            sizes[i] = HEAD * hypot(box[2], box[3])
        if not 0 < sizes[i] < np.inf:
            raise FormatError(
                f"expected head sizes, got none for person {i} of the truth",
                hint="`bbox_head` (x, y, width, height) or `head_size` (px), or --metric tracking",
            )
    return sizes


def _mean(values: list[float]) -> float:
    return float(np.mean(values)) if values else float("nan")
