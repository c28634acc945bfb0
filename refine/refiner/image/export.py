"""PoseFix from crops to places as a torch module, for export."""

from typing import Any

import torch
from torch import Tensor, nn

from refine.onnx import Exportable
from refine.refiner.fusion.readout import assess_points, in_cells, soft_argmax
from refine.refiner.image.network_reader import PADDING
from refine.refiner.image.posefix import PoseFixNetwork
from refine.skeletons import Skeleton

INPUTS = {
    "pixels": "(n, 3, H, W) float32 RGB, 0 to 255: the crop around the person, `padding` times as "
    "large as the box of the joints",
    "own": "(n, K, 3) float32 x, y in px of the crop and weight of the joints as they came; the "
    "weight is the expected keypoint similarity, 0 where missing",
    "kernel": "(n, K) float32 standard deviation of the OKS kernel, 2 sigma sqrt(area), px of the "
    "crop",
}
OUTPUTS = {
    "refined": "(n, K, 2) float32 where the picture shows each joint, px of the crop",
    "move": "(n, K) float32 expected keypoint similarity there; move where it exceeds keep, fill "
    "where missing",
    "keep": "(n, K) float32 that of the joint as it came; 0 where missing",
    "sigma_px": "(n, K) float32 mean absolute error per axis expected there, px of the crop",
}


class PoseFixExport(nn.Module):
    """`refine.refiner.image.posefix_inference.predict_posefix_crops` in torch.

    Takes and returns what `INPUTS` and `OUTPUTS` say.

    Args:
        network: in evaluation mode.
        mirror: index of every joint's mirror partner, to look at the mirrored crops as well.
    """

    def __init__(self, network: PoseFixNetwork, mirror: list[int] | None) -> None:
        super().__init__()
        self.network, self.mirror = network, mirror

    def forward(self, pixels: Tensor, own: Tensor, kernel: Tensor) -> tuple[Tensor, ...]:
        """Look at N crops."""
        n, last = pixels.shape[0], pixels.shape[3] - 1
        if self.mirror is None:
            return self._look(pixels, own, kernel)
        turned = own[:, self.mirror]
        x = torch.where(turned[..., 2:] > 0, last - turned[..., :1], 0.0)
        turned = torch.cat([x, turned[..., 1:]], -1)
        # Mirrored crops behind those that are not, so that the file holds the network once.
        read = self._look(
            torch.cat([pixels, pixels.flip(3)]),
            torch.cat([own, turned]),
            torch.cat([kernel, kernel[:, self.mirror]]),
        )
        straight, back = [v[:n] for v in read], [v[n:, self.mirror] for v in read]
        back[0] = torch.cat([last - back[0][..., :1], back[0][..., 1:]], -1)
        return tuple((a + b) / 2 for a, b in zip(straight, back, strict=True))

    def _look(self, pixels: Tensor, own: Tensor, kernel: Tensor) -> tuple[Tensor, ...]:
        stride, offset = self.network.stride, self.network.offset
        maps = self.network(pixels, own)
        probability = maps.flatten(2).softmax(2).view_as(maps)
        at = soft_argmax(probability)
        move, keep, error = assess_points(
            probability, at, in_cells(own, stride, offset), kernel / stride
        )
        return at * stride + offset, move, keep, error * stride


def exportable_image_refiner(
    network: PoseFixNetwork, facts: dict[str, Any], *, flip: bool = True
) -> Exportable:
    """Describe PoseFix as `refine.refiner.image.weights.load_image_weights` returns it.

    Args:
        network: in evaluation mode.
        facts: of its header.
        flip: also look at the mirrored crop, as `refine run` does; takes twice as long.
    """
    joints, (width, height), k = tuple(facts["joints"]), facts["size"], len(facts["joints"])
    mirror = Skeleton("crop", joints).mirror.tolist() if flip else None

    def examples(n: int, rng: torch.Generator) -> tuple[Tensor, ...]:
        def draw(*size: int) -> Tensor:
            return torch.rand((n, *size), generator=rng)

        own = torch.cat([draw(k, 2) * torch.tensor([width, height]), 0.5 + 0.5 * draw(k, 1)], -1)
        return 255 * draw(3, height, width), own, 2 + 6 * draw(k)

    return Exportable(
        module=PoseFixExport(network, mirror).eval(),
        inputs=INPUTS,
        outputs=OUTPUTS,
        examples=examples,
        facts={
            "kind": "picture-refiner",
            "joints": list(joints),
            "size": [width, height],
            "padding": PADDING,
            "flip": flip,
            "weights": f"sha256:{facts['sha256']}",
            "refiner": facts["refiner"],
        },
    )
