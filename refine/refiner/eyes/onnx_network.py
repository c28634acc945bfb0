"""Networks of others as eyes: an ONNX file, how pixels go in, and what its outputs mean."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt

from refine._threads import thread_count
from refine._types import Floats32
from refine.crops.arrays import Pixels
from refine.decoding.family import change_options
from refine.decoding.heatmap.outputs import HeatmapOptions
from refine.decoding.presets import get_preset
from refine.decoding.simcc.outputs import NAMES, SimccOptions
from refine.exceptions import FormatError, RefineError, WeightsError
from refine.geometry import Grid
from refine.refiner.eyes.simcc_maps import CELL, maps_of_simcc

BATCH = 8
"""Crops that go through at once, where the file leaves that open."""
SESSIONS = 4
"""Files that stay open."""
UNEVEN = 0.05
"""Greatest difference of the strides in x and y, of their mean: half a cell over ten cells. Grids
whose corners are those of the input differ by less than .005."""
MEAN, DEVIATION = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
"""ImageNet's, RGB of 0 to 255, which HRNet, MMPose, ViTPose and RTMPose subtract and divide by
(open-mmlab/mmpose 1.x, data_preprocessor of configs/body_2d_keypoint)."""
TYPES = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(uint8)": np.uint8,
    "tensor(int32)": np.int32,
}  # fmt: skip
_OPENING = Lock()


@dataclass(frozen=True, slots=True)
class OnnxInput:
    """How crops go into a network.

    Attributes:
        size: width and height, px; None where the file states them.
        mean: subtracted from RGB of 0 to 255; nothing is from inputs of whole numbers.
        deviation: divided by.
        bgr: blue first; mean and deviation are in the order of the network.
    """

    size: tuple[int, int] | None = None
    mean: tuple[float, float, float] = MEAN
    deviation: tuple[float, float, float] = DEVIATION
    bgr: bool = False


@dataclass(frozen=True, slots=True)
class OnnxLook:
    """Crops (B, H, W, 3) uint8 -> maps (B, K, h, w) in [0, 1]; pickles as the name of its file.

    Attributes:
        path: of the file.
        stamp: of the file when it was opened: time and size.
        pixels: how crops go in, with the size.
        options: of the family of the outputs.
        logits: heatmaps are logits, to be put through a sigmoid.
        threads: of onnxruntime; 0 for those of `set_threads`.
    """

    path: str
    stamp: tuple[int, int]
    pixels: OnnxInput
    options: HeatmapOptions | SimccOptions
    logits: bool = False
    threads: int = 0

    def __call__(self, crops: Pixels) -> Floats32:
        """Look at crops."""
        session = _session(self.path, self.stamp, self.threads)
        entry = session.get_inputs()[0]
        fixed = entry.shape[0]
        count = fixed if isinstance(fixed, int) else 0
        step = count or BATCH
        found = [
            self._maps(session, self._prepared(crops[at : at + step], entry, count))
            for at in range(0, max(len(crops), 1), step)
        ]
        return np.concatenate(found)[: len(crops)]

    def _prepared(self, crops: Pixels, entry: Any, count: int) -> npt.NDArray[Any]:
        kind = TYPES[entry.type]
        values: npt.NDArray[Any] = crops[..., ::-1] if self.pixels.bgr else crops
        if np.issubdtype(kind, np.floating):
            mean, deviation = np.array([self.pixels.mean, self.pixels.deviation], np.float32)
            values = (values - mean) / deviation
        if count > len(values):
            filler = np.zeros((count - len(values), *values.shape[1:]), values.dtype)
            values = np.concatenate([values, filler])
        if not _channels_last(entry.shape):
            values = np.moveaxis(values, -1, 1)
        return np.ascontiguousarray(values, kind)

    def _maps(self, session: Any, values: npt.NDArray[Any]) -> Floats32:
        names = [o.name for o in session.get_outputs()]
        outputs = session.run(None, {session.get_inputs()[0].name: values})
        arrays = dict(zip(names, outputs, strict=True))
        if isinstance(self.options, SimccOptions):
            return maps_of_simcc(*_axes(arrays), self.options)
        maps = [a for a in arrays.values() if np.ndim(a) == 4]
        if len(maps) != 1:
            shapes = ", ".join(f"{n} {np.shape(a)}" for n, a in arrays.items())
            raise WeightsError(
                f"expected one output of heatmaps (N, K, h, w), got {shapes}",
                where=self.path,
                hint="a preset of the network's family, or refine.Eye with a function of your own",
            )
        heat = np.asarray(maps[0], np.float32)
        if self.logits:
            with np.errstate(over="ignore"):
                return np.asarray(1 / (1 + np.exp(-heat)), np.float32)
        scaled = heat * self.options.score_scale + self.options.score_offset
        return np.asarray(np.clip(scaled, 0, 1), np.float32)


@dataclass(frozen=True, slots=True)
class OnnxNetwork:
    """What is to be known of an opened file, as `Eye` has it."""

    look: OnnxLook
    joints: tuple[str, ...]
    size: tuple[int, int]
    stride: float
    offset: float
    name: str
    weights: str


def open_onnx(
    path: str | Path,
    preset: str,
    pixels: OnnxInput,
    *,
    logits: bool,
    threads: int,
    options: Mapping[str, Any],
) -> OnnxNetwork:
    """Open an ONNX file, and look once at nothing to see what comes out.

    Args:
        path: of the file.
        preset: whose heatmaps or SimCC outputs it has.
        pixels: how crops go in.
        logits: see `OnnxLook`.
        threads: see `OnnxLook`.
        options: of the preset's family that differ from the preset.

    Raises:
        WeightsError: a file that is damaged, or whose input or outputs are others.
        FormatError: a file that cannot be read.
        RefineError: onnxruntime is not installed, no such preset, or one of another family.
    """
    where = str(path)
    system = get_preset(preset)
    chosen = change_options(system.options, options, system.family)
    if type(chosen) not in (HeatmapOptions, SimccOptions):
        raise RefineError(
            f"expected a preset of heatmaps or SimCC, got {system.name!r} ({system.family})",
            hint="hrnet, vitpose, mmpose, tinypose, simcc, rtmpose; or refine.Eye with a function",
        )
    assert isinstance(chosen, HeatmapOptions | SimccOptions)
    stamp, digest = _stamped(where)
    entries = _session(where, stamp, threads).get_inputs()
    if len(entries) != 1 or len(entries[0].shape) != 4 or entries[0].type not in TYPES:
        told = ", ".join(f"{e.name} {e.type} {e.shape}" for e in entries)
        raise WeightsError(f"expected one input of crops (N, 3, H, W), got {told}", where=where)
    size = _size(entries[0].shape, pixels.size, where)
    known = OnnxInput(size, pixels.mean, pixels.deviation, pixels.bgr)
    look = OnnxLook(where, stamp, known, chosen, logits, threads)
    joints = chosen.skeleton.joints
    try:
        found = look(np.zeros((1, *size[::-1], 3), np.uint8))
    except RefineError:
        raise
    except Exception as error:  # onnxruntime's own are of many types
        raise _damaged(where, error) from None
    if found.ndim != 4 or found.shape[:2] != (1, len(joints)):
        raise WeightsError(
            f"expected maps of {len(joints)} joints ({chosen.skeleton.name}), got {found.shape}",
            where=where,
            hint="skeleton=, a name or the list of the joints' names",
        )
    stride, offset = _grid(found.shape[3:1:-1], size, chosen, where)
    return OnnxNetwork(look, joints, size, stride, offset, Path(where).stem, f"sha256:{digest}")


def _grid(
    cells: tuple[int, ...],
    size: tuple[int, int],
    options: HeatmapOptions | SimccOptions,
    where: str,
) -> tuple[float, float]:
    """Return stride and offset of the cells; one pair for both axes."""
    if isinstance(options, SimccOptions):
        return float(CELL), 0.0
    grid = Grid((cells[0], cells[1]), size, options.alignment, options.offset)
    first = grid.to_input(np.zeros(2))
    strides = grid.to_input(np.ones(2)) - first
    if np.ptp(strides) > UNEVEN * strides.mean():
        raise WeightsError(
            f"expected cells as wide as high, got {cells} of {size} px",
            where=where,
            hint="the size of the network's input",
        )
    return float(strides.mean()), float(first.mean())


def _size(shape: list[int | str], told: tuple[int, int] | None, where: str) -> tuple[int, int]:
    """Return width and height of the input: the file's, or what is told where it leaves them."""
    sides = (shape[2], shape[1]) if _channels_last(shape) else (shape[3], shape[2])
    held = tuple(s if isinstance(s, int) else t for s, t in zip(sides, told or sides, strict=True))
    whole = tuple(s for s in held if isinstance(s, int) and s > 0)
    if len(whole) != 2 or (told is not None and whole != tuple(told)):
        raise WeightsError(
            f"expected the size of the crops, got {told} for an input {shape}",
            where=where,
            hint="OnnxInput(size=(192, 256)), width and height",
        )
    return whole


def _channels_last(shape: list[int | str]) -> bool:
    return shape[3] == 3 and shape[1] != 3


def _axes(arrays: Mapping[str, npt.NDArray[Any]]) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Return SimCC's columns and rows: by name, else the first two outputs."""
    flat = {name: a for name, a in arrays.items() if np.ndim(a) == 3}
    x, y = (next((flat[n] for n in names if n in flat), None) for names in NAMES)
    if x is not None and y is not None:
        return x, y
    if len(flat) != 2:
        shapes = ", ".join(f"{n} {np.shape(a)}" for n, a in arrays.items())
        raise WeightsError(f"expected SimCC outputs x and y (N, K, bins), got {shapes}")
    first, second = flat.values()
    return first, second


def _stamped(where: str) -> tuple[tuple[int, int], str]:
    """Return time and size of a file, and 12 digits of its hash."""
    try:
        path = Path(where)
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        status = path.stat()
    except OSError as error:
        raise FormatError(
            f"expected an ONNX file, got: {error.strerror or error}", where=where
        ) from None
    return (status.st_mtime_ns, status.st_size), digest[:12]


def _session(path: str, stamp: tuple[int, int], threads: int) -> Any:
    with _OPENING:
        return _open(path, stamp, threads or thread_count())


@lru_cache(SESSIONS)
def _open(path: str, _: tuple[int, int], threads: int) -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise RefineError(
            f"expected onnxruntime to be installed, got: {error}",
            hint='pip install "refine-pose[export]"',
        ) from None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # of many types
        raise _damaged(path, error) from None


def _damaged(where: str, error: Exception) -> WeightsError:
    reason = (str(error).splitlines() or [type(error).__name__])[0]
    return WeightsError(f"expected an ONNX network that runs, got: {reason:.200}", where=where)
