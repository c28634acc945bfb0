"""Keypoints for lifting: arrays of a video, what they do not tell, and pickles."""

import numpy as np
import pytest

from refine.exceptions import FormatError, SkeletonError
from refine.formats import read, sniff, write


@pytest.fixture
def archive(tmp_path):
    def make(**arrays):
        np.savez(tmp_path / "a.npz", **arrays)
        return tmp_path / "a.npz"

    return make


@pytest.fixture
def video():
    """Positions (T, 17, 2) of four frames."""
    return np.random.default_rng(0).uniform(10, 500, (4, 17, 2)).round(2)


def test_the_order_of_17_joints_is_asked_for(archive, video):
    path = archive(positions_2d=video)
    assert sniff(path) == "h36m"
    with pytest.raises(SkeletonError, match=r"coco17.*h36m17.*--skeleton"):
        read(path)
    poses = read(path, skeleton="h36m17")
    np.testing.assert_array_equal(poses.xy, video)
    assert [ref.frame for ref in poses.images] == [0, 1, 2, 3]
    assert (poses.track, poses.score_kind) == (None, "none")


def test_mhformers_are_in_the_order_of_human36m(archive, video):
    poses = read(archive(reconstruction=np.stack([video, video + 1])))
    assert poses.skeleton.name == "h36m17"
    assert (poses.track.tolist(), poses.image.tolist()) == ([0, 1] * 4, [0, 0, 1, 1, 2, 2, 3, 3])


def test_a_video_comes_back(archive, video, tmp_path):
    scores = np.linspace(0.1, 0.9, 68).reshape(4, 17)
    poses = read(archive(positions_2d=video, scores=scores, frames=[3, 4, 7, 9]), skeleton="coco17")
    write(poses, tmp_path / "b.npz")
    after = read(tmp_path / "b.npz")
    assert (after.skeleton.name, after.images) == ("coco17", poses.images)
    np.testing.assert_array_equal(after.xy, poses.xy)
    np.testing.assert_array_equal(after.score, scores)


@pytest.mark.parametrize("name", ["positions_2d", "boxes"])
def test_pickles_are_refused_and_the_way_out_is_told(archive, video, name):
    held = np.array({"S1": {"Walking": [video]}}, dtype=object)
    with pytest.raises(FormatError, match=r"pickles that could run any code.*; try .*np\.savez"):
        read(archive(**{name: held}))


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"positions_2d": np.ones((4, 17, 3))}, "expected x, y .* 3 values of each joint; try"),
        ({"positions_2d": np.ones((17, 2))}, "expected numbers in 4 dimensions"),
        ({"scores": np.ones((3, 17))}, "that fit 1 persons in 4 frames with 17 joints"),
        ({"frames": [1, 1, 2, 3]}, "that fit 1 persons in 4 frames"),
    ],
)
def test_what_is_refused(archive, video, arrays, message):
    with pytest.raises(FormatError, match=message):
        read(archive(**{"positions_2d": video} | arrays), skeleton="h36m17")


def test_damaged_archives(archive, video, tmp_path):
    data = archive(positions_2d=video).read_bytes()
    for bad in (data[:-30], data[:60] + b"\0" * 200 + data[260:]):
        (tmp_path / "b.npz").write_bytes(bad)
        with pytest.raises(FormatError, match="expected"):
            read(tmp_path / "b.npz", skeleton="h36m17")
