"""Arrays of every family, with any numbers in them, through `decode`: poses that can be read."""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, strategies as st

from tests.properties.fuzzing import budget, call, read_back

H, W, K = 16, 12, 17
CROPS = {"affine": (2, 2, 3), "box_score": (2,)}
IMAGE = {"affine": (2, 3), "input_size": (2,)}
SHAPES = {
    "hrnet": {**CROPS, "heatmaps": (2, K, H, W), "heatmaps_flipped_input": (2, K, H, W)},
    "udp": {**CROPS, "heatmaps": (2, K, H, W)},
    "cpn": {**CROPS, "heatmaps": (2, K, H, W)},
    "refine": {**CROPS, "heatmaps": (2, K, H, W)},
    "cpm": {**CROPS, "heatmaps": (2, 16, H, W)},
    "udp-offset": {**CROPS, "heatmaps": (2, 3 * K, H, W)},
    "g-rmi": {**CROPS, "heatmaps": (2, K, H, W), "offsets": (2, 2 * K, H, W)},
    "simcc": {**CROPS, "simcc_x": (2, K, 2 * W), "simcc_y": (2, K, 2 * H)},
    "integral": {**CROPS, "heatmaps": (2, K, H, W)},
    "rle": {**CROPS, "coordinates": (2, K, 2), "sigmas": (2, K, 2)},
    "mask-rcnn": {"heatmaps": (2, K, 28, 28), "boxes": (2, 4), "scores": (2,)},
    "openpose": {**IMAGE, "heatmaps": (19, H, W), "pafs": (38, H, W)},
    "tf-pose": {**IMAGE, "output": (57, H, W)},
    "associative-embedding": {**IMAGE, "heatmaps": (K, H, W), "tags": (K, H, W)},
    "personlab": {
        **IMAGE,
        "heatmaps": (K, H, W),
        "short_offsets": (2 * K, H, W),
        "mid_offsets": (64, H, W),
    },
    "posenet": {
        **IMAGE,
        "heatmaps": (K, H, W),
        "short_offsets": (2 * K, H, W),
        "displacements_fwd": (32, H, W),
        "displacements_bwd": (32, H, W),
    },
    "centernet": {**IMAGE, "hm": (1, H, W), "hps": (2 * K, H, W), "wh": (2, H, W)},
    "yolov8-pose": {**IMAGE, "output0": (56, 20)},
    "yolo26-pose": {**IMAGE, "output0": (20, 57)},
    "rtmo": {**IMAGE, "dets": (5, 5), "keypoints": (5, K, 3)},
    "dekr": {**IMAGE, "heatmaps": (K + 1, H, W), "offsets": (2 * K, H, W)},
    "yolox-pose": {
        **IMAGE,
        "cls": (64, 1),
        "objectness": (64, 1),
        "boxes": (64, 4),
        "offsets": (64, 2 * K),
        "visibility": (64, K),
    },
    "directpose": {**IMAGE, "cls": (66, 1), "centerness": (66, 1), "offsets": (66, 2 * K)},
    "movenet": {
        **IMAGE,
        "center_logits": (1, H, W),
        "regress": (2 * K, H, W),
        "heatmap_logits": (K, H, W),
        "offset": (2 * K, H, W),
    },
    "movenet-multipose": {
        **IMAGE,
        "center_logits": (1, H, W),
        "box_scale": (2, H, W),
        "box_offset": (2, H, W),
        "regress": (2 * K, H, W),
        "heatmap_logits": (K, H, W),
        "offset": (2 * K, H, W),
    },
    "efficientpose": {**IMAGE, "heatmaps": (H, W, 16)},
    "blazepose": {
        **CROPS,
        "landmarks": (2, 39, 5),
        "heatmap_logits": (2, 39, H, W),
        "pose_flag": (2, 1),
    },
    "deepercut": {**IMAGE, "candidate_xy": (6, 2), "candidate_unary": (6, 14)},
}
"""Arrays of a preset and their shapes: right ones, so that numbers get to the decoder."""
LETTERBOX = {"scale": (), "pad_left": (), "pad_top": ()}
PLACES = {2: [LETTERBOX], 3: [LETTERBOX, {"center": (2, 2), "scale": (2,)}, {"box_xyxy": (2, 4)}]}
"""What may stand for an affine of so many axes."""
USUAL = {
    "affine": [[0.25, 0, 3], [0, 0.25, 4]],
    "input_size": [4 * W, 4 * H],
    "scale": 0.25,
    "center": [30, 40],
    "box_xyxy": [10, 20, 50, 90],
}
ODD = [0.0, -1.0, 1e30, -1e30, 1e300, np.nan, np.inf, -np.inf, 1e-300]
TYPES = ["<f4", "<f8", "<f2", "|u1", "<i8", "|b1", "<c8"]


class Arrays(dict):
    """Arrays by name, which failures show in a line."""

    def __repr__(self):
        odd = [
            f"{n} {a.dtype} {a.shape} {set(a.ravel().tolist()) & {*ODD}}" for n, a in self.items()
        ]
        return f"<{'; '.join(odd)}>"


@st.composite
def fields(draw, shapes):
    """Draw arrays: noise, some with odd numbers, now and then of another type or shape."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    found = Arrays()
    if "affine" in shapes and draw(st.integers(0, 3)) == 0:
        place = draw(st.sampled_from(PLACES[len(shapes["affine"])]))
        shapes = {name: shape for name, shape in shapes.items() if name != "affine"} | place
    for name, shape in shapes.items():
        values = np.array(rng.random(shape))
        values[...] = USUAL.get(name, values)
        if draw(st.integers(0, 3)) == 0:
            part = draw(st.sampled_from([0.02, 0.5, 1.0]))
            values[rng.random(shape) < part] = draw(st.sampled_from(ODD) | st.floats())
        if shape and draw(st.integers(0, 15)) == 0:
            values = np.moveaxis(values, -1, 0) if draw(st.booleans()) else values[..., :-1]
        kind = draw(st.sampled_from(["<f4", "<f4", "<f8", *TYPES]))
        with np.errstate(all="ignore"):
            found[name] = values.astype(kind)
        if draw(st.integers(0, 30)) == 0:
            del found[name]
    return found


@pytest.mark.parametrize("preset", SHAPES)
def test_any_numbers(preset):
    @budget(8)
    @given(fields(SHAPES[preset]), st.sampled_from([[], [], ["--precision", "400"]]))
    def decode(arrays, more):
        with TemporaryDirectory() as place:
            folder = Path(place)
            np.savez(folder / "maps.npz", **arrays)
            out = folder / "out.json"
            done = call(folder, "decode", folder / "maps.npz", "--preset", preset, "-o", out, *more)
            if done.code == 0:
                read_back(out, "coco", None)

    decode()


@budget(40)
@given(
    st.sampled_from(["hrnet", "yolov8-pose"]),
    st.integers(0, 2**32),
    st.sampled_from(["savez", "savez_compressed", "save"]),
    st.lists(st.tuples(st.floats(0, 1), st.binary(max_size=6), st.integers(0, 8)), max_size=3),
)
def test_damaged_archives(preset, seed, how, cuts):
    rng = np.random.default_rng(seed)
    arrays = {name: rng.random(shape, np.float32) for name, shape in SHAPES[preset].items()}
    with TemporaryDirectory() as place:
        folder = Path(place)
        file = folder / "maps.npz"
        with file.open("wb") as target:
            if how == "save":
                np.save(target, next(iter(arrays.values())))
            else:
                getattr(np, how)(target, **arrays)
        data = file.read_bytes()
        for where, junk, length in cuts:
            at = int(where * len(data))
            data = data[:at] + junk + data[at + length :]
        file.write_bytes(data)
        call(folder, "decode", file, "--preset", preset, "-o", folder / "out.json")
