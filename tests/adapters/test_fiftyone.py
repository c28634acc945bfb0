import sys
from types import SimpleNamespace

import numpy as np
import pytest

import refine
from refine.adapters.fiftyone import from_poses, to_poses
from refine.exceptions import ArrayError


class Keypoint(SimpleNamespace):
    """As much of `fiftyone.core.labels.Keypoint` as is read and called."""

    def __init__(self, label=None, points=(), confidence=None, index=None, **attributes):
        super().__init__(
            label=label, points=points, confidence=confidence, index=index, **attributes
        )


class Keypoints(SimpleNamespace):
    pass


@pytest.fixture(params=["stand-in", "fiftyone"])
def fiftyone(request, peer, monkeypatch):
    if request.param == "fiftyone":
        return peer("fiftyone")
    room = SimpleNamespace(Keypoint=Keypoint, Keypoints=Keypoints)
    monkeypatch.setitem(sys.modules, "fiftyone", room)
    return room


IMAGES = [refine.ImageRef(i, f"{i}.jpg", 640, 480) for i in range(3)]


@pytest.fixture
def labels(fiftyone):
    """Two people on the first of three images, nobody on the others."""
    rng = np.random.default_rng(0)
    points = [tuple(map(float, p)) for p in rng.uniform(0.1, 0.9, (17, 2))]
    points[4] = (float("nan"), float("nan"))
    confidence = rng.uniform(0.3, 1, 17).tolist()
    people = [
        fiftyone.Keypoint(label="dancer", points=points, confidence=confidence, index=7, score=0.5),
        fiftyone.Keypoint(label="dancer", points=points[::-1]),
    ]
    return [fiftyone.Keypoints(keypoints=people), fiftyone.Keypoints(keypoints=[]), None]


def test_labels_become_poses_in_px(labels):
    poses = to_poses(labels, IMAGES)
    assert [len(rows) for _, rows in poses.by_image()] == [2, 0, 0]
    point = labels[0].keypoints[0].points[0]
    np.testing.assert_allclose(poses.xy[0, 0], np.multiply(point, (640, 480)))
    assert np.argwhere(~poses.present).tolist() == [[0, 4], [1, 12]]
    assert poses.track.tolist() == [7, -1]
    assert poses.instance_score[0] == 0.5
    assert np.isnan(poses.score[1]).all()


def test_labels_come_back(labels):
    again = from_poses(to_poses((label for label in labels), IMAGES))
    assert [len(label.keypoints) for label in again] == [2, 0, 0]
    for new, old in zip(again[0].keypoints, labels[0].keypoints, strict=True):
        np.testing.assert_allclose(new.points, old.points)
        assert (new.label, new.index) == (old.label, old.index)
    assert again[0].keypoints[0].score == 0.5
    np.testing.assert_allclose(again[0].keypoints[0].confidence, labels[0].keypoints[0].confidence)


def test_gaps_are_filled(labels):
    poses = refine.run(to_poses(labels, IMAGES), steps=["complete"])
    assert np.isfinite(from_poses(poses)[0].keypoints[0].points[4]).all()


def test_zeros_are_missing(fiftyone):
    one = fiftyone.Keypoint(points=[(0.0, 0.0)] + [(0.5, 0.5)] * 16, confidence=[0.5] * 17)
    poses = to_poses(fiftyone.Keypoints(keypoints=[one]), IMAGES[:1])
    assert np.argwhere(~poses.present).tolist() == [[0, 0]]


def test_bad_input_is_told(labels):
    with pytest.raises(ArrayError, match="expected 3 images, got 1"):
        to_poses(labels, IMAGES[:1])
    with pytest.raises(ArrayError, match="expected the size of image 1"):
        to_poses(labels[:1], [refine.ImageRef(1)])
    with pytest.raises(ArrayError, match=r"keypoint 0: expected 16 points for 'mpii16', got 17"):
        to_poses(labels, IMAGES, "mpii16")
    with pytest.raises(ArrayError, match="expected the size of image 1"):
        from_poses(to_poses(labels[:1], IMAGES[:1]).replace(images=(refine.ImageRef(1),)))
