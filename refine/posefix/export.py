"""The image refiner from crops to places as one torch module, for export."""

from typing import Any

import torch
from torch import Tensor, nn

from refine.posefix.clues import PADDING
from refine.posefix.network import STRIDE
from refine.posefix.readout import best_places, expected_error, expected_similarity
from refine.refiner.export import Exportable
from refine.refiner.features import NEIGHBOURS
from refine.skeleton import Skeleton

INPUTS = {
    "pixels": "(n, 3, H, W) float32 RGB, 0 to 255: the crop around the person, "
    f"{PADDING} times as large as the box of the joints",
    "own": "(n, K, 3) float32 x, y in px of the crop and weight of the joints as they came; the "
    "weight is the expected keypoint similarity, 0 where missing",
    "belief": "(n, K, 4) float32 x, y, mean absolute error per axis in px of the crop, and weight "
    "of where the image-free refiner would put them; the weight is its `annotated`",
    "near": "(n, M, K, 3) float32 x, y and weight (1 or 0) of the neighbouring poses' joints",
    "oks": "(n,) float32 logit of the OKS that the image-free refiner expects",
    "kernel": "(n, K) float32 standard deviation of the OKS kernel, 2 sigma sqrt(area), px of the "
    "crop",
}
OUTPUTS = {
    "refined": "(n, K, 2) float32 where each joint has the highest expected similarity, px of the "
    "crop",
    "move": "(n, K) float32 that similarity",
    "keep": "(n, K) float32 that of the joint as it came; 0 where missing",
    "sigma_px": "(n, K) float32 mean absolute error per axis expected there, px of the crop",
    "expected_oks": "(n,) float32 expected OKS of the refined pose",
}


class PictureGraph(nn.Module):
    """`refine.posefix.sight.see` in torch.

    Takes and returns what `INPUTS` and `OUTPUTS` say.

    Args:
        network: in evaluation mode.
        mirror: index of every joint's mirror partner, to look at the mirrored crops as well.
    """

    def __init__(self, network: nn.Module, mirror: list[int] | None) -> None:
        super().__init__()
        self.network, self.mirror = network, mirror

    def forward(
        self, pixels: Tensor, own: Tensor, belief: Tensor, near: Tensor, oks: Tensor, kernel: Tensor
    ) -> tuple[Tensor, ...]:
        """Look at N crops."""
        looks: tuple[Tensor, ...] = (pixels, own, belief, near, oks)
        if self.mirror is not None:
            last = pixels.shape[3] - 1
            points = (self._turn(p, last) for p in (own, belief, near))
            turned = (pixels.flip(3), *points, oks)
            looks = tuple(torch.cat(pair) for pair in zip(looks, turned, strict=True))
        said = self.network(*looks)
        chance, verdict = said.maps.flatten(2).softmax(2).view_as(said.maps), said.oks
        if self.mirror is not None:
            n = pixels.shape[0]
            chance = (chance[:n] + chance[n:].flip(3)[:, self.mirror]) / 2
            verdict = (verdict[:n] + verdict[n:]) / 2
        offset, spread = (STRIDE - 1) / 2, kernel / STRIDE
        at = best_places(chance, spread)
        keep = expected_similarity(chance, (own[..., :2] - offset) / STRIDE, spread)
        return (
            at * STRIDE + offset,
            expected_similarity(chance, at, spread),
            torch.where(own[..., 2] > 0, keep, 0.0),
            expected_error(chance, at) * STRIDE,
            verdict.sigmoid(),
        )

    def _turn(self, points: Tensor, last: int) -> Tensor:
        """Mirror points, as `refine.posefix.sight.mirrored` does."""
        points = points[..., self.mirror, :]
        x = torch.where(points[..., -1:] > 0, last - points[..., :1], 0.0)
        return torch.cat([x, points[..., 1:]], -1)


def exportable_picture(
    network: nn.Module, facts: dict[str, Any], *, flip: bool = True
) -> Exportable:
    """Describe an image refiner as `refine.posefix.weights.load_picture_weights` returns it.

    Args:
        network: in evaluation mode.
        facts: of its header.
        flip: also look at the mirrored crop, as `refine run` does; takes twice as long.
    """
    joints, (width, height) = tuple(facts["joints"]), facts["size"]
    k = len(joints)

    def examples(n: int, rng: torch.Generator) -> tuple[Tensor, ...]:
        def draw(*size: int) -> Tensor:
            return torch.rand((n, *size), generator=rng)

        size = torch.tensor([width, height])
        own, other = draw(k, 2) * size, draw(NEIGHBOURS, k, 2) * size
        # Joints that nobody has seen give flat maps, whose highest place is anybody's guess.
        weight = 0.5 + 0.5 * draw(k, 2)
        error = 1 + 5 * draw(k, 1)
        return (
            255 * draw(3, height, width),
            torch.cat([own, weight[..., :1]], -1),
            torch.cat([own + error * (draw(k, 2) - 0.5), error, weight[..., 1:]], -1),
            torch.cat([other, (draw(NEIGHBOURS, k, 1) < 0.5).float()], -1),
            4 * draw() - 2,
            2 + 6 * draw(k),
        )

    return Exportable(
        module=PictureGraph(network, Skeleton("crop", joints).mirror.tolist() if flip else None),
        inputs=INPUTS,
        outputs=OUTPUTS,
        examples=examples,
        facts={
            "kind": "picture-refiner",
            "joints": list(joints),
            "size": [width, height],
            "flip": flip,
            "neighbours": NEIGHBOURS,
            "weights": f"sha256:{facts['sha256']}",
            "refiner": facts["refiner"],
        },
    )
