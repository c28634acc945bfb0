"""The heatmap decoder as an ONNX graph."""

import torch
from torch import Tensor, nn

from refine.decoding.heatmap.torch import TorchHeatmapDecoder
from refine.onnx import Exportable


class _Decoder(nn.Module):
    def __init__(self, decoder: TorchHeatmapDecoder) -> None:
        super().__init__()
        self.decoder = decoder

    def forward(self, heatmaps: Tensor) -> tuple[Tensor]:
        return (self.decoder(heatmaps),)


def exportable_decoder(decoder: TorchHeatmapDecoder) -> Exportable:
    """Describe a heatmap decoder; its file takes maps of any number, joints, height and width."""

    def examples(n: int, rng: torch.Generator) -> tuple[Tensor, ...]:
        # Other sizes with other batches: none of them may stick to the file.
        size = (n, 3, 20 + n, 16 + n)
        x, y = (torch.rand(size[:2], generator=rng) * s for s in (size[3] - 1, size[2] - 1))
        columns, rows = torch.arange(size[3]), torch.arange(size[2])
        down = (rows - y[..., None])[..., None] ** 2
        maps = torch.exp(-((columns - x[..., None])[..., None, :] ** 2 + down) / 8)
        # The last map is empty.
        return (maps * (torch.arange(n * 3) < n * 3 - 1).view(n, 3, 1, 1),)

    nothing = {None: "NaN", "hrnet": "(0, 0)", "mmpose": "(-1, -1)"}[decoder.compat]
    return Exportable(
        module=_Decoder(decoder).eval(),
        inputs={"heatmaps": "(n, k, h, w) float32, one map per joint"},
        outputs={
            "keypoints": "(n, k, 3) float32 x, y in cells and the value of the map at its peak; "
            f"x, y are {nothing} where there is no peak"
        },
        examples=examples,
        facts={
            "kind": "decoder",
            "method": decoder.method,
            "kernel": len(decoder.taps) if decoder.method == "dark" else None,
            "compat": decoder.compat,
        },
        sizes={"heatmaps": ("n", "k", "h", "w"), "keypoints": ("n", "k")},
    )
