"""Folders and lines are ways of holding documents, whatever the format."""

import gzip
import json

import numpy as np
import pytest

import refine
from refine.exceptions import FormatError
from refine.formats import read, sniff, write
from refine.formats.openpose import BODY


def parsed(path):
    if path.is_dir():
        return {f.name: json.loads(f.read_text("utf-8")) for f in path.iterdir()}
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


@pytest.fixture
def instance(values):
    def make(seed=0):
        points = np.array(values(seed=seed)).reshape(17, 3)
        parts = {"keypoints": points[:, :2].tolist(), "keypoint_scores": points[:, 2].tolist()}
        return {**parts, "bbox": [[1.5, 2, 3, 4]], "bbox_score": 0.5}

    return make


def canvas(*people):
    return {"people": list(people), "canvas_width": 512, "canvas_height": 768}


@pytest.fixture
def held(values, instance):
    """What each format finds in the files of a folder: two images, one of them empty."""
    person, joints = {BODY: values(18)}, {"joints": values(18)}
    line = {"skeleton": "coco17", "score_kind": "peak"}
    return {
        "openpose": [{"version": 1.3, "people": [person]}, {"version": 1.3, "people": []}],
        "controlnet": [canvas(person), canvas()],
        "alphapose-cmu": [{"version": "v", "bodies": [joints]}, {"version": "v", "bodies": []}],
        "mmpose": [[instance()], []],
        "ndjson": [{"image_id": "b", **line, "poses": [{"keypoints": values(17)}]},
                   {"image_id": "a", **line, "poses": []}],
    }  # fmt: skip


@pytest.mark.parametrize("name", ["openpose", "controlnet", "alphapose-cmu", "mmpose", "ndjson"])
def test_a_folder_with_a_file_per_image_comes_back(file, held, tmp_path, name):
    files = {"b.json": held[name][0], "a.json": held[name][1]}
    for each, document in files.items():
        file(document, f"in/{each}")
    file(held[name][0], "in/note.txt")
    assert sniff(tmp_path / "in") == name
    poses = read(tmp_path / "in")
    assert [ref.id for ref in poses.images] == ["a", "b"]
    assert poses.image.tolist() == [1]
    for target in ("out", "out.d"):  # Both are names of folders: the source was one.
        write(poses, tmp_path / target)
        assert parsed(tmp_path / target) == files
    with pytest.raises(FormatError, match="expected a new or empty folder for 2"):
        write(poses, tmp_path / "out")
    write(poses[:0], tmp_path / "again", "openpose")
    assert len(list((tmp_path / "again").iterdir())) == 2


@pytest.mark.parametrize("name", ["openpose", "controlnet", "ndjson"])
def test_lines_come_back(file, held, tmp_path, name):
    lines = b"".join(json.dumps(each).encode() + b"\n" for each in held[name])
    source = file(lines, "in.jsonl")
    assert sniff(source) == name
    poses = read(source)
    if name != "ndjson":
        assert [(ref.id, ref.frame) for ref in poses.images] == [(0, 0), (1, 1)]
    write(poses, tmp_path / "out.jsonl")
    assert parsed(tmp_path / "out.jsonl") == held[name]


@pytest.mark.parametrize("suffix", [".jsonl", ".json"])
def test_lines_of_coco_records_come_back(cli, file, values, tmp_path, suffix):
    common = {"category_id": 1, "score": 0.5}
    rows = [{"image_id": i, "keypoints": values(seed=i), **common} for i in (3, 1, 3)]
    source = file(b"".join(json.dumps(row).encode() + b"\n" for row in rows), f"in{suffix}")
    poses = read(source)
    assert (poses.meta["format"], len(poses), len(poses.images)) == ("coco", 3, 2)
    write(poses, tmp_path / "out.jsonl")
    assert parsed(tmp_path / "out.jsonl") == rows
    write(poses, tmp_path / "out.json")
    assert json.loads((tmp_path / "out.json").read_text()) == rows
    result = cli("convert", "-", "-o", "-", stdin=source.read_bytes())
    assert [json.loads(line) for line in result.out.splitlines()] == rows
    rows[1]["keypoints"] = "x"
    bad = file(b"".join(json.dumps(row).encode() + b"\n" for row in rows), "bad.jsonl")
    with pytest.raises(FormatError, match=r"bad.jsonl, line 2: expected 51 numbers"):
        read(bad)


def test_lines_of_alphapose_records_and_mmpose_frames(file, values, instance, tmp_path):
    about = {"category_id": 1, "idx": 1, "score": 2.0}
    rows = [{"image_id": name, "keypoints": values(), **about} for name in ("a", "b")]
    frames = [{"frame_id": i, "instances": [instance(i)]} for i in (4, 5)]
    for name, lines in (("alphapose", rows), ("mmpose", frames), ("mmpose", [instance(1)] * 2)):
        source = file(b"".join(json.dumps(x).encode() + b"\n" for x in lines), "in.jsonl")
        assert sniff(source) == name
        write(read(source), tmp_path / "out.jsonl")
        assert parsed(tmp_path / "out.jsonl") == lines


@pytest.mark.parametrize(
    ("target", "files"),
    [("existing", True), ("new/", True), ("new.json", False), ("new", False)],
)
def test_a_target_is_a_folder_where_its_name_says_so(tmp_path, values, file, target, files):
    (tmp_path / "existing").mkdir()
    poses = read(file([canvas({BODY: values(18)}), canvas()]))
    write(poses, f"{tmp_path}/{target}")
    assert (tmp_path / target).is_dir() == files
    if files:
        assert sorted(parsed(tmp_path / target)) == ["0.json", "1.json"]
        again = read(tmp_path / target)
        assert (again.meta["format"], len(again.images)) == ("controlnet", 2)


def test_one_image_per_file_of_a_folder(file, held, instance, tmp_path):
    file([canvas(), canvas()], "two/a.json")
    with pytest.raises(FormatError, match=r"two, a.json: expected one image per file .* got 2"):
        read(tmp_path / "two")
    for name in "ab":
        file([{"frame_id": 1, "instances": [instance()]}], f"video/{name}.json")
    with pytest.raises(FormatError, match=r"video, a.json: .* got frames; try one video at a time"):
        read(tmp_path / "video")
    file([instance(), 3], "bad/b.json")
    file([instance()], "bad/a.json")
    with pytest.raises(FormatError, match=r"bad, b.json, instance 1: expected an object"):
        read(tmp_path / "bad")


def test_what_cannot_be_held_so_is_refused(file, tmp_path):
    file({"images": [], "annotations": []}, "in/a.json")
    with pytest.raises(FormatError, match="expected one JSON document for coco-gt, got a folder"):
        read(tmp_path / "in")
    bare = file({"people": []}, "bare/a.json").parent
    assert sniff(bare) == "openpose"  # Which comes in folders.
    poses = refine.Poses.empty("coco17", [refine.ImageRef("d/a.png"), refine.ImageRef("e/a.png")])
    with pytest.raises(FormatError, match=r"two that would be 'a.json'"):
        write(poses, f"{tmp_path}/out/", "ndjson")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["openpose", "controlnet", "alphapose-cmu", "mmpose", "ndjson"])
def test_folders_are_read_as_people_number_them(file, held, tmp_path, name):
    """openpose#1820: frame10 before frame1; macOS puts `._*` beside every file on other disks."""
    numbers = [f"frame{i}" for i in (1, 2, 9, 10, 11, 100)]
    for i, each in enumerate(reversed(numbers)):
        document = held[name][0]
        file(document | {"image_id": each} if name == "ndjson" else document, f"in/{each}.json")
        file(b"\0\x05\x16\x07" * i, f"in/._{each}.json")
    file(b"{}", "in/.hidden.json")
    assert [ref.id for ref in read(tmp_path / "in").images] == numbers


def test_gzip_is_told_by_its_first_bytes(cli, file, values):
    rows = [{"image_id": 1, "category_id": 1, "keypoints": values(), "score": 0.5}]
    packed = gzip.compress(json.dumps(rows).encode())
    assert len(read(file(packed, "a.json"))) == 1
    result = cli("convert", "-", "-o", "-", stdin=packed)
    assert (result.code, json.loads(result.out)) == (0, rows)
    assert cli("convert", "-", "-o", "-", stdin=packed[:-20]).code == 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"[[1, 2], ]", r"column 8: .*got a comma before '\]'; try without"),
        (b'[{"a": 1,\n}]\n', r"line 1 column 9: .*got a comma before '}'"),
        (b"[1, 2,", "it looks cut off"),
        (b"[1, 2", "it looks cut off"),
    ],
)
def test_a_comma_too_many_is_not_a_cut(file, text, message):
    with pytest.raises(FormatError, match=message):
        read(file(text, "a.json"))
