"""Weights files of the image-free refiner: network, pair table, skeleton and how it was trained."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from refine.refiner.pose.features import PairTable, feature_count
from refine.refiner.pose.network import Network
from refine.refiner.weights import WeightsKind, half, network_of, skeleton_of
from refine.skeletons import Skeleton, skeleton_to_table

KIND = WeightsKind(
    format="refine-refiner-1",
    suffix=".safetensors",
    command="`refine train`",
    hint="`refine train` to make your own; weights of image refiners are for --picture-weights "
    "and refine.ImageRefiner",
)
PAIRS = ("pairs.log_distance", "pairs.weight")


def save_weights(
    path: Path, network: Network, pairs: PairTable, body: Skeleton, facts: dict[str, Any]
) -> None:
    """Write a network with its pair table and how it was made; half precision, whole or not at all.

    Raises:
        FormatError: the target cannot be written.
    """
    state = half(network.state_dict())
    for name, table in zip(PAIRS, (pairs.log_distance, pairs.weight), strict=True):
        state[name] = torch.from_numpy(table).float()
    header = {
        "skeleton": skeleton_to_table(body),
        "width": network.enter.out_features,
        "blocks": len(network.blocks),
        **facts,
    }
    KIND.save(path, state, header)


def load_weights(name: str | Path) -> tuple[Network, PairTable, Skeleton, dict[str, Any]]:
    """Read shipped weights by name, or a file.

    Returns:
        network in evaluation mode, pair table, skeleton, and the header's facts with the file's
        ``sha256``.

    Raises:
        WeightsError: no such weights, or not a file that `refine train` wrote.
    """
    (network, pairs, body), facts = KIND.load(name, _build)
    return network, pairs, body, facts


def _build(header: dict[str, Any], state: dict[str, Tensor]) -> tuple[Network, PairTable, Skeleton]:
    body = skeleton_of(header)
    k, width, blocks = len(body), int(header["width"]), int(header["blocks"])
    if blocks > len(state):
        raise ValueError(f"{blocks} blocks in {len(state)} tensors")
    pairs = PairTable(*(state.pop(name).double().numpy() for name in PAIRS))
    if {table.shape for table in (pairs.log_distance, pairs.weight)} != {(k, k)}:
        raise ValueError(f"pair tables of another shape than {(k, k)}")
    network = network_of(lambda: Network(feature_count(k), k, width, blocks), state)
    return network, pairs, body
