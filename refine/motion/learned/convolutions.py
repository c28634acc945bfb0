"""The temporal network as it is used: `network.TemporalNetwork` on arrays, without torch."""

from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
from scipy.special import erf

from refine._types import Floats32
from refine.motion.learned.windows import features_of
from refine.refiner.weights import State, check_shapes

PIECE = 2048
"""Frames that go through the network at once, which bounds its memory."""
EPSILON = 1e-5
"""Of layer norms: torch's default."""


class Block(NamedTuple):
    """A residual block.

    Attributes:
        norm: gain and offset (2, width).
        taps: (3, width, width) of the frames before, here and after; inputs first.
        bias: (width,) of the convolution.
        linear: (width, width), inputs first.
        offset: (width,) of the linear layer.
        dilation: frames between taps.
    """

    norm: Floats32
    taps: Floats32
    bias: Floats32
    linear: Floats32
    offset: Floats32
    dilation: int


@dataclass(frozen=True, slots=True, eq=False)
class Convolutions:
    """The residual network.

    Attributes:
        enter: weight (F, width) and bias.
        blocks: in order.
        norm: gain and offset (2, width) before the last layer.
        leave: weight (width, K) and bias.
    """

    enter: tuple[Floats32, Floats32]
    blocks: tuple[Block, ...]
    norm: Floats32
    leave: tuple[Floats32, Floats32]

    @classmethod
    def of(cls, state: State, joints: int, width: int, dilations: tuple[int, ...]) -> Self:
        """Take the arrays of a `TemporalNetwork`.

        Raises:
            ValueError: arrays of other names or shapes.
        """
        wanted: dict[str, tuple[int, ...]] = {
            "enter.weight": (width, features_of(joints)),
            "leave.weight": (joints, width),
            "leave.bias": (joints,),
        }
        vectors = ["enter.bias", "norm.weight", "norm.bias"]
        for b in range(len(dilations)):
            wanted[f"convolutions.{b}.weight"] = (width, width, 3)
            wanted[f"linears.{b}.weight"] = (width, width)
            vectors += [f"{part}.{b}.bias" for part in ("norms", "convolutions", "linears")]
            vectors.append(f"norms.{b}.weight")
        check_shapes(wanted | dict.fromkeys(vectors, (width,)), state)

        def linear(name: str) -> tuple[Floats32, Floats32]:
            return np.ascontiguousarray(state[f"{name}.weight"].T), state[f"{name}.bias"]

        def norm(name: str) -> Floats32:
            return np.stack([state[f"{name}.weight"], state[f"{name}.bias"]])

        blocks = tuple(
            Block(
                norm(f"norms.{b}"),
                np.ascontiguousarray(state[f"convolutions.{b}.weight"].transpose(2, 1, 0)),
                state[f"convolutions.{b}.bias"],
                *linear(f"linears.{b}"),
                dilation,
            )
            for b, dilation in enumerate(dilations)
        )
        return cls(linear("enter"), blocks, norm("norm"), linear("leave"))

    def __call__(self, features: Floats32) -> Floats32:
        """Map features (T, F) to logarithms (T, K) of errors to be expected, in body sizes."""
        reach = sum(block.dilation for block in self.blocks)
        parts = []
        for start in range(0, len(features), PIECE):
            low = max(0, start - reach)
            rows = self._piece(features[low : start + PIECE + reach])
            parts.append(rows[start - low : start - low + PIECE])
        return np.concatenate(parts) if parts else np.empty((0, len(self.leave[1])), np.float32)

    def _piece(self, features: Floats32) -> Floats32:
        hidden = features @ self.enter[0] + self.enter[1]
        for block in self.blocks:
            inner = _normed(hidden, block.norm)
            mixed = inner @ block.taps[1] + block.bias
            d = block.dilation
            if len(inner) > d:
                mixed[d:] += inner[:-d] @ block.taps[0]
                mixed[:-d] += inner[d:] @ block.taps[2]
            hidden += _gelu(mixed) @ block.linear + block.offset
        return np.asarray(_gelu(_normed(hidden, self.norm)) @ self.leave[0] + self.leave[1])


def _normed(rows: Floats32, norm: Floats32) -> Floats32:
    about = rows - rows.mean(1, keepdims=True)
    spread = np.sqrt((about**2).mean(1, keepdims=True) + EPSILON)
    return np.asarray(about / spread * norm[0] + norm[1])


def _gelu(rows: Floats32) -> Floats32:
    return np.asarray(0.5 * rows * (1 + erf(rows * np.float32(np.sqrt(0.5)))))
