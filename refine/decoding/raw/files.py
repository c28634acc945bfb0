"""Files of raw outputs: their arrays, and the names under which they hold what."""

import contextlib
import json
import re
from collections.abc import Container, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from refine import npz, tensors
from refine._types import Floats
from refine.exceptions import FormatError
from refine.files import parse_json, read_bytes

KEYS = {
    "heatmaps": ("heatmaps", "heatmap", "hms", "maps"),
    "flipped": ("heatmaps_flipped_input", "heatmaps_flipped", "flipped"),
    "affine": ("affine_image_to_input", "affine_picture_to_input", "affine"),
    "center": ("center", "centers"),
    "scale": ("scale", "scales"),
    "box_xyxy": ("box_xyxy", "boxes_xyxy", "bbox_xyxy"),
    "box_xywh": ("box_xywh", "boxes_xywh", "bbox_xywh", "bbox"),
    "box_score": ("box_score", "box_scores", "bbox_score", "bbox_scores", "score"),
    "image_id": ("image_id", "image_ids"),
    "image_size": ("image_size", "picture_size"),
    "input_size": ("input_size", "input_size_wh"),
    "stride": ("stride",),
    "joints": ("keypoints", "keypoint_names", "joints", "joint_names"),
}
"""What is read, and the names under which files hold it; the first that is there counts."""

HINT = "np.savez(path, heatmaps=..., affine=...)"

GREATEST = float(np.finfo(np.float32).max)
"""Numbers of float64 beyond this are infinite in the single precision of most decoders."""
CHUNK = 1 << 22
"""Numbers that are looked at in one go."""
MOST_SIDE = 16_384
"""px of a network input."""
MOST_IMAGE = 1_000_000
"""px of an image's side."""
FLIPPED = "_flipped_input"
"""Ends the name of an array of the mirrored input."""


def named(
    fields: Mapping[str, Any], names: Sequence[Sequence[str]], known: Container[str]
) -> dict[str, Any]:
    """Return fields with names for outputs that have none, or are the only ones.

    Args:
        fields: arrays by name; those that `np.savez` has counted, arr_0, and "" have none.
        names: what each of the arrays of a family goes by, in their order.
        known: names of what is no output.

    >>> sorted(named({"arr_0": 1, "arr_1": 2, "affine": 3}, [["x"], ["y"]], {"affine"}))
    ['affine', 'x', 'y']
    """
    out = dict(fields)
    bare = [k for k in out if k == npz.UNNAMED or re.fullmatch(r"arr_\d+", k)]
    if len(bare) <= len(names):
        for key, name in zip(sorted(bare, key=lambda k: (len(k), k)), names, strict=False):
            out.setdefault(name[0], out.pop(key))
    maps = [k for k, v in out.items() if k not in known and np.ndim(v) >= 2]
    if len(maps) == len(names) == 1 and maps[0] not in names[0]:
        out[names[0][0]] = out.pop(maps[0])
    return out


def names_of(value: Any) -> tuple[str, ...] | None:
    """Return a list or array of strings as a tuple, None for anything else.

    Keypoints of other kinds, such as annotated coordinates, go by the same keys.
    """
    listed = value.tolist() if isinstance(value, np.ndarray) else value
    if isinstance(listed, list) and listed and all(isinstance(v, str) for v in listed):
        return tuple(listed)
    return None


def id_of_name(path: Path) -> int | str:
    """Return the image id that a file name carries: 000000000785, COCO_val2014_000000000785."""
    stem = path.name.split(".")[0]
    digits = re.fullmatch(r"(?:.*_)?(\d+)", stem)
    return int(digits[1]) if digits else stem


def as_array(value: Any) -> Any:
    """Return an array; one that is `npz.Stored` stays so until somebody asks for it."""
    return value if isinstance(value, npz.Stored) else np.asarray(value)


class Arrays(Mapping[str, npt.NDArray[Any]]):
    """Arrays by name, those of a file read at first use; infinity in them is an error.

    Args:
        fields: arrays, or what is `npz.Stored`.
        where: the file.
        batch: whether every array has a first axis of 1, which goes.
    """

    def __init__(self, fields: Mapping[str, Any], where: str, *, batch: bool = False) -> None:
        self._fields, self._where, self._batch = dict(fields), where, batch
        self._used: dict[str, npt.NDArray[Any]] = {}

    def __getitem__(self, name: str) -> npt.NDArray[Any]:
        if name not in self._used:
            array = np.asarray(self._fields[name])
            self._used[name] = array[0] if self._batch else array
            check_finite(self._used[name], name, self._where)
        return self._used[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)

    def __contains__(self, name: object) -> bool:
        return name in self._fields

    @property
    def used(self) -> Mapping[str, npt.NDArray[Any]]:
        """The arrays that somebody has asked for."""
        return self._used


def numbers_of(value: Any, name: str, where: str) -> Floats:
    """Return real numbers in 64 bits.

    Raises:
        FormatError: something else.
    """
    with contextlib.suppress(TypeError, ValueError, OverflowError):
        array = np.asarray(value)
        if array.dtype.kind != "c":  # NumPy would drop the imaginary part with a warning.
            return array.astype(np.float64, copy=False)
    raise FormatError(f"expected numbers in `{name}`", where=where)


def size_of(value: Any, name: str, where: str, most: int = MOST_SIDE) -> tuple[int, int]:
    """Return width and height in whole px.

    Raises:
        FormatError: not two numbers of px, or more than anybody has.
    """
    size = numbers_of(value, name, where)
    if size.shape != (2,):
        raise FormatError(f"expected `{name}` (2,), got {size.shape}", where=where)
    if not ((size >= 1) & (size <= most)).all():
        raise FormatError(
            f"expected a positive `{name}` of at most {most} px a side, got {size.tolist()}",
            where=where,
        )
    return int(size[0]), int(size[1])


def check_finite(array: npt.NDArray[Any], name: str, where: str) -> None:
    """Raise FormatError where an array of raw outputs holds infinity; NaN passes."""
    if array.dtype.kind != "f" or not array.ndim:
        return
    greatest = min(GREATEST, float(np.finfo(array.dtype).max))
    step = max(1, CHUNK // max(1, array[:1].size))
    for i in range(0, len(array), step):
        with np.errstate(invalid="ignore"):
            bad = np.abs(array[i : i + step]) > greatest
        if bad.any():
            record = i + int(bad.reshape(len(bad), -1).any(1).argmax())
            raise FormatError(
                f"expected finite numbers in `{name}`, got infinity or beyond 3.4e38",
                where=f"{where}, record {record}",
                hint="looking at the network's half precision or its export",
            )


def read_arrays(path: Path) -> Mapping[str, Any]:
    """Read the arrays of an .npz, .npy or .safetensors file, and the metadata of the latter.

    Returns:
        by name; the one array of an .npy goes by "". Large members of an archive are `npz.Stored`.

    Raises:
        FormatError: not such a file.
    """
    data = read_bytes(path)
    name = path.name.removesuffix(".gz")
    if name.endswith((".npz", ".npy")):
        return npz.read(data, str(path), HINT)
    if name.endswith(".safetensors"):
        return _safetensors(data, str(path))
    raise FormatError(
        f"expected a file .npz, .npy or .safetensors, got {path.name!r}",
        where=str(path),
        hint=HINT,
    )


def _safetensors(data: bytes, where: str) -> Mapping[str, Any]:
    try:
        metadata, found = tensors.read(data)
    except (ValueError, RecursionError, OverflowError, MemoryError, AttributeError) as error:
        raise FormatError(
            f"expected safetensors of NumPy types, got: {error}",
            where=where,
            hint="float16 or float32 tensors",
        ) from None
    arrays: dict[str, Any] = dict(found)
    for key, text in metadata.items():
        # Metadata values are strings; numbers and lists are written as JSON.
        try:
            arrays.setdefault(key, json.loads(text))
        except (ValueError, RecursionError):
            arrays.setdefault(key, text)
    return arrays


def read_meta(path: Path) -> dict[str, Any]:
    """Read what stands in JSON beside the arrays.

    Raises:
        FormatError: not a JSON object.
    """
    table = parse_json(read_bytes(path), str(path))
    if not isinstance(table, dict):
        raise FormatError(f"expected a JSON object, got {type(table).__name__}", where=str(path))
    return table
