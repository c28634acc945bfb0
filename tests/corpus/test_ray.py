"""A cluster of two nodes, in processes of their own: the same bytes, whatever dies."""

import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest

import refine
from refine.corpus import refine_dataset
from refine.corpus.local import run_local
from refine.corpus.ray import connected, deal, load_ray, run_ray
from refine.corpus.reading import Reading, settle
from refine.corpus.shards import plan
from refine.corpus.work import Job
from refine.exceptions import FormatError, RefineError
from refine.formats.parquet import from_arrow, to_arrow
from refine.pipeline import Config

pyarrow = pytest.importorskip("pyarrow")
ray = pytest.importorskip("ray")
pytest.importorskip("ray.data")
pytestmark = pytest.mark.filterwarnings("default")


@pytest.fixture(scope="module")
def cluster():
    """Start two nodes of one core each, and connect to them."""
    from ray.cluster_utils import Cluster

    node = {"num_cpus": 1, "include_dashboard": False, "object_store_memory": 10**8}
    nodes = Cluster(initialize_head=True, head_node_args=node)
    nodes.add_node(num_cpus=1, object_store_memory=10**8)
    with connected(nodes.address):
        yield nodes
    nodes.shutdown()


def workers_of(nodes):
    """List the processes that do shards on some nodes."""
    above = {node.all_processes["raylet"][0].process.pid for node in nodes}
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            name = (path / "cmdline").read_bytes()
            parent = int((path / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
        if name.startswith(b"ray::") and b"ShardWorker" in name and parent in above:
            found.append(int(path.name))
    return found


def contents(folder):
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*.ndjson")}


@pytest.fixture
def corpus(tmp_path, predictions):
    """Return shards, how to read them, and what becomes of them in this process."""
    refine.write(predictions, tmp_path / "in.ndjson")
    shards = plan([str(tmp_path / "in.ndjson")], batch=4)
    reading = settle(shards, Reading())
    list(run_local(shards, Job(str(tmp_path / "alone"), Config(), reading)))
    return shards, reading, contents(tmp_path / "alone")


def test_nothing_is_lost_and_nothing_twice_when_workers_and_nodes_die(cluster, corpus, tmp_path):
    shards, reading, expected = corpus
    job = Job(str(tmp_path / "out"), Config(), reading)
    done = []
    for shard, outcome in run_ray(shards, job, 2):
        assert not isinstance(outcome, RefineError)
        done.append(shard.number)
        if len(done) == 2:
            os.kill(workers_of(cluster.list_all_nodes())[0], signal.SIGKILL)
        if len(done) == 8:
            cluster.remove_node(cluster.worker_nodes.copy().pop())
            cluster.add_node(num_cpus=1, object_store_memory=10**8)
    assert sorted(done) == list(range(len(shards)))
    assert len(shards) > 20
    assert contents(tmp_path / "out") == expected
