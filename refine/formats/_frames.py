"""Frames of pandas in HDF5, as DeepLabCut writes them: rows of a table with its header on top.

pandas keeps the names of columns in pickles of lists, tuples and texts. They are read by a reader
that knows nothing else: what a file names is not imported and not called.
"""

import io
import pickle
from collections.abc import Sequence
from typing import Any, NoReturn

import numpy as np

from refine._types import Floats
from refine.exceptions import FormatError

KEY = "df_with_missing"
"""Under which DeepLabCut keeps its frame; pose_estimation_pytorch/apis/videos.py."""

LAST = "coords"
"""What the last row of the header is called."""

LABELS = {
    3: ("scorer", "bodyparts", LAST),
    4: ("scorer", "individuals", "bodyparts", LAST),
}
"""Rows of the header, by their number: of one animal, of several."""

VERSIONS = {"CLASS": "GROUP", "TITLE": "", "VERSION": "1.0"}
"""Attributes of PyTables' groups; those of arrays differ in class and version."""

NONE = np.bytes_(b"N.")
"""What PyTables keeps for None, a pickle of it."""


class _Plain(pickle._Unpickler):
    """Reads pickles of built-in containers, numbers and texts.

    In Python, for the reader in C makes room for as many references as a file says that it has.
    """

    def find_class(self, module_name: str, global_name: str) -> NoReturn:
        raise ValueError(f"a pickle that asks for {module_name}.{global_name}")

    def persistent_load(self, pid: Any) -> NoReturn:
        raise ValueError("a pickle that refers to what is not in the file")


def read_frame(file: Any, where: str) -> list[list[Any]] | None:
    """Return the rows of the frame in an open file, None if there is none.

    Raises:
        FormatError: several frames, or one of another layout than `LAST` in columns of numbers.
    """
    groups = {name: each for name, each in file.items() if "pandas_type" in each.attrs}
    if not groups:
        return None
    if len(groups) > 1:
        if KEY not in groups:
            names = ", ".join(map(repr, groups))
            raise FormatError(f"expected one frame of pandas, got {names:.200}", where=where)
        groups = {KEY: groups[KEY]}
    (group,) = groups.values()
    kind = _text(group.attrs["pandas_type"])
    if kind == "frame_table":
        columns, index, values = _read_table(group)
    elif kind == "frame":
        columns, index, values = _read_fixed(group)
    else:
        raise FormatError(f"expected a frame of pandas, got {kind!r:.40}", where=where)
    levels = len(index[0]) if index else 1
    depth = len(columns[0]) if columns else 0
    if depth not in LABELS or values.shape != (len(index), len(columns)):
        raise FormatError(
            f"expected columns with {' or '.join(map(str, LABELS))} levels, as DeepLabCut has "
            f"them, got {depth}",
            where=where,
        )
    header = [
        [label, *[""] * (levels - 1), *(column[i] for column in columns)]
        for i, label in enumerate(LABELS[depth])
    ]
    return [*header, *([*at, *row] for at, row in zip(index, values.tolist(), strict=True))]


def write_frame(file: Any, rows: Sequence[Sequence[Any]]) -> None:
    """Write rows into an open file as pandas writes a frame with ``format="fixed"``.

    Raises:
        FormatError: rows without such a header, or cells that are no numbers.
    """
    depth = next((i + 1 for i, row in enumerate(rows[:4]) if row and row[0] == LAST), 0)
    if depth not in LABELS:
        raise FormatError(f"expected a header that ends with a row {LAST!r} for HDF5")
    levels = index_width(rows[depth - 1])
    columns = list(zip(*(row[levels:] for row in rows[:depth]), strict=True))
    index = [tuple(row[:levels]) for row in rows[depth:]]
    values = np.array([list(map(_number, row[levels:])) for row in rows[depth:]], np.float64)
    group = file.create_group(KEY, track_order=True)
    about = {"encoding": "UTF-8", "errors": "strict", "pandas_type": "frame"}
    _tell(group, VERSIONS | about | {"ndim": 2, "nblocks": 1})
    for name in ("axis0", "block0_items"):
        _write_levels(group, name, columns, LABELS[depth])
    numbers = levels == 1 and all(str(at).isdecimal() for (at,) in index)
    if levels > 1:
        _write_levels(group, "axis1", index, [None] * levels)
    else:
        flat = [int(at) if numbers else str(at) for (at,) in index]
        _tell(group, {"axis1_variety": "regular"})
        _write_index(group, "axis1", flat, None)
    _write(group, "block0_values", values.reshape(len(index), len(columns)), {})


def index_width(last: Sequence[Any]) -> int:
    """Return how many columns of the table are its index, told by the last row of its header."""
    blanks = next((i for i, cell in enumerate(last[1:]) if cell != ""), len(last) - 1)
    return 1 + blanks


def _read_fixed(group: Any) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]], Floats]:
    blocks = int(group.attrs["nblocks"])
    columns, index = _labels(group, "axis0"), _labels(group, "axis1")
    values = np.full((len(index), len(columns)), np.nan)
    place = {column: i for i, column in enumerate(columns)}
    for b in range(blocks):
        at = [place[item] for item in _labels(group, f"block{b}_items")]
        block = group[f"block{b}_values"]
        turned = bool(block.attrs.get("transposed", False))
        values[:, at] = block[()] if turned else block[()].T
    return columns, index, values


def _read_table(group: Any) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]], Floats]:
    table = group["table"]
    columns = [tuple(c) for c in _plain(group.attrs["non_index_axes"])[0][1]]
    place = {column: i for i, column in enumerate(columns)}
    rows = table[()]
    values = np.full((len(rows), len(columns)), np.nan)
    for name in rows.dtype.names:
        if name.startswith("values_block_"):
            at = [place[tuple(c)] for c in _plain(table.attrs[f"{name}_kind"])]
            values[:, at] = rows[name]
    return columns, [(_cell(value),) for value in rows["index"]], values


def _labels(group: Any, name: str) -> list[tuple[Any, ...]]:
    """Return the labels of an axis, a tuple of its levels each."""
    if _text(group.attrs[f"{name}_variety"]) == "regular":
        return [(_cell(value),) for value in group[name][()]]
    levels = int(group.attrs[f"{name}_nlevels"])
    found = []
    for i in range(levels):
        names = [_cell(value) for value in group[f"{name}_level{i}"][()]]
        codes = group[f"{name}_label{i}"][()].tolist()
        found.append([names[code] if code >= 0 else "" for code in codes])
    return list(zip(*found, strict=True))


def _write_levels(
    group: Any, name: str, labels: Sequence[tuple[Any, ...]], called: Sequence[str | None]
) -> None:
    _tell(group, {f"{name}_variety": "multi", f"{name}_nlevels": len(called)})
    for i, title in enumerate(called):
        texts = [str(label[i]) for label in labels]
        names = list(dict.fromkeys(texts))
        place = {text: code for code, text in enumerate(names)}
        _write_index(group, f"{name}_level{i}", names, title)
        _tell(group[f"{name}_level{i}"], {f"{name}_name{title}": title or NONE})
        codes = np.array([place[text] for text in texts], np.int32)
        _write(group, f"{name}_label{i}", codes, {})


def _write_index(group: Any, name: str, labels: Sequence[int | str], title: str | None) -> None:
    kind = "integer" if labels and isinstance(labels[0], int) else "string"
    texts = [label.encode() if isinstance(label, str) else label for label in labels]
    array = np.array(texts or np.zeros(0, "S1"))
    about = {"kind": kind, "name": title or NONE}
    _write(group, name, array, about | ({"nan_rep": "nan"} if kind == "string" else {}))


def _write(group: Any, name: str, array: Any, about: dict[str, Any]) -> None:
    own = {"CLASS": "ARRAY", "FLAVOR": "numpy", "VERSION": "2.4", "transposed": np.uint8(1)}
    _tell(group.create_dataset(name, data=array), VERSIONS | own | about)


def _tell(place: Any, attributes: dict[str, Any]) -> None:
    for key, value in attributes.items():
        if isinstance(value, str):
            # PyTables tells texts from pickles by the character set.
            data = value.encode()
            kind = np.dtype(f"S{max(len(data), 1)}", metadata={"h5py_encoding": "utf-8"})
            place.attrs.create(key, data, dtype=kind)
        else:
            place.attrs[key] = value


def _plain(value: Any) -> Any:
    try:
        return _Plain(io.BytesIO(bytes(value))).load()
    except Exception as error:  # Damaged pickles raise nearly anything.
        raise ValueError(f"names of columns that are none ({error!s:.80})") from None


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _cell(value: Any) -> Any:
    """Return a label: text, or a whole number where pandas has one."""
    if isinstance(value, bytes):
        return value.decode()
    return value.item() if hasattr(value, "item") else value


def _number(cell: Any) -> float:
    try:
        return np.nan if cell is None or cell == "" else float(cell)
    except (TypeError, ValueError):
        raise FormatError(f"expected a number in a cell, got {cell!r:.40}") from None
