"""Seconds and memory of drawing videos: `python tests/benchmarks/video_speed.py`.

Two people, who walk past each other over and over, at 1280 x 720. Seconds are those of the
processor, of a process of its own for each row; memory is what that held at most, less what it held
before the first frame.
"""

import multiprocessing
import resource
import sys
import tempfile
import time
from itertools import repeat
from pathlib import Path

import numpy as np

import refine
from refine.drawing.movie import write_movie
from refine.drawing.video import Screen, film_poses
from refine.motion.frames import timeline_of
from refine.sample import make_video

SIZE, FPS = (1280, 720), 60.0
PERIOD = 60
"""Frames of the made-up video that is shown over and over."""


def walking(frames):
    """Return two people on so many frames, and the panels of before and after."""
    once, _ = make_video(2, PERIOD, np.random.default_rng(0))
    many = -(-frames // PERIOD)
    images = [refine.ImageRef(i, None, *SIZE, frame=i) for i in range(many * PERIOD)]
    image = (once.image + PERIOD * np.arange(many)[:, None]).ravel()
    poses = refine.Poses.from_arrays(
        once.skeleton, np.tile(once.xy * 1.3, (many, 1, 1)), image=image, images=images
    ).replace(track=np.tile(once.track, many))
    kept = poses[image < frames]
    return kept.replace(images=tuple(images[:frames]))


def peak():
    """Return the most memory that this process has held, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(frames, panels, trail_s, queue):
    """Draw a video in this process and put seconds, MB written and MiB held on a queue."""
    poses = walking(frames)
    timeline = timeline_of(poses)
    screen = Screen(SIZE, FPS, trail_s=trail_s)
    shown = {f"panel {i}": poses for i in range(panels)}
    held = peak()
    start = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "a.mp4")
        drawn = film_poses(shown, timeline, repeat(None, frames), screen)
        write_movie(path, drawn, FPS)
        queue.put((time.process_time() - start, path.stat().st_size / 1e6, peak() - held))


def main():
    """Print the table."""
    print("| panels | trails, s | frames | s | frames per s of the processor | MB | MiB held |")
    print("|---|---|---|---|---|---|---|")
    context = multiprocessing.get_context("spawn")
    for panels, trail_s, frames in ((1, 0, 200), (1, 0, 2000), (1, 1, 200), (2, 1, 200)):
        queue = context.Queue()
        process = context.Process(target=measure, args=(frames, panels, trail_s, queue))
        process.start()
        spent, size, held = queue.get()
        process.join()
        cells = (panels, trail_s, frames, f"{spent:.1f}", f"{frames / spent:.0f}")
        print("|", " | ".join(map(str, (*cells, f"{size:.1f}", f"{held:.0f}"))), "|", flush=True)


if __name__ == "__main__":
    sys.exit(main())
