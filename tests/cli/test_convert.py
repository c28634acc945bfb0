"""`refine convert` between file formats and skeletons."""

import itertools
import json

import numpy as np
import pytest

import refine
from refine.formats import FORMATS
from refine.formats.containers import is_binary

SIZE = {"width": 640, "height": 480}
OPENPOSE_FAMILY = {"openpose", "controlnet", "alphapose-cmu", "alphapose-open"}
BARE = {name for name, form in FORMATS.items() if "instance scores" in form.cannot_hold}
"""Formats without scores of poses."""
BOXLESS = {name for name, form in FORMATS.items() if "boxes" in form.cannot_hold}
FLAGS = {"coco-gt", "mpii"}
"""Formats with flags for scores."""
HUBS = {"coco", "coco-gt", "openpose", "mmpose", "mediapipe", "csv", "ndjson"}
"""Formats that are tried with every other one."""
TEXTUAL = [name for name, form in FORMATS.items() if not is_binary(form.ending)]
PAIRS = [of for of in itertools.product(FORMATS, FORMATS) if of[0] == of[1] or HUBS & {*of}]


@pytest.fixture
def people():
    """Three persons on two of three images, with scores and boxes; some joints are missing."""
    rng = np.random.default_rng(3)
    xy = rng.uniform(10, 400, (3, 17, 2)).round(2)
    xy[0, [0, 9]] = np.nan
    score = rng.uniform(0.1, 0.9, (3, 17)).round(3)
    score[np.isnan(xy[..., 0])] = 0
    return refine.Poses.from_arrays(
        refine.skeleton("coco17"),
        xy,
        score,
        instance_score=[0.5, 0.25, 0.75],
        image=[0, 2, 2],
        images=[refine.ImageRef(i, f"{i}.jpg", **SIZE) for i in range(3)],
        box=[[1, 2, 30, 40], [5, 6, 70, 80.5], [0, 0, 4, 4]],
    )


def target(folder, name):
    return folder / (name if FORMATS[name].holdings[0] == "folder" else f"{name}.json")


def body_for(name):
    return FORMATS[name].example().skeleton.name


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_between_any_two_formats(cli, tmp_path, people, first, second):
    (tmp_path / "second").mkdir()
    middle, last = target(tmp_path, first), target(tmp_path / "second", second)
    before, after = body_for(first), body_for(second)
    refine.write(people.to(before), middle, first)
    sizes = tmp_path / "sizes.json"
    refine.write(people, sizes, "coco-gt")
    result = cli(
        "convert", middle, "-o", last, "--from", first, "--to", second,
        "--skeleton", before, "--to-skeleton", after, "--sizes", sizes,
    )  # fmt: skip
    pixels = False if FORMATS[first].shares else None
    read = refine.read(middle, first, skeleton=before, normalised=pixels)
    named = any(isinstance(ref.id, str) and ref.frame is None for ref in read.images)
    if second == "mmpose" and named:
        # Frames have numbers; these formats name their images.
        assert result.code == 3
        assert "whole numbers" in result.err
        assert not last.exists()
        return
    assert result.code == 0, result.err
    assert f"read as {first}, {before}: 3 poses" in result.err
    images = sizes if FORMATS[second].shares else None
    shared = people.to(before).to(after)
    after = refine.read(last, second, skeleton=after, images=images)
    assert after.skeleton == shared.skeleton
    shared, after = shared.to("coco17"), after.to("coco17")
    np.testing.assert_array_equal(after.xy, shared.xy)
    if {first, second} & FLAGS:
        assert (after.score[after.present] >= 1).all()
    else:
        told = ~np.isnan(shared.score)  # Joints that the bodies between have, too.
        np.testing.assert_array_equal(after.score[told], shared.score[told])
        assert not np.nan_to_num(after.score[~told]).any()
    if not {first, second} & (BARE | FLAGS):
        np.testing.assert_array_equal(after.instance_score, people.instance_score)
    if first in BARE and second in ("coco", "alphapose"):
        assert "score of 3 poses without one" in result.err
        assert np.isfinite(after.instance_score).all()
    if not {first, second} & BOXLESS:
        np.testing.assert_array_equal(after.box, people.box)


@pytest.mark.parametrize(
    "body", ["openpose18", "openpose25", "halpe26", "wholebody133", "halpe136"]
)
def test_coco17_there_and_back(cli, tmp_path, people, body):
    first, there, back = (tmp_path / f"{i}.json" for i in range(3))
    refine.write(people, first, "coco")
    assert cli("convert", first, "-o", there, "--to-skeleton", body).code == 0
    options = ["--skeleton", body, "--to-skeleton", "coco17"]
    assert cli("convert", there, "-o", back, *options).code == 0
    before, after = refine.read(first), refine.read(back)
    np.testing.assert_array_equal(after.xy, before.xy)
    np.testing.assert_array_equal(
        np.where(after.present, after.score, 0), np.where(before.present, before.score, 0)
    )


def test_openpose25_to_coco17(cli, tmp_path):
    """FORMATS: the map of OpenPose's own cocoJsonSaver."""
    xy = np.arange(1, 51.0).reshape(1, 25, 2)
    xy[0, 1], xy[0, 8] = (xy[0, 2] + xy[0, 5]) / 2, (xy[0, 9] + xy[0, 12]) / 2
    poses = refine.Poses.from_arrays(refine.skeleton("openpose25"), xy, np.full((1, 25), 0.5))
    refine.write(poses, tmp_path / "in.json", "openpose")
    out = tmp_path / "out.json"
    result = cli(
        "convert", tmp_path / "in.json", "-o", out, "--skeleton", "openpose25",
        "--to", "coco", "--to-skeleton", "coco17", "--json",
    )  # fmt: skip
    assert result.code == 0
    expected = [0, 16, 15, 18, 17, 5, 2, 6, 3, 7, 4, 12, 9, 13, 10, 14, 11]
    np.testing.assert_array_equal(refine.read(out).xy[0], xy[0, expected])
    facts = json.loads(result.out)
    assert (facts["joints_in"], facts["joints_out"]) == (25, 17)
    assert "17 of 25 joints" in result.err


def test_halpe26_to_coco17_and_body25(cli, tmp_path):
    xy = np.arange(1, 53.0).reshape(1, 26, 2)
    poses = refine.Poses.from_arrays(refine.skeleton("halpe26"), xy, np.full((1, 26), 0.5))
    file, out = tmp_path / "in.json", tmp_path / "out.json"
    refine.write(poses, file, "alphapose")
    assert cli("convert", file, "-o", out, "--to-skeleton", "coco17", "--to", "coco").code == 0
    np.testing.assert_array_equal(refine.read(out).xy[0], xy[0, :17])
    assert cli("convert", file, "-o", out, "--to-skeleton", "openpose25", "--to", "coco").code == 0
    done = refine.read(out, skeleton="openpose25")
    place = [0, 16, 15, 18, 17, 5, 2, 6, 3, 7, 4, 12, 9, 13, 10, 14, 11]
    np.testing.assert_array_equal(done.xy[0, place], xy[0, :17])
    np.testing.assert_array_equal(done.xy[0, [19, 22, 20, 23, 21, 24]], xy[0, 20:26])


def test_the_neck_is_missing_with_a_shoulder_and_scores_as_the_lesser(cli, tmp_path):
    xy = np.full((2, 17, 2), 50.0)
    xy[1, 5] = np.nan
    score = np.full((2, 17), 0.9)
    score[0, 6] = 0.25
    refine.write(
        refine.Poses.from_arrays(refine.skeleton("coco17"), xy, score), tmp_path / "a.json", "coco"
    )
    out = tmp_path / "b.json"
    cli("convert", tmp_path / "a.json", "-o", out, "--to-skeleton", "openpose18")
    done = refine.read(out)
    assert done.skeleton.name == "openpose18"
    assert done.score[0, 1] == 0.25
    assert done.present[:, 1].tolist() == [True, False]


def test_skeletons_without_a_shared_joint(cli, tmp_path, people):
    refine.write(people, tmp_path / "a.json", "coco")
    out = tmp_path / "b.json"
    result = cli("convert", tmp_path / "a.json", "-o", out, "--to-skeleton", "hand21")
    assert result.code == 3
    assert "shares joints" in result.err
    assert not out.exists()


@pytest.mark.parametrize("format", [f for f in TEXTUAL if f != "openpose"])
def test_standard_streams(cli, tmp_path, people, format):
    one = people[people.image == 2].replace(images=people.images[2:], image=np.zeros(2, np.intp))
    body, source = body_for(format), tmp_path / f"a{FORMATS[format].ending}"
    refine.write(one.to(body), source, format)
    data = source.read_bytes()
    pixels = ["--pixels"] if format == "yolo" else []  # No sizes in there.
    options = ("--from", format, "--skeleton", body, *pixels)
    result = cli("convert", "-", "-o", "-", *options, stdin=data)
    assert result.code == 0
    if source.suffix == ".json":
        assert json.loads(result.out) == json.loads(data)
    else:
        assert result.out == data.decode()


def test_an_openpose_file_through_the_streams(cli, people):
    document = {"version": 1.3, "people": [{"pose_keypoints_2d": [1.5, 2.5, 0.5] * 18}], "x": 1}
    result = cli("convert", "-", "-o", "-", stdin=json.dumps(document).encode())
    assert result.code == 0
    assert json.loads(result.out) == document


def test_controlnet_needs_sizes(cli, tmp_path, people):
    refine.write(people.to("openpose18"), tmp_path / "a.json", "coco")
    out = tmp_path / "b.json"
    result = cli("convert", tmp_path / "a.json", "-o", out, "--to", "controlnet")
    assert result.code == 3
    assert "--sizes" in result.err
    assert not out.exists()


def test_precision(cli, tmp_path, people):
    refine.write(people, tmp_path / "a.json", "coco")
    out = tmp_path / "b.json"
    assert cli("convert", tmp_path / "a.json", "-o", out, "--precision", "0").code == 0
    xy = refine.read(out).xy
    np.testing.assert_array_equal(xy, people.xy.round(0))


def test_the_format_follows_the_name_for_lines(cli, tmp_path, people):
    refine.write(people, tmp_path / "a.json", "coco")
    for name in ("b.ndjson", "b.jsonl", "b.ndjson.gz"):
        assert cli("convert", tmp_path / "a.json", "-o", tmp_path / name).code == 0
        assert refine.sniff(tmp_path / name) == "ndjson"


def test_sentinels_do_not_leak_into_other_formats(cli, tmp_path):
    """OpenPose marks a missing joint by -1 in --write_coco_json, and by 0 in its own files."""
    values = [-1, -1, 0, *range(5, 53)]
    file, out = tmp_path / "a.json", tmp_path / "b.json"
    file.write_text(json.dumps([{"image_id": 1, "keypoints": values}]))
    assert cli("convert", file, "-o", out, "--to", "alphapose-open",
               "--to-skeleton", "openpose18").code == 0  # fmt: skip
    (person,) = json.loads(out.read_text())["1"]["people"]
    assert person["pose_keypoints_2d"][:3] == [0, 0, 0]


def test_many_images_do_not_fit_in_one_openpose_file(cli, tmp_path, people):
    refine.write(people.to("openpose18"), tmp_path / "a.json", "coco")
    for out in ("-", tmp_path / "b.json"):
        result = cli("convert", tmp_path / "a.json", "-o", out, "--to", "openpose")
        assert result.code == 3
        assert "2 openpose files" in result.err
        assert result.out == ""
    assert not (tmp_path / "b.json").exists()


def test_openpose_images_get_the_ids_of_the_ground_truth(cli, tmp_path):
    source, out = tmp_path / "in", tmp_path / "out.json"
    source.mkdir()
    person = {"pose_keypoints_2d": [float(i) for i in range(1, 55)]}
    for name in ("000000000139", "b"):
        text = json.dumps({"version": 1.3, "people": [person]})
        (source / f"{name}_keypoints.json").write_text(text)
    truth = tmp_path / "gt.json"
    images = [{"id": 139, "file_name": "000000000139.jpg"}, {"id": 5, "file_name": "b.png"}]
    truth.write_text(json.dumps({"images": images}))
    options = ["--to", "coco", "--to-skeleton", "coco17", "--sizes", truth]
    assert cli("convert", source, "-o", out, *options).code == 0
    assert [r["image_id"] for r in json.loads(out.read_text())] == [139, 5]


@pytest.mark.parametrize("verb", ["convert", "nms", "run"])
def test_the_old_name_of_sizes_works_and_says_so(cli, tmp_path, people, verb):
    refine.write(people, tmp_path / "a.json", "coco")
    refine.write(people, tmp_path / "sizes.json", "coco-gt")
    outputs = []
    for option in ("--sizes", "--images"):
        out = tmp_path / f"{option}.ndjson"
        result = cli(verb, tmp_path / "a.json", "-o", out, option, tmp_path / "sizes.json")
        assert result.code == 0, result.err
        assert ("is called --sizes now" in result.err) == (option == "--images")
        outputs.append(out.read_bytes())
    assert outputs[0] == outputs[1]
    assert "--images FILE" not in cli(verb, "--help").out
    if verb != "run":
        result = cli(verb, tmp_path / "a.json", "-o", out, "--images", tmp_path)
        assert result.code == 2
        assert "--sizes FILE.json" in result.err
