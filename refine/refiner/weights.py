"""Weights files of every kind: shipped ones by name, files, their headers, what may be wrong."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import numpy.typing as npt

from refine import tensors
from refine.exceptions import SkeletonError, WeightsError
from refine.files import read_bytes, write_bytes
from refine.skeletons import Skeleton, skeleton, skeleton_from_table, skeleton_names

if TYPE_CHECKING:
    from torch import Tensor, nn

T = TypeVar("T")
M = TypeVar("M", bound="nn.Module")
State = dict[str, npt.NDArray[Any]]
"""Arrays by name, as files hold them; floats as float32."""
DAMAGES = (
    SkeletonError, ValueError, TypeError, RuntimeError, AttributeError, LookupError, ArithmeticError
)  # fmt: skip
"""What reading headers and tensors of damaged files raises."""


@dataclass(frozen=True, slots=True)
class WeightsKind:
    """One kind of weights.

    Attributes:
        format: what the header says of itself.
        suffix: how the files end that ship in ``refine/weights/``.
        command: what makes such files.
        hint: what to try where a name is not known, beside the names that are.
    """

    format: str
    suffix: str
    command: str
    hint: str

    def shipped(self) -> tuple[str, ...]:
        """Names of the weights of this kind that ship with the package."""
        names = {f.name for f in (resources.files("refine") / "weights").iterdir()}
        ours = (n.removesuffix(self.suffix) for n in names if n.endswith(self.suffix))
        return tuple(sorted(name for name in ours if "." not in name))

    def holds(self, name: str | Path) -> bool:
        """Whether these are shipped weights of this kind, or a file that says it is one."""
        if str(name) in self.shipped():
            return True
        try:
            header = tensors.facts_of(tensors.read_metadata(Path(name)))
        except (OSError, ValueError):
            return False
        return header.get("format") == self.format

    def save(self, path: Path, state: Mapping[str, "Tensor"], header: Mapping[str, Any]) -> None:
        """Write tensors and facts, whole or not at all.

        Raises:
            FormatError: the target cannot be written.
        """
        arrays = {name: t.detach().cpu().numpy() for name, t in state.items()}
        write_bytes(path, tensors.write(arrays, {"format": self.format, **header}))

    def load(
        self, name: str | Path, build: Callable[[dict[str, Any], State], T]
    ) -> tuple[T, dict[str, Any]]:
        """Read shipped weights by name, or a file.

        Args:
            name: of them.
            build: header and arrays -> what they are the weights of.

        Returns:
            what was built, and the facts of the header with the file's ``sha256``.

        Raises:
            WeightsError: no such weights, or not a file of this kind.
            FormatError: a file that cannot be read.
        """
        ours = self.shipped()
        if str(name) in ours:
            path = resources.files("refine") / "weights" / f"{name}{self.suffix}"
            data = path.read_bytes()
        elif Path(name).suffix == ".safetensors":
            data = read_bytes(name)
        else:
            raise WeightsError(
                f"expected the name of shipped weights or a .safetensors file, got {str(name)!r}",
                hint=f"one of {', '.join(ours)}, or {self.hint}" if ours else self.hint,
            )
        try:
            metadata, arrays = tensors.read(data)
            header = tensors.facts_of(metadata)
            if header.get("format") != self.format:
                raise ValueError(f"format {header.get('format')!r}")
            state = {key: _writable(array) for key, array in arrays.items()}
            if bad := next((k for k, a in state.items() if not np.isfinite(a).all()), None):
                raise ValueError(f"numbers that are not finite in {bad!r}")
            built = build(header, state)
        except DAMAGES as error:
            raise WeightsError(
                f"expected weights of {self.command} ({self.format}), got: {_reason(error)}",
                where=str(name),
                hint=f"{self.command} to make them again",
            ) from None
        return built, header | {"sha256": hashlib.sha256(data).hexdigest()}


def _writable(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Copy out of the file, whose bytes are read-only."""
    return np.array(array, np.float32 if array.dtype.kind == "f" else array.dtype)


def _reason(error: Exception) -> str:
    return f"no entry {error}" if isinstance(error, KeyError) else str(error).splitlines()[0]


def network_of(make: Callable[[], M], state: State) -> M:
    """Build a network and give it the arrays of a file; none is built that they do not fill.

    Args:
        make: of a network as the header describes it, which may claim any size.
        state: of the file.

    Raises:
        ValueError: arrays of other names or shapes than the network's.
    """
    import torch

    with torch.device("meta"):  # no memory
        wanted = {name: tuple(t.shape) for name, t in make().state_dict().items()}
    check_shapes(wanted, state)
    network = make()
    network.load_state_dict({name: torch.from_numpy(array) for name, array in state.items()})
    return network.eval()


def check_shapes(wanted: Mapping[str, tuple[int, ...]], state: State) -> None:
    """Check that a file holds the arrays that its header describes, and no others.

    Raises:
        ValueError: arrays of other names or shapes.
    """
    held = {name: array.shape for name, array in state.items()}
    for name in (*wanted, *held):
        if wanted.get(name) != held.get(name):
            raise ValueError(
                f"{held.get(name, 'nothing')} for {name!r}, where the header has "
                f"{wanted.get(name, 'nothing')}"
            )


def half(state: Mapping[str, "Tensor"]) -> dict[str, "Tensor"]:
    """Return tensors in half precision; those of whole numbers as they are."""
    return {key: t.half() if t.is_floating_point() else t for key, t in state.items()}


def skeleton_of(header: Mapping[str, Any]) -> Skeleton:
    """Return the skeleton that a header holds whole.

    Older files name it and list its joints alone: what else there is to know comes from the
    skeleton of that name, if one ships.

    Raises:
        SkeletonError: an inconsistent one.
        KeyError: there is none.
    """
    held = header["skeleton"]
    if not isinstance(held, str):
        return skeleton_from_table(held, "weights")
    joints = tuple(header["joints"])
    if held in skeleton_names() and skeleton(held).joints == joints:
        return skeleton(held)
    return Skeleton(held, joints)
