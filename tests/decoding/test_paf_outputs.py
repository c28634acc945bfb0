"""Files of heatmaps and fields, their geometry, and the command line."""

import json

import numpy as np
import pytest

from refine.decoding import decode, raw_image, read_outputs
from refine.exceptions import FormatError, GeometryError, RefineError
from refine.skeletons import skeleton
from tests.oracles.paf import LIMBS, encoded, people

UP = 8
"""Input px per cell of the made network."""
SCALE, PAD = 0.8, (24, 16)
SIZE = (54 * UP, 46 * UP)


def saved(path, xy, split=False, first=True, **fields):
    """Write the outputs for people (N, 18, 2) in cells; return them in image px."""
    maps, pafs = encoded(xy, LIMBS)
    both = np.concatenate([maps, pafs])
    arrays = {"heatmaps": maps, "pafs": pafs} if split else {"output": both}
    if not first:
        arrays = {k: v.transpose(1, 2, 0)[None] for k, v in arrays.items()}
    np.savez(path, **arrays, **fields)
    # Half-pixel centres: cell c is the middle of its 8 px.
    return (xy * UP + (UP - 1) / 2 - PAD) / SCALE


AFFINE = [[SCALE, 0, PAD[0]], [0, SCALE, PAD[1]]]


@pytest.mark.parametrize("split", [False, True])
@pytest.mark.parametrize("first", [False, True])
def test_files_lead_to_the_image(tmp_path, split, first):
    truth = people(1, np.random.default_rng(3)) + np.array([0, 4])
    path = tmp_path / "000000000785.npz"
    xy = saved(path, truth, split, first, affine=AFFINE, input_size=SIZE)
    poses = decode(path, "refine-paf")
    assert poses.images[0].id == 785
    assert poses.skeleton.name == "coco17"
    index, _ = poses.skeleton.map_from(skeleton("openpose18"))
    np.testing.assert_allclose(poses.xy[0], xy[0, index], rtol=0, atol=0.5)
    same = decode(path, "refine-paf", to=None)
    assert same.skeleton.name == "openpose18"
    np.testing.assert_array_equal(same.xy[:, index], poses.xy)
    assert poses.history[-1].parameters["assignment"] == "hungarian"


@pytest.mark.parametrize("preset", ["openpose", "openpose-matlab", "lightweight-openpose"])
def test_image_resolution(tmp_path, preset):
    truth = people(1, np.random.default_rng(3)) + np.array([0, 4])
    image = (np.array(SIZE) - 2 * np.array(PAD)) / SCALE
    path = tmp_path / "7.npz"
    xy = saved(path, truth, affine=AFFINE, input_size=SIZE, image_size=image.round().astype(int))
    poses = decode(path, preset, to=None, image_offset=0.0)
    # Whole pixels of the image, with heatmaps of ten px; the neck of MATLAB is no exception.
    assert np.nanmax(np.abs(poses.xy[0] - xy[0])) < 1.5
    assert np.isfinite(poses.xy[0]).all()
    np.testing.assert_array_equal(poses.xy, poses.xy.round())
    shifted = decode(path, preset, to=None)
    offset = {"openpose": 0, "openpose-matlab": -0.5, "lightweight-openpose": 0.5}[preset]
    np.testing.assert_allclose(shifted.xy - poses.xy, offset)


def test_half_a_pixel_of_the_image_in_cpp(tmp_path):
    truth = people(1, np.random.default_rng(3)) + np.array([0, 4])
    path = tmp_path / "7.npz"
    saved(path, truth, affine=AFFINE, input_size=SIZE)
    options = {"skeleton": "openpose18", "to": None}
    plain = decode(path, "openpose-cpp", image_offset=0.0, **options)
    assert len(plain) == 1
    np.testing.assert_allclose(decode(path, "openpose-cpp", **options).xy - plain.xy, 0.5)


def test_geometry_beside_the_arrays(tmp_path):
    truth = people(1, np.random.default_rng(3)) + np.array([0, 4])
    about = {"scale": SCALE, "pad_left": PAD[0], "pad_top": PAD[1], "input_size": SIZE}
    xy = saved(tmp_path / "a.npz", truth)
    (tmp_path / "meta.json").write_text(json.dumps({"stride": 8, "images": {"a": about}}))
    saved(tmp_path / "b.npz", truth)
    (tmp_path / "b.json").write_text(json.dumps({"preprocessing": about, "input_size_wh": SIZE}))
    for name in "ab":
        poses = decode(tmp_path / f"{name}.npz", "refine-paf", to=None)
        np.testing.assert_allclose(poses.xy[0], xy[0], rtol=0, atol=0.5)
        assert poses.images[0].id == name
    with pytest.raises(FormatError, match="among the 1"):
        read_outputs(tmp_path / "b.npz", "tf-pose", tmp_path / "meta.json")


def test_bad_files(tmp_path):
    path = tmp_path / "a.npz"
    truth = people(1, np.random.default_rng(3))
    saved(path, truth)
    with pytest.raises(GeometryError, match="pad_left"):
        decode(path, "tf-pose")
    saved(path, truth, affine=AFFINE)
    with pytest.raises(FormatError, match="78 channels"):
        decode(path, "openpose-cpp")
    with pytest.raises(GeometryError, match="resolution input"):
        decode(path, "openpose")
    with pytest.raises(RefineError, match="an option of paf outputs, got kernel"):
        decode(path, "tf-pose", kernel=3)
    with pytest.raises(RefineError, match=r"'resolution'.*one of input, image"):
        decode(path, "tf-pose", resolution="both")
    np.savez(path, scores=np.zeros((3, 4)), affine=AFFINE)
    with pytest.raises(FormatError, match="expected an array `output`, got scores"):
        decode(path, "tf-pose")
    raw = raw_image({"output": np.zeros((57, 8, 8)), "affine": AFFINE})
    with pytest.raises(FormatError, match="expected RawHeatmaps"):
        decode(raw, "hrnet")
    assert len(decode(raw, "tf-pose")) == 0


def test_command_line(cli, tmp_path):
    truth = people(2, np.random.default_rng(3)) + np.array([0, 4])
    saved(tmp_path / "12.npz", truth, affine=AFFINE, input_size=SIZE)
    out = tmp_path / "out.json"
    options = ("--preset", "tf-pose", "--set", "assignment=hungarian", "-o", out)
    result = cli("decode", tmp_path / "12.npz", *options)
    assert result.code == 0, result.err
    records = json.loads(out.read_text())
    records = records if isinstance(records, list) else records["annotations"]
    expected = decode(tmp_path / "12.npz", "tf-pose", assignment="hungarian")
    assert len(records) == len(expected)
    written = np.array(records[0]["keypoints"]).reshape(-1, 3)
    seen = expected.present[0]
    np.testing.assert_allclose(written[seen, :2], expected.xy[0, seen], atol=1e-3)
    assert cli("decode", tmp_path / "12.npz", *options[:2], "--set", "x=1", "-o", out).code == 3
    assert cli("decode", tmp_path / "12.npz", *options[:2], "--set", "x", "-o", out).code == 2
    shown = cli("presets", "tf-pose").out
    assert "rules" in shown
    assert "kernel" not in shown
