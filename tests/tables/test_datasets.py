"""Labelled arrays of xarray, ours and movement's."""

import numpy as np
import pytest

import refine
from refine.exceptions import ArrayError
from tests.tables.conftest import OWN, assert_same, make


def test_datasets_come_back(poses, library):
    library("xarray")
    assert_same(poses, refine.Poses.from_xarray(poses.to_xarray()))


def video(**more):
    """Two tracks over four frames, the second of them from the third frame on."""
    xy = np.arange(36.0).reshape(6, 3, 2)
    images = [refine.ImageRef(i, frame=i) for i in range(4)]
    poses = refine.Poses.from_arrays(
        OWN, xy, np.full((6, 3), 0.5), image=[0, 1, 2, 2, 3, 3], images=images
    )
    return poses.replace(track=np.array([1, 1, 1, 4, 4, 1]), **more)


def test_tracks_are_individuals(library):
    library("xarray")
    dataset = video().to_xarray()
    assert dataset["position"].dims == ("time", "space", "keypoints", "individuals")
    assert dataset["position"].shape == (4, 2, 3, 2)
    assert dataset["individuals"].values.tolist() == ["id_1", "id_4"]
    one = dataset["position"].sel(individuals="id_4", keypoints="tail", space="x")
    np.testing.assert_array_equal(one, [np.nan, np.nan, 18, 24])
    assert_same(video(), refine.Poses.from_xarray(dataset))


def test_movement_takes_ours_and_we_take_its(library):
    library("xarray")
    validate = library("movement.validators.datasets").ValidPosesInputs
    validate.validate(video().to_xarray())
    rng = np.random.default_rng(0)
    position = rng.random((5, 2, 3, 2))
    position[1, :, :, 0] = np.nan
    confidence = rng.random((5, 3, 2))
    confidence[1, :, 0] = np.nan
    load = library("movement.io.load_poses").from_numpy
    dataset = load(position, confidence, ["Alice", "Bob"], ["tail", "left_ear", "right_ear"], 25.0)
    poses = refine.Poses.from_xarray(dataset)
    assert poses.skeleton.joints == OWN.joints
    assert [ref.frame for ref in poses.images] == [0, 1, 2, 3, 4]
    assert len(poses) == 9
    assert [e["individual"] for e in poses.extra][:3] == ["Alice", "Bob", "Bob"]
    assert poses.track.tolist()[:3] == [0, 1, 1]
    np.testing.assert_array_equal(poses.xy[0], position[0, :, :, 0].T)
    np.testing.assert_array_equal(poses.score[1], confidence[0, :, 1])
    assert poses.to_xarray()["individuals"].values.tolist() == ["Alice", "Bob"]
    numbered = load(position, confidence, ["id_7", "id_2"], list(OWN.joints))
    poses = refine.Poses.from_xarray(numbered)
    assert (poses.track.tolist()[:3], poses.extra[0]) == ([7, 2, 2], {})


def test_files_of_datasets_come_back(library, tmp_path):
    xarray = library("xarray")
    library("h5netcdf")
    make().to_xarray().to_netcdf(tmp_path / "a.nc", engine="h5netcdf")
    with xarray.open_dataset(tmp_path / "a.nc", engine="h5netcdf") as dataset:
        assert_same(make(), refine.Poses.from_xarray(dataset))


def test_bad_datasets_are_refused(library):
    xarray = library("xarray")
    with pytest.raises(ArrayError, match=r"expected 'position' with time, space, .* got"):
        refine.Poses.from_xarray(xarray.Dataset({"place": ("time", [1])}))
    deep = video().to_xarray().reindex(space=["x", "y", "z"])
    with pytest.raises(ArrayError, match="got 3 dimensions"):
        refine.Poses.from_xarray(deep)
    with pytest.raises(ArrayError, match="expected 17 keypoints for 'coco17', got 3"):
        refine.Poses.from_xarray(video().to_xarray(), "coco17")


def test_frames_per_second_go_there_and_back(library):
    library("xarray")
    dataset = video(meta={"fps": 25, "notes": ()}).to_xarray()
    assert dataset.attrs["fps"] == 25
    assert refine.Poses.from_xarray(dataset).meta == {"fps": 25}
    assert "fps" not in video().to_xarray().attrs
