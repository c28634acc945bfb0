import json
import stat

import numpy as np
import pytest

import refine
from refine.exceptions import FormatError, SkeletonError
from refine.formats import read, sniff, write
from refine.formats.openpose import BODY

BODY_25 = refine.skeleton("openpose25")


@pytest.fixture
def person(values):
    def make(k=18, seed=0, **fields):
        return {"person_id": [-1], BODY: values(k, seed), "face_keypoints_2d": [], **fields}

    return make


def frame(*people, **fields):
    return {"version": 1.3, "people": list(people), **fields}


def parsed(folder):
    return {f.name: json.loads(f.read_text("utf-8")) for f in folder.iterdir()}


def standing(k, rng):
    """A person whose neck and mid-hip are where BODY_25 has them, or a BODY_25B one."""
    body = refine.skeleton("openpose25" if k == "25" else "openpose25b")
    place = {
        "nose": (0, 0), "eye": (7, -8), "ear": (16, -4), "shoulder": (38, 45), "elbow": (48, 100),
        "wrist": (50, 150), "hip": (24, 160), "knee": (26, 250), "ankle": (28, 330),
        "neck": (0, 45), "mid_hip": (0, 160), "head_top": (0, -40), "big_toe": (34, 350),
        "small_toe": (44, 345), "heel": (26, 340),
    }  # fmt: skip
    side = [(j.startswith("left_") - j.startswith("right_")) or 1 for j in body.joints]
    xy = [(s * place[p][0], place[p][1]) for s, p in zip(side, body.parts, strict=True)]
    return np.array(xy) + rng.normal(0, 2, (25, 2)) + 400


def test_a_folder_comes_back(tmp_path, file, person, values):
    files = {
        "v_000000000010_keypoints.json": frame(person(seed=1, person_id=[4]), person(seed=2)),
        "v_000000000002_keypoints.json": frame(),
        "v_000000000003_keypoints.json": frame(
            person(face_keypoints_2d=values(70), pose_keypoints_3d=[]), part_candidates=[{"0": []}]
        ),
    }
    for name, document in files.items():
        file(document, f"in/{name}")
    file([], "in/coco_foot.json")
    assert sniff(tmp_path / "in") == "openpose"
    poses = read(tmp_path / "in")
    assert [ref.frame for ref in poses.images] == [2, 3, 10]
    assert poses.image.tolist() == [1, 2, 2]
    assert poses.track.tolist() == [-1, 4, -1]
    assert poses.skeleton.name == "openpose18"
    assert len(poses.extra[0]["face_keypoints_2d"]) == 210
    write(poses, tmp_path / "out")
    assert parsed(tmp_path / "out") == files
    umask_of_a_file = stat.S_IMODE((tmp_path / "in").stat().st_mode)
    assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == umask_of_a_file


def test_other_names_come_back(tmp_path, file, person):
    file(frame(person()), "in/img1.json")
    write(read(tmp_path / "in"), tmp_path / "out")
    assert list(parsed(tmp_path / "out")) == ["img1.json"]


def test_a_file_comes_back(file, person, back):
    document = frame({BODY: [0, 0, 0, *person()[BODY][3:]]}, x=[1])
    poses = read(file(document, "a_keypoints.json"))
    assert poses.images[0].id == "a"
    assert back(poses) == document


def test_people_without_a_body_come_back(file, person, back):
    document = frame(person(**{BODY: []}), person())
    poses = read(file(document))
    assert poses.present.sum(1).tolist() == [0, 18]
    assert back(poses) == document
    only = read(file(frame(person(**{BODY: []}))))
    assert (len(only), only.present.any()) == (1, False)


def test_body_25_is_told_from_body_25b(file):
    rng = np.random.default_rng(0)
    rows = {
        k: [np.c_[standing(k, rng), np.full(25, 0.9)].ravel().tolist() for _ in range(5)]
        for k in ("25", "25b")
    }
    assert read(file(frame(*({BODY: r} for r in rows["25"])))).skeleton == BODY_25
    ambiguous = file(frame(*({BODY: r} for r in rows["25b"])))
    with pytest.raises(SkeletonError, match=r"two that fit: openpose25 .*openpose25b.*--skeleton"):
        read(ambiguous)
    assert read(ambiguous, skeleton="openpose25b").skeleton.name == "openpose25b"


def test_normalised_coordinates_are_refused(file, values):
    shares = (np.array(values(18)) / 600).tolist()
    with pytest.raises(FormatError, match=r"within \[0, 1\].*--sizes.*--keypoint_scale 0"):
        read(file(frame({BODY: shares})))


def test_names_of_images_become_names_of_files(tmp_path, values):
    poses = refine.Poses.from_arrays(
        refine.skeleton("openpose18"),
        np.ones((2, 18, 2)),
        image=[0, 1],
        images=[refine.ImageRef(1, "d/a.jpg"), refine.ImageRef("b.png")],
    )
    write(poses, tmp_path / "out", "openpose")
    assert sorted(parsed(tmp_path / "out")) == ["a_keypoints.json", "b_keypoints.json"]
    clash = poses.replace(images=(refine.ImageRef("x/a.jpg"), refine.ImageRef("y/a.jpg")))
    with pytest.raises(FormatError, match=r"two that would be 'a_keypoints.json'"):
        write(clash, tmp_path / "clash", "openpose")
    assert not (tmp_path / "clash").exists()


def test_nothing_is_overwritten_or_half_written(tmp_path, file, person, monkeypatch):
    for name in "ab":
        file(frame(person()), f"in/{name}_keypoints.json")
    poses = read(tmp_path / "in")
    with pytest.raises(FormatError, match="new or empty folder for 2 openpose files"):
        write(poses, tmp_path / "in")
    monkeypatch.setattr("refine.formats.containers.dump_json", lambda _: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write(poses, tmp_path / "out")
    assert [p.name for p in tmp_path.iterdir()] == ["in"]


def test_the_history_is_that_of_all_files(tmp_path, file, person):
    for name in "ab":
        file(frame(person()), f"in/{name}_keypoints.json")
    done = read(tmp_path / "in").done("suppress", threshold=0.9)
    write(done, tmp_path / "out")
    assert read(tmp_path / "out").history == done.history
    file(frame(person()), "out/c_keypoints.json")
    with pytest.raises(FormatError, match=r"c_keypoints.json: expected all records"):
        read(tmp_path / "out")


def canvas(*people, **fields):
    return {"people": list(people), "canvas_width": 512, "canvas_height": 768, **fields}


def test_controlnet_comes_back(file, values, back):
    one = canvas({BODY: values(18), "hand_left_keypoints_2d": None}, animals=[])
    poses = read(file(one))
    assert poses.meta["format"] == "controlnet"
    assert (poses.images[0].width, poses.images[0].height) == (512, 768)
    assert back(poses) == one
    several = [canvas({BODY: None}), canvas(), canvas({BODY: values(18, 1)})]
    poses = read(file(several))
    assert poses.present.sum(1).tolist() == [0, 18]
    assert len(poses.images) == 3
    assert back(poses) == several
    assert back(read(file([one]))) == [one]


@pytest.mark.parametrize("precision", [None, 3])
def test_controlnet_in_shares_of_the_canvas(file, values, back, precision):
    shares = (np.array(values(18)).reshape(18, 3) / [512, 768, 1]).round(6)
    document = canvas({BODY: shares.ravel().tolist()})
    poses = read(file(document))
    np.testing.assert_allclose(poses.xy[0, 3], shares[3, :2] * [512, 768])
    found = np.array(back(poses, precision=precision)["people"][0][BODY]).reshape(18, 3)
    if precision is None:
        assert found.tolist() == shares.tolist()
    np.testing.assert_allclose(found * [512, 768, 1], shares * [512, 768, 1], atol=0.00051)


def test_controlnet_or_openpose(file, values):
    with pytest.raises(FormatError, match="--from openpose or --from controlnet"):
        sniff(file({"people": [{BODY: values(18)}]}))


@pytest.mark.parametrize(
    ("people", "message"),
    [
        ({}, "expected an object with a list 'people'"),
        ([3], r"person 0: expected an object with 'pose_keypoints_2d', got 3"),
        ([{}], r"person 0: expected an object with 'pose_keypoints_2d'"),
        ([{BODY: [1] * 54}, {BODY: [1] * 75}], r"person 1: expected 54 numbers .*got 75"),
        ([{BODY: ["1"] * 54}], r"person 0: expected numbers"),
    ],
)
def test_mistakes(file, people, message):
    with pytest.raises(FormatError, match=message):
        read(file({"version": 1.3, "people": people}))


@pytest.mark.parametrize(
    ("version", "many", "body"),
    [
        (1.0, "people", "pose_keypoints"),
        (1.1, "people", "pose_keypoints"),
        (0.1, "bodies", "joints"),
    ],
)
def test_old_versions_come_back(file, values, tmp_path, version, many, body):
    """openpose, doc/02_output.md: 1.2 renamed `pose_keypoints`, 1.0 `bodies`."""
    person = {body: values(18), "face_keypoints": []}
    files = {
        "a_keypoints.json": {"version": version, many: []},
        "b_keypoints.json": {"version": version, many: [person, {**person, body: values(18, 1)}]},
    }
    for name, document in files.items():
        file(document, f"in/{name}")
    assert sniff(tmp_path / "in" / "b_keypoints.json") == "openpose"
    poses = read(tmp_path / "in")
    assert (poses.meta["format"], poses.skeleton.name) == ("openpose", "openpose18")
    assert poses.image.tolist() == [1, 1]
    write(poses, tmp_path / "out")
    assert parsed(tmp_path / "out") == files
    write(poses, tmp_path / "new", "alphapose-open")
    assert f'"{body}"' not in (tmp_path / "new").read_text()
    bad = file({"version": version, many: [{"x": 1}]}, "bad.json")
    with pytest.raises(FormatError, match="person 0: expected an object with"):
        read(bad)
