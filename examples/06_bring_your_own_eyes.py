"""Let a network of your own look at the pictures: a function, or an ONNX file."""

import tempfile
import warnings
from pathlib import Path

import numpy as np
import onnx  # noqa: F401 - torch needs it to write the file
import torch

import refine
from refine.geometry import keypoint_box
from refine.refiner.eyes.eye import eye_from_onnx, see
from refine.refiner.eyes.onnx_network import OnnxInput
from refine.refiner.eyes.weights import load_eye_weights
from refine.sample import make_people

truth, pictures = make_people(4, np.random.default_rng(0))
shipped = refine.load_eye("image-small")
size, joints = shipped.size, shipped.joints


def look(crops: np.ndarray) -> np.ndarray:
    """Say the same of every crop: people stand upright in the middle."""
    heat = np.zeros((len(crops), 17, 64, 48), np.float32)
    for joint, row in enumerate([8] * 5 + [16, 16, 24, 24, 32, 32, 32, 32, 44, 44, 54, 54]):
        heat[:, joint, row, 24] = 1
    return heat


function = refine.Eye(look, joints, size, stride=4, offset=1.5, name="upright")

with tempfile.TemporaryDirectory() as folder:
    # Any network of heatmaps or SimCC will do; here the shipped one, written as ONNX.
    path = Path(folder) / "net.onnx"
    network, _ = load_eye_weights("image-small")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        example = torch.zeros(1, 3, size[1], size[0])
        axes = {"crops": {0: "n"}}
        torch.onnx.export(
            network, (example,), path, input_names=["crops"], dynamic_axes=axes, dynamo=False
        )
    pixels = OnnxInput(mean=(0, 0, 0), deviation=(1, 1, 1))
    own = eye_from_onnx(path, "hrnet", pixels, offset=1.6, logits=True)

    rows = np.flatnonzero(truth.image == 0)
    box = keypoint_box(truth.xy[rows])
    picture = np.stack([pictures[0]] * 3, -1)
    for eye in (function, own, shipped):
        crop = refine.Crop.from_box(box, eye.size, padding=eye.padding)
        heat = see(eye, refine.crop(picture, crop), mirrored=True)
        top = heat.reshape(*heat.shape[:2], -1).argmax(2)
        cells = np.stack(np.unravel_index(top, heat.shape[2:])[::-1], -1)
        found = crop.inverse()(cells * eye.stride + eye.offset)
        off = np.hypot(*np.moveaxis(found - truth.xy[rows], -1, 0))[truth.present[rows]]
        print(f"{eye.name}: the median joint is found {np.median(off):.1f} px from where it is")
