"""HDF5 that pandas wrote is read by us, ours is read by pandas; nothing is unpickled."""

import io
import os
import pickle

import numpy as np
import pytest

import refine
from refine.exceptions import FormatError
from refine.formats import read, sniff, write


@pytest.fixture
def frame():
    """DeepLabCut's frames: predictions of one animal, or labels of two."""
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("tables")

    def make(labels=False):
        levels = [["net"], ["snout", "tail"], ["x", "y", "likelihood"]]
        names = ["scorer", "bodyparts", "coords"]
        index = [0, 3, 12]
        if labels:
            levels = [["me"], ["Tom", "Kit"], ["snout", "tail"], ["x", "y"]]
            names = ["scorer", "individuals", "bodyparts", "coords"]
            images = [("labeled-data", "mouse", f"img{i:04d}.png") for i in index]
            index = pandas.MultiIndex.from_tuples(images)
        columns = pandas.MultiIndex.from_product(levels, names=names)
        values = np.arange(1.0, 3 * len(columns) + 1).reshape(3, -1) / 4
        values[1, :4] = np.nan
        return pandas.DataFrame(values, index, columns)

    return make


@pytest.mark.parametrize("kind", ["fixed", "table"])
@pytest.mark.parametrize("labels", [False, True])
def test_frames_of_pandas(frame, kind, labels, tmp_path):
    import pandas

    before = frame(labels)
    if labels and kind == "table":  # pandas keeps no index of several levels in tables.
        before.index = ["/".join(parts) for parts in before.index]
    before.to_hdf(tmp_path / "a.h5", key="df_with_missing", format=kind, mode="w")
    before.to_csv(tmp_path / "a.csv")
    assert sniff(tmp_path / "a.h5") == "deeplabcut"
    poses, same = read(tmp_path / "a.h5"), read(tmp_path / "a.csv")
    np.testing.assert_array_equal(poses.xy, same.xy)
    np.testing.assert_array_equal(poses.score, same.score)
    assert (poses.images, poses.extra) == (same.images, same.extra)
    write(poses, tmp_path / "b.h5")
    after = pandas.read_hdf(tmp_path / "b.h5")
    pandas.testing.assert_frame_equal(after, before)
    assert os.fspath(tmp_path) not in (tmp_path / "b.h5").read_bytes().decode("latin-1")


def test_hdf5_is_told_by_its_content(tmp_path):
    pytest.importorskip("h5py")
    person = refine.formats.FORMATS["deeplabcut"].example()
    write(person, tmp_path / "a.h5", "deeplabcut")
    (tmp_path / "a.h5").rename(tmp_path / "a.txt")
    assert sniff(tmp_path / "a.txt") == "deeplabcut"
    data = io.BytesIO((tmp_path / "a.txt").read_bytes())
    np.testing.assert_array_equal(read(data).xy, person.xy)


def test_what_a_pickle_names_is_not_called(tmp_path):
    h5py = pytest.importorskip("h5py")

    class Call:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "called"),)

    for harm in (pickle.dumps(Call()), b"cos\nsystem\n(S'true'\ntR.", b"not a pickle"):
        with h5py.File(tmp_path / "a.h5", "w") as file:
            group = file.create_group("df_with_missing")
            group.attrs["pandas_type"] = np.bytes_(b"frame_table")
            group.attrs["non_index_axes"] = np.void(harm)
            group["table"] = np.zeros(3, [("index", "i8"), ("values_block_0", "f8", (2,))])
        with pytest.raises(FormatError, match="expected readable HDF5"):
            read(tmp_path / "a.h5")
    assert not (tmp_path / "called").exists()


def test_files_that_were_cut_are_refused(tmp_path):
    pytest.importorskip("h5py")
    write(refine.formats.FORMATS["deeplabcut"].example(), tmp_path / "a.h5", "deeplabcut")
    data = (tmp_path / "a.h5").read_bytes()
    for end in range(8, len(data), len(data) // 20):
        with pytest.raises(FormatError, match="expected readable HDF5"):
            read(io.BytesIO(data[:end]))


def test_more_than_a_file_of_its_size_holds_is_refused(tmp_path):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("tracks", (1 << 16, 1 << 14), "f8", chunks=True, compression="gzip")
    with pytest.raises(FormatError, match=r"at most \d+ bytes in an HDF5 file of this size"):
        read(tmp_path / "a.h5")


def test_without_h5py_it_is_said(monkeypatch, tmp_path):
    monkeypatch.setitem(__import__("sys").modules, "h5py", None)
    (tmp_path / "a.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + b"\0" * 99)
    with pytest.raises(FormatError, match=r'pip install "refine-pose\[hdf5\]"'):
        read(tmp_path / "a.h5")
