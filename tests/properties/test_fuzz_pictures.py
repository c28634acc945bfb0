"""Damaged pictures are read or refused, whatever Pillow stumbles over."""

import io
import warnings
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, strategies as st
from PIL import Image

from refine.exceptions import RefineError
from refine.refiner.image.pictures import read_picture
from tests.properties.fuzzing import budget

KINDS = ["PNG", "JPEG", "TIFF", "WEBP", "BMP"]


def encoded(kind, seed, mode):
    pixels = np.random.default_rng(seed).integers(0, 256, (9, 11, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(file, kind)
    return file.getvalue()


@pytest.mark.parametrize("kind", KINDS)
def test_damaged_bytes(kind):
    @budget(120)
    @given(
        st.integers(0, 3),
        st.sampled_from(["RGB", "L"]),
        st.lists(st.tuples(st.floats(0, 1), st.binary(max_size=6), st.integers(0, 8)), max_size=4),
        st.sampled_from([".png", ".jpg", ".tif"]),
    )
    def read(seed, mode, cuts, suffix):
        data = encoded(kind, seed, mode)
        for where, junk, length in cuts:
            # The head of a file, where its tables are, is the more often hit.
            at = int(where**2 * len(data))
            data = data[:at] + junk + data[at + length :]
        with TemporaryDirectory() as folder, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            path = Path(folder) / f"a{suffix}"
            path.write_bytes(data)
            try:
                pixels = read_picture(path)
            except RefineError:
                return
            assert (pixels.dtype, pixels.ndim, pixels.shape[2]) == (np.uint8, 3, 3)

    read()
