"""The image-free refiner from keypoints to beliefs as one torch module, for export."""

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from refine.onnx import Exportable
from refine.refiner.belief import MARGIN
from refine.refiner.pose.features import (
    BORDER_REACH,
    NEIGHBOUR_REACH,
    NEIGHBOURS,
    REACH,
    PairTable,
    Scene,
)
from refine.refiner.pose.network import Network
from refine.skeletons import Skeleton

INPUTS = {
    "xy": "(n, K, 2) float32 keypoints, image px, the centre of the first pixel at (0, 0); "
    "anything where not present",
    "present": "(n, K) bool",
    "score": "(n, K, 2) float32 confidence in [0, 1], twice; -1 where unknown",
    "near_xy": "(n, M, K, 2) float32 the M nearest other poses of the image, as xy",
    "near_present": "(n, M, K) bool; all false where there are fewer poses",
    "image_size": "(n, 2) float32 width and height, NaN where unknown",
}
OUTPUTS = {
    "refined": "(n, K, 2) float32 where each joint most likely scores best, image px; NaN for "
    "poses without a joint",
    "sigma_px": "(n, K) float32 its mean absolute error per axis, px",
    "keep": "(n, K) float32 expected keypoint similarity of the joint as it came; 0 where missing",
    "move": f"(n, K) float32 that of refined; move where it exceeds keep by {MARGIN}, fill where "
    "missing",
    "wrong": "(n, K) float32 probability that the joint as it came is a miss",
    "annotated": "(n, K) float32 probability that an annotator would label the joint",
    "oks": "(n,) float32 expected OKS of the refined pose",
    "size_px": "(n,) float32 size of the body, about the square root of a person's area, px",
}


def export_inputs(scene: Scene) -> dict[str, npt.NDArray[Any]]:
    """Lay out a scene of N poses as `INPUTS`."""
    other = np.maximum(scene.near, 0)
    return {
        "xy": scene.xy.astype(np.float32),
        "present": scene.present,
        "score": scene.score.astype(np.float32),
        "near_xy": scene.xy[other].astype(np.float32),
        "near_present": scene.present[other] & (scene.near >= 0)[..., None],
        "image_size": scene.image_size.astype(np.float32),
    }


class PoseExport(nn.Module):
    """`body_frame`, `features`, the network and `Refiner.believe_scene` in torch.

    Takes and returns what `INPUTS` and `OUTPUTS` say.
    """

    first: Tensor
    second: Tensor
    log_distance: Tensor
    weight: Tensor

    def __init__(self, network: Network, pairs: PairTable) -> None:
        super().__init__()
        self.network = network
        i, j = np.nonzero(np.tril(pairs.weight))
        self.register_buffer("first", torch.from_numpy(i))
        self.register_buffer("second", torch.from_numpy(j))
        self.register_buffer("log_distance", torch.from_numpy(pairs.log_distance[i, j]).float())
        self.register_buffer("weight", torch.from_numpy(pairs.weight[i, j]).float())

    def forward(
        self,
        xy: Tensor,
        present: Tensor,
        score: Tensor,
        near_xy: Tensor,
        near_present: Tensor,
        image_size: Tensor,
    ) -> tuple[Tensor, ...]:
        """Say what is believed of N poses."""
        there = present.float()
        xy = torch.where(present[..., None], xy, 0.0)
        centre = xy.sum(1) / there.sum(1, keepdim=True).clamp(min=1)
        size = self._size(xy, present)[:, None]
        own = ((xy - centre[:, None]) / size[:, None]).clamp(-REACH, REACH) * there[..., None]
        near = (near_xy - centre[:, None, None]) / size[:, None, None]
        shown = near_present & (near.abs() <= NEIGHBOUR_REACH).all(-1)
        border = torch.cat([-centre, image_size - centre], 1) / size
        border = torch.where(border.isnan(), BORDER_REACH, border)
        known = present[..., None] & (score >= 0)
        columns = [
            own,
            there,
            torch.where(known, 2 * score - 1, 0.0),
            known.float(),
            border.clamp(-BORDER_REACH, BORDER_REACH) / 5,
            there.mean(1, keepdim=True),
            torch.where(shown[..., None], near / 2, 0.0),
            shown.float(),
        ]
        output = self.network(torch.cat([c.flatten(1) for c in columns], 1), own)
        some = present.any(1)
        return (
            torch.where(
                some[:, None, None], output.xy * size[:, None] + centre[:, None], torch.nan
            ),
            output.spread * size,
            output.keep.sigmoid() * there,
            output.move.sigmoid(),
            output.wrong.sigmoid(),
            output.annotated.sigmoid(),
            output.oks.sigmoid() * some,
            size[:, 0],
        )

    def _size(self, xy: Tensor, present: Tensor) -> Tensor:
        """Return `body_frame`'s weighted median over pairs of joints, (N,) px."""
        both = present[:, self.first] & present[:, self.second]
        apart = (xy[:, self.first] - xy[:, self.second]).square().sum(-1).sqrt()
        value = apart.clamp(min=1e-3).log() - self.log_distance
        value, order = torch.where(both, value, torch.inf).sort(1)
        mass = torch.where(both, self.weight, 0.0)
        below = mass.gather(1, order).cumsum(1) < mass.sum(1, keepdim=True) / 2
        middle = value.gather(1, below.sum(1, keepdim=True))[:, 0]
        # 50 and 2 px as there: one joint alone has no size, and no body is a point.
        return torch.where(both.any(1), middle.exp().clamp(min=2.0), 50.0)


def exportable_refiner(
    network: Network, pairs: PairTable, body: Skeleton, facts: dict[str, Any]
) -> Exportable:
    """Describe an image-free refiner as `refine.refiner.pose.weights.load_network` returns it."""
    k = len(body)

    def examples(n: int, rng: torch.Generator) -> tuple[Tensor, ...]:
        def draw(*size: int) -> Tensor:
            return torch.rand((n, *size), generator=rng)

        centre, size = 600 * draw(1, 2), 40 + 160 * draw(1, 1)
        near = centre[:, None] + size[:, None] * (4 * draw(NEIGHBOURS, k, 2) - 2)
        return (
            centre + size * (2 * draw(k, 2) - 1),
            draw(k) < 0.8,
            draw(k, 2),
            near,
            draw(NEIGHBOURS, k) < 0.5,
            600 + 100 * draw(2),
        )

    return Exportable(
        module=PoseExport(network, pairs).eval(),
        inputs=INPUTS,
        outputs=OUTPUTS,
        examples=examples,
        facts={
            "kind": "refiner",
            "joints": list(body.joints),
            "weights": f"sha256:{facts['sha256']}",
        },
        # Coordinates in and out: a sixth of the weights, half of the error.
        precise=("network.enter", "network.leave"),
    )
