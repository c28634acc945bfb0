"""Outputs as people hold them: arrays in Python, and files that name nothing."""

import numpy as np
import pytest
import torch

import refine
from refine.decoding import decode, read_outputs
from refine.exceptions import FormatError, GeometryError, RefineError
from tests.oracles.outputs import PRESETS, arrays_of, outputs_of

BOX = [10.0, 20, 82, 116]
SINGLE = ("heatmap", "combined", "expectation", "coordinates", "blazepose", "roi", "efficientpose")
SEVERAL = ("simcc", "paf", "tags", "dekr", "personlab", "g-rmi")


def same(one, other):
    np.testing.assert_array_equal(one.xy, other.xy)
    np.testing.assert_array_equal(one.score, other.score)


def geometry_of(family):
    fields = arrays_of(family)
    told = {k: v for k, v in fields.items() if k not in outputs_of(family)}
    if "box_xyxy" in fields:
        told["box_xyxy"] = fields["box_xyxy"]
    return told


def test_an_array_and_a_box():
    maps = arrays_of("heatmap")["heatmaps"]
    expected = decode(
        refine.decoding.raw_heatmaps({"heatmaps": maps, "box_xyxy": [BOX, BOX]}), "hrnet"
    )
    same(refine.decode(maps, "hrnet", box=BOX), expected)
    same(refine.decode(maps, "hrnet", box=[BOX, BOX]), expected)
    same(refine.decode(torch.tensor(maps), "hrnet", box=torch.tensor(BOX)), expected)
    same(refine.decode({"my maps": maps}, "hrnet", box=BOX), expected)
    same(refine.decode(maps[0], "hrnet", box=BOX), expected[:1])
    one = refine.decode(maps, "hrnet", box=BOX, image_id=[7, 9], box_score=[0.5, 1.0])
    assert [r.id for r in one.images] == [7, 9]
    assert refine.decode(maps, "hrnet", box=BOX, image_size=(640, 480)).images[0].width == 640
    affine = [[2.0, 0, 1], [0, 2, 3]]
    placed = refine.decode(maps, "hrnet", affine=affine)
    same(refine.decode(maps, "hrnet", scale=2.0, pad=(1, 3)), placed)
    round_one = refine.decode(maps, "hrnet", center=[40, 50], scale=[0.4, 0.5])
    assert len(round_one) == 2


@pytest.mark.parametrize("family", [*SINGLE, *SEVERAL])
def test_arrays_without_names(tmp_path, family):
    outputs, told = list(outputs_of(family).values()), geometry_of(family)
    if family in ("roi", "blazepose"):
        outputs = outputs[:1]
    if family == "coordinates":
        outputs = [np.concatenate(outputs, -1)]
        outputs_named = {"coordinates": outputs[0]}
    else:
        outputs_named = dict(list(outputs_of(family).items())[: len(outputs)])
    np.savez(tmp_path / "named.npz", **outputs_named, **told)
    np.savez(tmp_path / "bare.npz", *outputs, **told)
    expected = decode(tmp_path / "named.npz", PRESETS[family])
    same(decode(tmp_path / "bare.npz", PRESETS[family]), expected)
    if len(outputs) == 1:
        np.savez(tmp_path / "odd.npz", tensor_of_mine=outputs[0], **told)
        same(decode(tmp_path / "odd.npz", PRESETS[family]), expected)


def test_yolo_output_of_any_name(tmp_path):
    table = np.zeros((56, 84), np.float32)
    table[:5, 7], table[5::3, 7], table[6::3, 7], table[7::3, 7] = (
        [200, 210, 90, 80, 0.9],
        190,
        200,
        0.8,
    )
    np.savez(tmp_path / "named.npz", output0=table[None], affine=np.eye(2, 3))
    np.savez(tmp_path / "odd.npz", **{"model/tf.concat": table[None], "affine": np.eye(2, 3)})
    expected = decode(tmp_path / "named.npz", "yolov8-pose")
    assert len(expected) == 1
    same(decode(tmp_path / "odd.npz", "yolov8-pose"), expected)
    same(refine.decode(table[None], "yolov8-pose", affine=np.eye(2, 3)), expected)
    same(refine.decode(table, "yolov8-pose", scale=1.0, pad=(0, 0), input_size=(64, 64)), expected)
    with pytest.raises(GeometryError, match="how the image became the input"):
        refine.decode(table, "yolov8-pose")


def test_npy_files(tmp_path, cli):
    maps = arrays_of("heatmap")["heatmaps"]
    np.save(tmp_path / "42.npy", maps)
    (tmp_path / "42.json").write_text('{"box_xyxy": [[10, 20, 82, 116], [10, 20, 82, 116]]}')
    poses = decode(tmp_path / "42.npy", "hrnet")
    same(poses, refine.decode(maps, "hrnet", box=BOX))
    assert poses.images[0].id == 42
    got = cli("decode", tmp_path / "42.npy", "--preset", "hrnet", "-o", tmp_path / "o.json")
    assert got.code == 0, got.err
    # Whatever the name says.
    (tmp_path / "42.npz").write_bytes((tmp_path / "42.npy").read_bytes())
    same(decode(tmp_path / "42.npz", "hrnet"), poses)


def test_two_arrays_for_one_are_not_guessed(tmp_path):
    np.savez(tmp_path / "a.npz", one=np.ones((2, 17, 8, 6)), two=np.ones((2, 17, 8, 6)))
    with pytest.raises(FormatError, match="one, two"):
        read_outputs(tmp_path / "a.npz", "hrnet")
    with pytest.raises(RefineError, match="box_xyxy beside it"):
        decode(tmp_path / "a.npz", "hrnet", box=BOX)
