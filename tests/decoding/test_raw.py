import json

import numpy as np
import pytest

import refine
from refine.decoding import decode, load_presets, raw_heatmaps, read_outputs, read_raw
from refine.exceptions import (
    FormatError,
    GeometryError,
    RefineError,
    RefineWarning,
    SkeletonError,
)
from refine.geometry import Crop, Grid

SIZE = (192, 256)


def sample(alignment="stride", n=3, offset=0.0):
    """Maps of known joints in crops of known boxes."""
    rng = np.random.default_rng(4)
    box = np.array([[30.0, 40, 130, 190], [10, 10, 90, 250], [200, 100, 260, 130]])[:n]
    crop = Crop.from_box(box, SIZE, alignment=alignment)
    cells = rng.uniform((3, 3), (44, 60), (n, 17, 2))
    y, x = np.mgrid[:64, :48]
    d2 = (x - cells[..., 0, None, None]) ** 2 + (y - cells[..., 1, None, None]) ** 2
    grid = Grid((48, 64), SIZE, alignment, offset)
    xy = crop.inverse()(grid.to_input(cells))
    return np.exp(-d2 / 8).astype(np.float32), box, crop, xy


@pytest.mark.parametrize("alignment", ["stride", "corners"])
@pytest.mark.parametrize("geometry", ["affine", "center", "xywh", "xyxy"])
def test_every_geometry_leads_back_to_the_image(tmp_path, geometry, alignment):
    maps, box, crop, xy = sample(alignment)
    extent = (
        np.array([1, 1])
        * np.maximum(box[:, 2] - box[:, 0], (box[:, 3] - box[:, 1]) * 0.75)[:, None]
    )
    fields = {
        "affine": {"affine_image_to_input": crop.matrix},
        "center": {
            "center": (box[:, :2] + box[:, 2:]) / 2,
            "scale": extent * [1, 4 / 3] * 1.25 / 200,
        },
        "xywh": {"box_xywh": np.column_stack([box[:, :2], box[:, 2:] - box[:, :2]])},
        "xyxy": {"box_xyxy": box},
    }[geometry]
    np.savez(tmp_path / "000000000785.npz", heatmaps=maps, **fields)
    raw = read_raw(tmp_path / "000000000785.npz")
    preset = "hrnet" if alignment == "stride" else "udp"
    poses = decode(raw, preset, method="fit")
    np.testing.assert_allclose(poses.xy, xy, rtol=0, atol=1e-3)
    assert poses.images[0].id == 785
    assert poses.score_kind == "peak"
    assert poses.history[0].name == "decode"


def test_cpn_adds_two_input_pixels(tmp_path):
    maps, _, crop, xy = sample(offset=2.0)
    raw = raw_heatmaps({"heatmaps": maps * 255, "affine": crop.matrix})
    np.testing.assert_allclose(decode(raw, "cpn", method="fit").xy, xy, rtol=0, atol=1e-3)
    got = decode(raw, "cpn").score
    assert 1.4 < got.max() <= 1.5


def test_verb_and_module():
    maps, _, crop, _ = sample()
    raw = raw_heatmaps({"heatmaps": maps, "affine": crop.matrix})
    np.testing.assert_array_equal(refine.decode(raw).xy, refine.decoding.decode(raw).xy)
    assert refine.decoding.decode_heatmaps(maps)[0].shape == (3, 17, 2)


def test_flipped_maps_are_merged_unless_refused():
    maps, _, crop, _ = sample()
    mirror = refine.skeleton("coco17").mirror
    fields = {
        "heatmaps": maps,
        "affine": crop.matrix,
        "heatmaps_flipped_input": maps[:, mirror, :, ::-1],
    }
    raw = raw_heatmaps(fields)
    plain = decode(raw, "hrnet", method="fit", flip=False)
    np.testing.assert_allclose(decode(raw, "hrnet", method="fit", flip_shift=0.0).xy, plain.xy)
    moved = decode(raw, "hrnet", method="fit").xy - plain.xy
    scale = 4 / crop.matrix[:, 0, 0]
    np.testing.assert_allclose(moved[..., 0], np.repeat(scale[:, None], 17, 1) / 2, rtol=0.05)


def test_joints_without_a_peak_are_nan_whatever_the_preset():
    maps, _, crop, _ = sample()
    maps[1, 5] = 0
    maps[2, 6] = np.nan
    raw = raw_heatmaps({"heatmaps": maps, "affine": crop.matrix})
    for preset in ("hrnet", "mmpose", "udp", "refine"):
        with pytest.warns(RefineWarning, match=r"\d maps hold nothing but NaN"):
            poses = decode(raw, preset)
        assert not poses.present[1, 5]
        assert not poses.present[2, 6]
        assert poses.present.sum() == 49
        assert np.isfinite(poses.instance_score).all()


def test_extra_ids_sizes_and_scores_are_carried():
    maps, box, _, _ = sample()
    raw = raw_heatmaps(
        {
            "heatmaps": maps,
            "box_xyxy": box,
            "image_id": [7, 9, 7],
            "box_score": [0.5, 1, 0.25],
            "ann_id": np.array([1, 2, 3]),
        }
    )
    poses = decode(raw, "hrnet")
    assert [r.id for r in poses.images] == [7, 9]
    assert poses.image.tolist() == [0, 1, 0]
    assert [e["ann_id"] for e in poses.extra] == [1, 2, 3]
    np.testing.assert_allclose(poses.instance_score, poses.score.mean(1) * [0.5, 1, 0.25])
    np.testing.assert_array_equal(poses.box, box)


def test_sidecar_and_safetensors(tmp_path):
    from safetensors.numpy import save_file

    maps, _, crop, xy = sample()
    save_file({"heatmaps": maps}, tmp_path / "a.safetensors", metadata={"image_id": "[1, 2, 3]"})
    meta = {"affine_picture_to_input": crop.matrix.tolist(), "stride": 4, "picture_size": [9, 8]}
    (tmp_path / "a.json").write_text(json.dumps(meta))
    poses = decode(tmp_path / "a.safetensors")
    np.testing.assert_allclose(poses.xy, xy, rtol=0, atol=1e-3)
    assert [(r.id, r.width, r.height) for r in poses.images] == [(1, 9, 8), (2, 9, 8), (3, 9, 8)]
    np.savez(tmp_path / "person.npz", heatmaps=maps)
    assert decode(read_raw(tmp_path / "person.npz", tmp_path / "a.json")).images[0].id == "person"


@pytest.mark.parametrize("beside", [False, True])
def test_scale_and_padding_stand_for_the_affine_in_every_family(tmp_path, beside):
    """The same affine comes of them, whether they stand among the arrays or in the JSON."""
    told = {"scale": 0.5, "pad_left": 3.0, "pad_top": [4.0]}
    expected = [[0.5, 0, 3], [0, 0.5, 4]]
    path = tmp_path / "a.npz"
    fields = {"heatmaps": np.ones((2, 17, 8, 6)), "raw": np.ones((2, 17, 9))}
    np.savez(path, **fields, **({} if beside else told))
    if beside:
        (tmp_path / "a.json").write_text(json.dumps(told))
    for family, name in {p.family: p.name for p in load_presets().values()}.items():
        raw = read_outputs(path, name)
        affine = np.asarray(raw.affine)
        np.testing.assert_array_equal(affine, np.broadcast_to(expected, affine.shape), family)
        assert not {"scale", "pad_left", "pad_top"} & set(getattr(raw, "arrays", ()))
        assert not any(getattr(raw, "extra", ()))


def test_scale_and_padding_of_each_crop():
    fields = {"heatmaps": np.ones((2, 17, 8, 6)), "scale_x": [1, 2], "scale_y": [3, 4]}
    raw = raw_heatmaps(fields | {"crop_xyxy": [[5, 6, 9, 9], [0, 0, 9, 9]], "pad_left": [[7], [8]]})
    assert raw.affine.tolist() == [[[1, 0, 2], [0, 3, -18]], [[2, 0, 8], [0, 4, 0]]]
    # With centres `scale` is HRNet's.
    both = raw_heatmaps(
        {"heatmaps": np.ones((2, 17, 8, 6)), "center": np.ones((2, 2)), "scale": [1, 1]}
    )
    assert both.affine is None
    with pytest.raises(FormatError, match="`pad_left`"):
        raw_heatmaps(fields | {"pad_left": [1, 2, 3]})


def test_input_size_beats_stride():
    maps, _, _, _ = sample()
    assert raw_heatmaps({"heatmaps": maps, "stride": 2}).size_of_input(4) == (96, 128)
    both = raw_heatmaps({"heatmaps": maps, "stride": 2, "input_size": [200, 300]})
    assert both.size_of_input(4) == (200, 300)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "`heatmaps`"),
        ({"heatmaps": np.zeros((17, 64, 48))}, r"\(N, K, H, W\)"),
        ({"heatmaps": np.zeros((1, 17, 0, 48))}, r"\(1, 17, 0, 48\)"),
        ({"heatmaps": np.zeros((1, 2, 3, 4)), "flipped": np.zeros((1, 2, 3, 5))}, "mirrored"),
        ({"heatmaps": np.zeros((2, 2, 3, 4)), "affine": np.zeros((1, 2, 3))}, r"\(2, 2, 3\)"),
        ({"heatmaps": np.zeros((1, 2, 3, 4)), "box_xywh": [["a"] * 4]}, "numbers in `box_xywh`"),
        ({"heatmaps": np.zeros((1, 2, 3, 4)), "image_id": [1.5]}, "whole numbers"),
        ({"heatmaps": np.zeros((1, 2, 3, 4)), "input_size": [0, 3]}, "positive `input_size`"),
    ],
)
def test_bad_fields(fields, message):
    with pytest.raises(FormatError, match=message) as caught:
        raw_heatmaps(fields, where="maps.npz")
    assert caught.value.where == "maps.npz"


def test_bad_geometry():
    maps, box, crop, _ = sample()
    with pytest.raises(GeometryError, match=r"affine.*--meta"):
        decode(raw_heatmaps({"heatmaps": maps}))
    broken = crop.matrix.copy()
    broken[1, 0, 0] = np.nan
    with pytest.raises(GeometryError, match=r"m\.npz, crop 1"):
        decode(raw_heatmaps({"heatmaps": maps, "affine": broken}, where="m.npz"))
    with pytest.raises(GeometryError, match="--padding"):
        decode(raw_heatmaps({"heatmaps": maps, "box_xyxy": box}), "cpn")
    with pytest.raises(SkeletonError, match="--skeleton"):
        decode(raw_heatmaps({"heatmaps": maps[:, :14], "affine": crop.matrix}))
    with pytest.raises(RefineError, match=r"'method'.*'x'.*one of fit"):
        decode(raw_heatmaps({"heatmaps": maps, "affine": crop.matrix}), method="x")


@pytest.mark.parametrize("name", ["a.npz", "a.safetensors", "a.npy", "a.npz.gz"])
@pytest.mark.parametrize("data", [b"", b"PK\x03\x04 cut off", b"\x93NUMPY"])
def test_damaged_files(tmp_path, name, data):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(FormatError, match="expected"):
        read_raw(tmp_path / name)


def test_truncated_and_pickled_archives(tmp_path):
    np.savez(tmp_path / "a.npz", heatmaps=np.zeros((1, 2, 30, 40)))
    whole = (tmp_path / "a.npz").read_bytes()
    for keep in (40, len(whole) // 2, len(whole) - 10):
        (tmp_path / "a.npz").write_bytes(whole[:keep])
        with pytest.raises(FormatError):
            read_raw(tmp_path / "a.npz")
    np.savez(tmp_path / "b.npz", heatmaps=np.array([{}], dtype=object))
    with pytest.raises(FormatError, match="plain arrays"):
        read_raw(tmp_path / "b.npz")


def test_missing_file_and_bad_sidecar(tmp_path):
    with pytest.raises(FormatError, match="readable"):
        read_raw(tmp_path / "none.npz")
    np.savez(tmp_path / "a.npz", heatmaps=np.zeros((1, 2, 3, 4)))
    (tmp_path / "a.json").write_text("[1]")
    with pytest.raises(FormatError, match="JSON object"):
        read_raw(tmp_path / "a.npz")
