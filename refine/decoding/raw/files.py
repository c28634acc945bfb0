"""Files of raw outputs: their arrays, and the names under which they hold what."""

import io
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from refine import tensors
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

FLIPPED = "_flipped_input"
"""Ends the name of an array of the mirrored input."""


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


def read_arrays(path: Path) -> Mapping[str, Any]:
    """Read the named arrays of an .npz or .safetensors file, and the metadata of the latter.

    Raises:
        FormatError: not such a file.
    """
    data = read_bytes(path)
    name = path.name.removesuffix(".gz")
    if name.endswith(".npz"):
        try:
            found = np.load(io.BytesIO(data), allow_pickle=False)
            if isinstance(found, np.ndarray):
                raise ValueError("one array without a name, as np.save writes it")
            with found as archive:
                return {key: archive[key] for key in archive.files}
        except Exception as error:  # NumPy and zipfile raise a dozen types for damaged files
            raise FormatError(
                f"expected an .npz archive of plain arrays, got: {error or type(error).__name__}",
                where=str(path),
                hint="np.savez(path, heatmaps=..., affine=...)",
            ) from None
    if name.endswith(".safetensors"):
        return _safetensors(data, str(path))
    raise FormatError(
        f"expected a file .npz or .safetensors, got {path.name!r}",
        where=str(path),
        hint="np.savez(path, heatmaps=..., affine=...)",
    )


def _safetensors(data: bytes, where: str) -> Mapping[str, Any]:
    try:
        metadata, found = tensors.read(data)
    except ValueError as error:
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
        except ValueError:
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
