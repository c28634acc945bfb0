"""Networks of others as eyes: tiny ONNX files, made here, of which one knows what they see."""

import pickle

import numpy as np
import pytest

from refine.decoding import decode_simcc
from refine.decoding.simcc.outputs import SimccOptions
from refine.exceptions import FormatError, RefineError, WeightsError
from refine.refiner.eyes.eye import eye_from_onnx, load_eye, mirror_shift, see
from refine.refiner.eyes.onnx_network import OnnxInput
from refine.refiner.eyes.simcc_maps import maps_of_simcc

pytest.importorskip("onnxruntime")
onnx = pytest.importorskip("onnx")
helper, FLOAT = onnx.helper, onnx.TensorProto.FLOAT
COLOURS = ["nose", "left_eye", "right_eye"]
"""Joint k is seen where colour k is bright."""
PEAKS = [(3, 5), (7, 2), (10, 14)]
"""Cells (x, y) of the joints in `spots`."""
RAW = OnnxInput(mean=(0, 0, 0), deviation=(255, 255, 255))


def save(path, nodes, shape, outputs, kind=FLOAT):
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("crops", kind, shape)],
        [helper.make_tensor_value_info(name, FLOAT, None) for name in outputs],
    )
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, ir_version=8, opset_imports=opset), path)
    return path


def heatmaps(path, shape=("n", 3, 64, 48), kind=FLOAT):
    """Means of 4 x 4 px, colour by colour."""
    last = shape[3] == 3
    node = helper.make_node
    nodes = [node("Cast", ["crops"], ["a"], to=FLOAT)]
    nodes.append(
        node("Transpose", ["a"], ["b"], perm=[0, 3, 1, 2])
        if last
        else node("Identity", ["a"], ["b"])
    )
    nodes.append(node("AveragePool", ["b"], ["maps"], kernel_shape=[4, 4], strides=[4, 4]))
    return save(path, nodes, shape, ["maps"], kind)


def simcc(path, names=("simcc_x", "simcc_y")):
    """Sharp peaks at the brightest column and row."""
    node, x, y = helper.make_node, *names
    nodes = [
        node("ReduceMax", ["crops"], [x], axes=[2], keepdims=0),
        node("ReduceMax", ["crops"], [y], axes=[3], keepdims=0),
    ]
    return save(path, nodes, ("n", 3, 64, 48), sorted(names))


def spots(count=1):
    """Crops of 48 x 64 with a square of 4 px per colour, one per place of `PEAKS`."""
    crops = np.zeros((count, 64, 48, 3), np.uint8)
    for k, (x, y) in enumerate(PEAKS):
        crops[:, 4 * y : 4 * y + 4, 4 * x : 4 * x + 4, k] = 255
    return crops


def peaks(heat):
    at = heat.reshape(*heat.shape[:2], -1).argmax(2)
    return [tuple(map(int, (i % heat.shape[3], i // heat.shape[3]))) for i in at[0]]


@pytest.mark.parametrize(
    ("preset", "options", "stride", "offset"),
    [
        ("hrnet", {}, 4.0, 0.0),
        ("vitpose", {}, (47 / 11 + 63 / 15) / 2, 0.0),
        ("hrnet", {"alignment": "centers"}, 4.0, 1.5),
        ("hrnet", {"offset": 2}, 4.0, 2.0),
    ],
)
def test_cells_lie_where_the_preset_says(tmp_path, preset, options, stride, offset):
    path = heatmaps(tmp_path / "net.onnx")
    eye = eye_from_onnx(path, preset, RAW, skeleton=COLOURS, **options)
    assert (eye.joints, eye.size, eye.padding) == (tuple(COLOURS), (48, 64), 1.4)
    assert (eye.stride, eye.offset) == pytest.approx((stride, offset))
    assert (eye.name, len(eye.weights)) == ("net", 19)
    heat = see(eye, spots())
    assert (heat.shape, heat.max(), heat.dtype) == ((1, 3, 16, 12), 1.0, np.float32)
    assert peaks(heat) == PEAKS


@pytest.mark.parametrize(
    ("shape", "kind"),
    [
        (("n", 3, 64, 48), FLOAT),
        ((1, 3, 64, 48), FLOAT),
        ((4, 3, 64, 48), FLOAT),
        (("n", 64, 48, 3), FLOAT),
        (("n", 3, 64, 48), onnx.TensorProto.UINT8),
        ((1, 64, 48, 3), onnx.TensorProto.INT32),
        (("n", 3, "h", "w"), FLOAT),
    ],
)
def test_inputs_of_all_forms(tmp_path, shape, kind):
    path = heatmaps(tmp_path / "net.onnx", shape, kind)
    pixels = OnnxInput((48, 64), RAW.mean, RAW.deviation)
    eye = eye_from_onnx(path, "hrnet", pixels, skeleton=COLOURS)
    crops = spots(11)
    crops[5:] //= 2
    heat = see(eye, crops)
    assert (heat.shape, peaks(heat)) == ((11, 3, 16, 12), PEAKS)
    if kind == FLOAT:
        np.testing.assert_allclose(heat[:, 0].max((1, 2)), [1] * 5 + [127 / 255] * 6, rtol=1e-5)
    assert see(eye, crops[:0]).shape == (0, 3, 16, 12)


def test_pixels_go_in_as_told(tmp_path):
    path = heatmaps(tmp_path / "net.onnx")
    swapped = eye_from_onnx(
        path, "hrnet", OnnxInput(None, RAW.mean, RAW.deviation, bgr=True), skeleton=COLOURS
    )
    np.testing.assert_array_equal(
        see(swapped, np.ascontiguousarray(spots()[..., ::-1])),
        see(eye_from_onnx(path, "hrnet", RAW, skeleton=COLOURS), spots()),
    )
    # ImageNet's by default, here as logits: (255 - 123.675) / 58.395 and -123.675 / 58.395
    eye = eye_from_onnx(path, "hrnet", skeleton=COLOURS, logits=True)
    found = see(eye, spots())[0, 0]
    assert found.max() == pytest.approx(1 / (1 + np.exp(-2.2489)), abs=1e-4)
    assert found.min() == pytest.approx(1 / (1 + np.exp(2.1179)), abs=1e-4)


def test_mirrored_look_moves_cells_that_begin_at_the_first_pixel(tmp_path):
    eye = eye_from_onnx(heatmaps(tmp_path / "net.onnx"), "hrnet", RAW, skeleton=COLOURS)
    assert mirror_shift(eye, 12) == 0.75
    crops = np.zeros((1, 64, 48, 3), np.uint8)
    crops[:, 8:12, 20:24] = 255
    both = see(eye, crops, mirrored=True)
    # Means of px 20 to 23 lie at cell 5.375, if cell i lies at px 4 i; the network says 5.
    assert (both[0, 0, 2] @ np.arange(12)) / both[0, 0, 2].sum() == pytest.approx(5.375)


@pytest.mark.parametrize("names", [("simcc_x", "simcc_y"), ("a", "b")])
def test_simcc_is_the_product_of_both(tmp_path, names):
    path = simcc(tmp_path / "net.onnx", names)
    pixels = OnnxInput(mean=(0, 0, 0), deviation=(8, 8, 8))
    eye = eye_from_onnx(path, "simcc", pixels, skeleton=COLOURS, ratio=1, sigma=1)
    assert (eye.stride, eye.offset) == (4.0, 0.0)
    crops = np.zeros((1, 64, 48, 3), np.uint8)
    for k, (x, y) in enumerate(((13, 22), (30, 9), (40, 56))):
        crops[:, y, x, k] = 255
    heat = see(eye, crops)
    assert (heat.shape, heat.dtype) == ((1, 3, 16, 12), np.float32)
    xy, _ = decode_simcc(crops[0].max(0).T[None], crops[0].max(1).T[None], 1)
    rows, columns = heat.sum(3), heat.sum(2)
    found = np.stack([columns @ np.arange(12), rows @ np.arange(16)], -1)
    found = found / heat.sum((2, 3))[..., None] * eye.stride + eye.offset
    near = heat.reshape(3, -1).max(1)
    assert (near > 0.5).all()
    # Sure to within rounding, but for what is clipped beyond the target's height.
    np.testing.assert_allclose(found, xy, atol=1.0)
    assert see(eye, np.zeros_like(crops)).max() < 0.1  # nothing anywhere


def test_targets_of_the_network_look_like_the_joint():
    """What a network was taught to say of a sure joint is 1 in its cell, whatever its sharpness."""
    for beta, sigma, ratio in ((10.0, 4.9, 2.0), (1.0, 6.0, 2.0), (10.0, 5.66, 1.5)):
        options = SimccOptions(beta=beta, sigma=sigma, ratio=ratio)
        at = np.arange(int(192 * ratio)) - 80 * ratio
        target = np.exp(-0.5 * (at / sigma) ** 2)
        logits = target[None, None] if beta > 1 else -0.5 * (at / sigma)[None, None] ** 2
        heat = maps_of_simcc(logits, logits, options)
        assert heat[0, 0, 20, 20] == pytest.approx(1, abs=0.2)
        weak = maps_of_simcc(logits * 0.2, logits * 0.2, options)
        assert weak[0, 0, 20, 20] < 0.6 * heat[0, 0, 20, 20]


def test_onnx_eyes_pickle(tmp_path):
    eye = eye_from_onnx(heatmaps(tmp_path / "net.onnx"), "hrnet", RAW, skeleton=COLOURS)
    again = pickle.loads(pickle.dumps(eye))
    np.testing.assert_array_equal(see(again, spots()), see(eye, spots()))


def test_load_eye_takes_a_preset_for_onnx_files_alone(tmp_path):
    path = heatmaps(tmp_path / "net.onnx")
    with pytest.raises(WeightsError, match="--preset"):
        load_eye(path)
    with pytest.raises(WeightsError, match="--preset"):
        load_eye("image", "vitpose")
    with pytest.raises(WeightsError, match="maps of 17 joints"):
        load_eye(path, "vitpose")
    with pytest.raises(FormatError, match="none"):
        load_eye(tmp_path / "none.onnx", "vitpose")


def test_what_is_no_network_of_that_kind(tmp_path):
    path = heatmaps(tmp_path / "net.onnx")
    with pytest.raises(RefineError, match="heatmaps or SimCC"):
        eye_from_onnx(path, "openpose", RAW)
    with pytest.raises(WeightsError, match="SimCC outputs"):
        eye_from_onnx(path, "rtmpose", RAW, skeleton=COLOURS)
    with pytest.raises(WeightsError, match="one output of heatmaps"):
        eye_from_onnx(simcc(tmp_path / "simcc.onnx"), "vitpose", RAW, skeleton=COLOURS)
    with pytest.raises(RefineError, match="expected an option"):
        eye_from_onnx(path, "vitpose", RAW, ratio=2)
    with pytest.raises(WeightsError, match="size of the crops"):
        eye_from_onnx(path, "hrnet", OnnxInput((40, 64)), skeleton=COLOURS)
    open_size = heatmaps(tmp_path / "open.onnx", ("n", 3, "h", "w"))
    with pytest.raises(WeightsError, match="size of the crops"):
        eye_from_onnx(open_size, "hrnet", skeleton=COLOURS)
    text = tmp_path / "text.onnx"
    text.write_text("no network")
    with pytest.raises(WeightsError, match="ONNX network that runs"):
        eye_from_onnx(text, "hrnet", skeleton=COLOURS)
