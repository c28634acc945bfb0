"""A cluster of two nodes, in processes of their own: the same bytes, whatever dies."""

import json
import os
import pickle
import signal
import socket
import sys
from pathlib import Path

import numpy as np
import pytest

import refine
from refine.corpus import ledger, refine_dataset
from refine.corpus.ray import PART, ShardWorker, TableWorker, connected, deal, load_ray
from refine.corpus.reading import Reading, settle
from refine.corpus.shards import plan
from refine.corpus.work import Job
from refine.exceptions import FormatError, RefineError
from refine.formats.parquet import from_arrow, to_arrow
from refine.pipeline import Config

pyarrow = pytest.importorskip("pyarrow")
ray = pytest.importorskip("ray")
pytest.importorskip("ray.data")
pytest.importorskip("pyarrow.compute")
pytestmark = pytest.mark.filterwarnings("ignore:.*deprecated:DeprecationWarning:ray")


@pytest.fixture(scope="module")
def cluster():
    """Start two nodes of one core each, and connect to them."""
    from ray.cluster_utils import Cluster

    node = {"num_cpus": 1, "include_dashboard": False, "object_store_memory": 10**8}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_worker_niceness", "0")  # 15, which gets nothing where cores are shared
        nodes = Cluster(initialize_head=True, head_node_args=node)
        try:
            nodes.add_node(num_cpus=1, object_store_memory=10**8)
            with connected(nodes.address):
                yield nodes
        finally:
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


def test_nothing_is_lost_or_done_twice_when_workers_and_nodes_die(
    cluster, cli, monkeypatch, tmp_path, predictions
):
    refine.write(predictions, tmp_path / "in.ndjson")
    run = ("run", tmp_path / "in.ndjson", "--batch", 4, "--json", "-o")
    alone = cli(*run, tmp_path / "alone")
    done, mark = [], ledger.mark

    def mark_and_kill(output, number, facts):
        mark(output, number, facts)
        done.append(number)
        if len(done) == 3:
            raise RefineError("stopped here")
        if len(done) == 5:
            os.kill(workers_of(cluster.list_all_nodes())[0], signal.SIGKILL)
        if len(done) == 10:
            cluster.remove_node(next(iter(cluster.worker_nodes)))
            cluster.add_node(num_cpus=1, object_store_memory=10**8)

    monkeypatch.setattr(ledger, "mark", mark_and_kill)
    assert cli(*run, tmp_path / "out").code == 3
    got = cli(*run, tmp_path / "out", "--resume", "--engine", "ray", "--workers", 2)
    assert got.code == 0, got.err
    assert sorted(done) == list(range(len(done)))
    assert len(done) > 20
    assert contents(tmp_path / "out") == contents(tmp_path / "alone")
    assert len(contents(tmp_path / "out")) == len(done)
    assert json.loads(got.out) == json.loads(alone.out)


def test_a_worker_finds_files_where_the_run_was_begun(monkeypatch, tmp_path, predictions):
    refine.write(predictions, tmp_path / "in.ndjson")
    monkeypatch.chdir(tmp_path)
    shards = plan(["in.ndjson"], batch=20)
    job = Job("out", Config(), settle(shards, Reading()))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir("elsewhere")
    worker = pickle.loads(pickle.dumps(ShardWorker))(job, str(tmp_path))
    for _ in range(2):
        answer = worker({"shard": [pickle.dumps(shard) for shard in shards]})
        told = [pickle.loads(each) for each in answer["outcome"]]
        assert [shard for shard, _ in told] == shards
        assert sum(facts["poses_in"] for _, facts in told) == len(predictions)
    assert len(contents(tmp_path / "out")) == len(shards)


def test_what_goes_wrong_is_an_answer(monkeypatch, tmp_path, predictions):
    refine.write(predictions, tmp_path / "in.ndjson")
    monkeypatch.chdir(tmp_path)
    shards = plan(["in.ndjson"], batch=20)
    worker = ShardWorker(Job("out", Config(), settle(shards, Reading())), str(tmp_path))
    (tmp_path / "in.ndjson").write_bytes(b"{")
    (answer,) = worker({"shard": [pickle.dumps(shards[-1])]})["outcome"]
    _, outcome = pickle.loads(answer)
    assert isinstance(outcome, FormatError)
    assert outcome.where == "in.ndjson"


def shuffled(predictions):
    """Return rows in any order, in tables that cut images."""
    table = to_arrow(predictions)
    rows = np.random.default_rng(0).permutation(table.num_rows)
    table = table.take(rows)
    return [table.slice(i, 25) for i in range(0, table.num_rows, 25)]


def test_a_dataset_becomes_what_its_poses_do(cluster, predictions, refined):
    dataset = ray.data.from_arrow(shuffled(predictions))
    better = refine_dataset(dataset, parts=3, schema=to_arrow(predictions).schema)
    tables = list(better.iter_batches(batch_size=None, batch_format="pyarrow"))
    alike_by_image(tables, refined)


def alike_by_image(tables, refined):
    """Check that tables hold the poses of a whole, image by image, and what was done to them."""
    found = [from_arrow(table) for table in tables]
    got = {ref.id: each[rows] for each in found for ref, rows in each.by_image()}
    assert sum(len(each) for each in found) == len(refined)
    assert len(got) == sum(len(each.images) for each in found) == len(refined.images)
    for ref, rows in refined.by_image():
        for name in ("xy", "score", "instance_score"):
            expected = getattr(refined[rows], name)
            np.testing.assert_array_equal(getattr(got[ref.id], name), expected)
    names = [step.name for step in refined.history]
    assert {tuple(s.name for s in each.history) for each in found} == {tuple(names)}


@pytest.mark.parametrize("parts", [1, 5])
def test_dealt_images_are_whole(predictions, refined, parts):
    dealt = pyarrow.concat_tables(deal(table, parts) for table in shuffled(predictions))
    worker = TableWorker(Config(), dealt.schema)
    groups = [dealt.filter(pyarrow.compute.equal(dealt[PART], i)) for i in range(parts)]
    assert all(group.num_rows for group in groups)
    alike_by_image([worker(group) for group in groups], refined)


def test_images_by_name_are_dealt_by_name(predictions):
    images = tuple(refine.ImageRef(f"{ref.id}.png") for ref in predictions.images)
    table = to_arrow(predictions.replace(images=images))
    plain = table.set_column(0, "image_id", table["image_id"].cast(pyarrow.string()))
    one, other = deal(table, 7)[PART].to_pylist(), deal(plain.slice(3), 7)[PART].to_pylist()
    assert one[3:] == other
    assert set(one) == set(range(7))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.drop_columns(["pose"]), "a column 'pose', got none"),
        (lambda t: t.append_column("camera", t["pose"]), "format, got 'camera'"),
        (lambda t: t.set_column(0, "image_id", t["track_id"]), "in every row, got"),
        (lambda t: t.replace_schema_metadata({b"refine": b"{}"}), "one skeleton in a dataset"),
    ],
)
def test_other_datasets_are_refused(predictions, change, message):
    table = to_arrow(predictions)
    with pytest.raises(FormatError, match=message):
        deal(change(table), 3, table.schema.metadata[b"refine"])


def test_what_depends_on_the_cut_is_refused():
    with pytest.raises(RefineError, match="look at one picture, got track"):
        refine_dataset(None, steps=["track"])


def test_clusters_that_are_not_there_are_told(monkeypatch):
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    with (
        pytest.raises(RefineError, match=r"a Ray cluster, got: .*refused; try --address"),
        connected(address),
    ):
        raise AssertionError


def test_an_address_is_of_a_cluster(cli, tmp_path):
    got = cli("run", "in.ndjson", "-o", tmp_path, "--address", "here")
    assert got.code == 2
    assert "--engine ray" in got.err


def test_without_ray_its_extra_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray.data", None)
    with pytest.raises(RefineError, match=r"expected Ray, got none; try pip install .*\[ray\]"):
        load_ray()
