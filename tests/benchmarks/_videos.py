"""Videos for `motion.py`: hand-labelled tracks with errors that last, and made-up crowds."""

from dataclasses import dataclass, replace

import numpy as np
from scipy.interpolate import CubicSpline

import refine
from refine.errors.statistics import read_statistics
from refine.errors.synthesis import corrupt
from refine.evaluation.kinds import INVERSION, JITTER
from refine.motion.exchanges import limbs_of
from refine.oks import BOX_FRACTION, pose_area
from refine.poses import ImageRef, Poses

FPS = 30.0
"""Of Penn Action, which tells none; its videos are YouTube's."""
HEAD_SIGMA = 0.05
"""Of the head, for which COCO has none; that of the other joints is COCO's."""
LASTING = {"error": 5.0, "missing": 6.0, "lost": 4.0, "flip": 6.0}
"""Frames that an error, a missing joint, a lost pose or a flip lasts, on average."""
WHITE = 0.5
"""Share of the variance of jitter that is new in every frame."""
OUT_OF_SIGHT = (45, 120)
"""Frames that somebody is out of sight, at least and at most."""
RATES = {"missing": 0.05, "lost": 0.02, "flip": 0.02}
"""Share of frames in which a joint or pose is missing, or a group of joints is flipped."""


@dataclass
class Video:
    """True joints (T, K, 2), which are labelled, px of the body, and what was made of them."""

    xy: np.ndarray
    labelled: np.ndarray
    size: float
    bad: np.ndarray
    flipped: np.ndarray


def body():
    """Return Penn Action's skeleton with sigmas."""
    penn, coco = refine.skeleton("pennaction13"), refine.skeleton("coco17")
    known = [coco.sigmas[coco.index(n)] if n in coco.joints else HEAD_SIGMA for n in penn.joints]
    return replace(penn, sigmas=np.array(known))


def held(frames, joints, lasting, rng):
    """Return the frame (T, K) whose draw is in force."""
    new = rng.random((frames, joints)) < 1 / lasting
    new[0] = True
    return np.maximum.accumulate(np.where(new, np.arange(frames)[:, None], 0), 0)


def videos(data, source, first=6, step=12, seed=0, flips=False, clean=False, fps=FPS):
    """Yield every `step`-th development video of Penn Action as a source would have seen it.

    Errors are drawn for every frame from the statistics of the source and last some frames; half
    of the variance of small ones is new in every frame. Labels are `FPS`; others are between them.
    """
    rng, penn = np.random.default_rng(seed), body()
    statistics = read_statistics(source)
    with np.load(data / "penn_action/penn_action_dev.npz") as file:
        offsets, xy, shown, boxes = (
            file[n] for n in ("video_offsets", "xy", "visible", "bbox_xyxy")
        )
    for v in range(first, len(offsets) - 1, step):
        rows = slice(offsets[v], offsets[v + 1])
        true, labelled = xy[rows].astype(np.float64), shown[rows]
        side = np.nan_to_num(boxes[rows][:, 2:] - boxes[rows][:, :2], nan=100.0).clip(1)
        area = np.median(BOX_FRACTION * side.prod(1))
        if fps != FPS:
            at = np.arange(0, len(true) - 1, FPS / fps)
            labelled = labelled[np.floor(at).astype(int)] & labelled[np.ceil(at).astype(int)]
            true = CubicSpline(np.arange(len(true)), true)(at)
        bad = np.where(labelled[..., None], true, np.nan)
        if not clean:
            bad = _err(true, area, statistics, penn, rng)
        turned = np.zeros(labelled.shape, bool)
        if flips:
            turned = _flips(penn, len(true), rng)
            source_ = np.where(turned, penn.mirror, np.arange(len(penn)))
            bad = np.take_along_axis(bad, source_[..., None], 1)
        yield Video(true, labelled, float(np.sqrt(area)), bad, turned)


def _err(true, area, statistics, penn, rng):
    frames, joints = true.shape[:2]
    alone = (np.empty((0, joints, 2)), np.empty((0, joints), bool), np.zeros(frames + 1, np.intp))
    drawn, kind = corrupt(
        true, np.ones((frames, joints), bool), np.full(frames, area), *alone,
        skeleton=penn, statistics=statistics, rng=rng,
    )  # fmt: skip
    away = drawn - np.where((kind == INVERSION)[..., None], true[:, penn.mirror], true)
    at = held(frames, joints, LASTING["error"], rng), np.arange(joints)
    fresh = np.where((kind <= JITTER)[..., None], away, 0)
    small = (kind[at] <= JITTER)[..., None]
    noise = np.where(
        small, np.sqrt(1 - WHITE) * away[at] + np.sqrt(WHITE) * fresh, away[at] + 0.5 * fresh
    )
    place = np.where((kind[at] == INVERSION)[..., None], true[:, penn.mirror], true) + noise
    missing = held(frames, joints, LASTING["missing"], rng), np.arange(joints)
    gone = (rng.random((frames, joints)) < RATES["missing"])[missing]
    lost = held(frames, 1, LASTING["lost"], rng)[:, 0]
    gone |= (rng.random(frames) < RATES["lost"])[lost][:, None]
    return np.where(gone[..., None], np.nan, place)


def _flips(penn, frames, rng):
    """Return which joints (T, K) stand in the place of their partner: arms, legs, all or a pair."""
    turned = np.zeros((frames, len(penn)), bool)
    arms = [i for i, n in enumerate(penn.joints) if n.endswith(("shoulder", "elbow", "wrist"))]
    legs = [i for i, n in enumerate(penn.joints) if n.endswith(("hip", "knee", "ankle"))]
    pairs = [[penn.index(f"{s}_{n}") for s in ("left", "right")] for n in ("wrist", "ankle")]
    for joints in (arms, legs, [*arms, *legs], *pairs):
        on = (rng.random(frames) < RATES["flip"])[held(frames, 1, LASTING["flip"], rng)[:, 0]]
        turned[np.ix_(on, joints)] ^= True
    return turned


def crowd(
    data, rng, people=10, frames=300, size=(1920, 1080), turn=60, gone=0, alike=False, hidden=0.7
):
    """Return poses of people who walk across each other, and who each is.

    Each moves as somebody in Penn Action, back and forth, along a random curve; joints are noisy
    and missing, poses lost for a while, and often where somebody else is close.

    Args:
        data: folder of the evaluation data.
        rng: what chance there is.
        people: how many.
        frames: how many.
        size: px, of the picture.
        turn: frames from one point of a curve to the next.
        gone: times that each is out of sight for 1.5 to 4 s.
        alike: whether all do the same, seen from the same sides.
        hidden: share of poses close to others that are lost.
    """
    with np.load(data / "penn_action/penn_action_dev.npz") as file:
        offsets, xy, actions = (file[n] for n in ("video_offsets", "xy", "action"))
        xy = xy.astype(np.float64)
    long = np.flatnonzero(np.diff(offsets) > 20)
    if alike:
        long = long[actions[long] == rng.choice(actions[long])]
    parts = []
    for person in range(people):
        v = rng.choice(long)
        clip = xy[offsets[v] : offsets[v + 1]]
        clip = clip - np.median(clip, axis=(0, 1))
        clip *= 150 / max(np.ptp(np.median(clip, 0)[:, 1]), 40)
        back = np.abs(np.arange(frames) % (2 * len(clip) - 2) - (len(clip) - 1))
        stops = frames // turn + 3
        way = rng.uniform([100, 300], [size[0] - 100, size[1] - 300], (stops, 2))
        middle = CubicSpline(np.arange(stops), way)(np.linspace(0, stops - 2, frames))
        place = clip[back] + middle[:, None] + rng.normal(0, 3.6, (frames, clip.shape[1], 2))
        place[rng.random(place.shape[:2]) < 0.05] = np.nan
        here = ~(rng.random(frames) < 0.05)[held(frames, 1, 8.0, rng)[:, 0]]
        for start in rng.integers(0, frames, gone):
            here[start : start + rng.integers(*OUT_OF_SIGHT)] = False
        parts.append((place[here], np.flatnonzero(here), np.full(here.sum(), person)))
    place, image, who = (np.concatenate(p) for p in zip(*parts, strict=True))
    order = np.lexsort((who, image))
    place, image, who = place[order], image[order], who[order]
    middle, keep = np.nanmedian(place, 1), np.ones(len(place), bool)
    for i in range(len(place)):
        before = np.flatnonzero((image[:i] == image[i]) & keep[:i])
        near = np.linalg.norm(middle[before] - middle[i], axis=1) < 60
        keep[i] = not (near.any() and rng.random() < hidden)
    mixed = rng.permutation(np.flatnonzero(keep))
    poses = Poses.from_arrays(
        "pennaction13", place[mixed], np.ones(place[mixed].shape[:2]), image=image[mixed],
        images=[ImageRef(i) for i in range(frames)],
    )  # fmt: skip
    return poses, who[mixed]


def exchanged(poses, who, rng, kinds=("onwards", "persons", "limb")):
    """Return poses with the tracks of persons, exchanged in half of their meetings, and what was.

    Persons are exchanged from some frame onwards, or for `LASTING["flip"]` frames on average, or
    a limb is, when the middles of two are within 1.2 times the root of their areas. Without kinds
    nobody is.

    Returns:
        the poses, and for each joint the pose that it is of, (N, K); tracks of it are `who`.
    """
    size = np.sqrt(BOX_FRACTION * pose_area(poses.xy, "keypoints"))
    middle, limbs = np.nanmedian(poses.xy, 1), limbs_of(poses.skeleton)
    at = {(int(i), int(w)): n for n, (i, w) in enumerate(zip(poses.image, who, strict=True))}
    frames, people = len(poses.images), int(who.max()) + 1
    name = np.repeat(np.arange(people)[:, None], frames, 1)
    source = np.repeat(np.arange(len(who))[:, None], len(poses.skeleton), 1)
    for a in range(people):
        for b in range(a):
            near = [
                t
                for t in range(frames)
                if (t, a) in at
                and (t, b) in at
                and np.linalg.norm(middle[at[t, a]] - middle[at[t, b]])
                < 1.2 * max(size[at[t, a]], size[at[t, b]])
            ]
            for part in np.split(np.array(near), np.flatnonzero(np.diff(near) > 30) + 1):
                if not len(part) or not kinds or rng.random() < 0.5:
                    continue
                kind, start = rng.choice(kinds), int(rng.choice(part))
                lasting = 1 + int(rng.geometric(1 / LASTING["flip"]))
                end = frames if kind == "onwards" else start + lasting
                limb = limbs[rng.integers(len(limbs))]
                end = min(end, frames)
                if kind != "limb":
                    name[[a, b], start:end] = name[[b, a], start:end]
                    continue
                for t in range(start, end):
                    i, j = at.get((t, a)), at.get((t, b))
                    if i is not None and j is not None:
                        source[np.ix_([i, j], limb)] = source[np.ix_([j, i], limb)]
    joints = np.arange(len(poses.skeleton))
    bad = poses.replace(xy=poses.xy[source, joints], track=name[who, poses.image])
    return bad, source
