"""Crops through the network of the PoseFix paper, read as its test reads them."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from refine._types import Floats, Floats32, Indices
from refine.crops.arrays import Pixels
from refine.geometry import Crop
from refine.refiner.belief import Belief
from refine.refiner.pose.features import Scene
from refine.refiner.prediction import CropPrediction

if TYPE_CHECKING:
    from refine.refiner.image.posefix import PoseFixNetwork


POSEFIX_MARGIN = 0.05
"""Expected similarity that a move must gain; a guess, no such network was at hand to tune it."""


def shown_joints(scene: Scene, belief: Belief, crop: Crop) -> Floats32:
    """Return what the network is shown of N poses: complete ones, as in training.

    Missing joints stand where the image-free refiner believes them.

    Args:
        scene: N poses.
        belief: of the same.
        crop: image px -> network input, one per pose.

    Returns:
        (N, K, 3) x, y in px of the crop and weight: the similarity expected of joints as they
        came, how likely missing ones are labelled; 0 where nothing is known.
    """
    known = np.isfinite(belief.xy).all(-1)
    xy = crop(np.where(scene.present[..., None], scene.xy, np.nan_to_num(belief.xy)))
    weight = np.where(scene.present, belief.keep, np.where(known, belief.annotated, 0.0))
    shown = np.concatenate([xy, weight[..., None]], -1).astype(np.float32)
    shown[shown[..., 2] == 0] = 0
    return shown


def mirrored(points: Floats32, width: int, mirror: Indices) -> Floats32:
    """Mirror points (N, K, 3) in crops of a width, and exchange the sides of the joints."""
    out = points[:, mirror].copy()
    out[..., 0] = np.where(out[..., 2] > 0, width - 1 - out[..., 0], 0.0)
    return out


def predict_posefix_crops(
    network: "PoseFixNetwork",
    batches: Iterable[tuple[Indices, Pixels]],
    shown: Floats32,
    kernel: Floats,
    oks: Floats,
    mirror: Indices | None = None,
) -> Iterator[tuple[Indices, CropPrediction]]:
    """Let the network look at crops; places are soft-argmaxes, of both looks the means.

    Published cells lie at 4 i px, so that mirrored maps lie between the cells of those that are
    not; places can be averaged all the same. How sure the network is comes from the maps.

    Args:
        network: in evaluation mode.
        batches: rows (B,) of the poses and their crops (B, H, W, 3).
        shown: (N, K, 3) of `shown_joints`.
        kernel: (N, K) standard deviation of the OKS kernel, 2 sigma sqrt(area), input px.
        oks: (N,) expected before; it stays, for the paper leaves instance scores alone.
        mirror: (K,) index of every joint's mirror partner, to look at the mirrored crops as well;
            None not to.

    Yields:
        rows (B,) and what their pictures say.
    """
    for rows, crops in batches:
        read = _look(network, crops, shown[rows], kernel[rows])
        if mirror is not None:
            width = crops.shape[2]
            told = mirrored(shown[rows], width, mirror)
            turned = _look(network, crops[:, :, ::-1], told, kernel[rows][:, mirror])
            back = [values[:, mirror] for values in turned]
            back[0][..., 0] = width - 1 - back[0][..., 0]
            read = [(a + b) / 2 for a, b in zip(read, back, strict=True)]
        xy, move, keep, sigma = read
        margin = np.full(len(rows), POSEFIX_MARGIN)
        yield rows, CropPrediction(xy, move, keep, sigma, oks[rows], margin)


def _look(
    network: "PoseFixNetwork", crops: Pixels, shown: Floats32, kernel: Floats
) -> list[Floats]:
    """Return places, `move`, `keep` and `sigma` of a `CropPrediction`."""
    import torch

    from refine.refiner.fusion.readout import assess_points, in_cells, soft_argmax

    device = network.leave.weight.device
    with torch.inference_mode():
        pixels = torch.from_numpy(np.ascontiguousarray(np.moveaxis(crops, -1, 1)))
        pixels = pixels.to(device, torch.float32).contiguous(memory_format=torch.channels_last)
        told = torch.from_numpy(shown).to(device)
        maps = network(pixels, told)
        probability = maps.flatten(2).softmax(2).view_as(maps)
        spread = torch.from_numpy((kernel / network.stride).astype(np.float32)).to(device)
        at = soft_argmax(probability)
        own = in_cells(told, network.stride, network.offset)
        move, keep, error = assess_points(probability, at, own, spread)
        found = (at * network.stride + network.offset, move, keep, error * network.stride)
        return [values.double().cpu().numpy() for values in found]
