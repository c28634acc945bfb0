"""Records of the COCO kind in every way they are held: all come back as they were."""

import json

import pytest

from refine.exceptions import FormatError
from refine.formats import read, sniff, write


def parsed(path):
    return {f.name: json.loads(f.read_text("utf-8")) for f in path.iterdir()}


def nameless(row, **fields):
    return {k: v for k, v in {**row(), **fields}.items() if k != "image_id"}


def test_a_folder_with_a_list_per_image(cli, file, row, tmp_path):
    files = {
        "000000000139.json": [row(139), row(139, score=0.25)],
        "000000000141.json": [],
        "000000000140.json": [row(140)],
    }
    for name, document in files.items():
        file(document, f"in/{name}")
    assert sniff(tmp_path / "in") == "coco"
    poses = read(tmp_path / "in")
    assert [ref.id for ref in poses.images] == [139, 140, 141]
    assert poses.image.tolist() == [0, 0, 1]
    write(poses, tmp_path / "out")
    assert parsed(tmp_path / "out") == files
    write(poses, tmp_path / "all.json")
    assert json.loads((tmp_path / "all.json").read_text()) == [
        *files["000000000139.json"], *files["000000000140.json"]
    ]  # fmt: skip
    assert cli("run", tmp_path / "in", "-o", tmp_path / "done").code == 0
    assert set(parsed(tmp_path / "done")) == set(files)


def test_openpifpaf_names_its_images_by_files(file, row, tmp_path):
    files = {
        "a.jpg.predictions.json": [nameless(row, bbox=[1, 2, 3, 4]), nameless(row)],
        "b.jpg.predictions.json": [],
    }
    for name, document in files.items():
        file(document, f"in/{name}")
    poses = read(tmp_path / "in")
    assert (poses.meta["format"], [ref.id for ref in poses.images]) == ("coco", ["a.jpg", "b.jpg"])
    write(poses, tmp_path / "out")
    assert parsed(tmp_path / "out") == files
    alone = tmp_path / "in" / "a.jpg.predictions.json"
    poses = read(alone)
    assert [ref.id for ref in poses.images] == ["a.jpg"]
    write(poses, tmp_path / "one.json")
    assert json.loads((tmp_path / "one.json").read_text()) == files[alone.name]
    write(poses, tmp_path / "alpha.json", "alphapose")
    assert json.loads((tmp_path / "alpha.json").read_text())[0]["image_id"] == "a.jpg"


def test_poseflow_puts_records_under_image_names(file, values, back, tmp_path):
    document = {
        "2.jpg": [{"keypoints": values(), "scores": 2.5, "idx": 7}],
        "10.jpg": [],
        "1.jpg": [{"keypoints": values(), "scores": 1.5, "idx": i} for i in (7, 8)],
    }
    poses = read(file(document))
    assert poses.meta["format"] == "alphapose"
    assert [ref.id for ref in poses.images] == ["2.jpg", "10.jpg", "1.jpg"]
    assert poses.track.tolist() == [7, 7, 8]
    assert poses.instance_score.tolist() == [2.5, 1.5, 1.5]
    assert back(poses) == document
    write(poses, tmp_path / "coco.json", "coco")
    rows = json.loads((tmp_path / "coco.json").read_text())
    assert [(r["score"], r["track_id"], "scores" in r) for r in rows] == [
        (2.5, 7, False), (1.5, 7, False), (1.5, 8, False)
    ]  # fmt: skip
    document["1.jpg"][1] = 3
    with pytest.raises(FormatError, match=r"image '1.jpg', record 1: expected an object, got 3"):
        read(file(document))


@pytest.mark.parametrize("extra", [{}, {"idx": 1}])
def test_one_record_alone(cli, file, row, back, extra):
    document = {**row("a.jpg"), **extra}
    poses = read(file(document))
    assert (len(poses), poses.images[0].id) == (1, "a.jpg")
    assert back(poses) == document
    result = cli("convert", "-", "-o", "-", stdin=json.dumps(document).encode())
    assert json.loads(result.out) == document


def test_one_instance_or_frame_of_mmpose(file, values, back):
    pairs = {"keypoints": [[1.5, 2.5]] * 17, "keypoint_scores": [0.5] * 17}
    for document in (pairs, {"frame_id": 3, "instances": [pairs]}):
        poses = read(file(document))
        assert (poses.meta["format"], len(poses)) == ("mmpose", 1)
        assert back(poses) == document


def test_rows_by_the_line(cli, file, row, tmp_path):
    rows = [row(i) for i in (3, 1, 2)]
    source = file("".join(json.dumps(r) + "\n" for r in rows).encode(), "rows.jsonl")
    assert cli("run", source, "-o", tmp_path / "o.json", "--to", "coco").code == 0
    assert [r["image_id"] for r in json.loads((tmp_path / "o.json").read_text())] == [3, 1, 2]


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ([{"image_id": 1, "score": 1, "keypoints": [1, 2, 3]}, {"keypoints": []}], "'image_id'"),
        ([{"image_id": 1}], "'keypoints', got only image_id"),
        (
            {"a.jpg": [{"keypoints": [1, 2, 3]}, {"x": 1}]},
            r"image 'a.jpg', record 1: .*'keypoints'",
        ),
    ],
)
def test_mistakes(file, document, message):
    with pytest.raises(FormatError, match=message):
        read(file(document), "alphapose")


def test_openpifpaf_streams_the_frames_of_a_video(file, row, tmp_path):
    """A line per frame, empty ones too: objects since 0.12, lists before."""
    persons = [nameless(row, bbox=[1, 2, 3, 4]), nameless(row, score=0.25)]
    told = [
        {"frame": 1, "predictions": []},
        {"frame": 2, "predictions": persons},
        {"frame": 7, "predictions": persons[:1]},
    ]
    bare = [frame["predictions"] for frame in told]
    for frames, ids in ((told, [1, 2, 7]), (bare, [0, 1, 2])):
        source = file(b"".join(json.dumps(f).encode() + b"\n" for f in frames), "v.openpifpaf.json")
        poses = read(source)
        assert (poses.meta["format"], poses.meta["held"]) == ("coco", "lines")
        assert [ref.id for ref in poses.images] == ids
        assert poses.image.tolist() == [1, 1, 2]
        write(poses, tmp_path / "o.jsonl")
        assert [
            json.loads(line) for line in (tmp_path / "o.jsonl").read_text().splitlines()
        ] == frames
        write(poses, tmp_path / "o.json", "mmpose")
        assert [f["frame_id"] for f in json.loads((tmp_path / "o.json").read_text())] == ids
    told[2]["frame"] = 2
    with pytest.raises(FormatError, match=r"record 2: expected frames once, got 2 twice"):
        read(file(told))
    told[2] = {"frame": 3, "predictions": [None]}
    with pytest.raises(FormatError, match=r"record 2, prediction 0: expected an object, got null"):
        read(file(told))
    told[2] = {"frame": "3", "predictions": []}
    with pytest.raises(FormatError, match=r"whole number 'frame', got '3'"):
        read(file(told))


def absent(name, values):
    """Files of two images of which one has null where its people, or one of them, would be."""
    person = {"pose_keypoints_2d": values(18)}
    size = {"canvas_width": 9, "canvas_height": 9}
    line = {"skeleton": "coco17", "poses": [{"keypoints": values()}]}
    pairs = [[x, y] for x, y in zip(values()[::3], values()[1::3], strict=True)]
    instance = {"keypoints": pairs, "keypoint_scores": values()[2::3]}
    return {
        "openpose people": {"a.json": {"version": 1, "people": None}},
        "openpose person": {"a.json": {"version": 1, "people": [None, person]}},
        "openpose file": {"a.json": None, "b.json": {"version": 1, "people": [person]}},
        "controlnet people": [{"people": None, **size}, {"people": [person], **size}],
        "controlnet frame": [{"people": [person], **size}, None],
        "alphapose people": {"a": {"people": None}, "b": {"people": [person]}},
        "mmpose file": {"a.json": None, "b.json": [instance]},
        "mmpose instance": {"a.json": [instance, None]},
        "mmpose frame": [{"frame_id": 0, "instances": None}, {"frame_id": 1, "instances": []}],
        "ndjson line": {"a.json": {"image_id": 1, **line}, "b.json": None},
        "ndjson poses": {"a.json": {**line, "image_id": 1, "poses": None}},
        "ndjson pose": {"a.json": {**line, "image_id": 1, "poses": [None]}},
        "coco file": {"1.json": None, "2.json": [{"image_id": 2, "keypoints": values()}]},
    }[name]


@pytest.mark.parametrize(
    "name",
    [
        *("openpose people", "openpose person", "openpose file", "controlnet people"),
        *("controlnet frame", "alphapose people", "mmpose file", "mmpose instance"),
        *("mmpose frame", "ndjson line", "ndjson poses", "ndjson pose", "coco file"),
    ],
)
def test_null_in_place_of_people_is_an_error_that_says_so(file, values, tmp_path, name):
    """Left out, it would move the frames after it; as nobody, it would lose somebody."""
    document = absent(name, values)
    source = tmp_path / "in"
    if isinstance(document, dict) and name.split()[0] != "alphapose":
        for part, each in document.items():
            file(each, f"in/{part}")
    else:
        source = file(document)
    with pytest.raises(FormatError, match=r"got (null|None)"):
        read(source, name.split()[0].replace("alphapose", "alphapose-open"))


@pytest.mark.parametrize("key", ["predictions", "results", "a.jpg"])
def test_records_of_an_image_of_their_own_are_no_other_images(file, row, key):
    """What wraps a list of COCO records is no name of an image."""
    with pytest.raises(FormatError, match=f"expected the keys of a known format, got {key}"):
        read(file({key: [row(7)]}))


def test_an_inferencer_that_found_nobody(file):
    poses = read(file({"predictions": [[]], "visualization": []}))
    assert (poses.meta["format"], len(poses), len(poses.images)) == ("mmpose", 0, 1)
