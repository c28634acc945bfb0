"""Corpora: speed and memory of `refine run` in shards, by poses and workers; kills; small files.

    python tests/benchmarks/corpus.py [DATA] [--least 1e4] [--most 1e6] [--workers 1,2] [--files N]

Poses are predictions of real networks on COCO pictures, those of DATA over and over under new image
ids; without DATA they are made up. Every run is a process from file to file; memory is that of its
largest process. What comes of up to 100,000 poses, and of the small files, is compared with what
memory makes of the whole: a difference stops the script. `--folder` says where files are made.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

import refine

PART = 100_000
"""Poses of a file of the data set."""
SOURCES = ("posenet-coral__val", "lwop-ognjen217-fullres-standard__val_dev", "yolo11n-pose-640_*")
SHAPE = np.random.default_rng(5).normal(0, 60, (17, 2))


def real(data):
    """Return the predictions of DATA under image ids of their own."""
    parts, first = [], 0
    for path in (
        p for name in SOURCES for p in sorted((data / "predictions").glob(f"{name}.json"))
    ):
        poses = refine.read(path)
        images = tuple(refine.ImageRef(first + i) for i in range(len(poses.images)))
        parts.append(poses.replace(images=images, extra=(), score_kind="unknown"))
        first += len(images)
    return refine.Poses.concat(parts)


def made_up():
    """Return 10,000 poses, five on an image of which two are alike."""
    rng = np.random.default_rng(0)
    n = 10_000
    truth = SHAPE * rng.uniform(0.5, 2, (n, 1, 1)) + rng.uniform(100, 540, (n, 1, 2))
    twin = np.arange(n) % 5 == 1
    truth[twin] = truth[np.flatnonzero(twin) - 1]
    return refine.Poses.from_arrays(
        "coco17",
        (truth + rng.normal(0, 4, truth.shape)).round(2),
        rng.uniform(0, 1, (n, 17)).round(3),
        instance_score=rng.uniform(0, 1, n).round(4),
        image=np.arange(n) // 5,
    )


def some(poses, first, count):
    """Return about so many poses, of images that are numbered from one on; and the next number."""
    times = -(-count // len(poses))
    images = len(poses.images)
    numbers = np.concatenate([poses.image + i * images for i in range(times)])
    order = np.argsort(numbers, kind="stable")[:count]
    low = numbers[order]
    _, index = np.unique(low, return_inverse=True)
    rows = np.tile(np.arange(len(poses)), times)[order]
    refs = tuple(refine.ImageRef(first + i) for i in range(index.max() + 1))
    return poses[rows].replace(image=index, images=refs), first + len(refs)


def make(folder, data, n):
    """Write a partitioned data set of n poses."""
    poses, first = real(data) if data else made_up(), 0
    for number, low in enumerate(range(0, n, PART)):
        place = folder / f"set/half={number % 2}"
        place.mkdir(parents=True, exist_ok=True)
        part, first = some(poses, first, min(PART, n - low))
        refine.write(part, place / f"part-{number:05d}.parquet")


def make_files(folder, data, n):
    """Write n files of OpenPose."""
    poses = (real(data) if data else made_up()).to("openpose18")
    each = n / len(poses.images)
    part, _ = some(poses, 0, round(each * len(poses)))
    rows = np.flatnonzero(part.image < n)
    refs = tuple(refine.ImageRef(f"{i:06d}", frame=i) for i in range(n))
    refine.write(part[rows].replace(images=refs), folder / "frames", "openpose")


def command(*arguments):
    return [sys.executable, "-m", "refine", "run", *map(str, arguments), "--no-progress", "-q"]


def measure(*arguments):
    """Return seconds, and the peak of the largest process, MiB."""
    seconds, _, peak = timed(*arguments)
    return seconds, peak


def timed(*arguments):
    """Return seconds, those of the processor, and the peak of the largest process, MiB."""
    start = time.perf_counter()
    process = subprocess.Popen(command(*arguments), stderr=subprocess.PIPE)
    words = process.stderr.read()
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{arguments}: {words.decode()}")
    return time.perf_counter() - start, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def contents(folder):
    """Return the outputs under a folder by name, and their bytes."""
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*.parquet")}


def sweep(options):
    """Print seconds and memory by the number of poses and workers."""
    print(
        "| poses | workers | s | of the processor | poses/s | MiB | of as many times one worker |"
    )
    print("|---|---|---|---|---|---|---|")
    size = round(options.least)
    steps = ("--steps", options.steps) if options.steps else ()
    while size <= options.most:
        folder = prepared(options, "make", size)
        alone = None
        for workers in options.workers:
            out = folder / "out"
            called = (folder / "set", "-o", out, "--workers", workers)
            seconds, used, peak = timed(*called, *steps)
            alone = seconds if workers == 1 else alone
            share = f"{alone / seconds / workers:.0%}" if alone else ""
            print(
                f"| {size:,} | {workers} | {seconds:.1f} | {used:.1f} | {size / seconds:,.0f} "
                f"| {peak:.0f} | {share} |",
                flush=True,
            )
            if size <= 100_000 and not options.steps:
                elsewhere(options, "check", folder / "set", out)
            shutil.rmtree(out)
        shutil.rmtree(folder)
        size *= 10


def check(given, data, out):
    """Stop unless what was made in shards is what is made of each file in memory."""
    for path in given.rglob("*.parquet"):
        whole = refine.run(refine.read(path))
        parts = sorted((out / path.relative_to(given)).parent.glob(f"{path.stem}*"))
        got = refine.Poses.concat([refine.read(part) for part in parts])
        for name in ("xy", "score", "instance_score", "image"):
            np.testing.assert_array_equal(getattr(got, name), getattr(whole, name))


def check_files(given, data, out):
    """Stop unless files have the places and scores that they get as one folder in memory."""
    got, whole = refine.read(out), refine.run(refine.read(given))
    for name in ("xy", "score", "image"):
        np.testing.assert_array_equal(getattr(got, name), getattr(whole, name))


def kill(options):
    """Print what a kill in the middle costs."""
    size = min(round(options.most), 1_000_000)
    folder = prepared(options, "make", size)
    arguments = (folder / "set", "--workers", options.workers[-1], "--batch", PART // 10)
    undisturbed, _ = measure(*arguments, "-o", folder / "whole")
    shards = -(-size // (PART // 10))
    process = subprocess.Popen(command(*arguments, "-o", folder / "out"), stderr=subprocess.PIPE)
    done, start = folder / "out/_refine/done", time.perf_counter()
    while not (done.is_dir() and len(list(done.iterdir())) >= shards // 2):
        if process.poll() is not None:
            raise SystemExit(process.stderr.read().decode())
        time.sleep(0.02)
    process.kill()
    process.communicate()
    before, kept = time.perf_counter() - start, len(list(done.glob("*.json")))
    after, _ = measure(*arguments, "-o", folder / "out", "--resume")
    same = contents(folder / "out") == contents(folder / "whole")
    print(
        f"\nKilled (SIGKILL) after {kept} of {shards} shards of {size:,} poses: {before:.1f} s "
        f"before and {after:.1f} s after, {undisturbed:.1f} s undisturbed; the same bytes: {same}."
    )
    shutil.rmtree(folder)


def small_files(options):
    """Print how long a folder of small files takes, and whether memory gives the same."""
    folder = prepared(options, "make_files", options.files)
    print(f"\n{options.files:,} files of OpenPose, each written under its own name:\n")
    print("| workers | s | of the processor | files/s | MiB |\n|---|---|---|---|---|")
    for workers in options.workers:
        out = folder / f"out{workers}"
        seconds, used, peak = timed(folder / "frames", "-o", out, "--workers", workers)
        rate = f"{options.files / seconds:,.0f}"
        print(f"| {workers} | {seconds:.1f} | {used:.1f} | {rate} | {peak:.0f} |", flush=True)
        elsewhere(options, "check_files", folder / "frames", out)
    shutil.rmtree(folder)


def prepared(options, maker, size):
    """Make a corpus in a new folder."""
    folder = Path(tempfile.mkdtemp(dir=options.folder))
    elsewhere(options, maker, folder, size)
    return folder


def elsewhere(options, name, folder, what):
    """Call a function in another process: one starts with the peak of what started it."""
    call = [sys.executable, __file__, *([options.data] if options.data else [])]
    subprocess.run([*call, "--call", name, folder, str(what)], check=True)


CALLED = {
    "make": lambda folder, data, size: make(folder, data, int(size)),
    "make_files": lambda folder, data, size: make_files(folder, data, int(size)),
    "check": lambda given, data, out: check(given, data, Path(out)),
    "check_files": lambda given, data, out: check_files(given, data, Path(out)),
}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, nargs="?")
    parser.add_argument("--least", type=float, default=1e4)
    parser.add_argument("--most", type=float, default=1e6)
    parser.add_argument("--workers", type=lambda text: [int(n) for n in text.split(",")])
    parser.add_argument("--files", type=int, default=40_000)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--steps", help="of the sweep, where all would take too long")
    parser.add_argument("--only", choices=["sweep", "kill", "files"])
    parser.add_argument("--call", nargs=3, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    chosen.workers = chosen.workers or [1, 2]
    if chosen.call:
        CALLED[chosen.call[0]](Path(chosen.call[1]), chosen.data, chosen.call[2])
    else:
        for name, part in (("sweep", sweep), ("kill", kill), ("files", small_files)):
            if chosen.only in (None, name):
                part(chosen)
