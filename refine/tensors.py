"""Safetensors: arrays by name behind one header; nothing is ever unpickled."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Arrays = dict[str, npt.NDArray[Any]]

FACTS = "refine"
"""The one entry that this project writes into headers: the order of several is not the same every
time, and histories name files by their hash."""


def read(source: str | Path | bytes) -> tuple[dict[str, str], Arrays]:
    """Read a safetensors file, or what is in one.

    Returns:
        the metadata of the header, and the arrays by name; they may be read-only.

    Raises:
        ValueError: not safetensors, or of types that NumPy lacks.
        OSError: a file that cannot be read.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    data = source if isinstance(source, bytes) else Path(source).read_bytes()
    try:
        arrays: Arrays = dict(load(data))
    except KeyError as error:
        raise ValueError(f"a tensor of type {error}, which NumPy lacks") from None
    except (SafetensorError, TypeError) as error:
        raise ValueError(str(error).splitlines()[0]) from None
    return read_metadata(data), arrays


def read_metadata(source: str | Path | bytes) -> dict[str, str]:
    """Read the metadata of a header without the arrays behind it.

    Raises:
        ValueError: not safetensors.
        OSError: a file that cannot be read.
    """
    if isinstance(source, bytes):
        text = source[8 : 8 + int.from_bytes(source[:8], "little")]
    else:
        with Path(source).open("rb") as file:
            size = int.from_bytes(file.read(8), "little")
            if size > Path(source).stat().st_size:
                raise ValueError(f"a header of {size} bytes in a shorter file")
            text = file.read(size)
    header = _loads(text)
    metadata = header.get("__metadata__", {}) if isinstance(header, dict) else None
    if not isinstance(metadata, dict):
        raise ValueError("a header that is no table")
    return metadata


def facts_of(metadata: Mapping[str, str]) -> dict[str, Any]:
    """Return the facts that `write` put into a header; none of a file of somebody else's.

    Raises:
        ValueError: something else stands in their place.
    """
    facts = _loads(metadata.get(FACTS, "{}"))
    if not isinstance(facts, dict):
        raise ValueError(f"facts that are no table: {facts!r:.40}")
    return facts


def _loads(text: str | bytes) -> Any:
    try:
        return json.loads(text)
    except (RecursionError, TypeError) as error:
        raise ValueError(f"a header that is no JSON: {error}") from None


def write(arrays: Mapping[str, npt.NDArray[Any]], facts: Mapping[str, Any]) -> bytes:
    """Lay out arrays and what is to be known of them as safetensors.

    >>> metadata, arrays = read(write({"a": np.arange(3)}, {"epoch": 2}))
    >>> facts_of(metadata), arrays["a"].tolist()
    ({'epoch': 2}, [0, 1, 2])
    """
    from safetensors.numpy import save

    # Not `ascontiguousarray`, which makes rows of single numbers.
    laid_out = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    return bytes(save(laid_out, {FACTS: json.dumps(facts)}))
