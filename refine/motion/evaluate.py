"""How well poses follow people through a video, against poses that are true."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment

from refine._types import Floats, Indices
from refine.exceptions import ArrayError
from refine.images import find_images
from refine.motion.arrays import present
from refine.motion.frames import Frames, frames_of
from refine.oks import BOX_FRACTION, pose_area
from refine.poses import Poses
from refine.skeletons import usual_sigmas

PCK = (0.05, 0.1, 0.2)
"""Shares of the longer side of a person's box: Penn Action's PCK is that at .2."""
SAME = 0.5
"""OKS from which a pose may be a person: the matching of OKS-based MOTA."""


@dataclass(frozen=True, slots=True)
class MotionReport:
    """How near joints are, and how calm.

    Attributes:
        pck: share of true joints found within `PCK` of the longer side of the person's box.
        error_px: mean distance of the joints that are found.
        error: the same in body sizes, the root of `BOX_FRACTION` of the box of a person's joints.
        acceleration_px: mean difference of accelerations, px per frame^2: SmoothNet's (Zeng et al.,
            ECCV 2022) "Accel".
        acceleration: the same in body sizes.
        found: share of true joints that have a place.
        joints: true joints.
    """

    pck: dict[str, float]
    error_px: float
    error: float
    acceleration_px: float
    acceleration: float
    found: float
    joints: int

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return asdict(self)


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
    """

    idf1: float
    idp: float
    idr: float
    mota: float
    switches: int
    misses: int
    false_positives: int
    poses: int

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return asdict(self)


def evaluate_motion(truth: Poses, poses: Poses) -> MotionReport:
    """Compare poses with true ones of the same frames, person by person.

    In every frame poses are assigned to persons by OKS (Hungarian algorithm). Joints that are
    missing count in `pck` and `found`; accelerations are those of persons in three frames in a row.

    Args:
        truth: with tracks, where an image holds several persons.
        poses: of the same skeleton; tracks do not count.

    Raises:
        ArrayError: other joints, or no frame in common.
        FormatError: images without the numbers of their frames.
    """
    frames, likeness = frames_of(truth), _Likeness(truth, poses)
    mine = np.full((len(truth), len(truth.skeleton), 2), np.nan)
    for persons, rows in likeness.frames():
        table = likeness.of(persons, rows)
        for i, j in zip(*linear_sum_assignment(-table), strict=True):
            if table[i, j] > 0:
                mine[persons[i]] = poses.xy[rows[j]]
    size = np.sqrt(BOX_FRACTION * pose_area(truth.xy, "keypoints"))[:, None]
    longer = np.nanmax(np.nanmax(truth.xy, 1) - np.nanmin(truth.xy, 1), 1)[:, None]
    known = truth.present
    away = np.where(known, np.linalg.norm(mine - truth.xy, axis=-1), np.nan)
    there = np.isfinite(away)
    shake = _acceleration(mine, truth, frames) - _acceleration(truth.xy, truth, frames)
    shaken = np.linalg.norm(shake, axis=-1)
    count = int(known.sum())
    return MotionReport(
        pck={
            f"PCK@{t:g}": float((away <= t * longer).sum() / count) if count else np.nan
            for t in PCK
        },
        error_px=_mean(away),
        error=_mean(away / size),
        acceleration_px=_mean(shaken),
        acceleration=_mean(shaken / size),
        found=float(there.sum() / count) if count else np.nan,
        joints=count,
    )


def evaluate_tracking(truth: Poses, poses: Poses, threshold: float = SAME) -> TrackingReport:
    """Compare the tracks of poses with true ones.

    Args:
        truth: with tracks.
        poses: of the same skeleton, with tracks.
        threshold: OKS from which a pose may be a person.

    Raises:
        ArrayError: no tracks, other joints, no frame in common.
        FormatError: images without the numbers of their frames.
    """
    for name, which in (("true", truth), ("predicted", poses)):
        if len(which) and (which.track is None or (which.track < 0).any()):
            raise ArrayError(f"expected a track for every {name} pose", hint="`refine track`")
    likeness = _Likeness(truth, poses)
    people, person = np.unique(_tracks(truth), return_inverse=True)
    ids, number = np.unique(_tracks(poses), return_inverse=True)
    together = np.zeros((len(people), len(ids)), np.int64)
    last = np.full(len(people), -1)
    misses = wrong = switches = 0
    seen = np.zeros(len(poses), np.bool_)
    for persons, rows in likeness.frames():
        seen[rows] = True
        table = likeness.of(persons, rows)
        close = table >= threshold
        i, j = np.nonzero(close)
        np.add.at(together, (person[persons[i]], number[rows[j]]), 1)
        # Who was followed stays with who followed, if near enough; the others are assigned.
        held = close & (last[person[persons]][:, None] == number[rows][None])
        cost = np.where(close, -table - 2 * held, 2.0)
        matched = 0
        for a, b in zip(*linear_sum_assignment(cost), strict=True):
            if close[a, b]:
                who, which = person[persons[a]], number[rows[b]]
                switches += int(last[who] >= 0 and last[who] != which)
                last[who] = which
                matched += 1
        misses += len(persons) - matched
        wrong += len(rows) - matched
    wrong += int((~seen).sum())
    a, b = linear_sum_assignment(-together)
    right = int(together[a, b].sum())
    n, m = len(truth), len(poses)
    return TrackingReport(
        idf1=2 * right / max(n + m, 1),
        idp=right / max(m, 1),
        idr=right / max(n, 1),
        mota=1 - (misses + wrong + switches) / max(n, 1),
        switches=switches,
        misses=misses,
        false_positives=wrong,
        poses=n,
    )


class _Likeness:
    """OKS of true and other poses, frame by frame."""

    def __init__(self, truth: Poses, poses: Poses) -> None:
        if truth.skeleton.joints != poses.skeleton.joints:
            raise ArrayError(
                f"expected poses of {truth.skeleton.name!r}, got {poses.skeleton.name!r}",
                hint="`refine convert --to-skeleton`",
            )
        names = [ref.file_name for ref in truth.images]
        ids = [ref.id for ref in truth.images]
        found = find_images(poses.images, names, ids, where="the ground truth")
        at = np.array([-1 if i is None else i for i in found], np.intp)
        if len(poses) and not (at >= 0).any():
            raise ArrayError("expected images of the ground truth, got none of them")
        self._truth, self._poses = truth, poses
        self._image = at[poses.image] if len(poses) else np.zeros(0, np.intp)
        self._variance = (2 * usual_sigmas(truth.skeleton)) ** 2
        self._area = np.maximum(pose_area(truth.xy, "keypoints"), 1.0)

    def frames(self) -> list[tuple[Indices, Indices]]:
        """Return true and other poses of every image of the truth, in order of frames."""
        frames = frames_of(self._truth)
        order = np.lexsort((frames.number, frames.video))
        theirs = [np.flatnonzero(self._truth.image == i) for i in order]
        by_image: dict[int, list[int]] = {}
        for row, image in enumerate(self._image.tolist()):
            by_image.setdefault(image, []).append(row)
        return [
            (persons, np.array(by_image.get(int(i), []), np.intp))
            for i, persons in zip(order, theirs, strict=True)
        ]

    def of(self, persons: Indices, rows: Indices) -> Floats:
        """Return similarities (N, M); joints that a pose lacks are far."""
        apart = self._truth.xy[persons][:, None] - self._poses.xy[rows][None]
        d2 = (apart**2).sum(-1)
        spread = 2 * self._area[persons][:, None, None] * self._variance
        likeness = np.where(np.isfinite(d2), np.exp(-d2 / spread), 0)
        count = np.maximum(self._truth.present[persons].sum(1), 1)
        return np.asarray(likeness.sum(-1) / count[:, None])


def _tracks(poses: Poses) -> Indices:
    return np.zeros(0, np.int64) if poses.track is None else poses.track


def _acceleration(xy: Floats, truth: Poses, frames: Frames) -> Floats:
    """Return second differences (N, K, 2) over the frames before and after of a track, or NaN."""
    out = np.full_like(xy, np.nan)
    names = np.full(len(truth), -1) if truth.track is None else truth.track
    video, number = frames.video[truth.image], frames.number[truth.image]
    place = {
        key: i
        for i, key in enumerate(zip(video.tolist(), names.tolist(), number.tolist(), strict=True))
    }
    for (of, name, frame), i in place.items():
        before, after = place.get((of, name, frame - 1)), place.get((of, name, frame + 1))
        if before is not None and after is not None:
            out[i] = xy[after] - 2 * xy[i] + xy[before]
    return np.where(present(truth.xy)[..., None], out, np.nan)


def _mean(values: Floats) -> float:
    found = values[np.isfinite(values)]
    return float(found.mean()) if len(found) else float("nan")
