"""Raw outputs of networks that see one crop a pose and answer with something else than heatmaps."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from refine.decoding.raw.files import (
    FLIPPED,
    GEOMETRY,
    KEYS,
    Crops,
    crop_fields,
    names_of,
    read_arrays,
)
from refine.decoding.raw.image import affine_of, input_size_of
from refine.exceptions import FormatError, GeometryError
from refine.files import parse_json, read_bytes

ABOUT = {name for key in KEYS if key not in ("heatmaps", "flipped", "joints") for name in KEYS[key]}
"""Names of what is not an output of the network."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class RawCrops(Crops):
    """What a network said about the crops of N poses.

    Attributes:
        arrays: (N, ...) each, by the names of the file.
    """

    arrays: Mapping[str, npt.NDArray[Any]]

    def array(self, *names: str, flipped: bool = False) -> npt.NDArray[Any]:
        """Return the first array that goes by one of these names, or that of the mirrored input.

        Raises:
            FormatError: there is none.
        """
        wanted = [name + FLIPPED * flipped for name in names]
        for name in wanted:
            if name in self.arrays:
                return self.arrays[name]
        raise FormatError(
            f"expected an array `{wanted[0]}`, got {', '.join(self.arrays) or 'none'}",
            where=self.where,
            hint=f"one of the names {', '.join(wanted)}" if len(wanted) > 1 else None,
        )

    def has_flipped(self) -> bool:
        """Tell whether there are outputs of the mirrored input."""
        return any(name.endswith(FLIPPED) for name in self.arrays)


def read_crop_outputs(path: str | Path, meta: str | Path | None = None) -> RawCrops:
    """Read the outputs for the crops of N poses from an .npz or .safetensors file.

    Args:
        path: the arrays and the geometry of the crops, the latter under any of the names in
            `refine.decoding.raw.files.KEYS`.
        meta: JSON object with what the file lacks; by default the file of the same name with
            the suffix .json, if there is one. Where neither holds a geometry, `scale_x` and
            `scale_y`, or `scale`, with `pad_left` and `pad_top` stand for that of all crops.

    Raises:
        FormatError: not such a file, no arrays, or arrays that do not fit together.
    """
    fields = dict(read_arrays(Path(path)))
    side = Path(path).with_suffix(".json") if meta is None else Path(meta)
    table: Any = {}
    if meta is not None or side.is_file():
        table = parse_json(read_bytes(side), str(side))
        if not isinstance(table, dict):
            raise FormatError(
                f"expected a JSON object, got {type(table).__name__}", where=str(side)
            )
        for name in ABOUT & table.keys():
            fields.setdefault(name, table[name])
        for name in (n for n in KEYS["joints"] if names_of(table.get(n))):
            fields.setdefault(name, table[name])
        if "input_size" not in fields and (size := input_size_of(None, table)) is not None:
            fields["input_size"] = size
    return raw_crops(fields, table, where=str(path))


def raw_crops(
    fields: Mapping[str, Any], meta: Mapping[str, Any] | None = None, *, where: str = "arrays"
) -> RawCrops:
    """Put outputs and the geometry of their crops together, see `read_crop_outputs`.

    Raises:
        FormatError: no arrays, or arrays that do not fit together.

    >>> raw = raw_crops({"simcc_x": np.ones((1, 17, 384)), "affine": [[[1, 0, 0], [0, 1, 0]]]})
    >>> len(raw), raw.array("simcc_x").shape
    (1, (1, 17, 384))
    """
    arrays = {k: np.asarray(v) for k, v in fields.items() if k not in ABOUT}
    arrays = {k: v for k, v in arrays.items() if v.ndim >= 2 and v.dtype.kind in "fiu"}
    if not arrays:
        raise FormatError(
            f"expected the arrays of a network, got {', '.join(fields) or 'nothing'}", where=where
        )
    n = len(next(iter(arrays.values())))
    if any(len(v) != n for v in arrays.values()):
        shapes = ", ".join(f"`{k}` {v.shape}" for k, v in arrays.items())
        raise FormatError(f"expected as many rows as there are poses, got {shapes}", where=where)
    told = {k: v for k, v in fields.items() if k not in arrays}
    known = crop_fields(told, n, where)
    if all(known[key] is None for key in ("affine", "center", "box")):
        try:
            known["affine"] = np.tile(affine_of(meta or {}, where), (n, 1, 1))
        except GeometryError as error:
            raise GeometryError(
                f"expected the geometry of the crops, got outputs alone: {GEOMETRY}",
                where=where,
                hint=error.hint,
            ) from None
    return RawCrops(arrays=arrays, **known)
