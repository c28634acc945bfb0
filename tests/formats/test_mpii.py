"""MPII: pixels from 1, places that are none, what the test set lacks."""

import json

import numpy as np
import pytest

import refine
from refine.exceptions import FormatError, SkeletonError
from refine.formats import read, sniff, write


@pytest.fixture
def person():
    """A record of HRNet's: its right ankle was not labelled, its left wrist is hidden."""
    joints = np.arange(32.0).reshape(16, 2) * 10 + 1.25
    joints[0] = -1
    return {
        "joints_vis": [0, *[1] * 14, 0], "joints": joints.tolist(), "image": "015601864.jpg",
        "scale": 3.021046, "center": [594.0, 257.0],
    }  # fmt: skip


def test_pixels_count_from_1(file, back, person):
    poses = read(source := file([person]))
    assert sniff(source) == "mpii"
    assert poses.xy[0, 1].tolist() == [20.25, 30.25]
    assert poses.skeleton.name == "mpii16"
    assert (poses.images[0].id, poses.images[0].file_name) == ("015601864.jpg",) * 2
    assert back(poses) == [person]
    person["joints"][1] = [1.0, 1.0]
    assert read(file([person])).xy[0, 1].tolist() == [0, 0]
    assert back(read(file([person]))) == [person]


def test_joints_that_are_not_seen_are_missing_and_keep_their_places(file, back, person):
    poses = read(file([person]))
    assert np.flatnonzero(~poses.present[0]).tolist() == [0, 15]
    assert poses.extra[0]["unlabelled_places"] == {"left_wrist": [300.25, 310.25]}
    filled = poses.replace(xy=np.where(np.isnan(poses.xy), 5.0, poses.xy))
    (done,) = back(filled)
    assert (done["joints"][0], done["joints"][15], sum(done["joints_vis"])) == ([6, 6], [6, 6], 16)


@pytest.mark.parametrize("nowhere", [-1.0, 0.0])
def test_places_that_are_none(file, back, person, nowhere):
    person["joints"][0] = [nowhere] * 2
    assert back(read(file([person]))) == [person]
    person["joints_vis"][0] = 1
    with pytest.raises(FormatError, match="person 0: expected the place of a visible joint"):
        read(file([person]))


def test_the_test_set_has_no_joints(file, back, person):
    bare = {key: person[key] for key in ("image", "scale", "center")}
    source = file([bare, bare])
    poses = read(source)
    assert (sniff(source), len(poses), poses.present.any()) == ("mpii", 2, False)
    assert len(poses.images) == 1
    assert back(poses) == [bare, bare]


def test_poses_from_elsewhere_get_centre_and_scale(cli, file, row, tmp_path):
    keypoints = np.tile([0.0, 0, 0], (17, 1))
    keypoints[5:7] = [[99, 49, 0.9], [199, 349, 0.9]]
    source = file([row(keypoints=keypoints.ravel().tolist())])
    words = ("convert", source, "-o", tmp_path / "a.json", "--to", "mpii")
    assert "--to-skeleton mpii16" in cli(*words).err
    done = cli(*words, "--to-skeleton", "mpii16")
    assert (done.code, "center and scale of 1 poses without" in done.err) == (0, True)
    (written,) = json.loads((tmp_path / "a.json").read_text())
    assert (written["center"], written["scale"]) == ([150, 200], 1.5)
    assert written["joints"][13] == [100, 50]
    with pytest.raises(SkeletonError, match="try --to-skeleton mpii16"):
        write(read(source), tmp_path / "b.json", "mpii")


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("joints", [[1, 2]] * 15, "expected 32 numbers in 'joints', got 30"),
        ("joints", [1, 2] * 16, "expected pairs x, y in 'joints'"),
        ("joints", [["1", 2]] * 16, "expected numbers in 'joints', got '1'"),
        ("joints_vis", [1] * 15, "expected 16 numbers in 'joints_vis'"),
        ("image", 5, "expected a person with the name of an 'image'"),
    ],
)
def test_what_is_refused(file, person, field, value, message):
    with pytest.raises(FormatError, match=f"person 1: {message}"):
        read(file([person, person | {field: value}]), "mpii")


def test_real_annotations_come_back(data, tmp_path):
    """The joints of MPII's own validation set, to HRNet's form and back."""
    before = read(data / "mpii" / "valid_dev_gt.json")
    write(before, tmp_path / "a.json", "mpii")
    after = read(tmp_path / "a.json")
    np.testing.assert_array_equal(after.xy, before.xy)
    assert refine.skeleton("mpii16") == before.skeleton
