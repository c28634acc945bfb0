"""One-stage outputs from file to poses; all outputs here are synthetic."""

import json

import numpy as np
import pytest

from refine.decoding import (
    decode,
    decode_dekr,
    decode_yolo_output,
    decode_yolo_pose,
    keep_best,
    raw_image,
)
from refine.decoding.one_stage.nms import box_nms
from refine.decoding.people import Detections
from refine.exceptions import ArrayError, FormatError
from tests.oracles.one_stage import (
    SIZE,
    STRIDES,
    encode_dcc,
    encode_dekr,
    encode_points,
    encode_v5,
    encode_v8,
    exported,
    oks,
)

AFFINE = [[0.5, 0, 10], [0, 0.5, 6]]


def shell(cli, tmp_path, preset, *options, **arrays):
    np.savez(tmp_path / "000000000042.npz", affine=AFFINE, input_size=SIZE, **arrays)
    path = tmp_path / "000000000042.npz"
    got = cli("decode", path, "--preset", preset, "-o", "-", "--precision", 6, *options)
    assert got.code == 0, got.err
    return json.loads(got.out)


def check(found, xy, atol=1e-3):
    got = np.array([p["keypoints"] for p in found]).reshape(len(found), 17, 3)[..., :2]
    expected = (xy - [10, 6]) / 0.5
    assert len(got) == len(xy)
    assert {p["image_id"] for p in found} == {42}
    best = oks(got, expected).argmax(1)
    np.testing.assert_allclose(got[best], expected, rtol=0, atol=atol)


@pytest.mark.parametrize(
    ("preset", "version", "sides"), [("yolov8-pose", "v8", 16), ("yolo26-pose", "v26", 1)]
)
def test_yolo_heads_from_the_shell(tmp_path, cli, people, preset, version, sides):
    found = shell(cli, tmp_path, preset, raw=encode_v8(people, version, sides))
    check(found, people[0])
    oks_too = shell(
        cli, tmp_path, preset, "--set", "suppress=oks", raw=encode_v8(people, version, sides)
    )
    check(oks_too, people[0])


@pytest.mark.parametrize("preset", ["yolov8-pose", "yolo26-pose", "yolov5-pose"])
@pytest.mark.parametrize("batch", [False, True])
def test_yolo_exports_from_the_shell(tmp_path, cli, people, preset, batch):
    layout = {"yolov8-pose": "v8", "yolo26-pose": "end2end", "yolov5-pose": "v5"}[preset]
    _, output = exported(people, layout, noise=0.0)
    found = shell(cli, tmp_path, preset, output0=output[None] if batch else output)
    check(found, people[0])
    assert all(0.89 < p["score"] < 0.91 for p in found)


def test_yolov5_heads_from_the_shell(tmp_path, cli, people):
    check(shell(cli, tmp_path, "yolov5-pose", raw=encode_v5(people)), people[0])


def test_end_to_end_outputs_are_not_suppressed(tmp_path, cli, people):
    _, output = exported(people, "end2end", noise=0.0)
    twice = np.concatenate([output, output])
    assert len(shell(cli, tmp_path, "yolo26-pose", output0=twice)) == 6
    assert len(shell(cli, tmp_path, "yolo26-pose", "--set", "suppress=box", output0=twice)) == 3


@pytest.mark.parametrize("turned", [False, True])
def test_classes_are_categories(tmp_path, cli, people, turned):
    _, output = exported(people, "v8", noise=0.0)
    wide = np.insert(output, 4, 0.0, axis=0)
    wide[[4, 5], 0] = wide[[5, 4], 0]
    found = shell(cli, tmp_path, "yolov8-pose", output0=(wide.T if turned else wide)[None])
    assert sorted({p["category_id"] for p in found}) == [1, 2]
    check([p for p in found if p["category_id"] == 2], people[0])
    _, ends = exported(people, "end2end", noise=0.0)
    ends[:, 5] = 1
    found = shell(cli, tmp_path, "yolov8-pose", output0=ends)
    assert {p["category_id"] for p in found} == {2}
    check(found, people[0])


def test_fractions_of_the_input_are_noticed(tmp_path, cli, people):
    """TFLite exports: nobody shall get people of one pixel."""
    _, output = exported(people, "v8", noise=0.0)
    part = output.T.copy()
    part[:, :4] /= [*SIZE, *SIZE]
    part[:, 5::3] /= SIZE[0]
    part[:, 6::3] /= SIZE[1]
    refused = tmp_path / "000000000042.npz"
    np.savez(refused, affine=AFFINE, input_size=SIZE, output0=part.T)
    got = cli("decode", refused, "--preset", "yolov8-pose", "-o", "-")
    assert got.code == 3
    assert "normalised=true" in got.err
    told = "--set", "normalised=true"
    check(shell(cli, tmp_path, "yolov8-pose", *told, output0=part.T), people[0])
    small = shell(cli, tmp_path, "yolov8-pose", "--set", "normalised=false", output0=part.T)
    assert max(small[0]["keypoints"][0::3]) < 0
    xy, box = people
    dets = np.column_stack([box / np.tile(SIZE, 2), [0.9, 0.8, 0.7]])
    keypoints = np.concatenate([xy / SIZE, np.full((3, 17, 1), 0.5)], 2)
    check(shell(cli, tmp_path, "rtmo", *told, dets=dets, keypoints=keypoints), xy)


def test_yolox_and_directpose_from_the_shell(tmp_path, cli, people):
    cls, offsets, sides = encode_points(people, STRIDES, 0.0)
    n = len(cls)
    found = shell(
        cli, tmp_path, "yolox-pose", cls=cls, objectness=np.full((n, 1), 2.0), boxes=sides,
        offsets=offsets, visibility=np.zeros((n, 17)),
    )  # fmt: skip
    check(found, people[0])
    cls, offsets, _ = encode_points(people, (8, 16, 32, 64, 128), 0.5)
    heads = {"cls": cls, "centerness": np.ones_like(cls), "offsets": offsets}
    check(shell(cli, tmp_path, "directpose", **heads), people[0])


def test_rtmo_from_the_shell(tmp_path, cli, people):
    xy, box = people
    dets = np.column_stack([box, [0.9, 0.8, 0.7]])
    x, y = encode_dcc(people)
    seen = np.full((3, 17), 0.5)
    check(shell(cli, tmp_path, "rtmo", dets=dets, x_maps=x, y_maps=y, visibility=seen), xy)
    keypoints = np.concatenate([xy, seen[..., None]], 2)
    check(shell(cli, tmp_path, "rtmo", dets=dets[None], keypoints=keypoints[None]), xy)
    check(shell(cli, tmp_path, "rtmo", dets=dets[:1], keypoints=keypoints[:1]), xy[:1])


def test_dekr_from_the_shell(tmp_path, cli, people):
    maps, offsets = encode_dekr(people)
    check(
        shell(cli, tmp_path, "dekr", "--set", "threshold=0.5", heatmaps=maps, offsets=offsets),
        people[0],
    )
    np.savez(
        tmp_path / "net.npz",
        **{"l1.weight": np.zeros((4, 74)), "l1.bias": np.ones(4)},
        **{"l2.weight": np.full((1, 4), 0.5), "l2.bias": np.zeros(1)},
    )
    rescored = shell(
        cli, tmp_path, "dekr", "--set", "threshold=0.5", "--set", f"rescore={tmp_path / 'net.npz'}",
        heatmaps=maps, offsets=offsets,
    )  # fmt: skip
    plain = shell(cli, tmp_path, "dekr", "--set", "threshold=0.5", heatmaps=maps, offsets=offsets)
    twice = [p["score"] * 2 for p in plain]
    np.testing.assert_allclose([p["score"] for p in rescored], twice, rtol=1e-5)
    shell(cli, tmp_path, "dekr", "--set", "match=true", heatmaps=maps, offsets=offsets)


def test_nothing_found():
    empty = raw_image({"output0": np.zeros((56, 84)), "affine": AFFINE, "input_size": (64, 64)})
    poses = decode(empty, "yolov8-pose")
    assert len(poses) == 0
    assert len(poses.images) == 1
    xy, score, instance = decode_dekr(np.zeros((18, 8, 8)), np.zeros((34, 8, 8)))
    assert (xy.shape, score.shape, instance.shape) == ((0, 17, 2), (0, 17), (0,))


def test_bad_input(tmp_path, cli):
    with pytest.raises(ArrayError, match="of v5, v8, v26"):
        decode_yolo_pose(np.zeros((116, 84)), 17, (64, 64), version="v9")
    with pytest.raises(ArrayError, match="84 columns"):
        decode_yolo_pose(np.zeros((116, 85)), 17, (64, 64))
    with pytest.raises(ArrayError, match="1 for classes and 17 joints"):
        decode_yolo_pose(np.zeros((98, 84)), 17, (64, 64))
    with pytest.raises(ArrayError, match="4 values per pose"):
        decode_yolo_output(np.zeros((55, 84)), 17)
    with pytest.raises(ArrayError, match="offsets"):
        decode_dekr(np.zeros((18, 8, 8)), np.zeros((34, 8, 9)))
    with pytest.raises(ArrayError, match="finite boxes"):
        box_nms([[0, 0, np.nan, 1]], [1.0])
    with pytest.raises(ArrayError, match="with sigmas"):
        keep_best(Detections(*(np.zeros(s) for s in ((0, 17, 2), (0, 17), (0,), (0, 4)))), "oks")
    raw = raw_image({"output0": np.zeros((55, 84)), "affine": AFFINE}, where="a.npz")
    with pytest.raises(FormatError, match=r"a\.npz.*another layout"):
        decode(raw, "yolov8-pose")
    with pytest.raises(FormatError, match="size of the network input"):
        decode(raw_image({"raw": np.zeros((116, 84)), "affine": AFFINE}), "yolov8-pose")
    np.savez(tmp_path / "a.npz", output0=np.zeros((56, 84)))
    got = cli("decode", tmp_path / "a.npz", "--preset", "yolov8-pose", "-o", tmp_path / "o.json")
    assert got.code == 3
    assert "Traceback" not in got.err
    assert not (tmp_path / "o.json").exists()
