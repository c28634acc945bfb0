"""Crops through the network: from pixels and conditioning to places, similarities and an OKS."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import fields
from typing import TYPE_CHECKING

import numpy as np

from refine._types import Floats, Floats32, Indices
from refine.crops.arrays import Pixels, crop_image
from refine.exceptions import FormatError
from refine.geometry import Crop
from refine.refiner.image.conditioning import Conditioning
from refine.refiner.image.crops import Picture
from refine.refiner.image.pictures import read_picture, short
from refine.refiner.image.source_precision import (
    SAMPLE,
    SourcePrecision,
    estimate_precision,
    source_spread,
)
from refine.refiner.prediction import CropPrediction

if TYPE_CHECKING:
    import torch

    from refine.refiner.image.network import ImageNetwork


BATCH = 32
"""Crops that go through the network at once."""
AHEAD = 8
"""Pictures that are read while the network works; what bounds the memory."""


def predict_crops(
    network: "ImageNetwork",
    batches: Iterable[tuple[Indices, Pixels]],
    conditioning: Conditioning,
    kernel: Floats,
    mirror: Indices | None = None,
) -> Iterator[tuple[Indices, CropPrediction]]:
    """Let the network look at crops; the first of them say how precise their source is.

    Args:
        network: in evaluation mode.
        batches: rows (B,) of the poses and their crops (B, H, W, 3).
        conditioning: of all N poses.
        kernel: (N, K) standard deviation of the OKS kernel, 2 sigma sqrt(area), input px.
        mirror: (K,) index of every joint's mirror partner, to look at the mirrored crops as well
            and take the mean of both maps; None not to.

    Yields:
        rows (B,) and what their pictures say.
    """
    held: list[tuple[Indices, torch.Tensor, torch.Tensor]] = []
    source: SourcePrecision | None = None

    def fuse(source: SourcePrecision) -> Iterator[tuple[Indices, CropPrediction]]:
        for rows, probability, oks in held:
            yield rows, _fuse(network, probability, oks, conditioning[rows], kernel[rows], source)

    def measure() -> SourcePrecision:
        found = list(fuse(SourcePrecision()))
        return _precision_of(found, conditioning, kernel, mirror is not None)

    for rows, crops in batches:
        held.append((rows, *_flip_average(network, crops, conditioning[rows], mirror)))
        if source is None and sum(len(r) for r, *_ in held) >= SAMPLE:
            source = measure()
        if source is not None:
            yield from fuse(source)
            held.clear()
    yield from fuse(source or measure())


def _precision_of(
    predictions: list[tuple[Indices, CropPrediction]],
    conditioning: Conditioning,
    kernel: Floats,
    twice: bool,
) -> SourcePrecision:
    """Say how sharp a source is by what the pictures of some of its poses say."""
    if not predictions:
        return SourcePrecision()
    rows = np.concatenate([r for r, _ in predictions])
    xy, move, keep = (
        np.concatenate([getattr(s, name) for _, s in predictions])
        for name in ("xy", "move", "keep")
    )
    off = np.hypot(*np.moveaxis(xy - conditioning.own[rows, :, :2], -1, 0)) / kernel[rows]
    return estimate_precision(source_spread(off, move, keep, mirrored=twice))


def _flip_average(
    network: "ImageNetwork",
    crops: Pixels,
    conditioning: Conditioning,
    mirror: Indices | None,
) -> "tuple[torch.Tensor, torch.Tensor]":
    import torch

    with torch.inference_mode():
        probability, oks = forward(network, crops, conditioning)
        if mirror is not None:
            turned, again = forward(
                network, crops[:, :, ::-1], mirrored(conditioning, crops.shape[2], mirror)
            )
            probability = (probability + turned.flip(3)[:, torch.from_numpy(mirror)]) / 2
            oks = (oks + again) / 2
    return probability, oks


def _fuse(
    network: "ImageNetwork",
    probability: "torch.Tensor",
    oks: "torch.Tensor",
    conditioning: Conditioning,
    kernel: Floats,
    source: SourcePrecision,
) -> CropPrediction:
    import torch

    from refine.refiner.fusion.readout import expected_oks_argmax, fuse_with_source, in_cells

    with torch.inference_mode():
        spread = torch.from_numpy((kernel / network.stride).astype(np.float32)).to(
            probability.device
        )
        own = torch.from_numpy(conditioning.own).to(probability.device)
        own = in_cells(own, network.stride, network.offset)
        probability = fuse_with_source(
            probability, own, spread, torch.full_like(oks, source.precision)
        )
        at = expected_oks_argmax(probability, spread)
        return make_prediction(network, probability, at, own, spread, oks, source.margin)


def make_prediction(
    network: "ImageNetwork",
    probability: "torch.Tensor",
    at: "torch.Tensor",
    own: "torch.Tensor",
    spread: "torch.Tensor",
    oks: "torch.Tensor",
    margin: float,
) -> CropPrediction:
    """Put what maps say of places `at` into network-input px; all tensors are in cells."""
    from refine.refiner.fusion.readout import assess_points

    move, keep, error = assess_points(probability, at, own, spread)
    return CropPrediction(
        xy=(at * network.stride + network.offset).double().cpu().numpy(),
        move=move.double().cpu().numpy(),
        keep=keep.double().cpu().numpy(),
        sigma=(error * network.stride).double().cpu().numpy(),
        oks=oks.sigmoid().double().cpu().numpy(),
        margin=np.full(len(at), margin),
    )


def forward(
    network: "ImageNetwork", crops: Pixels, conditioning: Conditioning
) -> "tuple[torch.Tensor, torch.Tensor]":
    """Return the maps (N, K, h, w) of probability, and the logits (N,) of the expected OKS."""
    import torch

    device = network.leave.weight.device
    pixels = np.ascontiguousarray(np.moveaxis(crops, -1, 1))
    image = torch.from_numpy(pixels).to(device, torch.float32)
    inputs = {f.name: torch.from_numpy(getattr(conditioning, f.name)) for f in fields(conditioning)}
    output = network(
        image.contiguous(memory_format=torch.channels_last),
        **{name: t.to(device) for name, t in inputs.items()},
    )
    return torch.softmax(output.maps.flatten(2), 2).view_as(output.maps), output.oks


def mirrored(conditioning: Conditioning, width: int, mirror: Indices) -> Conditioning:
    """Mirror conditioning left-right in crops of a width, and exchange the sides of the joints."""

    def turn(points: Floats32) -> Floats32:
        out = points[..., mirror, :].copy()
        out[..., 0] = np.where(out[..., -1] > 0, width - 1 - out[..., 0], 0.0)
        return out

    return Conditioning(
        turn(conditioning.own), turn(conditioning.belief), turn(conditioning.near), conditioning.oks
    )


def stream_crops(
    image: Indices,
    rows: Indices,
    pictures: Sequence[Picture | None],
    crop: Crop,
    workers: int,
    *,
    exif: bool = True,
    failed: dict[int, str] | None = None,
) -> Iterator[tuple[Indices, Pixels]]:
    """Read every picture once and yield the crops of its poses, in batches of `BATCH`.

    Args:
        image: (N,) number of every pose's image.
        rows: the poses to crop; their images have a picture.
        pictures: of the images.
        crop: image px -> network input, (N,).
        workers: threads that read and crop.
        exif: whether EXIF orientation is applied.
        failed: gets the images whose pictures cannot be read, and why; their poses are passed over.

    Yields:
        rows (B,) and their crops (B, H, W, 3).

    Raises:
        FormatError: a picture that cannot be read, and no `failed` to note it.
    """
    order = rows[np.argsort(image[rows], kind="stable")]
    groups = np.split(order, np.flatnonzero(np.diff(image[order])) + 1) if len(order) else []

    def load(group: Indices) -> list[Pixels]:
        source = pictures[image[group[0]]]
        assert source is not None
        picture = read_picture(source, exif=exif)
        return [crop_image(picture, crop.matrix[i], crop.size) for i in group]

    with ThreadPoolExecutor(workers) as pool:
        waiting: deque[tuple[Indices, Future[list[Pixels]]]] = deque()
        upcoming = iter(groups)
        held_rows: list[int] = []
        held: list[Pixels] = []
        while True:
            while len(waiting) < AHEAD and (group := next(upcoming, None)) is not None:
                waiting.append((group, pool.submit(load, group)))
            if not waiting:
                break
            group, future = waiting.popleft()
            try:
                held += future.result()
            except FormatError as error:
                if failed is None:
                    raise
                failed[int(image[group[0]])] = short(error)
                continue
            held_rows += group.tolist()
            while len(held) >= BATCH:
                yield np.array(held_rows[:BATCH], np.intp), np.stack(held[:BATCH])
                del held_rows[:BATCH], held[:BATCH]
        if held:
            yield np.array(held_rows, np.intp), np.stack(held)
