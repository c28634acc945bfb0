"""Files that are open already are read and written like those that are named."""

import gzip
import io
import tempfile
import zipfile

import numpy as np
import pytest

import refine
from refine.exceptions import FormatError
from refine.formats import FORMATS
from refine.formats.containers import is_binary


@pytest.mark.parametrize("format", [f for f in FORMATS if not is_binary(FORMATS[f].ending)])
def test_open_files_are_read_and_written(format, tmp_path):
    before = FORMATS[format].example()
    data, words = io.BytesIO(), io.StringIO()
    pixels = False if format == "yolo" else None  # No sizes in there.
    for file in (data, words):
        refine.write(before, file, format)
        file.seek(0)
    assert data.getvalue().decode() == words.getvalue()
    for file in (data, words):
        after = refine.read(file, format, skeleton=before.skeleton, normalised=pixels)
        if after.images[0].width or pixels is None:
            np.testing.assert_array_equal(after.xy, before.xy)
        file.seek(0)
        assert refine.sniff(file) == FORMATS[format].name
    with (tmp_path / "a.jsonl").open("w") as file:
        refine.write(before, file)
    with (tmp_path / "a.jsonl").open("rb") as file:
        assert refine.read(file).meta["format"] == "ndjson"


def test_compressed_and_temporary_files(tmp_path):
    before = FORMATS["ndjson"].example()
    with gzip.open(tmp_path / "a.gz", "wb") as file:
        refine.write(before, file)
    with gzip.open(tmp_path / "a.gz", "rt") as file:
        assert len(refine.read(file)) == 1
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as folder, folder.open("a", "w") as file:
        refine.write(before, file)
    with tempfile.NamedTemporaryFile("w") as file:
        refine.write(before, file)


def test_an_open_file_of_a_folder_format_or_without_content(tmp_path):
    two = refine.Poses.empty("openpose25", [refine.ImageRef(i) for i in "ab"])
    with pytest.raises(FormatError, match="expected one image"):
        refine.write(two, io.BytesIO(), "openpose")
    with pytest.raises(FormatError, match=r"<file>: expected data, got an empty"):
        refine.read(io.StringIO("  "))


@pytest.mark.parametrize("format", FORMATS)
def test_what_a_file_would_hold_is_read_too(format, tmp_path):
    """With NumPy's numbers and arrays where JSON has numbers and lists."""
    form = FORMATS[format]
    before = form.example()

    def numpy(value):
        if isinstance(value, dict):
            return {key: numpy(each) for key, each in value.items()}
        if isinstance(value, list):
            numbers = value and all(isinstance(each, float) for each in value)
            return np.array(value) if numbers else [numpy(each) for each in value]
        return np.int64(value) if type(value) is int else value

    document = form.sample()
    pixels = False if format == "yolo" else None  # No sizes in there.
    same = refine.read(document, skeleton=before.skeleton, normalised=pixels)
    assert same.meta["format"] == refine.sniff(document) == format
    after = refine.read(numpy(document), skeleton=before.skeleton, normalised=pixels)
    np.testing.assert_array_equal(after.xy, same.xy)
    assert after.images == same.images
    assert [type(ref.id) for ref in after.images] == [type(ref.id) for ref in same.images]
    refine.write(after, tmp_path / "a.json", format)
    refine.write(same, tmp_path / "b.json", format)
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()


def test_what_no_file_could_hold():
    [pose] = FORMATS["coco"].sample()
    with pytest.raises(FormatError, match="what JSON can hold, got object"):
        refine.read([pose | {"mask": object()}])
    with pytest.raises(FormatError, match="finite numbers"):
        refine.read([pose | {"keypoints": np.full(51, np.inf)}])


def test_images_of_numpy_numbers_are_those_of_plain_ones(tmp_path):
    ref = refine.ImageRef(np.int64(3), "3.jpg", np.int32(640), np.int32(480), np.int64(5))
    assert ref == refine.ImageRef(3, "3.jpg", 640, 480, 5)
    assert all(type(value) is int for value in (ref.id, ref.width, ref.height, ref.frame))
    poses = refine.Poses.from_arrays("coco17", np.full((1, 17, 2), 9.0), images=[ref])
    refine.write(poses, tmp_path / "a.jsonl", "mmpose")
    assert refine.read(tmp_path / "a.jsonl").images[0].frame == 5
