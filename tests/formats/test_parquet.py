"""The project's table in Parquet: what it holds, and that others read it."""

import io
import json

import numpy as np
import pytest

import refine
from refine.exceptions import FormatError, SkeletonError
from refine.formats import FORMATS, read, sniff, write
from refine.history import Step


@pytest.fixture
def pyarrow():
    return pytest.importorskip("pyarrow")


@pytest.fixture
def people():
    """Three poses, not image by image, one of nobody; images without poses, half a joint."""
    xy = np.random.default_rng(0).uniform(1, 640, (3, 17, 2))
    xy[0, 3] = np.nan
    xy[2] = np.nan
    score = np.random.default_rng(1).uniform(0, 6, (3, 17))
    score[2, 1] = 0.5
    images = [refine.ImageRef(i, f"d/{i}.jpg", 640, 480, i, {"k": [1]}) for i in (7, 9, 8)]
    images.append(refine.ImageRef(1))
    poses = refine.Poses.from_arrays(
        "coco17", xy, score, instance_score=[0.5, np.nan, 0.25], image=[2, 0, 2], images=images,
        score_kind="simcc", box=[[1, 2, 3.5, 4], [np.nan] * 4, [0, 0, 1, 1]], area=[9, 8, np.nan],
    )  # fmt: skip
    half = {"unlabelled_places": {"left_eye": [3.5, None, 0.5]}}
    return poses.replace(
        track=np.array([-1, 3, 2**40]),
        extra=({"category_id": 2, "note": {"a": [None]}}, {}, half),
        history=(Step("suppress", {"threshold": 0.9}), Step("complete", {}, "sha256:ab")),
    )


def same(after, before):
    order = np.argsort(before.image, kind="stable")
    for field in ("xy", "score", "instance_score", "image", "box", "area", "track"):
        old, new = getattr(before[order], field), getattr(after, field)
        np.testing.assert_array_equal(new, old, field)
    assert (after.images, after.history) == (before.images, before.history)
    assert (after.score_kind, after.skeleton) == (before.score_kind, before.skeleton)
    assert after.extra == tuple(before.extra[i] for i in order)


def test_all_that_poses_are_comes_back_as_json(people, tmp_path):
    write(people, tmp_path / "a.json", "parquet")
    same(read(tmp_path / "a.json"), people)
    assert sniff(tmp_path / "a.json") == "parquet"


def test_all_that_poses_are_comes_back(pyarrow, people, tmp_path):
    write(people, tmp_path / "a.parquet")
    same(read(tmp_path / "a.parquet"), people)
    named = (tmp_path / "a.parquet").rename(tmp_path / "unnamed")
    assert sniff(named) == "parquet"
    body = refine.Skeleton("own", ("tail", "left_ear", "right_ear"), ((0, 1),))
    own = refine.Poses.from_arrays(body, np.ones((1, 3, 2)), images=[refine.ImageRef("x")])
    write(own, tmp_path / "b.parquet")
    after = read(tmp_path / "b.parquet")
    assert (after.skeleton.edges, after.images[0].id) == (body.edges, "x")
    write(own[:0].replace(images=()), tmp_path / "c.parquet")
    assert (len(read(tmp_path / "c.parquet")), read(tmp_path / "c.parquet").images) == (0, ())


def test_columns_are_of_one_kind_whatever_is_in_them(pyarrow, people, tmp_path):
    import pyarrow.parquet as parquet

    schemas = []
    for name, each in (("a", people), ("b", people[:1].replace(track=None, box=None, area=None))):
        write(each, tmp_path / f"{name}.parquet")
        schemas.append(parquet.read_schema(tmp_path / f"{name}.parquet").remove_metadata())
    kinds = {name: str(schemas[0].field(name).type) for name in schemas[0].names}
    assert kinds["image_id"] == kinds["track_id"] == kinds["category_id"] == "int64"
    assert kinds["keypoints"] == "fixed_size_list<element: double>[51]"
    assert kinds["box"] == "fixed_size_list<element: double>[4]"
    assert kinds["file_name"] == "dictionary<values=string, indices=int32, ordered=0>"
    assert schemas[0] == schemas[1]
    meta = json.loads(parquet.read_schema(tmp_path / "a.parquet").metadata[b"refine"])
    assert (meta["version"], meta["skeleton"], meta["score_kind"]) == (1, "coco17", "simcc")
    assert meta["refine_history"][0] == "suppress threshold=0.9"


@pytest.mark.parametrize("library", ["pandas", "polars", "duckdb"])
def test_others_read_it(pyarrow, people, tmp_path, library):
    """Keypoints as (N, 3 K), names, and counts; and what they write of it is read."""
    peer = pytest.importorskip(library)
    path, back = tmp_path / "a.parquet", tmp_path / "b.parquet"
    write(people, path)
    order = np.argsort(people.image, kind="stable")
    ids = [people.images[i].id for i in people.image[order]]
    if library == "duckdb":
        query = f"select pose_score, keypoints[1], box[3] from '{path}' where track_id = 3"
        score, x, right = peer.sql(query).fetchall()[0]
        assert (score, x) == (None, people.xy[1, 0, 0])
        assert right != right
        query = f"select file_name, count(pose) from '{path}' group by 1 order by 1 nulls last"
        counts = [("d/7.jpg", 1), ("d/8.jpg", 2), ("d/9.jpg", 0), (None, 0)]
        assert peer.sql(query).fetchall() == counts
        rows = peer.sql(f"select * from '{path}' where pose is not null").fetchnumpy()
        values, names, found = rows["keypoints"], rows["file_name"], rows["image_id"]
        peer.sql(f"copy (from '{path}') to '{back}'")
    elif library == "polars":
        frame = peer.read_parquet(path)
        rows = frame.filter(peer.col("pose").is_not_null())
        values, names, found = (rows[n].to_numpy() for n in ("keypoints", "file_name", "image_id"))
        frame.write_parquet(back)
    else:
        frame = peer.read_parquet(path)
        rows = frame[frame.pose.notna()]
        values, names, found = rows.keypoints, rows.file_name, rows.image_id
        frame.to_parquet(back)
    values = np.stack(list(values)).reshape(3, 17, 3)
    np.testing.assert_array_equal(values[0, :, :2], people.xy[order[0]])
    np.testing.assert_array_equal(values[..., 2], people.score[order])
    assert (list(names), list(found)) == ([f"d/{i}.jpg" for i in ids], ids)
    after = read(back)
    if not after.history:  # DuckDB leaves the metadata of the schema behind.
        after = after.replace(history=people.history, score_kind=people.score_kind)
    same(after, people)


def test_what_others_write_is_read(pyarrow, tmp_path):
    import pyarrow.parquet as parquet

    keypoints = np.random.default_rng(0).uniform(1, 300, (2, 51)).tolist()
    table = pyarrow.table({"image_id": ["a", "b"], "keypoints": keypoints, "mine": [1, 2]})
    parquet.write_table(table, tmp_path / "a.parquet")
    poses = read(tmp_path / "a.parquet")
    assert ([ref.id for ref in poses.images], poses.skeleton.name) == (["a", "b"], "coco17")
    assert poses.xy[1, 0].tolist() == keypoints[1][:2]


def test_arrow_tables(pyarrow, people):
    from refine.formats.parquet import from_arrow, to_arrow

    table = to_arrow(people)
    assert table.num_rows == 5
    same(from_arrow(pyarrow.concat_tables([table.slice(0, 2), table.slice(2)])), people)


def test_arrow_tables_of_other_types(pyarrow, people):
    from refine.formats.parquet import from_arrow, to_arrow

    table = to_arrow(people)
    texts, numbers = ["file_name", "image_extra", "extra"], ["keypoints", "box"]
    kinds = [{"texts": pyarrow.string()}, {"texts": pyarrow.large_string()}]
    kinds += [{"lists": pyarrow.list_(pyarrow.float64())}]
    kinds += [{"lists": pyarrow.large_list(pyarrow.float64())}]
    for kind in kinds:
        other = table
        for name in texts if "texts" in kind else numbers:
            place = other.schema.get_field_index(name)
            (to,) = kind.values()
            other = other.set_column(place, name, other[name].cast(to))
        same(from_arrow(other), people)
        same(from_arrow(pyarrow.concat_tables([other.slice(0, 3), other.slice(3)])), people)
    same(from_arrow(table.combine_chunks().to_batches()[0]), people)
    with pytest.raises(FormatError, match="an Arrow table: expected one column 'box', got several"):
        from_arrow(table.append_column("box", table["box"]))
    part = from_arrow(table.slice(2, 2))
    assert (len(part), [ref.id for ref in part.images]) == (2, [8])
    np.testing.assert_array_equal(part.xy, people.xy[[0, 2]])
    assert len(from_arrow(table.slice(0, 0))) == 0
    texts_of = table.set_column(0, "image_id", table["image_id"].cast(pyarrow.string()))
    assert [ref.id for ref in from_arrow(texts_of).images] == ["7", "9", "8", "1"]


def test_a_table_does_not_share_memory_with_poses(pyarrow, people):
    from refine.formats.parquet import from_arrow, to_arrow

    table = to_arrow(people)
    before, poses = table.to_pylist(), from_arrow(table)
    for each in (people, poses):
        for field in ("xy", "score", "instance_score", "box", "area", "track"):
            getattr(each, field)[:] = 3
    assert repr(table.to_pylist()) == repr(before)


def test_rows_are_written_in_groups(pyarrow, people, tmp_path, monkeypatch):
    import pyarrow.parquet as parquet

    write(people, tmp_path / "whole.parquet")
    for module in ("parquet", "_parquet"):
        monkeypatch.setattr(f"refine.formats.{module}.GROUP", 2)
    monkeypatch.setattr("refine.formats.io.LARGE", 0)
    monkeypatch.setattr("refine.formats._parquet_write.BLOCK", 2)
    monkeypatch.setattr("refine.formats._parquet_read.BLOCK", 2)
    write(people, tmp_path / "groups.parquet")
    assert parquet.ParquetFile(tmp_path / "groups.parquet").num_row_groups == 3
    same(read(tmp_path / "groups.parquet"), people)
    whole, groups = (parquet.read_table(tmp_path / f"{n}.parquet") for n in ("whole", "groups"))
    assert whole.schema.equals(groups.schema, check_metadata=True)
    assert repr(whole.to_pylist()) == repr(groups.to_pylist())
    write(refine.Poses.empty("coco17"), tmp_path / "none.parquet")
    assert len(read(tmp_path / "none.parquet")) == 0


def test_fields_that_are_the_same_are_held_once(pyarrow, tmp_path):
    rows = ({"category_id": 1, "a": 1}, {"category_id": 1, "a": 1}, {"category_id": 2, "a": 1}, {})
    poses = refine.Poses.from_arrays("coco17", np.ones((4, 17, 2))).replace(extra=rows)
    write(poses, tmp_path / "a.parquet")
    extra = read(tmp_path / "a.parquet").extra
    assert extra == rows
    assert len(set(map(id, extra))) == 3


@pytest.mark.parametrize(
    "texts",
    [['{"a":"', '"},{}', "{}"], ["{}\n{}", "", "{}"], ["[]", "{}", "{}"], ["{}", "{}", "\ud800"]],
)
def test_rows_whose_fields_are_objects_only_together(file, people, texts):
    document = FORMATS["parquet"].write(people, None, "document")
    document = json.loads(refine.files.dump_json(document))
    document["parquet"]["columns"]["extra"] = [*texts, *["{}"] * (5 - len(texts))]
    with pytest.raises(FormatError, match="expected a JSON object in 'extra'"):
        read(document)


def test_open_files_are_of_bytes(pyarrow, people):
    file = io.BytesIO()
    write(people, file, "parquet")
    file.seek(0)
    same(read(file), people)
    with pytest.raises(FormatError, match="open for bytes for parquet"):
        write(people, io.StringIO(), "parquet")


def test_damaged_parquet(pyarrow, file):
    for data in (b"PAR1", b"PAR1" + b"x" * 40 + b"PAR1"):
        with pytest.raises(FormatError, match="expected Parquet, got"):
            read(file(data, "a.parquet"))


def test_without_pyarrow(people, tmp_path, monkeypatch, file):
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    for call in (
        lambda: write(people, tmp_path / "a.parquet"),
        lambda: read(file(b"PAR1", "b.parquet")),
    ):
        with pytest.raises(FormatError, match=r"pip install 'refine-pose\[parquet\]'"):
            call()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"keypoints": None}, "expected a column 'keypoints'"),
        ({"pose": [0]}, "expected 5 values in column 'pose'"),
        ({"width": [1.5] * 5}, "row 0: expected a whole number 'width', got 1.5"),
        ({"width": [640, 640, 640, 640, None]}, ""),
        ({"width": [640, 640, 641, 640, None]}, "row 3: expected one 'width' .* got 640 after 641"),
        ({"extra": ["x"] * 5}, "row 0: expected a JSON object in 'extra', got 'x'"),
        ({"image_id": [[]] * 5}, "row 0: expected an image id"),
        ({"file_name": [3] * 5}, "row 0: expected text in 'file_name', got 3"),
        ({"keypoints": [[1.0] * 48] * 5}, "row 0: expected 51 numbers in 'keypoints', got 48"),
        ({"category_id": [[1]] * 5}, "expected a category, got"),
    ],
)
def test_what_is_refused(file, people, change, message):
    document = FORMATS["parquet"].write(people, None, "document")
    document = json.loads(refine.files.dump_json(document))
    columns = document["parquet"]["columns"] | change
    document["parquet"]["columns"] = {k: v for k, v in columns.items() if v is not None}
    if not message:
        assert len(read(file(document))) == 3
        return
    with pytest.raises(FormatError, match=message):
        read(file(document))


def test_ids_and_versions(file, people, tmp_path):
    mixed = people.replace(images=(*people.images[:3], refine.ImageRef("x")))
    with pytest.raises(FormatError, match="all whole numbers of 64 bits or all texts"):
        write(mixed, tmp_path / "a.json", "parquet")
    document = FORMATS["parquet"].write(people, None, "document")
    document = json.loads(refine.files.dump_json(document))
    about = document["parquet"]["metadata"]
    about["version"] = 2
    with pytest.raises(FormatError, match=r"version 1 of the columns, got 2; try a newer refine"):
        read(file(document))
    about |= {"version": 1, "skeleton": "x"}
    with pytest.raises(SkeletonError, match="'skeleton' that ships"):
        read(file(document))


def test_categories_beyond_64_bits_are_carried(pyarrow, tmp_path):
    poses = FORMATS["parquet"].example().replace(extra=({"category_id": 2**63},))
    refine.write(poses, tmp_path / "a.parquet")
    assert refine.read(tmp_path / "a.parquet").extra[0]["category_id"] == 2**63
