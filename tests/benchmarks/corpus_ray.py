"""Corpora on Ray beside processes of this machine, and evaluation in parts beside the whole.

    python tests/benchmarks/corpus_ray.py [DATA] [--most 1e6] [--workers 1,2] [--rounds 1]

Poses are those of corpus.py. The cluster is there before, a node for each worker, on this machine;
its actors start anew with every run, and what one with a single small shard takes is printed, too.
The bytes of both engines are compared. Evaluation is that of a tenth of the poses against
the same, moved a little: in one file, and in the parts of the data set; the figures are compared.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from corpus import contents, made_up, measure, prepared, real, some

import refine


def engines(options, address):
    """Print what Ray takes over processes of this machine."""
    size = round(options.most)
    folder = prepared(options, "make", size)
    small = prepared(options, "make", 1000)
    print("| poses | workers | engine | s | poses/s | over processes |")
    print("|---|---|---|---|---|---|")
    for workers in options.workers:
        times = {}
        for _ in range(options.rounds):
            for engine in ("local", "ray"):
                out = folder / engine
                shutil.rmtree(out, ignore_errors=True)
                chosen = ["--engine", "ray", "--address", address] if engine == "ray" else []
                seconds, _ = measure(folder / "set", "-o", out, "--workers", workers, *chosen)
                times[engine] = min(seconds, times.get(engine, seconds))
        if contents(folder / "local") != contents(folder / "ray"):
            raise SystemExit("the engines wrote different bytes")
        for engine, seconds in times.items():
            over = f"{seconds / times['local'] - 1:+.0%}" if engine == "ray" else ""
            rate = f"{size / seconds:,.0f}"
            print(f"| {size:,} | {workers} | {engine} | {seconds:.1f} | {rate} | {over} |")
    ray = ["--engine", "ray", "--address", address]
    seconds, _ = measure(small / "set", "-o", small / "out", "--workers", 1, *ray)
    print(f"\nA run of 1,000 poses on Ray, which is all start: {seconds:.1f} s.\n")
    shutil.rmtree(folder)
    shutil.rmtree(small)


def make_truth(folder, data, size):
    """Write poses as ground truth, and the same in one file."""
    poses, _ = some(real(data) if data else made_up(), 0, size)
    box = np.stack([np.nanmin(poses.xy, 1), np.nanmax(poses.xy, 1)], 1).reshape(-1, 4)
    extent = box[:, 2:] - box[:, :2]
    flags = np.where(poses.present, 2.0, 0.0)
    truth = poses.replace(
        xy=poses.xy + np.random.default_rng(0).normal(0, 3, poses.xy.shape),
        score=flags, score_kind="flag", box=box, area=extent[:, 0] * extent[:, 1],
        extra=tuple({"id": i + 1, "category_id": 1} for i in range(len(poses))),
    )  # fmt: skip
    refine.write(truth, folder / "gt.json", "coco-gt")
    refine.write(poses, folder / "whole.ndjson")


def score(folder, name):
    """Return the report, seconds and the peak in MiB of `refine eval`."""
    command = [sys.executable, "-m", "refine", "eval", "--gt", folder / "gt.json", "--json"]
    start = time.perf_counter()
    process = subprocess.Popen([*command, folder / name], stdout=subprocess.PIPE)
    text = process.stdout.read()
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    report = json.loads(text)[str(folder / name)]
    return report, time.perf_counter() - start, used.ru_maxrss / 1024


def evaluation(options):
    """Print what evaluation in parts takes, and stop unless its figures are those of the whole."""
    size = round(options.most) // 10
    folder = prepared(options, "make", size)
    call = [sys.executable, __file__, *([options.data] if options.data else [])]
    subprocess.run([*call, "--truth", folder, str(size)], check=True)
    print("| predictions | in | s | MiB |\n|---|---|---|---|")
    reports = []
    for name in ("whole.ndjson", "set"):
        report, seconds, peak = score(folder, name)
        reports.append(report)
        print(f"| {size:,} | {name} | {seconds:.1f} | {peak:.0f} |")
    if reports[0] != reports[1]:
        raise SystemExit("the figures differ")
    print(f"\nThe same figures in every digit, AP {reports[0]['metrics']['AP']}.")
    shutil.rmtree(folder)


def with_cluster(options):
    """Compare engines on nodes that are started for it."""
    from ray.cluster_utils import Cluster

    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_worker_niceness": "0"}
    node = {"num_cpus": 1, "include_dashboard": False, "object_store_memory": 10**8}
    nodes = Cluster(initialize_head=True, head_node_args=node)
    try:
        for _ in range(max(options.workers) - 1):
            nodes.add_node(num_cpus=1, object_store_memory=10**8)
        engines(options, nodes.address)
    finally:
        nodes.shutdown()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, nargs="?")
    parser.add_argument("--most", type=float, default=1e6)
    parser.add_argument("--workers", type=lambda text: [int(n) for n in text.split(",")])
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--only", choices=["engines", "evaluation"])
    parser.add_argument("--truth", nargs=2, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    chosen.workers = chosen.workers or [1, 2]
    if chosen.truth:
        make_truth(Path(chosen.truth[0]), chosen.data, int(chosen.truth[1]))
    else:
        if chosen.only != "engines":
            evaluation(chosen)
        if chosen.only != "evaluation":
            with_cluster(chosen)
