"""Print what the temporal refiner does to tracks beyond the smoother below it, as Markdown.

Usage: python tests/benchmarks/learned_motion.py DATA [--weights pennaction13] [--step 12]

DATA is the folder of the evaluation data, which is not part of the project: Penn Action's hand-made
labels, every twelfth video from the seventh, which nothing was trained on. Errors are
drawn from `stats/` (`_videos.py`), movenet-multipose's being left out of training, or are of other
kinds, which training does not draw; the constants of `trust.py` were chosen with all of these in
view but the last two before the labels. Intervals hold the change in 95 % of bootstrap samples of
the videos.
"""

import argparse
from pathlib import Path

import numpy as np
from _videos import FPS, body, held, videos
from motion import STEPS, whole

from refine.errors.sources import limbs
from refine.motion.arrays import Seen, present
from refine.motion.frames import Track
from refine.motion.jitter import body_size, path_of
from refine.motion.learned.refiner import TEMPORAL, TemporalRefiner
from refine.poses import ImageRef, Poses

SOURCES = (
    "tfpose-mobilenet-thin",
    "posenet-coral",
    "movenet-multipose",
    "pp-tinypose-256x192-gtbox",
)
SAMPLES = 1000
"""Of the bootstrap."""


def white(video, rng):
    return video.xy + rng.normal(0, 0.03 * video.size, video.xy.shape)


def heavy(video, rng):
    return video.xy + 0.015 * video.size * rng.standard_t(2, video.xy.shape)


def biased(video, rng):
    bias = rng.normal(0, 0.04, video.xy.shape[1:])
    return video.xy + video.size * (bias + rng.normal(0, 0.01, video.xy.shape))


def bursts(video, rng):
    """Throw joints anywhere in the body's box for some frames."""
    xy = video.xy + rng.normal(0, 0.015 * video.size, video.xy.shape)
    frames, joints = xy.shape[:2]
    low, high = video.xy.min(1, keepdims=True), video.xy.max(1, keepdims=True)
    place = held(frames, joints, 4.0, rng), np.arange(joints)
    thrown = (rng.random((frames, joints)) < 0.06)[place]
    anywhere = (low + (high - low) * rng.random(xy.shape))[place]
    return np.where(thrown[..., None], anywhere, xy)


def frozen(video, rng):
    """Repeat whole poses, as video encoders and slow networks do."""
    xy = video.xy + rng.normal(0, 0.015 * video.size, video.xy.shape)
    stuck = np.zeros(len(xy), np.intp)
    for t in range(1, len(xy)):
        stuck[t] = stuck[t - 1] if rng.random() < 0.4 else t
    return xy[stuck]


def coarse(video, rng):
    """Round to a grid, as the largest value of a small heatmap does."""
    cell = video.size / 12
    return np.round((video.xy + rng.normal(0, 0.01 * video.size, video.xy.shape)) / cell) * cell


def drifting(video, rng):
    """Let whole poses wander, as boxes of a bad detector make them."""
    steps = rng.normal(0, 0.02 * video.size, (len(video.xy), 1, 2))
    for t in range(1, len(steps)):
        steps[t] += 0.8 * steps[t - 1]
    return video.xy + steps + rng.normal(0, 0.01 * video.size, video.xy.shape)


def stale(video, rng):
    """Take an arm or a leg from a third of a second before, now and then."""
    xy = video.xy + rng.normal(0, 0.015 * video.size, video.xy.shape)
    before = xy[np.maximum(np.arange(len(xy)) - 10, 0)]
    for limb in limbs(body()):
        on = (rng.random(len(xy)) < 0.08)[held(len(xy), 1, 5.0, rng)[:, 0]]
        xy[np.ix_(on, limb)] = before[np.ix_(on, limb)]
    return xy


def few(video, rng):
    """Leave out half of the joints, throughout."""
    joints = video.xy.shape[1]
    out = video.bad.copy()
    out[:, rng.permutation(joints)[: joints // 2]] = np.nan
    return out


def kinds(data, step):
    """Yield name, frames per second, and videos with errors of a kind."""
    for source in SOURCES:
        yield source, FPS, videos(data, source, step=step)
    for source, fps in ((SOURCES[0], 60.0), (SOURCES[0], 15.0)):
        yield f"{source}, {fps:g} fps", fps, videos(data, source, step=step, fps=fps)
    made = {
        f"{SOURCES[0]}, half the joints": few,
        "white noise": white,
        "Student's t": heavy,
        "constant offsets": biased,
        "bursts anywhere": bursts,
        "frozen poses": frozen,
        "coarse grid": coarse,
        "drifting poses": drifting,
        "stale limbs": stale,
    }
    for name, make in made.items():
        rng = np.random.default_rng(1)
        found = videos(data, SOURCES[0], step=step, clean=make is not few)
        yield name, FPS, (hidden(video, make(video, rng)) for video in found)
    yield "the labels themselves", FPS, videos(data, SOURCES[0], step=step, clean=True)


def hidden(video, bad):
    """Show the joints that are labelled alone, with errors."""
    video.bad = np.where(video.labelled[..., None], bad, np.nan)
    return video


def seen_of(video, fps):
    frame = np.arange(len(video.xy))
    images = [ImageRef(int(t)) for t in frame]
    poses = Poses.from_arrays("pennaction13", video.bad, image=frame, images=images)
    return Seen(video.bad, frame / fps, body_size(poses, Track(0, -1, frame, frame), fps), None)


def sums(video, out):
    """Return sum and count of errors, of accelerations, and of errors in gaps."""
    away = np.linalg.norm(out - video.xy, axis=-1) / video.size
    there = present(video.bad)
    whole = video.labelled[2:] & video.labelled[1:-1] & video.labelled[:-2]
    shake = np.linalg.norm(np.diff(out - video.xy, 2, axis=0), axis=-1) / video.size
    parts = away[video.labelled & there], shake[whole], away[video.labelled & ~there]
    return [(np.nansum(part), np.isfinite(part).sum()) for part in parts]


def mean(table):
    total = table.sum(0)
    return total[:, 0] / np.maximum(total[:, 1], 1)


def row(before, after, rng):
    """Say means, changes and their intervals, of videos (V, 3, 2) before and after."""
    first, second = mean(before), mean(after)
    picks = rng.integers(0, len(before), (SAMPLES, len(before)))
    with np.errstate(all="ignore"):
        spread = np.array([mean(after[p]) / mean(before[p]) - 1 for p in picks])
        low, high = np.nanquantile(spread, [0.025, 0.975], axis=0)
    cells = []
    for i in range(3):
        known = before[:, i, 1].sum() > 0
        change = f"{second[i] / first[i] - 1:+.1%} [{low[i]:+.1%}, {high[i]:+.1%}]" if known else ""
        cells.append(f"{first[i]:.4f} -> {second[i]:.4f} ({change})" if known else "")
    return cells


def in_steps(video, weights, smoothing):
    """Run the whole pipeline."""
    when, size = np.arange(len(video.xy)) / FPS, np.full(len(video.xy), video.size)
    return whole(video.bad, when, size, smoothing=smoothing, smoothing_weights=weights)


def report(name, pairs):
    """Print a row of the sums of videos, before and after."""
    before, after = (np.array(side) for side in zip(*pairs, strict=True))
    print(f"| {name} | {' | '.join(row(before, after, np.random.default_rng(0)))} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("--weights", default=TEMPORAL)
    parser.add_argument("--step", type=int, default=12)
    options = parser.parse_args()
    temporal, penn = TemporalRefiner.load(options.weights), body()
    print("| input | error | acceleration | error in gaps |\n|---|---|---|---|")
    for name, fps, found in kinds(options.data, options.step):
        pairs = []
        for video in found:
            if present(video.bad).any():
                seen = seen_of(video, fps)
                both = path_of(seen, penn).xy, path_of(seen, penn, None, temporal).xy
                pairs.append([sums(video, out) for out in both])
        report(name, pairs)
    for source in SOURCES:
        report(
            f"{source}, {STEPS}",
            [
                [sums(v, in_steps(v, options.weights, how)) for how in ("paths", "learned")]
                for v in videos(options.data, source, step=options.step)
            ],
        )


if __name__ == "__main__":
    main()
