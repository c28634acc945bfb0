import numpy as np
import pytest

from refine.geometry import Crop
from refine.refiner.belief import Belief
from refine.refiner.image.conditioning import make_conditioning
from refine.refiner.pose.boxes import crop_boxes
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


def test_clues_are_in_crop_px_and_weigh_nothing_where_nothing_is(scene):
    crop = Crop.from_matrix(np.tile([[2.0, 0, 5], [0, 2, -3]], (2, 1, 1)), (64, 64))
    told = make_conditioning(scene, believe(scene), crop, extra=1)
    assert told.own.shape == (2, 4, 3)
    assert told.near.shape == (2, 2, 4, 3)
    np.testing.assert_allclose(told.own[0, 0], [25, 37, 0.9], rtol=1e-6)
    np.testing.assert_array_equal(told.own[0, 2], 0)
    np.testing.assert_allclose(told.belief[0, 2], [105, 97, 8, 0.9], rtol=1e-6)
    np.testing.assert_allclose(told.near[0, 0, 0], [205, 197, 1])
    np.testing.assert_array_equal(told.near[:, 1], 0)
    np.testing.assert_array_equal(told.own[:, 3], 0)
    np.testing.assert_allclose(told.oks, np.log(3), rtol=1e-5)
