"""Weights files of the image refiner: safetensors, with the facts a reader needs in the header."""

import hashlib
import json
from importlib import resources
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from refine.exceptions import WeightsError
from refine.files import read_bytes, write_bytes
from refine.refiner.image.light import PictureNetwork
from refine.refiner.image.posefix import PaperNetwork

FORMAT = "refine-posefix-1"


def shipped_names() -> tuple[str, ...]:
    """Names of the image refiners that ship with the package."""
    folder = resources.files("refine") / "weights"
    names = sorted(f.name for f in folder.iterdir() if f.name.endswith(".picture.safetensors"))
    return tuple(n.removesuffix(".picture.safetensors") for n in names)


def save_picture_weights(
    path: Path,
    network: PictureNetwork | PaperNetwork,
    joints: tuple[str, ...],
    size: tuple[int, int],
    refiner: str,
    facts: dict[str, Any],
) -> None:
    """Write a network and how it was made; half precision, whole or not at all.

    Args:
        path: of the file.
        network: to write.
        joints: names of its K joints.
        size: width and height of its input, px.
        refiner: hash of the image-free refiner whose belief it was trained on.
        facts: how it was trained.

    Raises:
        FormatError: the target cannot be written.
    """
    tensors = {
        key: (t.detach().half() if t.is_floating_point() else t).contiguous()
        for key, t in network.state_dict().items()
    }
    header = {
        "format": FORMAT,
        "joints": list(joints),
        "size": list(size),
        **network.header,
        "refiner": refiner,
        **facts,
    }
    write_bytes(path, save(tensors, {"refine": json.dumps(header)}))


def load_picture_weights(
    name: str | Path,
) -> tuple[PictureNetwork | PaperNetwork, dict[str, Any]]:
    """Read shipped weights by name, or a file.

    Returns:
        network in evaluation mode, and the header's facts with the file's ``sha256``.

    Raises:
        WeightsError: no such weights, or not a file that `refine train --images` wrote.
    """
    if str(name) in shipped_names():
        data = (resources.files("refine") / "weights" / f"{name}.picture.safetensors").read_bytes()
    elif Path(name).suffix == ".safetensors":
        data = read_bytes(name)
    else:
        raise WeightsError(
            f"expected the name of shipped weights or a .safetensors file, got {str(name)!r}",
            hint=f"one of {', '.join(shipped_names())}, or `refine train --images`",
        )
    try:
        tensors = load(data)
        size = int.from_bytes(data[:8], "little")
        facts = json.loads(data[8 : 8 + size]).get("__metadata__", {})
        header: dict[str, Any] = json.loads(facts.get("refine", "{}"))
        if header.get("format") != FORMAT:
            raise ValueError(f"format {header.get('format')!r}")
        network = _build(header)
        network.load_state_dict({key: t.float() for key, t in tensors.items()})
    except (SafetensorError, ValueError, KeyError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise WeightsError(
            f"expected weights of `refine train --images` ({FORMAT}), got: {reason}",
            where=str(name),
            hint="`refine train --images` to make them again",
        ) from None
    header["sha256"] = hashlib.sha256(data).hexdigest()
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return network.eval(), header


def _build(header: dict[str, Any]) -> PictureNetwork | PaperNetwork:
    """Build the network of a header; the light one's names no architecture."""
    joints, name = len(header["joints"]), header.get("architecture")
    if name is None:
        return PictureNetwork(joints, int(header["width"]))
    return PaperNetwork(joints, int(name.removeprefix("resnet")), float(header["sigma"]))
