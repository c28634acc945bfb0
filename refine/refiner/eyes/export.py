"""Eyes as torch modules from crops to maps, for export."""

from typing import Any

import torch
from torch import Tensor, nn

from refine.onnx import Exportable
from refine.refiner.eyes.movenet import MoveNet
from refine.refiner.weights import skeleton_of

INPUTS = {
    "pixels": "(n, 3, H, W) float32 RGB, 0 to 255: the crop around the person, `padding` times as "
    "large as the tight box of the joints",
}
OUTPUTS = {
    "heatmaps": "(n, K, H / stride, W / stride) float32 in [0, 1], how much each cell looks like "
    "the joint; cell i lies at `stride` i + `offset` px of the crop",
}


class EyeExport(nn.Module):
    """What `Eye.look` does, in torch."""

    def __init__(self, network: MoveNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, pixels: Tensor) -> tuple[Tensor]:
        """Look at crops (N, 3, H, W), 0 to 255."""
        return (self.network(pixels).sigmoid(),)


def exportable_eye(network: MoveNet, facts: dict[str, Any]) -> Exportable:
    """Describe eyes as `refine.refiner.eyes.weights.load_eye_weights` returns them.

    Args:
        network: in evaluation mode.
        facts: of its header.
    """
    width, height = facts["size"]

    def examples(n: int, rng: torch.Generator) -> tuple[Tensor]:
        return (255 * torch.rand((n, 3, height, width), generator=rng),)

    return Exportable(
        module=EyeExport(network).eval(),
        inputs=INPUTS,
        outputs=OUTPUTS,
        examples=examples,
        facts={
            "kind": "eye",
            "joints": list(skeleton_of(facts).joints),
            "size": [width, height],
            "stride": facts["stride"],
            "offset": facts["offset"],
            "padding": facts["padding"],
            "weights": f"sha256:{facts['sha256']}",
        },
    )
