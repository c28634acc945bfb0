"""Image refiners from crops to places as torch modules, for export."""

from typing import Any

import torch
from torch import Tensor, nn

from refine.onnx import Exportable
from refine.refiner.fusion.readout import (
    assess_points,
    expected_oks_argmax,
    fuse_with_source,
    in_cells,
    soft_argmax,
)
from refine.refiner.image.network import ImageNetwork
from refine.refiner.pose.features import NEIGHBOURS
from refine.skeletons import Skeleton

INPUTS = {
    "pixels": "(n, 3, H, W) float32 RGB, 0 to 255: the crop around the person, `padding` times as "
    "large as the box of the joints",
    "own": "(n, K, 3) float32 x, y in px of the crop and weight of the joints as they came; the "
    "weight is the expected keypoint similarity, 0 where missing",
    "kernel": "(n, K) float32 standard deviation of the OKS kernel, 2 sigma sqrt(area), px of the "
    "crop",
    "belief": "(n, K, 4) float32 x, y, mean absolute error per axis in px of the crop, and weight "
    "of where the image-free refiner would put them; the weight is its `annotated`",
    "near": "(n, M, K, 3) float32 x, y and weight (1 or 0) of the neighbouring poses' joints",
    "oks": "(n,) float32 logit of the OKS that the image-free refiner expects",
    "precision": "(n,) float32 how much sharper the source is than the average, see "
    "refine.refiner.image.source_precision; 0 where that is not known",
}
OUTPUTS = {
    "refined": "(n, K, 2) float32 where the picture shows each joint, px of the crop",
    "move": "(n, K) float32 expected keypoint similarity there; move where it exceeds keep, fill "
    "where missing",
    "keep": "(n, K) float32 that of the joint as it came; 0 where missing",
    "sigma_px": "(n, K) float32 mean absolute error per axis expected there, px of the crop",
    "expected_oks": "(n,) float32 expected OKS of the refined pose",
}


class LightExport(nn.Module):
    """`refine.refiner.image.inference.predict_crops` in torch.

    Takes and returns what `INPUTS` and `OUTPUTS` say.

    Args:
        network: in evaluation mode.
        mirror: index of every joint's mirror partner, to look at the mirrored crops as well.
    """

    def __init__(self, network: ImageNetwork, mirror: list[int] | None) -> None:
        super().__init__()
        self.network, self.mirror = network, mirror

    def forward(
        self,
        pixels: Tensor,
        own: Tensor,
        kernel: Tensor,
        belief: Tensor,
        near: Tensor,
        oks: Tensor,
        precision: Tensor,
    ) -> tuple[Tensor, ...]:
        """Look at N crops."""
        n, last = pixels.shape[0], pixels.shape[3] - 1
        looks: tuple[Tensor, ...] = (pixels, own, belief, near, oks)
        if self.mirror is not None:
            points = (_turn(p, last, self.mirror) for p in (own, belief, near))
            looks = _both(looks, (pixels.flip(3), *points, oks))
        output = self.network(*looks)
        probability, verdict = _chance(output.maps), output.oks
        if self.mirror is not None:
            probability = (probability[:n] + probability[n:].flip(3)[:, self.mirror]) / 2
            verdict = (verdict[:n] + verdict[n:]) / 2
        spread = kernel / self.network.stride
        own = in_cells(own, self.network.stride, self.network.offset)
        probability = fuse_with_source(probability, own, spread, precision)
        at = expected_oks_argmax(probability, spread)
        return *_read(self.network, probability, at, own, spread), verdict.sigmoid()


class PoseFixExport(nn.Module):
    """`refine.refiner.image.posefix_inference.predict_posefix_crops` in torch.

    Takes and returns the first three of `INPUTS` and the first four of `OUTPUTS`.

    Args:
        network: in evaluation mode.
        mirror: index of every joint's mirror partner, to look at the mirrored crops as well.
    """

    def __init__(self, network: ImageNetwork, mirror: list[int] | None) -> None:
        super().__init__()
        self.network, self.mirror = network, mirror

    def forward(self, pixels: Tensor, own: Tensor, kernel: Tensor) -> tuple[Tensor, ...]:
        """Look at N crops."""
        n, last = pixels.shape[0], pixels.shape[3] - 1
        looks: tuple[Tensor, ...] = (pixels, own, kernel)
        if self.mirror is not None:
            turned = _turn(own, last, self.mirror)
            looks = _both(looks, (pixels.flip(3), turned, kernel[:, self.mirror]))
        seen, shown, width = looks
        # What the network is not told it does not look at.
        probability = _chance(self.network(seen, shown, shown, shown, shown[:, 0, 0]).maps)
        spread = width / self.network.stride
        came = in_cells(shown, self.network.stride, self.network.offset)
        read = _read(self.network, probability, soft_argmax(probability), came, spread)
        if self.mirror is None:
            return read
        straight, back = [v[:n] for v in read], [v[n:, self.mirror] for v in read]
        back[0] = torch.cat([last - back[0][..., :1], back[0][..., 1:]], -1)
        return tuple((a + b) / 2 for a, b in zip(straight, back, strict=True))


def _chance(maps: Tensor) -> Tensor:
    return maps.flatten(2).softmax(2).view_as(maps)


def _both(straight: tuple[Tensor, ...], turned: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Put mirrored crops behind those that are not, so that the file holds the network once."""
    return tuple(torch.cat(pair) for pair in zip(straight, turned, strict=True))


def _turn(points: Tensor, last: int, mirror: list[int]) -> Tensor:
    """Mirror points, as `refine.refiner.image.inference.mirrored` does."""
    points = points[..., mirror, :]
    x = torch.where(points[..., -1:] > 0, last - points[..., :1], 0.0)
    return torch.cat([x, points[..., 1:]], -1)


def _read(
    network: ImageNetwork, probability: Tensor, at: Tensor, own: Tensor, spread: Tensor
) -> tuple[Tensor, ...]:
    """Return the first four of `OUTPUTS` for places `at`; all is in cells."""
    move, keep, error = assess_points(probability, at, own, spread)
    return at * network.stride + network.offset, move, keep, error * network.stride


def exportable_image_refiner(
    network: ImageNetwork, facts: dict[str, Any], *, flip: bool = True
) -> Exportable:
    """Describe an image refiner as `refine.refiner.image.weights.load_image_weights` returns it.

    Args:
        network: in evaluation mode.
        facts: of its header.
        flip: also look at the mirrored crop, as `refine run` does; takes twice as long.
    """
    joints, (width, height), k = tuple(facts["joints"]), facts["size"], len(facts["joints"])
    mirror = Skeleton("crop", joints).mirror.tolist() if flip else None
    exported = network.exported(mirror)

    def examples(n: int, rng: torch.Generator) -> tuple[Tensor, ...]:
        def draw(*size: int) -> Tensor:
            return torch.rand((n, *size), generator=rng)

        size = torch.tensor([width, height])
        own, other = draw(k, 2) * size, draw(NEIGHBOURS, k, 2) * size
        # Joints that nobody has seen give flat maps, whose highest place is anybody's guess.
        weight = 0.5 + 0.5 * draw(k, 2)
        error = 1 + 5 * draw(k, 1)
        everything = (
            255 * draw(3, height, width),
            torch.cat([own, weight[..., :1]], -1),
            2 + 6 * draw(k),
            torch.cat([own + error * (draw(k, 2) - 0.5), error, weight[..., 1:]], -1),
            torch.cat([other, (draw(NEIGHBOURS, k, 1) < 0.5).float()], -1),
            4 * draw() - 2,
            4 * draw(),
        )
        return everything[: exported.inputs]

    return Exportable(
        module=exported.module.eval(),
        inputs=dict(list(INPUTS.items())[: exported.inputs]),
        outputs=dict(list(OUTPUTS.items())[: exported.outputs]),
        examples=examples,
        facts={
            "kind": "picture-refiner",
            "joints": list(joints),
            "size": [width, height],
            "padding": exported.padding,
            "flip": flip,
            "weights": f"sha256:{facts['sha256']}",
            "refiner": facts["refiner"],
        },
    )
