"""Weights files of eyes: the network, how crops go in, and where it is from."""

from pathlib import Path
from typing import Any

from refine.refiner.eyes.movenet import DIVISOR, STRIDE, MoveNet
from refine.refiner.weights import State, WeightsKind, half, network_of, skeleton_of
from refine.skeletons import Skeleton, skeleton_to_table

KIND = WeightsKind(
    format="refine-eye-1",
    suffix=".eye.safetensors",
    command="`refine import-weights`",
    hint="a file of `refine import-weights`, or an .onnx file of your own network",
)
SIZE = (192, 256)
"""Width and height of the crops, px: of the sizes tried, upright ones find most joints."""
OFFSET = 1.6
"""px from 4 i to cell i: the median distance of true joints of COCO persons from their maxima."""
PADDING = 1.4
"""Sides of the crop over those of the tight box; PoseFix has 1.5, around joints as they came."""
MOST_SIDE = 2048
"""Of the crops, px."""


def save_eye_weights(path: Path, network: MoveNet, body: Skeleton, facts: dict[str, Any]) -> None:
    """Write a network and where it is from; half precision, whole or not at all.

    Args:
        path: of the file.
        network: to write.
        body: its K joints.
        facts: ``width`` of the network, and what else is to be known.

    Raises:
        FormatError: the target cannot be written.
    """
    header = {
        "architecture": "movenet",
        "skeleton": skeleton_to_table(body),
        "size": list(SIZE),
        "stride": STRIDE,
        "offset": OFFSET,
        "padding": PADDING,
        **facts,
    }
    KIND.save(path, half(network.state_dict()), header)


def load_eye_weights(name: str | Path) -> tuple[MoveNet, dict[str, Any]]:
    """Read shipped weights by name, or a file.

    Returns:
        network in evaluation mode, and the header's facts with the file's ``sha256``.

    Raises:
        WeightsError: no such weights, or not a file that `refine import-weights` wrote.
        FormatError: a file that cannot be read.
    """
    return KIND.load(name, _build)


def _build(header: dict[str, Any], state: State) -> MoveNet:
    if header["architecture"] != "movenet":
        raise ValueError(f"architecture {header['architecture']!r}")
    size = header["size"]
    if not (
        len(size) == 2
        and all(type(v) is int and 0 < v <= MOST_SIDE and v % DIVISOR == 0 for v in size)
    ):
        raise ValueError(f"size {size}, not two multiples of {DIVISOR} up to {MOST_SIDE} px")
    if not (float(header["stride"]) > 0 and float(header["padding"]) > 0):
        raise ValueError(f"stride {header['stride']} and padding {header['padding']}")
    float(header["offset"])
    joints, width = len(skeleton_of(header)), float(header["width"])
    if not 0 < width <= 4:
        raise ValueError(f"width {width}")
    return network_of(lambda: MoveNet(width, joints), state)
