import numpy as np
import pytest

from refine.refiner.belief import Belief
from refine.refiner.pose.boxes import crop_boxes, pose_boxes
from refine.refiner.pose.features import Scene


@pytest.fixture
def scene():
    xy = np.array([[[10.0, 20], [30, 60], [0, 0]], [[100, 100], [120, 140], [110, 120]]])
    present = np.array([[True, True, False], [True, True, True]])
    near = np.array([[1, -1], [0, -1]])
    return Scene(xy, present, np.full((2, 3, 2), -1.0), near, np.full((2, 2), 200.0))


def believe(scene, **values):
    n, k = scene.present.shape
    given = {
        "xy": np.where(scene.present[..., None], scene.xy, 50.0),
        "sigma_px": np.full((n, k), 4.0),
        "keep": np.where(scene.present, 0.9, 0.0),
        "move": np.full((n, k), 0.6),
        "wrong": np.full((n, k), 0.1),
        "annotated": np.full((n, k), 0.9),
        "oks": np.full(n, 0.75),
        "size_px": np.full(n, 10.0),
    }
    return Belief(**{**given, **values})


def test_the_box_holds_what_is_present_and_what_is_likely_labelled(scene):
    box = crop_boxes(scene, believe(scene))
    np.testing.assert_allclose(box[0], [9.5, 19.5, 50.5, 60.5])
    unlikely = np.full((2, 3), 0.9)
    unlikely[0, 2] = 0.1
    box = crop_boxes(scene, believe(scene, annotated=unlikely))
    np.testing.assert_allclose(box[0], [9.5, 19.5, 30.5, 60.5])


def test_joints_believed_wrong_do_not_stretch_the_box(scene):
    belief = believe(scene)
    xy, keep = belief.xy.copy(), belief.keep.copy()
    xy[1, 1], keep[1, 1] = [105.0, 110], 0.1
    box = crop_boxes(scene, believe(scene, xy=xy, keep=keep))
    np.testing.assert_allclose(box[1], [99.5, 99.5, 110.5, 120.5])


def test_few_joints_get_a_box_of_a_body(scene):
    box = crop_boxes(scene, believe(scene, size_px=np.full(2, 80.0)))
    assert ((box[:, 2:] - box[:, :2]).max(1) >= 80).all()


def test_a_pose_without_joints_has_a_box(scene):
    empty = Scene(scene.xy, np.zeros((2, 3), bool), scene.score, scene.near, scene.image_size)
    box = crop_boxes(empty, believe(empty, xy=np.full((2, 3, 2), np.nan)))
    assert (box[:, 2:] > box[:, :2]).all()


def test_boxes_of_joints_as_they_came_are_tight_and_never_empty():
    xy = np.zeros((4, 17, 2))
    xy[0, :2], xy[1, 0], xy[3, 0] = [[5, 6], [15, 40]], [30, 40], [30, 40]
    present = np.zeros((4, 17), bool)
    present[0, :2] = present[1, 0] = present[3, 0] = True
    scene = Scene(xy, present, np.zeros((4, 17, 2)), np.zeros((4, 3), int), np.zeros((4, 2)))
    flat = np.zeros((4, 17))
    annotated = flat.copy()
    annotated[3, 5] = 0.9
    guess = Belief(np.full((4, 17, 2), 70.0), flat, flat, flat, flat, annotated, flat[0], flat[0])
    assert pose_boxes(scene, guess).tolist() == [
        [5, 6, 15, 40], [20, 30, 40, 50], [-10, -10, 10, 10], [30, 40, 70, 70]
    ]  # fmt: skip
