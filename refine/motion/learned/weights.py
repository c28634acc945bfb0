"""Weights files of temporal refiners: network, skeleton and how it was trained."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from refine.motion.learned.convolutions import Convolutions
from refine.refiner.weights import State, WeightsKind, half, skeleton_of
from refine.skeletons import Skeleton, skeleton_to_table

if TYPE_CHECKING:
    from refine.motion.learned.network import TemporalNetwork

KIND = WeightsKind(
    format="refine-temporal-1",
    suffix=".temporal.safetensors",
    command="`refine train --video`",
    hint="a file of `refine train --video`",
)


def save_weights(
    path: Path,
    network: "TemporalNetwork",
    body: Skeleton,
    dilations: tuple[int, ...],
    facts: dict[str, Any],
) -> None:
    """Write a network and how it was made; half precision, whole or not at all.

    Raises:
        FormatError: the target cannot be written.
    """
    header = {
        "skeleton": skeleton_to_table(body),
        "width": network.enter.out_features,
        "dilations": list(dilations),
        **facts,
    }
    KIND.save(path, half(network.state_dict()), header)


def load_weights(name: str | Path) -> tuple[Convolutions, Skeleton, dict[str, Any]]:
    """Read shipped weights by name, or a file.

    Returns:
        network, skeleton, and the header's facts with the file's ``sha256``.

    Raises:
        WeightsError: no such weights, or not a file that `refine train --video` wrote.
        FormatError: a file that cannot be read.
    """

    def build(header: dict[str, Any], state: State) -> tuple[Convolutions, Skeleton]:
        body = skeleton_of(header)
        dilations = tuple(int(d) for d in header["dilations"])
        if not all(0 < d < 1000 for d in dilations):
            raise ValueError(f"dilations of {dilations}")
        return Convolutions.of(state, len(body), int(header["width"]), dilations), body

    (network, body), facts = KIND.load(name, build)
    return network, body, facts
