"""The refiner's network as it is used: `refine.refiner.pose.network` on arrays, without torch.

A layer norm is no step of its own: its gain, offset and the mean that it takes away go into the
next weights, and one over the standard deviation scales what comes out of them.
"""

from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np

from refine._types import Floats32
from refine.refiner.pose import kernels
from refine.refiner.pose.products import LANES, multiply, pack
from refine.refiner.weights import State, check_shapes

TOLD = 7
"""Numbers per joint: x and y to move by, then the other fields of `network.Output`, in order."""


class Dense(NamedTuple):
    """A linear layer.

    Attributes:
        weight: (inputs, outputs) as `pack` lays it out.
        bias: (outputs,).
    """

    weight: Floats32
    bias: Floats32

    def __call__(self, rows: Floats32) -> Floats32:
        """Multiply (N, inputs) by the weights; the bias is for what comes next to add."""
        out = np.empty((len(rows), self.weight.shape[0] * LANES), np.float32)
        multiply(rows, self.weight, out)
        return np.ascontiguousarray(out[:, : len(self.bias)])


@dataclass(frozen=True, slots=True, eq=False)
class Perceptron:
    """The residual network.

    Attributes:
        enter: features to the width.
        blocks: two layers each.
        leave: the width to what is told.
    """

    enter: Dense
    blocks: tuple[tuple[Dense, Dense], ...]
    leave: Dense

    @classmethod
    def of(cls, state: State, inputs: int, joints: int, width: int, blocks: int) -> Self:
        """Take the arrays of a `Network`.

        Raises:
            ValueError: arrays of other names or shapes.
        """
        wanted: dict[str, tuple[int, ...]] = {}
        layers = [("enter", width, inputs), ("leave", joints * TOLD + 1, width)]
        layers += [(f"blocks.{b}.{i}", width, width) for b in range(blocks) for i in (1, 3)]
        for name, outputs, entries in layers:
            wanted |= {f"{name}.weight": (outputs, entries), f"{name}.bias": (outputs,)}
        for name in ("norm", *(f"blocks.{b}.0" for b in range(blocks))):
            wanted |= {f"{name}.weight": (width,), f"{name}.bias": (width,)}
        check_shapes(wanted, state)

        def dense(name: str, norm: str | None = None) -> Dense:
            weight, bias = state[f"{name}.weight"].T.astype(np.float64), state[f"{name}.bias"]
            if norm:
                bias = bias + state[f"{norm}.bias"] @ weight
                weight = weight * state[f"{norm}.weight"][:, None]
                weight = weight - weight.mean(0)
            return Dense(pack(weight.astype(np.float32)), bias.astype(np.float32))

        return cls(
            dense("enter"),
            tuple(
                (dense(f"blocks.{b}.1", f"blocks.{b}.0"), dense(f"blocks.{b}.3"))
                for b in range(blocks)
            ),
            dense("leave", "norm"),
        )

    def __call__(self, features: Floats32) -> Floats32:
        """Map features (N, F) to what is told of each joint, and of the pose, (N, K * 7 + 1)."""
        hidden = np.zeros((len(features), len(self.enter.bias)), np.float32)
        scale = np.empty(len(features), np.float32)
        kernels.join(hidden, self.enter(features), self.enter.bias, scale)
        for first, second in self.blocks:
            inner = first(hidden)
            kernels.activate(inner, first.bias, scale)
            kernels.join(hidden, second(inner), second.bias, scale)
        return self.leave(hidden) * scale[:, None] + self.leave.bias
