"""Corpora on Ray beside processes of this machine, and evaluation in parts beside the whole.

    python tests/benchmarks/corpus_ray.py [DATA] [--most 1e6] [--workers 1,2]

Poses are those of corpus.py. The cluster is there before, a node for each worker, on this machine;
its actors start anew with every run, and what one with a single small shard takes is printed, too.
Seconds of the processor are those of all processes of the run and of the cluster. The bytes of both
engines are compared. Evaluation is that of a tenth of the poses against the same, moved a little:
in one file, and in the parts of the data set; the figures are compared. What 10^9 poses cost is
reckoned from shards that are read and written as an object store would have them, whose requests
are counted.
"""

import argparse
import contextlib
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from corpus import contents, made_up, prepared, real, some, timed
from fsspec import register_implementation
from fsspec.spec import AbstractBufferedFile, AbstractFileSystem

import refine
from refine.corpus.reading import Reading, settle
from refine.corpus.shards import plan
from refine.corpus.work import Job, refine_shard
from refine.pipeline import Config


def engines(options, nodes):
    """Print what Ray takes over processes of this machine."""
    size = round(options.most)
    folder = prepared(options, "make", size)
    small = prepared(options, "make", 1000)
    ray = ("--engine", "ray", "--address", nodes.address)
    print("| poses | workers | engine | s | of the processor | over processes |")
    print("|---|---|---|---|---|---|")
    for workers in options.workers:
        first = 0.0
        for engine, chosen in (("local", ()), ("ray", ray)):
            out = folder / engine
            shutil.rmtree(out, ignore_errors=True)
            arguments = (folder / "set", "-o", out, "--workers", workers, *chosen)
            seconds, used = both(nodes, arguments)
            over = f"{used / first - 1:+.0%}" if first else ""
            first = first or used
            print(f"| {size:,} | {workers} | {engine} | {seconds:.1f} | {used:.1f} | {over} |")
        if contents(folder / "local") != contents(folder / "ray"):
            raise SystemExit("the engines wrote different bytes")
    seconds, used = both(nodes, (small / "set", "-o", small / "out", "--workers", 1, *ray))
    print(
        f"\n1,000 poses on Ray, all of it start: {seconds:.1f} s, {used:.1f} s of the processor.\n"
    )
    shutil.rmtree(folder)
    shutil.rmtree(small)


def both(nodes, arguments):
    """Return seconds of a run, and those of the processor, of the cluster's processes, too."""
    before = spent(nodes)
    latest, done = dict(before), threading.Event()

    def watch():
        while not done.wait(0.5):
            latest.update(spent(nodes))

    with ThreadPoolExecutor(1) as pool:
        watching = pool.submit(watch)
        seconds, used, _ = timed(*arguments)
        done.set()
        watching.result()
    return seconds, used + sum(at - before.get(pid, 0.0) for pid, at in latest.items())


def spent(nodes):
    """Return the seconds of the processor that each process of a cluster took."""
    of = {}
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (path / "stat").read_text().rpartition(")")[2].split()
            of[int(path.name)] = int(words[1]), sum(map(int, words[11:13]))
    tree = {
        each.process.pid
        for node in nodes.list_all_nodes()
        for group in node.all_processes.values()
        for each in group
    }
    while more := {pid for pid, (parent, _) in of.items() if parent in tree} - tree:
        tree |= more
    return {pid: of[pid][1] / os.sysconf("SC_CLK_TCK") for pid in tree if pid in of}


def make_truth(folder):
    """Write the poses of a data set as ground truth, and the same in one file."""
    parts = sorted((folder / "set").rglob("*.parquet"), key=lambda path: path.name)
    poses = refine.Poses.concat([refine.read(part) for part in parts])
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
    subprocess.run([sys.executable, __file__, "--truth", folder], check=True)
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


def cost(options):
    """Print what a billion poses take, from what a shard of them does: bytes, cores, requests."""
    folder = prepared(options, "make", 0)
    call = [sys.executable, __file__, *([options.data] if options.data else [])]
    subprocess.run([*call, "--shards", folder, "50000"], check=True)
    seen = Counted.served
    shards = plan([f"counted://{folder}/set"])
    asked = seen["get"] / len(list((folder / "set").iterdir()))
    job = Job(f"counted://{folder}/out", Config(), settle(shards, Reading()))
    refine_shard(shards[0], job)
    planned, start = seen.copy(), time.process_time()
    for shard in shards[1:]:
        refine_shard(shard, job)
    seconds, did = time.process_time() - start, len(shards) - 1
    poses = sum(shard.size for shard in shards[1:])
    each = {name: (seen[name] - planned[name]) / did for name in ("ask", "get", "put")}
    sizes = [
        sum(p.stat().st_size for p in (folder / name).rglob("*.parquet")) for name in ("set", "out")
    ]
    per_pose = [size / sum(shard.size for shard in shards) for size in sizes]
    many, of_many = 1e9, 1e9 / (poses / did)
    print("| of | a shard of 50,000 poses | 10^9 poses |\n|---|---|---|")
    for name, size in zip(("bytes read", "bytes written"), per_pose, strict=True):
        print(f"| {name} | {size * poses / did / 2**20:.1f} MiB | {size * many / 1e9:,.0f} GB |")
    print(f"| seconds of one core | {seconds / did:.1f} | {seconds / poses * many / 3600:,.0f} h |")
    for name, words in (("ask", "lists and heads"), ("get", "ranges read"), ("put", "writes")):
        print(f"| requests: {words} | {each[name]:.1f} | {each[name] * of_many:,.0f} |")
    rate = per_pose[0] * poses / seconds / 2**20
    print(
        f"\nA core reads {rate:.1f} MiB/s and does {poses / seconds:,.0f} poses/s. Planning reads "
        f"{asked:.0f} ranges of a file of 50,000 poses."
    )
    shutil.rmtree(folder)


def make_shards(folder, data, size):
    """Write poses that are not the same over and over: noise of a hundredth of a pixel."""
    rng = np.random.default_rng(0)
    for number in range(4):
        poses, _ = some(real(data) if data else made_up(), number * 10**6, size)
        xy = (poses.xy + rng.normal(0, 2, poses.xy.shape)).round(2)
        place = folder / f"set/part-{number}.parquet"
        place.parent.mkdir(exist_ok=True)
        refine.write(poses.replace(xy=xy), place)


class CountedFile(AbstractBufferedFile):
    """A file that is read in ranges, as those of object stores are."""

    def _fetch_range(self, start, end):
        Counted.served["get"] += 1
        with Path(self.path).open("rb") as file:
            file.seek(start)
            return file.read(end - start)


class Counted(AbstractFileSystem):
    """A folder of this machine that counts what an object store would be asked for."""

    protocol, root_marker = "counted", "/"
    served = Counter()

    def info(self, path, **_):
        """Tell of a file or folder."""
        self.served["ask"] += 1
        place = Path(self._strip_protocol(path))
        kind = "directory" if place.is_dir() else "file"
        return {"name": str(place), "size": place.stat().st_size, "type": kind}

    def ls(self, path, detail=True, **_):
        """List a folder."""
        self.served["ask"] += 1
        places = sorted(Path(self._strip_protocol(path)).iterdir())
        rows = [
            {
                "name": str(p),
                "size": p.stat().st_size,
                "type": "directory" if p.is_dir() else "file",
            }
            for p in places
        ]
        return rows if detail else [row["name"] for row in rows]

    def _open(self, path, mode="rb", **options):
        return CountedFile(self, path, mode, size=Path(path).stat().st_size)

    def pipe_file(self, path, value, **_):
        """Write a file."""
        self.served["put"] += 1
        Path(path).write_bytes(value)

    def makedirs(self, path, exist_ok=False):
        """Make folders, which object stores do not have."""
        Path(path).mkdir(parents=True, exist_ok=exist_ok)


def with_cluster(options):
    """Compare engines on nodes that are started for it."""
    from ray.cluster_utils import Cluster

    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_worker_niceness": "0"}
    node = {"num_cpus": 1, "include_dashboard": False, "object_store_memory": 10**8}
    nodes = Cluster(initialize_head=True, head_node_args=node)
    try:
        for _ in range(max(options.workers) - 1):
            nodes.add_node(num_cpus=1, object_store_memory=10**8)
        engines(options, nodes)
    finally:
        nodes.shutdown()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, nargs="?")
    parser.add_argument("--most", type=float, default=1e6)
    parser.add_argument("--workers", type=lambda text: [int(n) for n in text.split(",")])
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--only", choices=["engines", "evaluation", "cost"])
    parser.add_argument("--truth", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--shards", nargs=2, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    chosen.workers = chosen.workers or [1, 2]
    parts = {"evaluation": evaluation, "cost": cost, "engines": with_cluster}
    if chosen.truth:
        make_truth(chosen.truth)
    elif chosen.shards:
        make_shards(Path(chosen.shards[0]), chosen.data, int(chosen.shards[1]))
    else:
        register_implementation("counted", Counted)
        for name in [chosen.only] if chosen.only else parts:
            parts[name](chosen)
