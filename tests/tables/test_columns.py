"""Columns to poses and back, without any library."""

import numpy as np
import pytest

import refine
from refine.exceptions import ArrayError, RefineError
from refine.tables.columns import from_columns, to_columns
from tests.tables.conftest import OWN, assert_same, make


def back(columns, skeleton=None):
    given = from_columns(columns, skeleton)
    return refine.Poses(**given | {"images": tuple(refine.ImageRef(**r) for r in given["images"])})


def lists(poses):
    return {name: values.tolist() for name, values in to_columns(poses).items()}


def test_all_comes_back(poses):
    assert_same(poses, back(lists(poses)))


def test_ids_of_several_kinds_come_back():
    assert_same(
        make(ids=(7, "8", "a b", 5, "007")), back(lists(make(ids=(7, "8", "a b", 5, "007"))))
    )


def test_rows_may_be_sorted_and_left_out():
    poses, columns = make(), lists(make())
    order = np.random.default_rng(1).permutation(len(columns["x"]))
    mixed = {name: [values[i] for i in order] for name, values in columns.items()}
    got = back(mixed)
    index = {ref.id: i for i, ref in enumerate(got.images)}
    np.testing.assert_array_equal(got.xy, poses.xy)
    assert [got.images[i].id for i in got.image] == [poses.images[i].id for i in poses.image]
    assert index.keys() == {ref.id for ref in poses.images}
    tails = {
        name: [v for v, joint in zip(values, columns["joint"], strict=True) if joint != "tail"]
        for name, values in columns.items()
    }
    got = back(tails)
    assert np.isnan(got.xy[:, 0]).all()
    np.testing.assert_array_equal(got.xy[:, 1:], poses.xy[:, 1:])


def test_a_table_of_others():
    """No more than the four columns, and joints in an order of their own."""
    table = {
        "image_id": ["a", "a", "b", "b"],
        "joint": ["left_ear", "tail", "left_ear", "tail"],
        "x": [1.0, 2, 3, None],
        "y": [5, 6, 7, float("nan")],
        "animal": [1, 1, 2, 2],
    }
    poses = back(table)
    assert poses.skeleton.joints == ("left_ear", "tail")
    assert poses.score_kind == "none"
    np.testing.assert_array_equal(poses.xy[0], [[1, 5], [2, 6]])
    assert np.isnan(poses.xy[1, 1]).all()
    assert poses.track is None
    mapped = back(table, OWN)
    assert mapped.skeleton is OWN
    np.testing.assert_array_equal(mapped.xy[0, :2], [[2, 6], [1, 5]])


def test_tracks_tell_poses_of_one_image_apart():
    table = {
        "image_id": [1, 1],
        "joint": ["nose"] * 2,
        "x": [1, 2],
        "y": [3, 4],
        "track_id": [5, 6],
    }
    assert back(table).track.tolist() == [5, 6]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"joint": None}, "expected columns image_id, joint, x, y, got none 'joint'"),
        ({"joint": ["nose", "nose"]}, "row 1: expected each joint of nose once .* 'nose' twice"),
        ({"x": ["a", "b"]}, "expected numbers in 'x'"),
        ({"pose_score": [0.1, 0.2]}, "row 1: expected one 'pose_score' .* got .*0.2.* after .*0.1"),
        ({"width": [4, 5]}, "row 1: expected one 'width' .* got 5 after 4"),
        ({"skeleton": ["coco17", "aic14"]}, "expected one 'skeleton' in a table, got 2"),
        ({"extra": ["[3]", "[3]"]}, "row 0: expected a JSON object in 'extra'"),
        ({"refine_history": ["x =", "x ="]}, "expected `name key=value"),
    ],
)
def test_bad_tables_are_refused(change, message):
    table = {
        "image_id": [1, 1],
        "pose": [0, 0],
        "joint": ["nose", "left_eye"],
        "x": [1, 2],
        "y": [3, 4],
    }
    table = {k: v for k, v in (table | change).items() if v is not None}
    with pytest.raises(RefineError, match=message):
        back(table)


def test_a_joint_that_the_skeleton_lacks():
    table = {"image_id": [1], "joint": ["wing"], "x": [1], "y": [3]}
    with pytest.raises(ArrayError, match=r"row 0: expected each joint of tail, .*got 'wing'"):
        back(table, OWN)
