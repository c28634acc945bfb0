"""MoveNet made fast on CPUs: bfloat16, channels last, no copies for padding, small batches."""

import copy
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from refine._threads import in_threads
from refine._types import Floats32
from refine.crops.arrays import Pixels
from refine.refiner.eyes.movenet import STRIDE, Convolution, MoveNet

ONEDNN = hasattr(torch, "mkldnn_convolution") and torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
FUSED = hasattr(torch.ops.mkldnn, "_convolution_pointwise")
Precision = Literal["auto", "bfloat16", "float32"]
BATCH = 8
"""Crops that go through at once; the features of more leave the cache (`eyes_speed.py`)."""


@dataclass(frozen=True, slots=True, eq=False)
class MoveNetLook:
    """Crops (B, H, W, 3) uint8 -> maps (B, K, H / 4, W / 4) in [0, 1]; pickles with its network.

    Attributes:
        network: prepared, see `prepare`.
        kind: of the arithmetic.
    """

    network: MoveNet
    kind: torch.dtype

    def __call__(self, crops: Pixels) -> Floats32:
        """Look at crops, `BATCH` at a time."""
        pixels = torch.from_numpy(np.ascontiguousarray(crops))
        count, height, width, _ = crops.shape
        joints = len(self.network.heat.weight)
        out = np.empty((count, joints, height // STRIDE, width // STRIDE), np.float32)

        @torch.inference_mode()
        def look(at: int) -> None:
            batch = pixels[at : at + BATCH].permute(0, 3, 1, 2).to(self.kind)
            out[at : at + BATCH] = self.network(batch).float().sigmoid().numpy()

        in_threads(look, range(0, count, BATCH))
        return out


def prepare(network: MoveNet, precision: Precision = "auto") -> MoveNetLook:
    """Make a network fast on this CPU.

    Args:
        network: in evaluation mode; it stays as it is.
        precision: of the arithmetic; "auto" is bfloat16 where the CPU has it.
    """
    lower = precision == "bfloat16" or (precision == "auto" and has_bfloat16())
    kind = torch.bfloat16 if lower else torch.float32
    prepared = with_direct_convolutions(network).to(kind)
    prepared.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return MoveNetLook(prepared, kind)


class DirectConvolution(nn.Module):
    """What `Convolution` computes, by oneDNN where torch has it, and without copies for padding.

    Torch leaves oneDNN for a slower way of its own where float32 runs on one thread. A kernel that
    grows by a row of zeros above and a column of zeros on the left sees, padded by one on all
    sides, what the old one sees padded below and on the right.
    """

    def __init__(self, plain: Convolution) -> None:
        super().__init__()
        weight = plain.weight.detach()
        self.weight = nn.Parameter(functional.pad(weight, (1, 0, 1, 0)) if plain.pad else weight)
        self.bias = plain.bias
        pad = 1 if plain.pad else plain.kernel_size[0] // 2
        self.padding, self.stride, self.groups = (pad, pad), plain.stride, plain.groups
        self.most = plain.most

    def forward(self, x: Tensor) -> Tensor:
        """Convolve (B, C, H, W)."""
        if ONEDNN and FUSED and self.most is not None:
            # The clamp as part of the product: what comes out is the same, and touched once.
            return self._fused(x, self.most)
        if ONEDNN:
            out = torch.mkldnn_convolution(
                x, self.weight, self.bias, self.padding, self.stride, (1, 1), self.groups
            )
        else:
            out = functional.conv2d(
                x, self.weight, self.bias, self.stride, self.padding, 1, self.groups
            )
        return out if self.most is None else functional.hardtanh_(out, 0.0, self.most)

    def _fused(self, x: Tensor, most: float) -> Tensor:
        place = self.padding, self.stride, (1, 1), self.groups
        out: Tensor = torch.ops.mkldnn._convolution_pointwise(
            x, self.weight, self.bias, *place, "hardtanh", [0.0, most], ""
        )
        return out


def with_direct_convolutions(network: MoveNet) -> MoveNet:
    """Return a copy of a network that computes the same, faster."""
    network = copy.deepcopy(network).requires_grad_(False)
    for parent in list(network.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, Convolution):
                setattr(parent, name, DirectConvolution(child))
    return network.eval()


def has_bfloat16() -> bool:
    """Whether this CPU multiplies bfloat16 by itself; emulated, it is slower than float32."""
    told = getattr(torch.cpu, "get_capabilities", None)
    if told is not None:
        held = told()
        return any(held.get(name) for name in ("avx512_bf16", "amx_bf16", "bf16"))
    older = getattr(torch.cpu, "_is_avx512_bf16_supported", None)
    return bool(older and older())
