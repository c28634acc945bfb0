"""How well poses follow people through a video, against poses that are true."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from refine._types import Bools, Floats, Indices
from refine.evaluation.kinds import INVERSION, SWAP
from refine.evaluation.taxonomy import classify
from refine.geometry import keypoint_box
from refine.motion.arrays import present
from refine.motion.frames import Frames, frames_of
from refine.motion.pairing import Likeness
from refine.oks import BOX_FRACTION, pose_area
from refine.poses import Poses
from refine.skeletons import usual_sigmas

PCK = (0.05, 0.1, 0.2)
"""Shares of the longer side of a person's box: Penn Action's PCK is that at .2."""


JERK = 3
"""Order of the differences of jerk, the usual measure of jitter without a truth."""


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
        jerk: mean third difference of the poses, in body sizes per frame^3, and
        true_jerk: that of the truth.
        found: share of true joints that have a place.
        swapped: share of them in the place of the other side or of another person, as Ronchi and
            Perona (ICCV 2017) tell inversions and swaps.
        joints: true joints.
        gap_error_px: mean distance of joints that poses before did not have; None without those.
        gap_error: the same in body sizes.
        gap_found: share of those joints that have a place now.
        swap_recall: of joints swapped before, share that are not any more.
        swap_precision: of joints that were or are swapped, but not both, share that were.
    """

    pck: dict[str, float]
    error_px: float
    error: float
    acceleration_px: float
    acceleration: float
    jerk: float
    true_jerk: float
    found: float
    swapped: float
    joints: int
    gap_error_px: float | None = None
    gap_error: float | None = None
    gap_found: float | None = None
    swap_recall: float | None = None
    swap_precision: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return {name: value for name, value in asdict(self).items() if value is not None}


def evaluate_motion(truth: Poses, poses: Poses, before: Poses | None = None) -> MotionReport:
    """Compare poses with true ones of the same frames, person by person.

    In every frame poses are assigned to persons by OKS (Hungarian algorithm). Joints that are
    missing count in `pck` and `found`; accelerations are those of persons in three frames in a row.

    Args:
        truth: with tracks, where an image holds several persons.
        poses: of the same skeleton; tracks do not count.
        before: what poses were made of, to tell how gaps were filled and swaps mended.

    Raises:
        ArrayError: other joints, or no frame in common.
        FormatError: images without the numbers of their frames.
    """
    frames = frames_of(truth)
    mine, swapped = _matched(truth, poses)
    size = np.sqrt(BOX_FRACTION * pose_area(truth.xy, "keypoints"))[:, None]
    corners = keypoint_box(truth.xy)
    longer = (corners[:, 2:] - corners[:, :2]).max(1, keepdims=True)
    known = truth.present
    away = np.where(known, np.linalg.norm(mine - truth.xy, axis=-1), np.nan)
    there = np.isfinite(away)
    places = _in_a_row(truth, frames)
    shaken = np.linalg.norm(_differences(mine - truth.xy, places, 2), axis=-1)
    jerks = [np.linalg.norm(_differences(xy, places, JERK), axis=-1) for xy in (mine, truth.xy)]
    count = int(known.sum())
    told: dict[str, float] = {}
    if before is not None:
        given, were = _matched(truth, before)
        gap = known & ~present(given)
        told = {
            "gap_error_px": _mean(away[gap]),
            "gap_error": _mean((away / size)[gap]),
            "gap_found": _share(there & gap, gap),
            "swap_recall": _share(were & there & ~swapped, were),
            "swap_precision": _share(were & there & ~swapped, (were & there) ^ swapped),
        }
    return MotionReport(
        pck={f"PCK@{t:g}": _share(away <= t * longer, known) for t in PCK},
        error_px=_mean(away),
        error=_mean(away / size),
        acceleration_px=_mean(shaken),
        acceleration=_mean(shaken / size),
        jerk=_mean(jerks[0] / size),
        true_jerk=_mean(jerks[1] / size),
        found=_share(there, known),
        swapped=_share(swapped, there),
        joints=count,
        **told,
    )


def _matched(truth: Poses, poses: Poses) -> tuple[Floats, Bools]:
    """Return the places (N, K, 2) of every true pose's joints, and which stand elsewhere."""
    pose = Likeness(truth, poses).nearest()
    mine = np.full(truth.xy.shape, np.nan)
    mine[pose >= 0] = poses.xy[pose[pose >= 0]]
    kind, _ = classify(
        mine,
        np.where(pose >= 0, np.arange(len(truth)), -1),
        truth.xy,
        truth.present,
        np.maximum(pose_area(truth.xy, "keypoints"), 1.0),
        truth.image,
        sigmas=usual_sigmas(truth.skeleton),
        mirror=truth.skeleton.mirror,
    )
    return mine, (kind == INVERSION) | (kind == SWAP)


def _in_a_row(truth: Poses, frames: Frames) -> Indices:
    """Return, of every pose, that of its track a frame earlier, (N,), -1 for none."""
    names = np.full(len(truth), -1) if truth.track is None else truth.track
    keys = list(
        zip(
            frames.video[truth.image].tolist(),
            names.tolist(),
            frames.number[truth.image].tolist(),
            strict=True,
        )
    )
    place: dict[tuple[int, int, int], int] = {}
    for i, key in enumerate(keys):
        place[key] = -1 if key in place else i  # Nobody knows which of two it is.
    return np.array([place.get((v, name, t - 1), -1) for v, name, t in keys], np.intp)


def _differences(xy: Floats, earlier: Indices, order: int) -> Floats:
    """Return differences (N, K, 2) of some order over frames in a row, NaN where there are less."""
    out = xy
    for _ in range(order):
        before = np.where((earlier >= 0)[:, None, None], out[earlier], np.nan)
        out = out - before
    return out


def _share(some: Bools, of: Bools) -> float:
    count = int(of.sum())
    return float((some & of).sum() / count) if count else float("nan")


def _mean(values: Floats) -> float:
    found = values[np.isfinite(values)]
    return float(found.mean()) if len(found) else float("nan")
