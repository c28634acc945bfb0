"""Weights files: safetensors, with the facts a reader needs in the header."""

import hashlib
import json
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from refine.exceptions import WeightsError
from refine.files import read_bytes, write_bytes
from refine.refiner.pose.features import PairTable, feature_count
from refine.refiner.pose.network import Network
from refine.skeletons import Skeleton, skeleton, skeleton_names

FORMAT = "refine-refiner-1"
DEFAULT = "coco17"
PAIRS = ("pairs.log_distance", "pairs.weight")


def shipped_names() -> tuple[str, ...]:
    """Names of the image-free weights that ship with the package."""
    folder = resources.files("refine") / "weights"
    names = [f.name[:-12] for f in folder.iterdir() if f.name.endswith(".safetensors")]
    return tuple(sorted(n for n in names if not n.endswith(".picture")))


def save_weights(
    path: Path, network: Network, pairs: PairTable, body: Skeleton, facts: dict[str, Any]
) -> None:
    """Write a network with its pair table and how it was made; half precision, whole or not at all.

    Raises:
        FormatError: the target cannot be written.
    """
    tensors = {name: t.detach().half().contiguous() for name, t in network.state_dict().items()}
    for name, table in zip(PAIRS, (pairs.log_distance, pairs.weight), strict=True):
        tensors[name] = torch.from_numpy(table.astype(np.float32))
    header = {
        "format": FORMAT,
        "skeleton": body.name,
        "joints": list(body.joints),
        "width": network.enter.out_features,
        "blocks": len(network.blocks),
        **facts,
    }
    # One entry: the order of several is not the same every time, and the file's hash names it.
    write_bytes(path, save(tensors, {"refine": json.dumps(header)}))


def load_weights(name: str | Path) -> tuple[Network, PairTable, Skeleton, dict[str, Any]]:
    """Read shipped weights by name, or a file.

    Returns:
        network in evaluation mode, pair table, skeleton, and the header's facts with the file's
        ``sha256``.

    Raises:
        WeightsError: no such weights, or not a file that `refine train` wrote.
    """
    if str(name) in shipped_names():
        data = (resources.files("refine") / "weights" / f"{name}.safetensors").read_bytes()
    elif Path(name).suffix == ".safetensors":
        data = read_bytes(name)
    else:
        raise WeightsError(
            f"expected the name of shipped weights or a .safetensors file, got {str(name)!r}",
            hint=f"one of {', '.join(shipped_names())}, or `refine train` to make your own; "
            "weights of image refiners are for --picture-weights and refine.ImageRefiner",
        )
    try:
        tensors = load(data)
        size = int.from_bytes(data[:8], "little")
        facts = json.loads(data[8 : 8 + size]).get("__metadata__", {})
        header = json.loads(facts.get("refine", "{}"))
        if header.get("format") != FORMAT:
            raise ValueError(f"format {header.get('format')!r}")
        body = _skeleton_of(header)
        network = Network(
            feature_count(len(body)), len(body), int(header["width"]), int(header["blocks"])
        )
        pairs = PairTable(*(tensors.pop(p).double().numpy() for p in PAIRS))
        network.load_state_dict({key: t.float() for key, t in tensors.items()})
    except (SafetensorError, ValueError, KeyError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise WeightsError(
            f"expected weights of `refine train` ({FORMAT}), got: {reason}",
            where=str(name),
            hint="`refine train` to make them again",
        ) from None
    header["sha256"] = hashlib.sha256(data).hexdigest()
    return network.eval(), pairs, body, header


def _skeleton_of(header: dict[str, Any]) -> Skeleton:
    name, joints = str(header["skeleton"]), tuple(header["joints"])
    if name in skeleton_names() and skeleton(name).joints == joints:
        return skeleton(name)
    return Skeleton(name, joints)
