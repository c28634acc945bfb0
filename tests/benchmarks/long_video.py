"""Print what the steps for videos take of a long one, in memory and line by line, as Markdown.

Usage: python tests/benchmarks/long_video.py [--frames 648000] [--stream]

The video is made up: one person all the time and another every other two minutes, at 60 frames per
second, with jitter and missing joints, as NDJSON; 648,000 frames are three hours.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

FPS = 60
COMMAND = [sys.executable, "-m", "refine", "run"]
STEPS = ["--steps", "track,unswap,gaps,smooth", "--fps", str(FPS)]
MEASURED = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(used.ru_utime + used.ru_stime, used.ru_maxrss // 1000, file=sys.stderr)
"""
"""Prints seconds of the processor and peak memory of a command in MB, behind what it says."""


def write_frames(path, frames):
    rng = np.random.default_rng(0)
    bodies, k = rng.uniform(0, 200, (2, 17, 2)), np.arange(17)
    with path.open("w") as file:
        for t in range(frames):
            poses = []
            for person in range(2 if t // (120 * FPS) % 2 == 0 else 1):
                swing = np.sin(t / 25 + k)[:, None] * [20, 8]
                way = [600 + 500 * np.sin(t / 900 + 2 * person), 300 + 100 * np.sin(t / 1300)]
                xy = (bodies[person] + swing + way + rng.normal(0, 3, (17, 2))).round(1)
                gone = rng.random(17) < 0.03
                marks = np.c_[xy, np.full(17, 0.9)].astype(object)
                marks[gone] = None
                poses.append({"keypoints": marks.ravel().tolist(), "score": 0.9})
            row = {"image_id": t, "frame": t, "skeleton": "coco17", "poses": poses}
            file.write(json.dumps(row, separators=(",", ":")) + "\n")


def measure(arguments, source=None):
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, *COMMAND, *arguments, *STEPS],
        stdin=source, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=True,
    )  # fmt: skip
    seconds, peak = done.stderr.split()[-2:]
    return float(seconds), int(peak)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--frames", type=int, default=648_000)
    parser.add_argument("--stream", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "in.ndjson"
        write_frames(path, options.frames)
        if options.stream:
            with path.open() as lines:
                seconds, peak = measure(["-", "-o", "-", "--stream"], lines)
        else:
            seconds, peak = measure([str(path), "-o", str(Path(folder) / "out.ndjson")])
    name = "`run - -o - --stream`" if options.stream else "`run FILE`"
    print("| frames | command | processor, s | frames per s | MB |\n|---|---|---|---|---|")
    rate = options.frames / seconds
    print(f"| {options.frames:,} | {name} | {seconds:.0f} | {rate:.0f} | {peak:,} |")


if __name__ == "__main__":
    main()
