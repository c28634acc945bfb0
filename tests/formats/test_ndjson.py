import dataclasses
import json

import numpy as np
import pytest

import refine
from refine.exceptions import FormatError, RefineError, SkeletonError
from refine.formats import read, sniff, write


@pytest.fixture
def line(values):
    def make(i=0, people=1, **fields):
        poses = [{"keypoints": values(seed=q), "score": 0.5, "n": q} for q in range(people)]
        common = {"skeleton": "coco17", "score_kind": "peak", "poses": poses}
        return {"image_id": i, "file_name": f"{i}.jpg", "width": 9, "x": [i], **common, **fields}

    return make


def dump(*lines):
    return "".join(json.dumps(x) + "\n" for x in lines).encode()


def test_lines_come_back(file, line, tmp_path):
    lines = [line(0, 2, frame=7), line("b", 0, y=None), line(2)]
    lines[0]["poses"][0] |= {"box": [1.5, 2, 3, 4], "area": 2.5, "track_id": 0, "note": "\u2028"}
    lines[0]["poses"][1]["keypoints"][:3] = [None, None, 0.25]
    lines[2]["poses"][0]["keypoints"][:6] = [0, 0, 0, -1, -1, None]
    path = file(dump(*lines), "a.ndjson")
    assert sniff(path) == "ndjson"
    poses = read(path)
    assert (poses.score_kind, poses.images[0].frame) == ("peak", 7)
    assert poses.image.tolist() == [0, 0, 2]
    assert poses.present.sum(1).tolist() == [17, 16, 17]
    assert poses.track.tolist() == [0, -1, -1]
    write(poses, tmp_path / "b.ndjson")
    assert [json.loads(x) for x in (tmp_path / "b.ndjson").read_bytes().splitlines()] == lines


@pytest.mark.parametrize("name", ["a.json", "a.ndjson", "a.jsonl.gz"])
def test_one_or_many_lines_under_any_name(line, tmp_path, file, name):
    poses = read(file(dump(line(), line(1)), "in.ndjson"))
    for each in (poses, poses[:1].replace(images=poses.images[:1])):
        write(each, tmp_path / name, "ndjson")
        assert len(read(tmp_path / name)) == len(each)


def test_no_images_at_all(tmp_path):
    empty = refine.Poses.from_arrays(refine.skeleton("mpii16"), np.zeros((0, 16, 2)), images=[])
    write(empty.done("suppress"), tmp_path / "a.ndjson")
    again = read(tmp_path / "a.ndjson")
    assert (len(again), again.images, again.skeleton.name) == (0, (), "mpii16")
    assert again.history == empty.done("suppress").history


def test_a_skeleton_that_does_not_ship_is_written_out(tmp_path):
    own = refine.Skeleton(
        "mouse", ("nose", "left_ear", "right_ear"), ((0, 1),), np.array([0.1, np.nan, 0.3])
    )
    poses = refine.Poses.from_arrays(own, np.ones((1, 3, 2)))
    write(poses, tmp_path / "a.ndjson")
    body = read(tmp_path / "a.ndjson").skeleton
    assert (body.name, body.joints, body.edges) == (own.name, own.joints, own.edges)
    np.testing.assert_array_equal(body.sigmas, own.sigmas)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"skeleton": "mpii16"}, "line 2: expected one skeleton in a file, got 'mpii16' after 'co"),
        ({"score_kind": "flag"}, "line 2: expected one score_kind"),
        ({"refine_history": ["complete"]}, "line 2: expected all records .*line 1"),
        ({"image_id": None}, "line 2: expected an image id"),
        ({"width": -3}, "line 2: expected a whole number 'width', got -3"),
        ({"frame": "1"}, "line 2: expected a whole number 'frame'"),
        ({"poses": {}}, "line 2: expected an object with a list 'poses'"),
        ({"poses": [3]}, "line 2, pose 0: expected an object .*got 3"),
        ({"poses": [{"keypoints": [1] * 50}]}, "line 2, pose 0: expected 51 numbers.*got 50"),
        ({"poses": [{}]}, "line 2, pose 0: expected an object with 'keypoints'"),
    ],
)
def test_mistakes(file, line, change, message):
    with pytest.raises(FormatError, match=message):
        read(file(dump(line(), line(1) | change), "a.ndjson"))


def test_a_line_that_is_cut_off(file, line):
    data = dump(line(), line(1))[:-30]
    with pytest.raises(FormatError, match=r"a.ndjson, line 2, line 1 column \d+: expected JSON"):
        read(file(data, "a.ndjson"))


def test_headers_that_are_wrong(file, line):
    with pytest.raises(SkeletonError, match="a 'skeleton' that ships or a table of one, got 'x'"):
        read(file(dump(line(skeleton="x")), "a.ndjson"))
    with pytest.raises(SkeletonError, match="expected a list of names `joints`"):
        read(file(dump(line(skeleton={"joints": 3})), "a.ndjson"))
    with pytest.raises(FormatError, match=r"expected a 'score_kind', got 'x'.*simcc"):
        read(file(dump(line(score_kind="x")), "a.ndjson"))


def test_lines_of_another_tool(file):
    with pytest.raises(FormatError, match=r"line 1: expected the keys of a .*, got found"):
        read(file(dump({"found": []}, {"found": []})))


def test_an_image_on_two_lines_is_one(file, line, cli, tmp_path):
    lines = [line(0, 1), line(1), line(0, 2, file_name=None, height=7, frame=3, x=[5], y=1)]
    poses = read(file(dump(*lines), "a.ndjson"))
    assert poses.image.tolist() == [0, 1, 0, 0]
    assert poses.images[0] == refine.ImageRef(0, "0.jpg", 9, 7, 3, extra={"x": [0], "y": 1})
    result = cli("nms", tmp_path / "a.ndjson", "-o", tmp_path / "b.ndjson", "--json")
    assert json.loads(result.out)["removed"] == 1  # The first pose of both lines is the same.
    assert "1 lines tell of an image of an earlier line" in result.err
    lines[2]["file_name"] = "other.jpg"
    with pytest.raises(FormatError, match=r"line 3: expected one 'file_name' for image 0, got"):
        read(file(dump(*lines), "a.ndjson"))


@pytest.mark.parametrize("form", ["ndjson", "coco"])
def test_the_lines_of_two_runs_are_put_together(file, line, cli, tmp_path, form):
    parts = []
    for i, people in enumerate((3, 1)):
        file(dump(line(i, people)), f"{i}.ndjson")
        out = tmp_path / f"{i}.jsonl"
        options = ["--steps", "complete,suppress", "--to", form]
        assert cli("run", tmp_path / f"{i}.ndjson", "-o", out, *options).code == 0
        parts.append(out)
    both = file(b"".join(part.read_bytes() for part in parts), "both.jsonl")
    poses = read(both)
    joined = refine.Poses.concat([read(part) for part in parts])
    assert (len(poses), len(poses.images)) == (4, 2)
    assert poses.history == joined.history
    assert [step.name for step in poses.history] == ["complete", "suppress"]
    write(poses, tmp_path / "again.ndjson", "ndjson")
    assert read(tmp_path / "again.ndjson").history == joined.history
    text = both.read_text("utf-8").replace("threshold=0.9", "threshold=0.8", 1)
    with pytest.raises(FormatError, match="same steps"):
        read(file(text.encode(), "bad.jsonl"))


LINE = {"image_id": 1, "skeleton": "coco17", "poses": [{"keypoints": [1.5] * 51, "score": 0.5}]}
FILES = [
    [],
    [{"image_id": 1, "file_name": "b.jpg"}],
    [{"image_id": 7, "width": 9}],
    [{"image_id": 7, "poses": [{"keypoints": [1.5, None, 0.5] * 17, "box": [1, 2, 3, 4]}]}],
    [{"image_id": 7, "poses": [{"keypoints": [2] * 51, "track_id": 3, "mine": [1]}], "frame": 3}],
    [{"image_id": 7, "poses": [{"keypoints": [2] * 51, "track_id": "x"}]}],
    [{"image_id": 7, "poses": []}, {"image_id": "8", "poses": [{"keypoints": None}], "k": 1}],
    [{"image_id": 7, "score_kind": "flag"}],
    [{"image_id": 7, "skeleton": "mpii16"}],
    [{"image_id": 7, "refine_history": ["suppress threshold=0.9"]}],
    [{"image_id": 7, "poses": [{"keypoints": [1] * 48}]}],
    [{"image_id": 7, "poses": [{"keypoints": [1e9] * 51}]}],
    [{"image_id": 7, "poses": [3]}],
    [{"poses": []}, {"image_id": [7]}],
    ["{"],
    ["[]"],
    [""],
]


@pytest.mark.parametrize("more", FILES)
@pytest.mark.parametrize("least", [1, 400, 10**6])
def test_large_files_are_read_some_lines_at_a_time(file, monkeypatch, more, least):
    """What is read, or said, is the same wherever the file is cut."""
    lines = [{**LINE, "image_id": i} for i in range(5)]
    lines += [each if isinstance(each, str) else {**LINE, **each} for each in more]
    lines += [{**LINE, "image_id": i} for i in range(90, 93)]
    text = [each if isinstance(each, str) else json.dumps(each) for each in lines]
    path = file("\n".join(text), "a.ndjson")

    def found():
        try:
            return read(path)
        except RefineError as error:
            return str(error)

    whole = found()
    monkeypatch.setattr("refine.formats.io.LARGE", 0)
    monkeypatch.setattr("refine.formats.ndjson.BYTES", least)
    parts = found()
    if isinstance(whole, str):
        assert parts == whole
        return
    for field in dataclasses.fields(whole):
        one, other = getattr(whole, field.name), getattr(parts, field.name)
        np.testing.assert_equal(other, one, field.name)
