"""Shards: what becomes of poses does not depend on how their files are cut."""

import pickle

import pytest

import refine
from refine.corpus.reading import Reading, read_shard, settle
from refine.corpus.shards import Shard, plan
from refine.corpus.work import Job, refine_shard
from refine.pipeline import Config
from tests.oracles.corpora import alike

pytest.importorskip("pyarrow")


def do(inputs, out, batch, **options):
    shards = plan([str(path) for path in inputs], batch=batch)
    job = Job(str(out), Config(), settle(shards, Reading()), **options)
    return shards, [refine_shard(shard, job) for shard in shards]


@pytest.mark.parametrize("batch", [3, 20, 10_000])
@pytest.mark.parametrize("name", ["in.ndjson", "in.parquet", "in.jsonl.gz"])
def test_parts_of_a_file_become_what_it_would(tmp_path, predictions, refined, name, batch):
    refine.write(predictions, tmp_path / name)
    shards, facts = do([tmp_path / name], tmp_path / "out", batch)
    assert (len(shards) > 1) == (batch < 10_000 and not name.endswith(".gz"))
    parts = [refine.read(path) for path in sorted((tmp_path / "out").iterdir())]
    assert len(parts) == len(shards)
    got = refine.Poses.concat(parts)
    alike(got, refined)
    assert sum(f["poses_in"] for f in facts) == len(predictions)
    assert sum(f["poses_out"] for f in facts) == len(refined)
    assert not any("removed" in step.parameters for step in got.history)


def test_shards_of_one_size_give_the_bytes_of_another(tmp_path, predictions):
    refine.write(predictions, tmp_path / "in.ndjson")
    for batch in (7, 50):
        do([tmp_path / "in.ndjson"], tmp_path / str(batch), batch)
    texts = [
        b"".join(p.read_bytes() for p in sorted((tmp_path / str(b)).iterdir())) for b in (7, 50)
    ]
    assert texts[0] == texts[1]


def test_a_shard_done_twice_is_the_same(tmp_path, predictions):
    refine.write(predictions, tmp_path / "in.parquet")
    written = []
    for _ in range(2):
        do([tmp_path / "in.parquet"], tmp_path / "out", 30)
        written.append({p.name: p.read_bytes() for p in (tmp_path / "out").iterdir()})
    assert written[0] == written[1]
    assert len(written[0]) > 1


def test_files_of_a_folder_keep_their_names(tmp_path, predictions):
    folder = tmp_path / "frames"
    refine.write(predictions.to("openpose18"), folder, "openpose")
    whole = refine.run(refine.read(folder))
    shards, _ = do([folder], tmp_path / "out", 7)
    assert len(shards) == 9
    assert {p.name for p in (tmp_path / "out").iterdir()} == {p.name for p in folder.iterdir()}
    refine.write(whole, tmp_path / "whole")
    alike(refine.read(tmp_path / "out"), refine.read(tmp_path / "whole"))


def test_files_that_stand_alone_are_refined_together(tmp_path, predictions):
    """Their images may be called alike; each file becomes what it would alone."""
    paths = []
    for i, (ref, rows) in enumerate(predictions.by_image()):
        one = predictions[rows].replace(
            images=(refine.ImageRef(7, ref.file_name),), image=rows * 0, meta={}
        )
        paths.append(tmp_path / f"{i:03d}.json")
        refine.write(one, paths[-1], "coco")
    paths = [p for p in paths if p.read_bytes() != b"[]"]
    _, facts = do(paths, tmp_path / "out", 11)
    assert sum(f["images"] for f in facts) == len(paths)
    for path in paths:
        alone = refine.run(refine.read(path))
        refine.write(alone, tmp_path / "alone.json")
        alike(refine.read(tmp_path / "out" / path.name), refine.read(tmp_path / "alone.json"))


def test_what_is_sent_to_workers_is_small(tmp_path, predictions):
    refine.write(predictions, tmp_path / "in.parquet")
    shards = plan([str(tmp_path / "in.parquet")], batch=30)
    job = Job("out", Config(), settle(shards, Reading()))
    assert len(pickle.dumps((shards[0], job))) < 8000
    assert pickle.loads(pickle.dumps(shards[0])) == shards[0]
    assert isinstance(shards[0], Shard)
    assert len(read_shard(shards[0], job.reading)) == shards[0].size


def test_real_predictions_in_parts_become_what_they_would_together(data, tmp_path):
    name = "lwop-ognjen217-fullres-standard__val_dev.json"
    poses = refine.read(data / "predictions" / name).replace(meta={}, extra=())
    for place in ("in.parquet", "in.ndjson"):
        refine.write(poses, tmp_path / place)
        whole = refine.run(refine.read(tmp_path / place))
        do([tmp_path / place], tmp_path / place[3:], 700)
        parts = [refine.read(path) for path in sorted((tmp_path / place[3:]).iterdir())]
        assert len(parts) == 5
        alike(refine.Poses.concat(parts), whole)
