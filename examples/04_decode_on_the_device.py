"""Decode on the tensor's device, and ship the decoder inside an ONNX file."""

import tempfile
import warnings
from pathlib import Path

import onnx
import onnxruntime
import torch

from refine.decoding import TorchHeatmapDecoder

# What a network on a GPU would give, and where its crops lie in the image.
y, x = torch.meshgrid(torch.arange(64.0), torch.arange(48.0), indexing="ij")
centres = torch.rand(8, 17, 2, generator=torch.Generator().manual_seed(0)) * 30 + 9
cells_x, cells_y = centres[..., 0, None, None], centres[..., 1, None, None]
maps = torch.exp(-((x - cells_x) ** 2 + (y - cells_y) ** 2) / 8)
affine = torch.tensor([[[5.0, 0, 100], [0, 5, 50]]]).expand(8, 2, 3)

decoder = TorchHeatmapDecoder("dark").eval()
keypoints = decoder(maps, affine)  # (N, K, 3): x, y in the image and the peak
truth = centres * 5 + torch.tensor([100.0, 50])
print(f"largest error: {(keypoints[..., :2] - truth).abs().max():.3f} px")

path = Path(tempfile.mkdtemp(), "decoder.onnx")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # torch's own about this exporter; dynamo=True works as well
    torch.onnx.export(
        decoder,
        (maps[:2],),
        path,
        dynamo=False,
        input_names=["heatmaps"],
        output_names=["keypoints"],
        dynamic_axes={"heatmaps": {0: "n"}, "keypoints": {0: "n"}},
    )
onnx.checker.check_model(path)
session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
[same] = session.run(None, {"heatmaps": maps.numpy()})
print(f"onnxruntime differs by {abs(same - decoder(maps).numpy()).max():.0e} cell")
