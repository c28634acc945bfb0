"""Safetensors, in and out."""

import numpy as np
import pytest
import torch
from safetensors.torch import save

from refine import tensors


def test_what_is_written_is_read(tmp_path):
    arrays = {
        "turned": np.arange(12.0, dtype=np.float16).reshape(3, 4).T,
        "single": np.array(3),
        "empty": np.empty((0, 2), np.float32),
    }
    data = tensors.write(arrays, {"epoch": 2, "size": [3, 4]})
    path = tmp_path / "w.safetensors"
    path.write_bytes(data)
    for source in (data, path, str(path)):
        metadata, found = tensors.read(source)
        assert tensors.facts_of(metadata) == {"epoch": 2, "size": [3, 4]}
        assert tensors.read_metadata(source) == metadata
        assert {k: (v.dtype, v.shape) for k, v in found.items()} == {
            k: (v.dtype, v.shape) for k, v in arrays.items()
        }
        for name, array in arrays.items():
            np.testing.assert_array_equal(found[name], array)


def test_files_of_others_have_no_facts():
    metadata, arrays = tensors.read(save({"a": torch.zeros(2)}, {"author": "somebody"}))
    assert metadata == {"author": "somebody"}
    assert tensors.facts_of(metadata) == {}
    assert arrays["a"].tolist() == [0, 0]
    assert tensors.read_metadata(save({"a": torch.zeros(2)})) == {}


@pytest.mark.parametrize(
    "data", [b"", b"short", b"\xff" * 40, b"\x04" + b"\x00" * 7 + b"1234", b"not weights at all"]
)
def test_what_is_no_such_file_is_refused(data, tmp_path):
    path = tmp_path / "w.safetensors"
    path.write_bytes(data)
    for function in (tensors.read, tensors.read_metadata):
        for source in (data, path):
            with pytest.raises(ValueError, match=r"."):
                function(source)


def test_types_that_numpy_lacks_are_said():
    with pytest.raises(ValueError, match=r"BF16|bfloat16"):
        tensors.read(save({"a": torch.zeros(2, dtype=torch.bfloat16)}))
    with pytest.raises(ValueError, match="no table"):
        tensors.facts_of({"refine": "[1, 2]"})
