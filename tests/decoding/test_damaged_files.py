"""Archives that are damaged, lie about their sizes or are something else: told, and cheap."""

import contextlib
import io
import json
import struct
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from refine.decoding import decode, read_outputs
from refine.decoding.raw.files import read_arrays
from refine.exceptions import FormatError, RefineError
from tests.oracles.outputs import PRESETS, arrays_of

FIELDS = arrays_of("heatmap")


def archive(members, method=zipfile.ZIP_DEFLATED):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as file:
        for name, data in members.items():
            file.writestr(name, data)
    return out.getvalue()


def npy(array):
    out = io.BytesIO()
    np.save(out, array)
    return out.getvalue()


def claiming(shape, kind="<f4"):
    """An .npy header of a large array, with nothing behind it."""
    header = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header


def encrypted():
    data = bytearray(archive({"heatmaps.npy": npy(np.ones(3))}))
    for mark, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(mark) + at] |= 1
    return bytes(data)


def other_method():
    data = bytearray(archive({"heatmaps.npy": npy(np.ones(3))}))
    for mark, at in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        data[data.index(mark) + at] = 99
    return bytes(data)


def broken_deflate():
    data = bytearray(archive({"heatmaps.npy": npy(np.random.default_rng(0).random(999))}))
    data[300:340] = b"\xff" * 40
    return bytes(data)


def deep_safetensors():
    header = json.dumps({"__metadata__": {"image_id": "[" * 100_000}}).encode()
    return struct.pack("<Q", len(header)) + header


DAMAGED = {
    "claims.npz": archive({"heatmaps.npy": claiming("(1000000, 1000000)")}),
    "claims.npy": claiming("(1000000, 1000000)"),
    "negative.npz": archive({"heatmaps.npy": claiming("(-1, 5)")}),
    "object.npz": archive({"heatmaps.npy": claiming("(2,)", "|O")}),
    "header.npz": archive({"heatmaps.npy": b"\x93NUMPY\x01\x00\x05\x00{{{{{"}),
    "text.npz": archive({"heatmaps.npy": b"no array"}),
    "kind.npz": archive({"heatmaps.npy": claiming("(2,)", "<f99")}),
    "deep.npz": archive({"heatmaps.npy": claiming("(" * 3000 + ")" * 3000)}),
    "junk.npz": archive({"heatmaps.npy": claiming("(" + "x" * 5000)}),
    "encrypted.npz": encrypted(),
    "method.npz": other_method(),
    "deflate.npz": broken_deflate(),
    "empty.npz": archive({}),
    "deep.safetensors": deep_safetensors(),
    "claims.safetensors": struct.pack("<Q", 1 << 42) + b"{}",
    "text.safetensors": b"no tensors at all",
}


@pytest.mark.parametrize("name", DAMAGED)
@pytest.mark.parametrize("preset", ["hrnet", "simcc", "yolov8-pose"])
def test_damage_is_told_and_no_traceback(tmp_path, cli, name, preset):
    path = tmp_path / name
    path.write_bytes(DAMAGED[name])
    got = cli("decode", path, "--preset", preset, "-o", tmp_path / "out.json")
    assert got.code == 3, got.err
    assert name in got.err
    assert len(got.err) < 700
    assert "Traceback" not in got.err
    assert not (tmp_path / "out.json").exists()


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_bytes_changed_anywhere(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("bytes")
    np.savez_compressed(folder / "a.npz", **FIELDS)
    whole = bytearray((folder / "a.npz").read_bytes())
    for _ in range(data.draw(st.integers(1, 8))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(whole))) if data.draw(st.booleans()) else len(whole)
    (folder / "a.npz").write_bytes(whole[:cut])
    with contextlib.suppress(RefineError):
        decode(folder / "a.npz", "hrnet")


def test_members_that_nobody_asks_for_are_not_read(tmp_path):
    large = np.zeros(1 << 25, np.uint8)
    np.savez_compressed(tmp_path / "a.npz", **FIELDS, unused=large.reshape(2, -1, 64))
    fields = read_arrays(tmp_path / "a.npz")
    assert not isinstance(fields["unused"], np.ndarray)
    assert (fields["unused"].shape, len(fields["unused"])) == ((2, 1 << 18, 64), 2)
    assert np.asarray(fields["unused"]).sum() == 0
    raw = read_outputs(tmp_path / "a.npz", "cfa")
    decode(raw, "cfa")
    assert list(raw.arrays.used) == ["heatmaps"]
    plain = tmp_path / "b.npz"
    np.savez(plain, **FIELDS)
    np.testing.assert_array_equal(decode(raw, "cfa").xy, decode(plain, "cfa").xy)


@pytest.mark.parametrize("preset", ["hrnet", "simcc", "yolov8-pose", "higherhrnet", "prm", "g-rmi"])
@pytest.mark.parametrize("size", [[1e6, 1e6], [0, 5], [np.nan, 5], [np.inf, 5], [64]])
def test_sizes_that_no_network_has(tmp_path, preset, size):
    family = {"hrnet": "heatmap", "yolov8-pose": "yolo-pose", "higherhrnet": "tags"}
    family = family.get(preset, {"prm": "fused"}.get(preset, preset))
    np.savez(tmp_path / "a.npz", **arrays_of(family) | {"input_size": size})
    with pytest.raises(FormatError, match="`input_size`"):
        decode(tmp_path / "a.npz", preset)


@pytest.mark.parametrize("preset", ["hrnet", "yolov8-pose"])
def test_places_in_complex_numbers_are_none(preset):
    arrays = arrays_of({"hrnet": "heatmap", "yolov8-pose": "yolo-pose"}[preset])
    for name in ("affine", "input_size"):
        wrong = arrays | {name: np.asarray(arrays[name]) + 1j}
        with pytest.raises(FormatError, match=f"numbers in `{name}`"):
            decode(wrong, preset)
    with pytest.raises(FormatError, match="`note`, got complex128"):
        decode(arrays_of("heatmap") | {"note": np.ones(2) * 1j}, "hrnet")


@pytest.mark.parametrize(
    ("family", "name", "change", "message"),
    [
        ("yolox-pose", "cls", lambda a: a[:, :0], "expected cls"),
        ("yolox-pose", "objectness", lambda a: a[:, :0], "expected objectness"),
        ("yolox-pose", "boxes", lambda a: a.repeat(2, 1), "box of 4 columns, got 8"),
        ("yolox-pose", "offsets", lambda a: a[:, :-1], "offsets of 32 columns, got 33"),
        ("yolox-pose", "visibility", lambda a: a[:, :-1], "vis of 17 columns, got 16"),
        ("directpose", "cls", lambda a: a[:, :0], "expected cls"),
        ("directpose", "centerness", lambda a: a.repeat(2, 1), "centerness of 1 columns, got 2"),
        ("directpose", "offsets", lambda a: a[:, :-1], "offsets of 32 columns, got 33"),
        ("efficientpose", "heatmaps", lambda a: a[:0], r"got float32 \(16, 0, 18\)"),
        ("efficientpose", "heatmaps", lambda a: a.repeat(50, 0).repeat(70, 1), "enlarged maps"),
    ],
)
def test_heads_of_other_shapes(family, name, change, message):
    arrays = arrays_of(family)
    with pytest.raises(FormatError, match=message):
        decode(arrays | {name: change(arrays[name])}, PRESETS[family])


def test_fields_that_overflow_along_limbs():
    arrays = arrays_of("paf")
    arrays["pafs"][np.random.default_rng(0).random(arrays["pafs"].shape) < 0.1] = 3.4e38
    with pytest.raises(FormatError, match="finite sums along the limbs"):
        decode(arrays, "refine-paf")


def test_maps_of_ones_are_no_candidates(tmp_path):
    """OpenPose's rule takes every cell of a plateau: every pair of two would be looked at."""
    maps, fields = np.ones((19, 46, 54), np.float32), np.ones((38, 46, 54), np.float32)
    told = {"affine": np.eye(2, 3), "input_size": [432, 368], "image_size": [432, 368]}
    np.savez(tmp_path / "a.npz", heatmaps=maps, pafs=fields, **told)
    with pytest.raises(FormatError, match="at most 2000 candidate peaks per joint"):
        decode(tmp_path / "a.npz", "openpose")


def test_maps_are_not_enlarged_beyond_measure(tmp_path):
    np.savez(tmp_path / "a.npz", **arrays_of("tags") | {"input_size": [16000, 16000]})
    with pytest.raises(FormatError, match="in enlarged maps"):
        decode(tmp_path / "a.npz", "higherhrnet")
