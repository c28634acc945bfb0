"""VitPose of transformers and easy_ViTPose: what they write, and what bites."""

import numpy as np
import pytest

import refine
from refine.exceptions import FormatError, SkeletonError
from refine.formats import read, sniff, write


@pytest.fixture
def person(values):
    """A person as post_process_pose_estimation returns it, of the joints of so many numbers."""

    def make(numbers=range(17), seed=0, **fields):
        points = np.array(values(seed=seed)).reshape(17, 3)[list(numbers)]
        marks = {"keypoints": points[:, :2].tolist(), "scores": points[:, 2].tolist()}
        return {**marks, "labels": list(numbers), **fields}

    return make


def test_persons_come_back_as_they_were(file, person, back):
    document = [[person(), person(seed=1, note="x")], [], [person(seed=2)]]
    poses = read(file(document))
    assert (poses.image.tolist(), len(poses.images)) == ([0, 0, 2], 3)
    assert poses.xy[0].tolist() == document[0][0]["keypoints"]
    assert np.isnan(poses.instance_score).all()
    assert back(poses) == document


def test_joints_below_a_threshold_are_left_out_and_labels_tell_which(file, person, back):
    document = [person([0, 5, 16]), person([3])]
    poses = read(file(document))
    assert poses.xy.shape == (2, 17, 2)
    assert np.flatnonzero(poses.present[0]).tolist() == [0, 5, 16]
    assert poses.xy[0, 16].tolist() == document[0]["keypoints"][2]
    assert (poses.score[0, 1], poses.score[1, 3]) == (0, document[1]["scores"][0])
    assert any("--skeleton tells another" in note for note in poses.meta["notes"])
    assert back(poses) == document
    assert read(file(document), skeleton="halpe26").xy.shape == (2, 26, 2)


def test_joints_left_out_of_unknown_ones_are_asked_for(file, person):
    row = person([0, 1]) | {"labels": [0, 20]}
    with pytest.raises(SkeletonError, match=r"halpe26.*openpose25.*--skeleton with the one of"):
        read(file([row]))
    assert read(file([row]), skeleton="halpe26").present[0].sum() == 2
    with pytest.raises(SkeletonError, match="expected joints up to 16"):
        read(file([row]), skeleton="coco17")


def test_the_box_of_vitpose_is_the_middle_and_scale_of_the_crop(file, person, back, tmp_path):
    """transformers 5.23: the box xywh 100 50 200 400 comes back as 200 250 200.875 251.5."""
    document = [person(bbox=[200.0, 250.0, 200.875, 251.5])]
    poses = read(file(document))
    assert poses.box is None
    assert "middle and scale of a crop" in poses.meta["notes"][0]
    assert back(poses) == document
    write(poses, tmp_path / "coco.json", "coco")
    assert read(tmp_path / "coco.json").box is None
    assert "bbox" not in (tmp_path / "coco.json").read_text()
    right = [person(bbox=[5.0, 6.0, 510.0, 520.0])]  # Sapiens2's are boxes.
    poses = read(file(right))
    assert (poses.box.tolist(), poses.meta["notes"]) == ([[5, 6, 510, 520]], ())
    assert back(poses) == right


def test_what_a_threshold_would_hide_is_told(file, row, cli, tmp_path):
    keypoints = row()["keypoints"]
    keypoints[3:6] = [0, 0, 0.4]
    images = file({"images": [{"id": 1, "file_name": "1.jpg"}]}, "sizes.json")
    words = ("--to", "vitpose", "--sizes", images, "-o", tmp_path / "out/")
    done = cli("convert", file([row(keypoints=keypoints)]), *words)
    assert (done.code, "scores of 1 missing joints" in done.err) == (0, True)
    poses = read(tmp_path / "out", "vitpose")
    assert poses.present[0].tolist() == [True, False, *[True] * 15]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"labels": [0]}, "record 1: expected as many 'labels' as 'keypoints', 17, got "),
        ({"labels": [0] * 17}, "record 1: expected joints once in 'labels'"),
        ({"labels": [*range(16), -1]}, "record 1: expected numbers of joints"),
        ({"scores": [0.5]}, "record 1: expected 17 numbers in 'scores', got 1 values"),
        ({"keypoints": [[1.0]] * 17}, "record 1, joint 0: expected 2 numbers"),
        ({"keypoints": "x"}, "record 1: expected a list 'keypoints', got a string"),
    ],
)
def test_what_is_refused(file, person, fields, message):
    with pytest.raises(FormatError, match=message):
        read(file([person(), person(**fields)]), "vitpose")


COCO = refine.skeleton("coco17").joints
COCO_25 = [
    "nose", "left_eye", "right_eye", "left_ear", "right_ear", "neck", "left_shoulder",
    "right_shoulder", "left_elbow", "right_elbow", "left_wrist", "right_wrist", "left_hip",
    "right_hip", "hip", "left_knee", "right_knee", "left_ankle", "right_ankle", "left_big_toe",
    "left_small_toe", "left_heel", "right_big_toe", "right_small_toe", "right_heel",
]  # fmt: skip
"""easy_ViTPose's own (vit_utils/visualization.py, joints_dict), which are not OpenPose's 25."""


@pytest.fixture
def frames():
    """A file of easy_ViTPose: persons by number in every frame."""

    def make(*persons, names=COCO):
        skeleton = {str(j): name for j, name in enumerate(names)}
        rng = np.random.default_rng(0)
        of = [
            {p: rng.uniform(9, 400, (len(names), 3)).round(3).tolist() for p in each}
            for each in persons
        ]
        return {"keypoints": of, "skeleton": skeleton}

    return make


def test_y_comes_before_x(file, frames, back):
    document = frames("0")
    poses = read(file(document, "a_result.json"))
    y, x, score = document["keypoints"][0]["0"][3]
    assert (*poses.xy[0, 3], poses.score[0, 3]) == (x, y, score)
    assert [ref.id for ref in poses.images] == ["a"]
    assert back(poses) == document


def test_persons_of_a_video_have_numbers(file, frames, back):
    document = frames(["3", "1"], [], ["1"])
    poses = read(file(document))
    assert (poses.track.tolist(), poses.image.tolist()) == ([3, 1, 1], [0, 0, 2])
    assert [ref.frame for ref in poses.images] == [0, 1, 2]
    assert back(poses) == document


def test_persons_that_were_counted_are_not_tracked(file, frames, back):
    document = frames(["0", "1"])
    assert read(file(document)).track is None
    document = frames(["a", "1"])
    poses = read(file(document))
    assert poses.extra[0] == {"person": "a"}
    assert back(poses) == document


def test_joints_are_those_that_the_file_names(file, frames):
    """25 joints are not OpenPose's: `hip` is the 15th, the neck the 6th."""
    poses = read(file(frames(["0"], names=COCO_25)))
    assert poses.skeleton.joints == tuple(COCO_25)
    assert poses.to("coco17").present.all()
    assert poses.to("coco17").xy[0, 5].tolist() == poses.xy[0, 6].tolist()
    names = refine.skeleton("mpii16").joints
    spelled = [name.replace("head_top", "head top") for name in names]
    assert read(file(frames(["0"], names=spelled))).skeleton.name == "mpii16"


def test_a_folder_of_easy_vitpose(file, frames, tmp_path):
    for name in ("a", "b"):
        file(frames(["0"]), f"in/{name}_result.json")
    assert sniff(tmp_path / "in") == "easy-vitpose"
    poses = read(tmp_path / "in")
    assert ([ref.id for ref in poses.images], poses.track) == (["a", "b"], None)
    write(poses, tmp_path / "out")
    assert sorted(f.name for f in (tmp_path / "out").iterdir()) == [
        "a_result.json", "b_result.json",
    ]  # fmt: skip
    file(frames(["0"], names=COCO_25), "in/c.json")
    with pytest.raises(FormatError, match=r"in, c.json: expected the joints of the first file"):
        read(tmp_path / "in")
    file(frames(["0"], ["0"]), "two/a.json")
    with pytest.raises(FormatError, match=r"two, a.json: expected one frame in each file"):
        read(tmp_path / "two")


def test_persons_without_a_number_get_one(file, row, cli, tmp_path):
    source = file([row(track_id=4), row(), row(track_id=4)])
    done = cli("convert", source, "--to", "easy-vitpose", "-o", tmp_path / "a.json")
    assert (done.code, "numbers of 2 persons without a track" in done.err) == (0, True)
    assert read(tmp_path / "a.json").track.tolist() == [4, 5, 6]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"keypoints": [3]}, "expected an object of persons, got 3"),
        ({"keypoints": [{"0": [[1, 2, 3]]}]}, r"person '0': expected 17 joints \[y, x, score\]"),
        ({"keypoints": [{"0": [[1, 2]] * 17}]}, r"joint 0: expected \[y, x, score\], got"),
        ({"skeleton": {"1": "nose"}}, "'skeleton' with the names of joints 0, 1, ..."),
    ],
)
def test_what_easy_vitpose_is_refused(file, frames, change, message):
    with pytest.raises(FormatError, match=message):
        read(file(frames(["0"]) | change), "easy-vitpose")
