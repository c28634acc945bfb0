from types import SimpleNamespace

import numpy as np
import pytest
import torch

import refine
from refine.adapters.ultralytics import from_poses, refined, to_poses
from refine.exceptions import ArrayError


class Standin:
    """As much of `ultralytics.engine.results.Results` as is read and called."""

    def __init__(self, boxes, keypoints, shape, path):
        self.boxes, self.keypoints = SimpleNamespace(data=boxes), SimpleNamespace(data=keypoints)
        self.orig_shape, self.path = shape, path

    def __getitem__(self, rows):
        boxes, keypoints = self.boxes.data[rows], self.keypoints.data[rows]
        return Standin(boxes, keypoints, self.orig_shape, self.path)

    def update(self, boxes, keypoints):
        self.boxes, self.keypoints = SimpleNamespace(data=boxes), SimpleNamespace(data=keypoints)


@pytest.fixture(params=["stand-in", "ultralytics"])
def make(request, peer):
    if request.param == "stand-in":
        return lambda b, k: Standin(b, k, (480, 640), "a.jpg")
    kind = peer("ultralytics.engine.results").Results
    image = np.zeros((480, 640, 3), np.uint8)
    return lambda b, k: kind(image, "a.jpg", {0: "person"}, boxes=b, keypoints=k)


@pytest.fixture
def results(make):
    """Three people, the last twice; an image without anybody; one with a track id."""
    rng = np.random.default_rng(0)
    xy = rng.uniform(50, 400, (3, 17, 2))
    points = np.concatenate([xy, rng.uniform(0.5, 1, (3, 17, 1))], -1)
    points[0, 4] = 0, 0, 0.3
    boxes = np.concatenate([xy.min(1), xy.max(1), [[0.9, 0], [0.8, 0], [0.7, 0]]], 1)
    tracked = np.insert(boxes, 4, [7, 8, 9], 1)
    rows = [0, 1, 2, 2]
    return [
        make(torch.tensor(b, dtype=torch.float32), torch.tensor(p, dtype=torch.float32))
        for b, p in (
            (boxes[rows], points[rows]),
            (boxes[:0], points[:0]),
            (tracked, points),
        )
    ]


def test_results_become_poses(results):
    poses = to_poses(results[:2])
    assert len(poses) == 4
    assert [(r.file_name, r.width, r.height) for r in poses.images] == [("a.jpg", 640, 480)] * 2
    assert np.argwhere(~poses.present).tolist() == [[0, 4]]
    assert poses.score[0, 4] == pytest.approx(0.3)
    np.testing.assert_allclose(poses.instance_score, [0.9, 0.8, 0.7, 0.7], atol=1e-6)
    assert poses.track is None
    assert to_poses(results[2]).track.tolist() == [7, 8, 9]


def test_results_come_back(results):
    before = [r.keypoints.data.clone() for r in results]
    for new, old, kept in zip(from_poses(to_poses(results), results), results, before, strict=True):
        assert new is not old
        assert new.keypoints.data.dtype == torch.float32
        torch.testing.assert_close(new.keypoints.data[:, 5:], old.keypoints.data[:, 5:])
        torch.testing.assert_close(new.boxes.data, old.boxes.data)
        assert (old.keypoints.data == kept).all()


def test_duplicates_leave_with_their_boxes(results):
    poses = refine.run(to_poses(results), refine.Config(steps=("suppress",)))
    new = from_poses(poses, results)
    assert [len(r.keypoints.data) for r in new] == [3, 0, 3]
    assert [len(r.boxes.data) for r in new] == [3, 0, 3]


def test_the_callback_refines_what_a_predictor_holds(make):
    rng = np.random.default_rng(1)
    truth = torch.tensor(rng.uniform(50, 400, (2, 17, 2)), dtype=torch.float32)
    points = torch.cat([truth, torch.full((2, 17, 1), 0.9)], -1)
    points[0, 9] = 0
    boxes = torch.tensor([[40.0, 40, 410, 410, 0.9, 0]] * 2)
    predictor = SimpleNamespace(results=[make(boxes, points)])
    refined()(predictor)
    [new] = predictor.results
    assert (new.keypoints.data[0, 9] > 0).all()
    torch.testing.assert_close(new.boxes.data[:, 4], boxes[:, 4])


def test_bad_input_is_told(results):
    with pytest.raises(ArrayError, match="-pose model"):
        to_poses(SimpleNamespace(keypoints=None))
    with pytest.raises(ArrayError, match="3 images"):
        from_poses(to_poses(results), results[:2])


def boxes_of(labels):
    return torch.tensor([[1.0, 2, 30, 40, 0.9, c] for c in labels]).reshape(-1, 6)


def test_generators_are_taken(results):
    poses = to_poses(r for r in results[:2])
    assert len(poses) == len(to_poses(results[:2]))
    assert [len(rows) for _, rows in poses.by_image()] == [4, 0]
    with pytest.raises(ArrayError, match="in a list"):
        from_poses(poses, iter(()))


def test_no_frames_are_no_poses():
    poses = to_poses([])
    assert (len(poses), poses.images, poses.score_kind) == (0, (), "probability")
    assert from_poses(poses, []) == []


@pytest.mark.parametrize(
    "shape", [(1, 0, 51), (0, 17, 3), (0, 51), (0,), (0, 17, 2), (1, 0, 17, 3)]
)
@pytest.mark.parametrize("dims", [2, 3])
def test_the_kind_of_score_does_not_depend_on_the_frame(shape, dims):
    empty = Standin(boxes_of([]), torch.zeros(shape), (480, 640), "a.jpg")
    full = Standin(boxes_of([0]), torch.ones(1, 17, dims), (480, 640), "b.jpg")
    for frames in ([empty, full], [full, empty], [empty]):
        poses = to_poses(frames)
        assert poses.score_kind == "probability"
        assert len(poses.images) == len(frames)
    both = to_poses([empty, full])
    assert np.isfinite(both.score).all() == (dims == 3)
    again = from_poses(both, [empty, full])
    assert again[1].keypoints.data.shape == (1, 17, dims)


def test_classes_are_categories_and_boxes_and_tracks_stay():
    tracked = torch.tensor([[1.0, 2, 30, 40, 7, 0.9, 1], [1, 2, 30, 40, 9, 0.8, 0]])
    frame = Standin(tracked, torch.ones(2, 17, 3), (480, 640), "dir/b.jpg")
    poses = to_poses(frame)
    assert [e["category_id"] for e in poses.extra] == [2, 1]
    assert poses.track.tolist() == [7, 9]
    assert poses.images[0].file_name == "dir/b.jpg"
    back = from_poses(poses[[1]], [frame])[0]
    torch.testing.assert_close(back.boxes.data, tracked[1:])


def test_another_number_of_joints_is_told():
    frame = Standin(boxes_of([0]), torch.ones(1, 5, 3), (480, 640), "a.jpg")
    with pytest.raises(ArrayError, match=r"image 0: expected keypoints \(N, 17.*got \(1, 5, 3\)"):
        to_poses([frame])
