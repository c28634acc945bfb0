"""Eyes: what looks at a crop of a person and says, joint by joint, where it might be."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from refine._types import Floats32
from refine.crops.arrays import Pixels
from refine.decoding.maps.flip import merge_flipped
from refine.exceptions import ArrayError, WeightsError
from refine.refiner.eyes.onnx_network import OnnxInput, open_onnx
from refine.skeletons import Skeleton

Precision = Literal["auto", "bfloat16", "float32"]
KEPT = 4
"""Eyes that stay in memory; 12 MB and less each."""
LEAST_SHIFT = 0.1
"""Cells; mirrored maps that are off by less are not interpolated, which blurs them by more."""
_LOADING = Lock()


@dataclass(frozen=True, slots=True, eq=False)
class Eye:
    """A network that looks at crops of persons: one map per joint.

    Attributes:
        look: crops (B, H, W, 3) uint8 RGB -> maps (B, K, h, w) float32 in [0, 1], how much each
            cell looks like the joint; a map need not sum to 1. May be called from several threads.
        joints: names of the K joints.
        size: width and height of the crops, px.
        stride: cell i lies at ``stride * i + offset`` px of the crop, in x and y.
        offset: see `stride`.
        padding: sides of the crop over those of the tight box of the person.
        name: for histories.
        weights: ``"sha256:"`` and 12 digits, for histories; empty for a bare function.

    >>> eye = Eye(lambda crops: np.zeros((len(crops), 1, 2, 2), np.float32), ("nose",), (8, 8), 4)
    >>> see(eye, np.zeros((3, 8, 8, 3), np.uint8)).shape
    (3, 1, 2, 2)
    """

    look: Callable[[Pixels], Floats32]
    joints: tuple[str, ...]
    size: tuple[int, int]
    stride: float = 4.0
    offset: float = 0.0
    padding: float = 1.4
    name: str = "callable"
    weights: str = ""

    def __post_init__(self) -> None:
        Skeleton("eye", self.joints)
        whole = all(isinstance(side, int) and side > 0 for side in self.size)
        if len(self.size) != 2 or not whole or not (self.stride > 0 and self.padding > 0):
            raise ArrayError(
                "expected two positive sides, stride and padding, "
                f"got {self.size}, {self.stride} and {self.padding}"
            )


def see(eye: Eye, crops: Pixels, *, mirrored: bool = False) -> Floats32:
    """Let an eye look at crops, and check what it gives.

    Args:
        eye: to look.
        crops: (B, H, W, 3) uint8 RGB of the eye's size.
        mirrored: also look at the mirrored crops, and return the mean of both.

    Returns:
        (B, K, h, w) in [0, 1].

    Raises:
        ArrayError: crops of another size, or an eye whose maps are not what it says.
    """
    if crops.ndim != 4 or crops.shape[1:] != (*eye.size[::-1], 3) or crops.dtype != np.uint8:
        raise ArrayError(
            f"expected crops (B, {eye.size[1]}, {eye.size[0]}, 3) of uint8 for {eye.name}, "
            f"got {crops.dtype} {crops.shape}"
        )
    if not mirrored:
        return _checked(eye.look(crops), eye, len(crops))
    both = np.concatenate([crops, crops[:, :, ::-1]])
    found = _checked(eye.look(both), eye, len(both))
    plain, turned = found[: len(crops)], found[len(crops) :]
    shift = mirror_shift(eye, found.shape[3])
    partner = Skeleton("eye", eye.joints).mirror
    merged = merge_flipped(plain, turned, partner, shift if abs(shift) >= LEAST_SHIFT else 0.0)
    return merged.astype(np.float32, copy=False)


def mirror_shift(eye: Eye, cells: int) -> float:
    """Return the cells by which maps of mirrored crops lie too far left once mirrored back.

    >>> eye = Eye(lambda crops: np.zeros(0, np.float32), ("nose",), (192, 256))
    >>> mirror_shift(eye, 48)
    0.75
    """
    return (eye.size[0] - 1 - 2 * eye.offset) / eye.stride - (cells - 1)


def _checked(found: npt.NDArray[Any], eye: Eye, count: int) -> Floats32:
    heat = np.asarray(found)
    wanted = (count, len(eye.joints))
    if heat.ndim != 4 or heat.shape[:2] != wanted or 0 in heat.shape[2:]:
        raise ArrayError(
            f"expected maps {wanted} x h x w of {eye.name}, got {heat.shape}",
            hint="one map per joint, in the order of `joints`",
        )
    heat = heat.astype(np.float32, copy=False)
    if heat.size and not (heat.min() >= 0 and heat.max() <= 1):  # NaN fails, too
        raise ArrayError(
            f"expected maps in [0, 1] of {eye.name}, got {heat.min()} to {heat.max()}",
            hint="a sigmoid of logits, and clipping of regressed Gaussians",
        )
    return heat


def load_eye(
    name: str | Path = "image", preset: str | None = None, *, precision: Precision = "auto"
) -> Eye:
    """Load shipped eyes by name, or a file; once per process.

    Args:
        name: "image" (MoveNet Thunder), "image-small" (Lightning), a file of
            `refine import-weights`, or an .onnx file of your own, see `eye_from_onnx`.
        preset: of an .onnx file.
        precision: of the arithmetic of MoveNet; "auto" is bfloat16 where the CPU has it.

    Raises:
        WeightsError: no such weights, a damaged file, or an .onnx file without a preset.
        FormatError: a file that cannot be read.
        RefineError: see `eye_from_onnx`.
    """
    onnx = Path(name).suffix.lower() == ".onnx"
    if onnx != (preset is not None):
        raise WeightsError(
            "expected a preset for an .onnx file, and for no other eyes, "
            f"got {preset!r} for {str(name)!r}",
            hint="--preset vitpose, or what else `refine presets` lists of heatmaps and SimCC",
        )
    if preset is not None:
        return eye_from_onnx(name, preset)
    path = Path(name)
    known = (path.stat().st_mtime_ns, path.stat().st_size) if path.is_file() else ()
    with _LOADING:
        return _load(str(name), precision, known)


def eye_from_onnx(
    path: str | Path,
    preset: str = "vitpose",
    pixels: OnnxInput | None = None,
    *,
    padding: float = 1.4,
    logits: bool = False,
    threads: int = 0,
    **options: Any,
) -> Eye:
    """Make eyes of a top-down network in an ONNX file; needs onnxruntime.

    Args:
        path: of the file; one input of crops (N, 3, H, W) or (N, H, W, 3), and heatmaps
            (N, K, h, w) or SimCC's columns and rows (N, K, bins) as outputs.
        preset: of heatmaps or SimCC: where cells or bins lie, and which joints there are.
        pixels: how crops go in, where that is not ImageNet's mean and deviation in RGB, or where
            the file leaves the size open.
        padding: sides of the crop over those of the tight box around the joints.
        logits: heatmaps are logits, to be put through a sigmoid; others are clipped to [0, 1].
        threads: of onnxruntime; 0 for those of `refine.set_threads`.
        options: of the preset's family that differ from the preset (`ratio`, `skeleton`,
            `alignment`, ...), as in `refine.decode`.

    Raises:
        WeightsError: a file that is damaged, or whose input or outputs are others.
        FormatError: a file that cannot be read.
        RefineError: onnxruntime is not installed, no such preset, or one of another family.
    """
    found = open_onnx(
        path, preset, pixels or OnnxInput(), logits=logits, threads=threads, options=options
    )
    return Eye(
        found.look, found.joints, found.size, found.stride, found.offset, padding, found.name,
        found.weights,
    )  # fmt: skip


@lru_cache(KEPT)
def _load(name: str, precision: Precision, _: tuple[int, ...]) -> Eye:
    from refine.refiner.eyes.inference import prepare
    from refine.refiner.eyes.weights import load_eye_weights
    from refine.refiner.weights import skeleton_of

    network, facts = load_eye_weights(name)
    width, height = facts["size"]
    return Eye(
        look=prepare(network, precision),
        joints=skeleton_of(facts).joints,
        size=(width, height),
        stride=float(facts["stride"]),
        offset=float(facts["offset"]),
        padding=float(facts["padding"]),
        name=str(facts.get("network", name)),
        weights=f"sha256:{facts['sha256'][:12]}",
    )
