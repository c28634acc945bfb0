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


@pytest.mark.parametrize("format", FORMATS)
def test_open_files_are_read_and_written(format, tmp_path):
    before = FORMATS[format].example()
    data, words = io.BytesIO(), io.StringIO()
    for file in (data, words):
        refine.write(before, file, format)
        file.seek(0)
    assert data.getvalue().decode() == words.getvalue()
    for file in (data, words):
        after = refine.read(file, format, skeleton=before.skeleton)
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
