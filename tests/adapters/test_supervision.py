import sys
from dataclasses import dataclass, field
from types import SimpleNamespace

import numpy as np
import pytest

import refine
from refine.adapters.supervision import from_poses, to_poses
from refine.exceptions import ArrayError


@dataclass
class KeyPoints:
    """The fields of supervision 0.31."""

    xy: np.ndarray
    class_id: np.ndarray | None = None
    keypoint_confidence: np.ndarray | None = None
    detection_confidence: np.ndarray | None = None
    visible: np.ndarray | None = None
    data: dict = field(default_factory=dict)


@dataclass
class OldKeyPoints:
    """The fields of supervision 0.25."""

    xy: np.ndarray
    class_id: np.ndarray | None = None
    confidence: np.ndarray | None = None
    data: dict = field(default_factory=dict)


@pytest.fixture(params=["stand-in", "old stand-in", "supervision"])
def kind(request, peer, monkeypatch):
    if request.param == "supervision":
        return peer("supervision").KeyPoints
    chosen = KeyPoints if request.param == "stand-in" else OldKeyPoints
    monkeypatch.setitem(sys.modules, "supervision", SimpleNamespace(KeyPoints=chosen))
    return chosen


@pytest.fixture
def frame(kind):
    """Three people with class names; the last two are one, and one joint is missing."""
    rng = np.random.default_rng(0)
    xy = rng.uniform(1, 400, (3, 17, 2)).astype(np.float32)
    xy[2], xy[0, 4] = xy[1], 0
    confidence = rng.uniform(0.3, 1, (3, 17)).astype(np.float32)
    confidence[2], confidence[0, 4] = 0.9 * confidence[1], 0
    name = "confidence" if kind is OldKeyPoints else "keypoint_confidence"
    more = {} if kind is OldKeyPoints else {"detection_confidence": np.float32([0.9, 0.8, 0.7])}
    data = {"class_name": np.array(["a", "b", "c"])}
    return kind(xy, class_id=np.array([0, 1, 1]), data=data, **{name: confidence}, **more)


def test_key_points_come_back(frame):
    poses = to_poses(frame)
    assert np.argwhere(~poses.present).tolist() == [[0, 4]]
    [again] = from_poses(poses)
    for name, value in vars(frame).items():
        if name == "data":
            assert again.data["class_name"].tolist() == ["a", "b", "c"]
        elif value is not None:
            np.testing.assert_array_equal(getattr(again, name), value)
    if hasattr(frame, "visible"):
        assert np.argwhere(~again.visible).tolist() == [[0, 4]]


def test_duplicates_leave_and_gaps_are_filled(frame):
    config = refine.Config(steps=("complete", "suppress"))
    [better] = from_poses(refine.run(to_poses(frame), config))
    assert len(better.xy) == 2
    assert better.data["class_name"].tolist() == ["a", "b"]
    assert (better.xy[0, 4] != 0).all()


def test_empty_frames_keep_their_place(kind, frame):
    empty = kind(np.empty((0, 0, 2), np.float32))
    frames = from_poses(to_poses([empty, frame]))
    assert [len(f.xy) for f in frames] == [0, 3]


def test_bad_input_is_told(frame):
    with pytest.raises(ArrayError, match="1 images, got 0"):
        to_poses(frame, images=[])
    with pytest.raises(ArrayError, match="expected xy"):
        to_poses(frame, skeleton="mpii16")


def test_it_takes_our_results_of_vitpose(peer):
    import torch

    from refine.adapters.transformers import post_process_pose_estimation

    maps = torch.rand(2, 17, 64, 48, generator=torch.Generator().manual_seed(0))
    outputs, boxes = SimpleNamespace(heatmaps=maps), [[[0.0, 0, 60, 80], [5, 5, 30, 40]]]
    [people] = post_process_pose_estimation(outputs, boxes)
    assert peer("supervision").KeyPoints.from_transformers(people).xy.shape == (2, 17, 2)


def test_edges_are_taken():
    assert len(to_poses([])) == 0
    some = KeyPoints(np.ones((2, 17, 2)), class_id=np.array([0, 3]))
    none = KeyPoints(np.empty((0, 17, 2)))
    poses = to_poses(frame for frame in (none, some, KeyPoints(np.empty((1, 0, 2)))))
    assert (len(poses), len(poses.images)) == (2, 3)
    assert [e["category_id"] for e in poses.extra] == [1, 4]
