"""movement's data sets, and xarray as the other side."""

import numpy as np
import pytest

from refine.exceptions import FormatError
from refine.formats import FORMATS, read, sniff, write

SHAPE = (3, 2, 2, 2)
DIMS = ["time", "space", "keypoints", "individuals"]


@pytest.fixture
def held():
    """Two individuals at three times; the second comes with the second time."""
    position = np.arange(10.0, 34).reshape(SHAPE)
    position[0, :, :, 1] = np.nan
    confidence = np.full((3, 2, 2), 0.5)
    confidence[0, :, 1] = np.nan
    return {
        "hdf5": {
            "position": np.where(np.isnan(position), None, position).tolist(),
            "confidence": np.where(np.isnan(confidence), None, confidence).tolist(),
            "time": [0.0, 0.2, 1.0],
            "space": ["x", "y"],
            "keypoints": ["nose", "tail"],
            "individuals": ["Tom", "Kit"],
        },
        "attributes": {"fps": 5.0, "time_unit": "seconds", "log": "[]", "ds_type": "poses"},
        "dimensions": {
            "position": DIMS,
            "confidence": [DIMS[0], *DIMS[2:]],
            **{name: [name] for name in DIMS},
        },
    }


def test_frames_names_and_tracks(file, held):
    poses = read(source := file(held))
    assert sniff(source) == "movement"
    assert [(ref.id, ref.frame) for ref in poses.images] == [(0, 0), (1, 1), (5, 5)]
    assert (poses.image.tolist(), poses.track.tolist()) == ([0, 1, 1, 2, 2], [0, 0, 1, 0, 1])
    assert [extra["individual"] for extra in poses.extra] == ["Tom", "Tom", "Kit", "Tom", "Kit"]
    assert poses.xy[0].tolist() == [[10, 14], [12, 16]]
    assert poses.skeleton.joints == ("nose", "tail")


def test_a_data_set_comes_back(file, back, held):
    done = back(read(file(held)))
    assert done["attributes"].items() >= held["attributes"].items()
    assert done["hdf5"] == held["hdf5"]
    assert done["dimensions"] == held["dimensions"]


def test_dimensions_in_the_singular_and_in_another_order(file, held):
    arrays, dims = held["hdf5"], held["dimensions"]
    same = read(file(held))
    for name in DIMS[2:]:
        arrays[name[:-1]] = arrays.pop(name)
    turned = np.array(arrays["position"], float).transpose(3, 2, 1, 0)
    arrays["position"] = np.where(np.isnan(turned), None, turned).tolist()
    dims["position"] = ["individual", "keypoint", "space", "time"]
    dims["confidence"] = ["time", "keypoint", "individual"]
    poses = read(file(held))
    np.testing.assert_array_equal(poses.xy, same.xy)
    np.testing.assert_array_equal(poses.score, same.score)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"space": ["y", "z"]}, "expected positions by x and y, got y, z"),
        ({"time": [0.0, 0.25, 1.0]}, "expected times that are frames.* got 1.25"),
        ({"time": [0.0, 0.0, 1.0]}, "each once, got one twice"),
        ({"time": [0.0, 1.0]}, "expected 3 times"),
        ({"keypoints": ["nose"]}, "expected arrays of 3 times, 2 individuals, 1 keypoints"),
        ({"individuals": ["Tom", "Tom"]}, "expected different names in 'individuals'"),
        ({"position": [[1.0]]}, "expected numbers in 4 dimensions in 'position'"),
        ({"position": None}, "expected numbers in 'position', got null"),
    ],
)
def test_what_is_refused(file, held, changes, message):
    held["hdf5"] |= changes
    with pytest.raises(FormatError, match=message):
        read(file(held))


@pytest.mark.parametrize("engine", ["h5netcdf", "netcdf4"])
def test_xarray_reads_what_we_write_and_we_what_it_writes(file, held, tmp_path, engine):
    xarray = pytest.importorskip("xarray")
    pytest.importorskip("h5netcdf" if engine == "h5netcdf" else "netCDF4")
    before = read(file(held)).done("suppress", threshold=0.5)
    write(before, tmp_path / "a.nc", "movement")
    with xarray.open_dataset(tmp_path / "a.nc", engine=engine) as data:
        data.load()
    assert dict(data.sizes) == {"time": 3, "space": 2, "keypoints": 2, "individuals": 2}
    assert data.individuals.values.tolist() == ["Tom", "Kit"]
    one = data.position.sel(individuals="Kit", keypoints="tail", time=1.0)
    assert one.values.tolist() == before.xy[4, 1].tolist()
    assert float(data.attrs["fps"]) == 5
    data.to_netcdf(tmp_path / "b.nc", engine=engine)
    for name in ("a.nc", "b.nc"):
        after = read(tmp_path / name)
        np.testing.assert_array_equal(after.xy, before.xy)
        np.testing.assert_array_equal(after.score, before.score)
        assert (after.images, after.extra) == (before.images, before.extra)
        assert after.history == before.history


def test_images_without_numbers_are_counted(cli, file, row, tmp_path):
    source, out = file([row("a.jpg"), row("b.jpg")]), tmp_path / "a.json"
    done = cli("convert", source, "-o", out, "--to", "movement")
    assert (done.code, "frames of 2 images that are not numbered" in done.err) == (0, True)
    assert [ref.frame for ref in read(out).images] == [0, 1]
    file([row(785), row(40083)])
    assert cli("convert", source, "-o", out, "--to", "movement").code == 0
    assert [ref.id for ref in read(out).images] == [785, 40083]


def test_the_name_tells_the_format(tmp_path):
    pytest.importorskip("h5py")
    write(FORMATS["movement"].example(), tmp_path / "a.nc")
    assert sniff(tmp_path / "a.nc") == "movement"
