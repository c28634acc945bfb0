"""Weights files of fusions: an eye's likelihood and the judge, and the eye that they belong to."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from refine.refiner.fusion.judge import Judge
from refine.refiner.fusion.likelihood import Likelihood
from refine.refiner.weights import State, WeightsKind, network_of

KIND = WeightsKind(
    format="refine-fusion-1",
    suffix=".fusion.safetensors",
    command="`refine train --eyes`",
    hint="a file of `refine train --eyes`",
)


@dataclass(frozen=True, slots=True, eq=False)
class Fusion:
    """What is learned of an eye.

    Attributes:
        likelihood: its own error.
        judge: when it is right.
        facts: of the header: ``eye``, the hash of the eye's weights, ``image_free``, that of the
            refiner's, and how it was trained.
    """

    likelihood: Likelihood
    judge: Judge
    facts: dict[str, Any]

    @property
    def weights(self) -> str:
        """The short hash that histories name these weights by."""
        return f"sha256:{self.facts['sha256'][:12]}"


def save_fusion(path: Path, likelihood: Likelihood, judge: Judge, facts: dict[str, Any]) -> None:
    """Write a fusion, whole or not at all.

    Raises:
        FormatError: the target cannot be written.
    """
    parts = {"likelihood": likelihood, "judge": judge}
    state = {f"{n}.{key}": t for n, m in parts.items() for key, t in m.state_dict().items()}
    KIND.save(path, state, facts)


def load_fusion(name: str | Path) -> Fusion:
    """Read a shipped fusion by name, or a file.

    Raises:
        WeightsError: no such weights, or not a file that `refine train --eyes` wrote.
        FormatError: a file that cannot be read.
    """
    (likelihood, judge), facts = KIND.load(name, _build)
    return Fusion(likelihood, judge, facts)


def _build(header: dict[str, Any], state: State) -> tuple[Likelihood, Judge]:
    for name in ("eye", "image_free"):
        if not isinstance(header[name], str):
            raise ValueError(f"{name} {header[name]!r}")

    def part(name: str) -> State:
        head = f"{name}."
        return {k.removeprefix(head): t for k, t in state.items() if k.startswith(head)}

    if odd := [k for k in state if k.split(".")[0] not in ("likelihood", "judge")]:
        raise ValueError(f"tensors {odd}")
    return network_of(Likelihood, part("likelihood")), network_of(Judge, part("judge"))
