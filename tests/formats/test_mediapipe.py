"""MediaPipe landmarks: the forms that people dump, and what bites."""

import json

import numpy as np
import pytest

import refine
from refine.exceptions import FormatError, SkeletonError
from refine.formats import read, sniff, write


@pytest.fixture
def marks():
    """The landmarks of one person; the feet are below the picture."""

    def make(seed=0, **fields):
        rng = np.random.default_rng(seed)
        xy = rng.uniform(0.1, 0.9, (33, 2)).round(5)
        xy[29:, 1] = 1.07
        seen = rng.uniform(0.1, 0.99, 33).round(4)
        return [
            {"x": x, "y": y, "z": -0.25, "presence": 0.9, "visibility": v, **fields}
            for (x, y), v in zip(xy.tolist(), seen.tolist(), strict=True)
        ]

    return make


def test_tasks_results_come_back(file, marks, back):
    document = {
        "pose_landmarks": [marks(), marks(1)],
        "image_size": [640, 480],
        "pose_world_landmarks": [marks(2), marks(3)],
        "timestamp_ms": 40,
    }
    poses = read(file(document, "a.json"))
    assert (len(poses), poses.skeleton.name) == (2, "mediapipe33")
    assert poses.images[0].width == 640
    first = document["pose_landmarks"][0][5]
    np.testing.assert_allclose(poses.xy[0, 5], [first["x"] * 640, first["y"] * 480])
    assert poses.xy[0, 29, 1] == pytest.approx(1.07 * 480)  # Beyond the border, not clipped.
    assert back(poses) == document
    kept = back(poses[1:])
    assert kept["pose_landmarks"] == [marks(1)]
    assert kept["pose_world_landmarks"] == [marks(3)]


@pytest.mark.parametrize(
    "wrap",
    [
        lambda person: person,
        lambda person: {"landmark": person},
        lambda person: {"poseLandmarks": {"landmark": person}},
        lambda person: {"poseLandmarks": person},
        lambda person: {"landmarks": [person], "worldLandmarks": [person]},
        lambda person: {"pose_landmarks": [person]},
        lambda person: [person, None, person],
        lambda person: [{"pose_landmarks": [person]}, {"pose_landmarks": []}],
        lambda person: [{"pose_landmarks": person}, {"pose_landmarks": None}],
    ],
)
def test_every_form_comes_back_as_it_was(file, marks, back, wrap):
    document = wrap(marks())
    source = file(document)
    assert sniff(source) == "mediapipe"
    assert back(read(source, normalised=False)) == document
    images = [{"id": i, "width": 640, "height": 480} for i in ("pred", 0, 1, 2)]
    sizes = file({"images": images}, "sizes.json")
    poses = read(source, images=sizes)
    assert poses.xy.shape[1:] == (33, 2)
    again = back(poses)
    text = json.dumps(again)
    assert '"visibility"' in text
    np.testing.assert_allclose(read(file(again), images=sizes).xy, poses.xy)


def test_shares_need_sizes(file, marks):
    """x and y are shares even where a pose is far out of the picture."""
    person = marks()
    for mark in person:
        mark["x"] += 3
    with pytest.raises(FormatError, match="no size of image 'pred'; try --sizes"):
        read(file({"pose_landmarks": [person]}))
    read(file({"pose_landmarks": [person], "image_size": [640, 480]}))


def test_visibility_may_be_a_logit_or_nothing(file, marks, back):
    person = marks()
    for mark in person:
        mark["visibility"] = 6.5
    person[0]["visibility"] = -3.0
    document = {"pose_landmarks": [person], "image_size": [640, 480]}
    poses = read(file(document))
    assert (poses.score_kind, poses.score[0, 0]) == ("logit", -3)
    assert back(poses) == document
    for mark in person:
        mark["visibility"] = None
    poses = read(file(document))
    assert np.isnan(poses.score).all()
    assert poses.present.all()
    assert back(poses) == document


def test_coco_poses_become_landmarks_and_come_back(row, file, tmp_path):
    source = file([row(file_name="a.jpg")])
    sizes = file({"images": [{"id": 1, "width": 640, "height": 480}]}, "sizes.json")
    poses = read(source, images=sizes)
    write(poses.to("mediapipe33"), tmp_path / "a.json", "mediapipe")
    after = read(tmp_path / "a.json")
    np.testing.assert_array_equal(after.to("coco17").xy, poses.xy)
    with pytest.raises(FormatError, match="expected the size of image 1, of which mediapipe"):
        write(read(source).to("mediapipe33"), tmp_path / "b.json", "mediapipe")
    with pytest.raises(SkeletonError, match="try --to-skeleton mediapipe33"):
        write(poses, tmp_path / "b.json", "mediapipe")


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"pose_landmarks": 3}, "expected lists of landmarks, one per person, got 3"),
        (
            {"pose_landmarks": [[{"x": 1}]]},
            "person 0, landmark 0: expected a landmark with 'x' and",
        ),
        ({"pose_landmarks": [], "image_size": [3]}, "expected width and height in 'image_size'"),
        ([{"x": 1, "y": 2}, {"z": 1}], "landmark 1: expected a landmark"),
    ],
)
def test_what_is_refused(file, document, message):
    with pytest.raises(FormatError, match=message):
        read(file(document), "mediapipe")


def test_hands_are_not_taken_for_poses(file, marks):
    hand = marks()[:21]
    document = {"landmarks": [hand], "image_size": [640, 480]}
    poses = read(file(document), skeleton="hand21")
    assert poses.skeleton == refine.skeleton("hand21")
    with pytest.raises(SkeletonError):
        read(file({"landmarks": [marks()[:30]], "image_size": [640, 480]}))
