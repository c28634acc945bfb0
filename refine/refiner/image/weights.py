"""Weights files of PoseFix: the network, its skeleton and how it was trained."""

from pathlib import Path
from typing import Any

import torch

from refine.refiner.image.posefix import PoseFixNetwork
from refine.refiner.weights import State, WeightsKind, half, network_of
from refine.skeletons import Skeleton, skeleton_to_table

KIND = WeightsKind(
    format="refine-posefix-1",
    suffix=".picture.safetensors",
    command="`refine train --images`",
    hint="image or image-small, the eyes that ship, or a file of `refine train --images`",
)
MOST_SIDE = 2048
"""Of the crops, px; PoseFix's largest have 384."""
ARCHITECTURE = "posefix"
"""What headers call the network."""


def save_image_weights(
    path: Path,
    network: PoseFixNetwork,
    body: Skeleton,
    size: tuple[int, int],
    refiner: str,
    facts: dict[str, Any],
) -> None:
    """Write a network and how it was made; half precision, whole or not at all.

    Args:
        path: of the file.
        network: to write.
        body: its K joints.
        size: width and height of its input, px.
        refiner: hash of the image-free refiner whose belief it was trained on.
        facts: how it was trained.

    Raises:
        FormatError: the target cannot be written.
    """
    header = {
        "architecture": ARCHITECTURE,
        **network.header,
        "joints": list(body.joints),
        "skeleton": skeleton_to_table(body),
        "size": list(size),
        "refiner": refiner,
        **facts,
    }
    KIND.save(path, half(network.state_dict()), header)


def load_image_weights(name: str | Path) -> tuple[PoseFixNetwork, dict[str, Any]]:
    """Read shipped weights by name, or a file.

    Returns:
        network in evaluation mode, and the header's facts with the file's ``sha256``.

    Raises:
        WeightsError: no such weights, or not a file that `refine train --images` wrote.
    """
    return KIND.load(name, _build)


def _build(header: dict[str, Any], state: State) -> PoseFixNetwork:
    header = _in_full(header)
    size = header["size"]
    if not (len(size) == 2 and all(type(v) is int and 0 < v <= MOST_SIDE for v in size)):
        raise ValueError(f"size {size}, not two sides of at most {MOST_SIDE} px")
    Skeleton("crop", tuple(header["joints"]))
    network = network_of(lambda: PoseFixNetwork.from_header(header), state)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return network


def _in_full(header: dict[str, Any]) -> dict[str, Any]:
    """Say what older headers do not: their architecture is the name of the ResNet.

    Raises:
        ValueError: another architecture.
    """
    name = header.get("architecture", "light")
    if name == ARCHITECTURE:
        return header
    if name == "light":
        raise ValueError(
            "the light network, made by an older version; the eyes that ship (image, image-small) "
            "take its place"
        )
    depth = name.removeprefix("resnet")
    if depth == name:
        raise ValueError(f"architecture {name!r}")
    return header | {"architecture": ARCHITECTURE, "depth": int(depth)}
