"""Weights files of the image-free refiner: network, pair table, skeleton and how it was trained."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from refine.refiner.pose.features import PairTable, feature_count
from refine.refiner.pose.perceptron import Perceptron
from refine.refiner.weights import State, WeightsKind, half, network_of, skeleton_of
from refine.skeletons import Skeleton, skeleton_to_table

if TYPE_CHECKING:
    from refine.refiner.pose.network import Network

KIND = WeightsKind(
    format="refine-refiner-1",
    suffix=".safetensors",
    command="`refine train`",
    hint="`refine train` to make your own; weights of image refiners are for --picture-weights "
    "and refine.ImageRefiner",
)
PAIRS = ("pairs.log_distance", "pairs.weight")


def save_weights(
    path: Path, network: "Network", pairs: PairTable, body: Skeleton, facts: dict[str, Any]
) -> None:
    """Write a network with its pair table and how it was made; half precision, whole or not at all.

    Raises:
        FormatError: the target cannot be written.
    """
    import torch

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


class _Held(NamedTuple):
    """What a file holds beside the facts of its header."""

    state: State
    width: int
    blocks: int
    pairs: PairTable
    body: Skeleton

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Features, joints, width and blocks."""
        k = len(self.body)
        return feature_count(k), k, self.width, self.blocks


def load_weights(name: str | Path) -> tuple[Perceptron, PairTable, Skeleton, dict[str, Any]]:
    """Read shipped weights by name, or a file.

    Returns:
        network, pair table, skeleton, and the header's facts with the file's ``sha256``.

    Raises:
        WeightsError: no such weights, or not a file that `refine train` wrote.
    """

    def build(header: dict[str, Any], state: State) -> tuple[Perceptron, PairTable, Skeleton]:
        held = _held(header, state)
        return Perceptron.of(held.state, *held.shape), held.pairs, held.body

    (network, pairs, body), facts = KIND.load(name, build)
    return network, pairs, body, facts


def load_network(name: str | Path) -> tuple["Network", PairTable, Skeleton, dict[str, Any]]:
    """Do as `load_weights` with the network as a torch module, in evaluation mode."""
    from refine.refiner.pose.network import Network

    def build(header: dict[str, Any], state: State) -> tuple[Network, PairTable, Skeleton]:
        held = _held(header, state)
        return network_of(lambda: Network(*held.shape), held.state), held.pairs, held.body

    (network, pairs, body), facts = KIND.load(name, build)
    return network, pairs, body, facts


def _held(header: dict[str, Any], state: State) -> _Held:
    body = skeleton_of(header)
    k, width, blocks = len(body), int(header["width"]), int(header["blocks"])
    if blocks > len(state):
        raise ValueError(f"{blocks} blocks in {len(state)} tensors")
    pairs = PairTable(*(state.pop(name).astype(float) for name in PAIRS))
    if {table.shape for table in (pairs.log_distance, pairs.weight)} != {(k, k)}:
        raise ValueError(f"pair tables of another shape than {(k, k)}")
    return _Held(state, width, blocks, pairs, body)
