"""Print what the steps for video do to tracks with errors that last, as Markdown.

Usage: python tests/benchmarks/motion.py DATA [--step 12]

DATA is the folder of the evaluation data, which is not part of the project: Penn Action's hand-made
labels, with errors drawn from `stats/` (`_videos.py`). The constants of `refine.motion` were chosen
on every twelfth video from the first and tf-pose's errors; measured is every twelfth from the
seventh. Lengths are in body sizes, accelerations per frame^2. Peers run where they are installed:
OneEuroFilter, movement, ensemble-kalman-smoother.
"""

import argparse
import time
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from _videos import FPS, body, crowd, exchanged, videos

import refine
from refine.geometry import keypoint_box
from refine.motion.arrays import follow, present
from refine.motion.exchanges import find_exchanges
from refine.motion.filters import median, one_euro, savgol
from refine.motion.flips import find_flips
from refine.motion.frames import frames_of, tracks_of
from refine.motion.jitter import neighbours_of
from refine.motion.mota import evaluate_tracking
from refine.motion.tracking import track
from refine.poses import ImageRef, Poses

SOURCES = (
    "tfpose-mobilenet-thin",
    "posenet-coral",
    "movenet-multipose",
    "pp-tinypose-256x192-gtbox",
)
STEPS = "`--steps complete,correct,unswap,gaps,smooth`"
LEARNED = "the same with `--smoothing learned`"
APART = 0.1
"""Body sizes between partners from which a flip counts; nearer ones are within the noise."""


def straight(xy):
    """Fill gaps by straight lines, the ends by the nearest place."""
    out, times = xy.copy(), np.arange(len(xy))
    for k in range(xy.shape[1]):
        at = np.flatnonzero(present(xy[:, k]))
        for c in range(2 if len(at) else 0):
            out[:, k, c] = np.interp(times, at, xy[at, k, c])
    return out


def methods():
    """Return functions of joints (T, K, 2), times and sizes, by name."""
    penn = body()
    tied = neighbours_of(penn)

    def ours(xy, when, size):
        return follow(xy, when, size, tied).xy

    def unswapped(xy, when, size):
        turned = find_flips(xy, when, size, penn)
        source = np.where(turned, penn.mirror, np.arange(len(penn)))
        return ours(np.take_along_axis(xy, source[..., None], 1), when, size)

    found = {
        "as it is, gaps by lines": lambda xy, when, size: straight(xy),
        "Savitzky-Golay, SciPy": lambda xy, when, size: savgol(straight(xy), when),
        "running median, SciPy": lambda xy, when, size: median(straight(xy), when),
        "One-Euro, ours": lambda xy, when, size: one_euro(straight(xy), when, size),
    }
    if find_spec("OneEuroFilter"):
        found["One-Euro, OneEuroFilter"] = peer_one_euro
    if find_spec("movement"):
        found["median, movement"] = lambda xy, when, size: peer_movement(xy, "median")
        found["Savitzky-Golay, movement"] = lambda xy, when, size: peer_movement(xy, "savgol")
    return found | {"paths": ours, "unswap, paths": unswapped, STEPS: whole}


def whole(xy, when, size, **options):
    """Run the steps as `refine run` does, the refiner's first."""
    images = [ImageRef(i) for i in range(len(xy))]
    score = np.where(present(xy), 1.0, np.nan)
    poses = Poses.from_arrays("pennaction13", xy, score, image=range(len(xy)), images=images)
    there = present(xy).any(1)
    steps = ("complete", "correct", "unswap", "gaps", "smooth")
    done = refine.run(poses[there], steps=steps, fps=FPS, **options)
    out = np.full_like(xy, np.nan)
    out[done.image] = done.xy
    return straight(out)


def peer_one_euro(xy, when, size):
    """Filter with the authors' package; its units are px."""
    from OneEuroFilter import OneEuroFilter

    out = straight(xy)
    for k in range(xy.shape[1]):
        for c in range(2):
            f = OneEuroFilter(freq=FPS, mincutoff=1.0, beta=5.0 / size[0], dcutoff=1.0)
            out[:, k, c] = [f(v, t) for v, t in zip(out[:, k, c], when, strict=True)]
    return out


def peer_movement(xy, name):
    """Interpolate and filter with movement, in windows as long as ours."""
    from movement.filtering import interpolate_over_time, rolling_filter, savgol_filter
    from xarray import DataArray

    dims = "time", "keypoints", "space"
    ends = straight(xy)
    whole = DataArray(xy, {"time": np.arange(len(xy)) / FPS}, dims)
    whole = interpolate_over_time(whole).fillna(DataArray(ends, whole.coords, dims))
    width = min(round(0.35 * FPS) | 1, len(xy) - (len(xy) + 1) % 2)
    if name == "median":
        return rolling_filter(whole, width, "median", min_periods=1).to_numpy()
    # Joints that are never seen are beyond it.
    filtered = savgol_filter(whole.fillna(0), width).to_numpy()
    return np.where(np.isfinite(ends), filtered, np.nan)


def peer_kalman(xy, when, size):
    """Smooth with ensemble-kalman-smoother, which tunes itself; the ensemble is one prediction."""
    from eks.marker_array import MarkerArray
    from eks.singlecam_smoother import ensemble_kalman_smoother_singlecam

    sure = np.full((*xy.shape[:2], 1), 0.9)
    marks = np.concatenate([straight(xy), sure], -1)[None, None].astype(np.float32)
    names = [str(k) for k in range(xy.shape[1])]
    array = MarkerArray(marks, data_fields=["x", "y", "likelihood"])
    smoothed, _ = ensemble_kalman_smoother_singlecam(array, names)
    return smoothed.to_numpy(np.float64).reshape(len(xy), xy.shape[1], -1)[..., :2]


def kalman(data, step):
    """Compare on fewer videos, as it takes seconds for each."""
    found = [v for v in videos(data, SOURCES[0], step=step) if present(v.bad).any(0).all()]
    print(f"\n| {len(found)} videos, {SOURCES[0]} | error | acceleration | error in gaps |")
    print("|---|---|---|---|")
    names = "as it is, gaps by lines", "paths"
    which = {names[0]: methods()[names[0]], "ensemble-kalman-smoother": peer_kalman}
    for name, function in (which | {names[1]: methods()[names[1]]}).items():
        print(f"| {name} | {' | '.join(f'{v:.4f}' for v in figures(found, function)[:3])} |")


def figures(found, function):
    """Return mean error, acceleration error, error in gaps, and lag in frames."""
    error, shake, gap, lags = [], [], [], []
    for video in found:
        when = np.arange(len(video.xy)) / FPS
        out = function(video.bad, when, np.full(len(when), video.size))
        away = np.linalg.norm(out - video.xy, axis=-1) / video.size
        there = present(video.bad)
        error.append(away[video.labelled & there])
        gap.append(away[video.labelled & ~there])
        whole = video.labelled[2:] & video.labelled[1:-1] & video.labelled[:-2]
        second = np.diff(out - video.xy, 2, axis=0)
        shake.append((np.linalg.norm(second, axis=-1) / video.size)[whole])
        lags.append(lag(out, video.xy))
    mean = [float(np.nanmean(np.concatenate(each))) for each in (error, shake, gap)]
    return *mean, float(np.nanmean(lags))


def lag(out, true, reach=5):
    """Return by how many frames later `out` moves as the truth does, at best correlation."""
    speed, real = (np.nan_to_num(np.diff(v, axis=0)) for v in (out, true))
    if len(real) < 4 * reach or not np.abs(real).any():
        return np.nan
    inner = slice(reach, -reach)
    scores = [
        (np.roll(speed, -shift, 0)[inner] * real[inner]).sum() for shift in range(-reach, reach + 1)
    ]
    return int(np.argmax(scores)) - reach


def smoothing(data, step):
    tried = methods() | {LEARNED: partial(whole, smoothing="learned")}
    print("| source | method | error | acceleration | error in gaps | lag, frames |")
    print("|---|---|---|---|---|---|")
    for source in SOURCES:
        found = list(videos(data, source, step=step))
        first = None
        for name, function in tried.items():
            row = figures(found, function)
            first = first or row
            change = [f"{v:.4f} ({v / f - 1:+.0%})" for v, f in zip(row, first[:3], strict=False)]
            print(f"| {source} | {name} | {' | '.join(change)} | {row[3]:+.2f} |")
    found = list(videos(data, SOURCES[0], step=step, clean=True))
    for name, function in tried.items():
        row = figures(found, function)
        print(f"| the labels themselves | {name} | {row[0]:.4f} | {row[1]:.4f} | | {row[3]:+.2f} |")


def flips(data, step):
    print("\n| source | flipped joints | put back | of what was put back, flipped |")
    print("|---|---|---|---|")
    penn = body()
    for source in (*SOURCES, None):
        for made in (True, False):
            counts = np.zeros(3, int)
            of = source or SOURCES[0]
            for video in videos(data, of, step=step, flips=made, clean=source is None):
                size = np.full(len(video.xy), video.size)
                turned = find_flips(video.bad, np.arange(len(size)) / FPS, size, penn)
                apart = np.linalg.norm(video.xy - video.xy[:, penn.mirror], axis=-1)
                counts_ = video.labelled & present(video.bad) & (apart > APART * video.size)
                real = video.flipped & counts_
                counts += [real.sum(), (real & turned).sum(), (turned & counts_).sum()]
            all_, right, done = counts.tolist()
            share = f"{right / all_:.3f}" if all_ else "-"
            sure = f"{right / done:.3f}" if right else f"{done} wrongly"
            print(f"| {source or 'the labels'} | {all_} | {share} | {sure} |")


def switches(names, who, frame):
    """Return where persons change their names: (person, frame)."""
    out = []
    for person in np.unique(who):
        rows = np.flatnonzero(who == person)
        rows = rows[np.argsort(frame[rows])]
        out += [(int(person), int(frame[i])) for i in rows[1:][np.diff(names[rows]) != 0]]
    return out


def compared(before, after, tolerance=4):
    """Return how many switches were mended, and how many are new; within some frames one is one."""
    left, mended = list(after), 0
    for person, frame in before:
        near = [s for s in left if s[0] == person and abs(s[1] - frame) <= tolerance]
        if near:
            left.remove(near[0])
        mended += not near
    return mended, len(left)


def exchanges(data, crowds=4):
    print("\n| exchanged | switches | mended | new | joints of limbs | put back | rightly |")
    print("|---|---|---|---|---|---|---|")
    made = [
        crowd(data, np.random.default_rng(100 + i), turn=turn, alike=alike, hidden=0.3)
        for i, (turn, alike) in enumerate([(60, False), (150, False), (60, True), (150, True)])
    ][:crowds]
    for name, kinds in {
        "persons, onwards": ("onwards",),
        "persons, for some frames": ("persons",),
        "limbs": ("limb",),
        "all of it": ("onwards", "persons", "limb"),
        "nobody": (),
    }.items():
        total = np.zeros(6, int)
        for i, (poses, who) in enumerate(made):
            bad, source = exchanged(poses, who, np.random.default_rng(i), kinds)
            found = find_exchanges(bad, tracks_of(bad, frames_of(bad)), FPS)
            before, after = (switches(p.track, who, poses.image) for p in (bad, found))
            own = np.arange(len(poses))[:, None]
            now = np.take_along_axis(source, found.source, 0)
            wrong, moved = ((s != own) & bad.present for s in (source, found.source))
            right = wrong & moved & (now == own)
            total += [len(before), *compared(before, after), wrong.sum(), right.sum(), moved.sum()]
        a, mended, new, wrong, right, moved = total.tolist()
        share = f"{right / wrong:.3f}" if wrong else "-"
        sure = f"{right / moved:.3f}" if right else f"{moved} wrongly"
        print(f"| {name} | {a} | {mended} | {new} | {wrong} | {share} | {sure} |")


def greedy(poses, likeness, least=0.3, reach=30):
    """Track as simple trackers do: the most alike first, to where each was last seen."""
    last, names = {}, np.full(len(poses), -1)
    for frame in range(len(poses.images)):
        rows = np.flatnonzero(poses.image == frame)
        near = [(n, r) for n, (r, seen) in last.items() if frame - seen <= reach]
        pairs = sorted(((likeness(poses, a, b), a, n) for a in rows for n, b in near), reverse=True)
        used = set()
        for alike, a, n in pairs:
            if alike >= least and names[a] < 0 and n not in used:
                names[a] = n
                used.add(n)
        for a in rows:
            if names[a] < 0:
                names[a] = len(last)
            last[int(names[a])] = (a, frame)
    return poses.replace(track=names)


def box_iou(poses, a, b):
    boxes = keypoint_box(poses.xy[[a, b]])
    both = np.prod(
        (np.minimum(boxes[0, 2:], boxes[1, 2:]) - np.maximum(boxes[0, :2], boxes[1, :2])).clip(0)
    )
    return both / (np.prod(boxes[:, 2:] - boxes[:, :2], axis=1).sum() - both)


def oks(poses, a, b):
    d2 = ((poses.xy[a] - poses.xy[b]) ** 2).sum(-1)
    box = keypoint_box(poses.xy[[a]])[0]
    spread = 2 * np.prod(box[2:] - box[:2]) * (2 * body().sigmas) ** 2
    return float(np.nan_to_num(np.nanmean(np.exp(-d2 / spread))))


def lost_crowd(data, seed, alike):
    """Return 8 people over 30 s, each of whom is out of sight three times."""
    rng = np.random.default_rng(seed)
    return crowd(data, rng, people=8, frames=900, turn=150, gone=3, alike=alike)


def tracking(data, crowds=4):
    print("\n| tracker | IDF1 | MOTA | switches |\n|---|---|---|---|")
    made = [crowd(data, np.random.default_rng(100 + i)) for i in range(crowds)]
    for name, tracker in {
        "greedy, IoU of boxes": lambda p: greedy(p, box_iou),
        "greedy, OKS": lambda p: greedy(p, oks),
        "refine track": track,
    }.items():
        found = [evaluate_tracking(p.replace(track=who), tracker(p)) for p, who in made]
        mean = [np.mean([getattr(f, n) for f in found]) for n in ("idf1", "mota")]
        print(f"| {name} | {mean[0]:.3f} | {mean[1]:.3f} | {sum(f.switches for f in found)} |")
    print("\n| people out of sight for 1.5 to 4 s | tracker | IDF1 | switches | tracks |")
    print("|---|---|---|---|---|")
    for alike in (False, True):
        lost = [lost_crowd(data, 100 + i, alike) for i in range(2 * crowds)]
        for name, options in (("`track`", {}), ("`track --join-tracks 6`", {"join_s": 6.0})):
            found, ids = [], 0
            for p, who in lost:
                tracked = track(p, fps=FPS, **options)
                found.append(evaluate_tracking(p.replace(track=who), tracked))
                ids += len(np.unique(tracked.track))
            kind = "who move alike" if alike else "who move each in their way"
            mean = np.mean([f.idf1 for f in found])
            print(f"| {kind} | {name} | {mean:.3f} | {sum(f.switches for f in found)} | {ids} |")
    many, _ = crowd(data, np.random.default_rng(0), frames=1000)
    start = time.perf_counter()
    track(many)
    print(f"\n{len(many)} poses of 10 people on 1000 frames: {time.perf_counter() - start:.2f} s")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("--step", type=int, default=12)
    options = parser.parse_args()
    smoothing(options.data, options.step)
    if find_spec("eks"):
        kalman(options.data, 5 * options.step)
    flips(options.data, options.step)
    exchanges(options.data)
    tracking(options.data)


if __name__ == "__main__":
    main()
