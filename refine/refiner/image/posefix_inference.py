"""Crops through the network of the PoseFix paper, read as its test reads them."""

from collections.abc import Iterable, Iterator
from dataclasses import fields
from typing import TYPE_CHECKING

import numpy as np

from refine._types import Floats, Indices
from refine.crops.arrays import Pixels
from refine.refiner.image.conditioning import Conditioning
from refine.refiner.image.inference import forward, make_prediction, mirrored
from refine.refiner.prediction import CropPrediction

if TYPE_CHECKING:
    from refine.refiner.image.network import ImageNetwork


POSEFIX_MARGIN = 0.05
"""Expected similarity that a move must gain; a guess, no such network was at hand to tune it."""


def predict_posefix_crops(
    network: "ImageNetwork",
    batches: Iterable[tuple[Indices, Pixels]],
    conditioning: Conditioning,
    kernel: Floats,
    mirror: Indices | None = None,
) -> Iterator[tuple[Indices, CropPrediction]]:
    """Let the network look at crops; places are soft-argmaxes, of both looks the means.

    Published cells lie at 4 i px, so that mirrored maps lie between the cells of those that are
    not; places can be averaged all the same. How sure the network is comes from the maps.

    Args:
        network: in evaluation mode.
        batches: rows (B,) of the poses and their crops (B, H, W, 3).
        conditioning: of all N poses.
        kernel: (N, K) standard deviation of the OKS kernel, 2 sigma sqrt(area), input px.
        mirror: (K,) index of every joint's mirror partner, to look at the mirrored crops as well;
            None not to.

    Yields:
        rows (B,) and what their pictures say.
    """
    for rows, crops in batches:
        yield rows, _flip_average(network, crops, conditioning[rows], kernel[rows], mirror)


def _flip_average(
    network: "ImageNetwork",
    crops: Pixels,
    conditioning: Conditioning,
    kernel: Floats,
    mirror: Indices | None,
) -> CropPrediction:
    straight = _predict(network, crops, conditioning, kernel)
    if mirror is None:
        return straight
    width = crops.shape[2]
    turned = _predict(
        network, crops[:, :, ::-1], mirrored(conditioning, width, mirror), kernel[:, mirror]
    )
    xy = turned.xy[:, mirror]
    xy[..., 0] = width - 1 - xy[..., 0]
    joints = {name: getattr(turned, name)[:, mirror] for name in ("move", "keep", "sigma")}
    back = CropPrediction(xy=xy, oks=turned.oks, margin=turned.margin, **joints)
    both = {
        f.name: (getattr(straight, f.name) + getattr(back, f.name)) / 2
        for f in fields(CropPrediction)
    }
    return CropPrediction(**both)


def _predict(
    network: "ImageNetwork",
    crops: Pixels,
    conditioning: Conditioning,
    kernel: Floats,
) -> CropPrediction:
    import torch

    from refine.refiner.fusion.readout import in_cells, soft_argmax

    with torch.inference_mode():
        probability, oks = forward(network, crops, conditioning)
        spread = torch.from_numpy((kernel / network.stride).astype(np.float32)).to(
            probability.device
        )
        own = torch.from_numpy(conditioning.own).to(probability.device)
        own = in_cells(own, network.stride, network.offset)
        return make_prediction(
            network, probability, soft_argmax(probability), own, spread, oks, POSEFIX_MARGIN
        )
