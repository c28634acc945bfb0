"""Reading and writing whatever the format: sniffing, broken files, targets, skeletons."""

import gzip
import json

import numpy as np
import pytest

import refine
from refine.exceptions import FormatError, SkeletonError
from refine.formats import read, sniff, write
from refine.history import Step, encode, parse
from refine.poses import convert


@pytest.fixture
def row(values):
    return {"image_id": 1, "category_id": 1, "keypoints": values(), "score": 0.5}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "got an empty file"),
        (b" \n", "got an empty file"),
        (b'[{"image_id": 1, "keyp', "expected JSON, .* at the end of the file.*cut off"),
        (b'[{"image_id": 1,}]', "line 1 column 16: expected JSON"),
        (b"\x89PNG\r\n\x1a\n\x00\xff\xfe", "expected JSON"),
        (b"[" * 100_000, "expected JSON"),
        (b"1" * 5000, "expected JSON"),
        (b"{}", "expected the keys of a known format, got none.*--from and one of coco, "),
        (b'{"a": 1}', "expected the keys of a known format, got a"),
        (b'[{"a": 1}]', "record 0: expected the keys of a known format, got a"),
        (b"[3]", "record 0: expected an object, got 3"),
        (b"3", "expected a list or an object, got 3"),
        (b"null", "expected a list or an object, got null"),
        (b'"text"', "expected a list or an object, got a string"),
    ],
)
def test_files_that_are_nothing(file, data, message):
    with pytest.raises(FormatError, match=message) as caught:
        read(file(data))
    assert "pred.json" in str(caught.value)


def test_files_that_are_not_there(tmp_path):
    with pytest.raises(FormatError, match=r"readable file.*No such file"):
        read(tmp_path / "absent.json")
    (tmp_path / "empty").mkdir()
    with pytest.raises(FormatError, match=r"a folder with .json or .csv or .* files, got none"):
        read(tmp_path / "empty")


def test_a_folder_of_other_json(file, tmp_path):
    file([3], "in/a.json")
    with pytest.raises(FormatError, match=r"in, a.json, record 0: expected an object, got 3"):
        read(tmp_path / "in")
    file(3, "in/a.json")
    with pytest.raises(FormatError, match=r"in, a.json: expected an object, got 3"):
        read(tmp_path / "in")


def test_gzip(file, row, tmp_path):
    path = file(gzip.compress(json.dumps([row]).encode()), "a.json.gz")
    write(read(path), tmp_path / "b.json.gz")
    assert json.loads(gzip.decompress((tmp_path / "b.json.gz").read_bytes())) == [row]
    for damaged in (path.read_bytes()[:-9], path.read_bytes()[:10] + b"\xff" * 9, b"plain"):
        with pytest.raises(FormatError, match=r"expected (a readable file|JSON)"):
            read(file(damaged, "c.json.gz"))


def test_unknown_names(file, row, tmp_path):
    with pytest.raises(FormatError, match="got 'darknet'; try one of coco, coco-gt"):
        read(file([row]), "darknet")
    with pytest.raises(FormatError, match="got 'darknet'"):
        write(read(file([row])), tmp_path / "o.json", "darknet")
    with pytest.raises(SkeletonError, match="got 'x'"):
        read(file([row]), skeleton="x")


def test_an_object_instead_of_a_list(file, row):
    with pytest.raises(FormatError, match=r"expected a list of records, got an object.*coco-gt"):
        read(file({"a": row}), "coco")


def test_the_default_format(file, row, tmp_path):
    poses = read(file([{**row, "idx": 1}]))
    write(poses, tmp_path / "a.json")
    assert sniff(tmp_path / "a.json") == "alphapose"
    write(poses, tmp_path / "a.ndjson.gz")
    assert sniff(tmp_path / "a.ndjson.gz") == "ndjson"
    write(poses.replace(meta={}), tmp_path / "b.json")
    assert isinstance(json.loads((tmp_path / "b.json").read_text()), list)


def test_a_target_that_cannot_be_written_stays_as_it_was(file, row, tmp_path):
    poses = read(file([row]))
    with pytest.raises(FormatError, match="expected a writable target"):
        write(poses, tmp_path / "absent" / "a.json")
    target = file(b"before", "out.json")
    spoilt = poses.replace(extra=({"x": object()},))
    with pytest.raises(TypeError):
        write(spoilt, target)
    assert target.read_bytes() == b"before"
    with pytest.raises(FormatError, match="text that UTF-8 can hold"):
        write(poses.replace(extra=({"x": "\ud800"},)), target)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out.json", "pred.json"]


def test_numpy_values_in_unknown_fields_are_written(file, row, tmp_path):
    poses = read(file([row])).replace(extra=({"x": np.float32(0.5), "y": np.arange(2)},))
    write(poses, tmp_path / "a.json")
    assert read(tmp_path / "a.json").extra == ({"category_id": 1, "x": 0.5, "y": [0, 1]},)


def test_scores_that_nobody_gave(tmp_path):
    """COCO has 1 for joints of results without confidences."""
    xy = np.ones((1, 17, 2))
    xy[0, 3] = np.nan
    write(refine.Poses.from_arrays(refine.skeleton("coco17"), xy), tmp_path / "a.json")
    (row,) = json.loads((tmp_path / "a.json").read_text())
    assert row["keypoints"][2::3] == [1, 1, 1, 0, *[1] * 13]
    assert row["score"] == 1


STEPS = (
    Step("complete", {"joints": 3}, "sha256:0123456789ab"),
    Step("my-own", {"text": 'a b="c"\n', "none": None, "list": [1, {"a": True}], "x": 0.1}),
    Step("bare"),
)


def test_histories_come_back():
    lines = encode(STEPS)
    assert lines[0] == "complete joints=3 weights=sha256:0123456789ab"
    assert not any("\n" in line for line in lines)
    assert parse(lines, "a.json") == STEPS


@pytest.mark.parametrize("bad", ["x", [3], [""], ["name key"], ["name key={"], ["name =1"], {}])
def test_histories_that_are_none(bad):
    with pytest.raises(FormatError, match=r"a.json: expected"):
        parse(bad, "a.json")


def test_convert_by_name_and_by_mean():
    rng = np.random.default_rng(0)
    xy, score = rng.uniform(0, 300, (2, 17, 2)), rng.uniform(0, 1, (2, 17))
    xy[1, 6], score[1, 6] = np.nan, 0
    poses = refine.Poses.from_arrays(refine.skeleton("coco17"), xy, score)
    done = convert(poses, "openpose25")
    body = done.skeleton
    place = [body.index(j) for j in poses.skeleton.joints]
    np.testing.assert_array_equal(done.xy[:, place], xy)
    neck, hip = body.index("neck"), body.index("mid_hip")
    np.testing.assert_allclose(done.xy[0, neck], xy[0, 5:7].mean(0), atol=0.00051)
    np.testing.assert_allclose(done.xy[:, hip], xy[:, 11:13].mean(1), atol=0.00051)
    assert done.score[0, neck] == score[0, 5:7].min()
    assert np.isnan(done.xy[1, neck]).all()
    toes = [i for i, part in enumerate(body.parts) if "toe" in part or part == "heel"]
    assert not done.present[:, toes].any()
    assert np.isnan(done.score[:, toes]).all()
    assert convert(poses, "coco17") is poses


def test_feet_survive_without_a_detour():
    source = refine.skeleton("halpe26")
    xy = np.arange(52.0).reshape(1, 26, 2) + 1
    done = convert(refine.Poses.from_arrays(source, xy), "openpose25")
    toe = done.skeleton.index("left_big_toe")
    np.testing.assert_array_equal(done.xy[0, toe], xy[0, source.index("left_big_toe")])


def test_convert_without_a_shared_joint():
    poses = refine.Poses.from_arrays(refine.skeleton("coco17"), np.ones((1, 17, 2)))
    with pytest.raises(SkeletonError, match="shares joints with 'coco17', got 'hand21'"):
        convert(poses, "hand21")


def parsed(path):
    data = path.read_bytes()
    return json.loads(gzip.decompress(data) if path.suffix == ".gz" else data)


@pytest.mark.parametrize("folder", ["predictions", "coco", "mpii"])
def test_real_files_come_back(data, folder, tmp_path):
    """Every value of every real file, parsed, equals what is written after reading."""
    files = [f for f in sorted((data / folder).glob("*.json*")) if f.stat().st_size < 2e6]
    files = [f for f in files if not f.name.startswith("skeleton_")]
    assert files
    for path in files:
        write(read(path), tmp_path / "out.json")
        assert parsed(tmp_path / "out.json") == parsed(path), path.name
