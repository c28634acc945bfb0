"""ImageNet weights that a training starts from: reading the file, saying what is wrong with it."""

import pickle
import warnings
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor

from refine.exceptions import WeightsError
from refine.files import read_bytes

NAMED = 4
"""How many tensors an error names."""


def read_imagenet(path: str | Path) -> dict[str, Tensor]:
    """Read the tensors of a .safetensors file, or of a .pth file as torchvision ships them.

    Nothing but tensors is unpickled (``torch.load(weights_only=True)``).

    Raises:
        FormatError: the file cannot be read.
        WeightsError: it is neither, or holds something else.
    """
    data = read_bytes(path)
    try:
        if Path(path).suffix == ".safetensors":
            return dict(load(data))
        with warnings.catch_warnings():
            # Of files that are no weights, before the error that says so.
            warnings.simplefilter("ignore")
            state = torch.load(Path(path), map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        # Its message recommends to unpickle all the same.
        raise _not_weights(path, "no file of tensors") from None
    except (SafetensorError, RuntimeError, EOFError, ValueError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise _not_weights(path, reason) from None
    if not isinstance(state, Mapping) or not all(isinstance(t, Tensor) for t in state.values()):
        raise _not_weights(path, f"{type(state).__name__} of something else than tensors")
    return dict(state)


def _not_weights(path: str | Path, reason: str) -> WeightsError:
    return WeightsError(
        f"expected ImageNet weights, got: {reason}",
        where=str(path),
        hint="a .pth or .safetensors file of tensors by name",
    )


def require_tensors(
    state: Mapping[str, Tensor],
    shapes: Mapping[str, tuple[int, ...]],
    network: str,
    *,
    exactly: bool = False,
) -> None:
    """Check that weights are those of a network.

    Args:
        state: the weights.
        shapes: name -> shape of what the network takes.
        network: its name.
        exactly: refuse other tensors, which a deeper network has.

    Raises:
        WeightsError: a tensor is missing, of another shape, or not the network's.
    """
    missing = [name for name in shapes if name not in state]
    odd = [name for name in shapes if name in state and tuple(state[name].shape) != shapes[name]]
    counters = "num_batches_tracked"
    beyond = [n for n in state if exactly and n not in shapes and not n.endswith(counters)]
    for names, what in (
        (missing, "{} that are missing"),
        (odd, "{} of another shape"),
        (beyond, "{} that it does not have"),
    ):
        if names:
            listed = ", ".join(names[:NAMED]) + (", ..." if len(names) > NAMED else "")
            raise WeightsError(
                f"expected ImageNet weights of {network}, got {what.format(len(names))}: {listed}",
                hint="the weights of this backbone, or another --preset",
            )
