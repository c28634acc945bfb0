"""COCO results as bytes, the counterpart of `refine.formats.plain.scan_results`."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt
from msgspec import Raw

import refine.history as _history
from refine._types import Floats
from refine.files import dump_json
from refine.formats._keypoints import flat_values
from refine.formats._rows import sizes_of
from refine.formats.spelling import kernels
from refine.poses import Poses

KEYPOINTS = "keypoints"

ROWS = 1 << 12
"""Rows that are written at once: their numbers are in caches."""

PLAIN = {"named": True, "score_field": "score", "parts": False, "by_image": None, "frames": None}
"""What `meta` says of results that are a list of rows like all others, where it says anything."""


def spell_results(poses: Poses, precision: int | None) -> Iterator[bytes] | None:
    """Write what `refine.formats.coco.write_results` writes of plain poses; None of all others.

    Args:
        poses: of nothing but numbers, each of which all of them or none have.
        precision: decimals of coordinates, or None.

    Returns:
        The parts of a file.
    """
    columns = _columns(poses) if len(poses) else None
    return None if columns is None else _parts(poses, precision, columns)


def spell_lists(values: Floats) -> list[Raw]:
    """Return numbers (N, C) as N lists of JSON, NaN as null."""
    texts = [b"[", *[b","] * (values.shape[1] - 1), b"]\n"]
    text = _spell(values, np.zeros(values.shape[1], np.bool_), texts)
    return list(map(Raw, text.split(b"\n")[:-1]))


def _parts(
    poses: Poses, precision: int | None, columns: Mapping[str, npt.NDArray[Any]]
) -> Iterator[bytes]:
    widths = {name: 0 if values.ndim == 1 else values.shape[1] for name, values in columns.items()}
    texts = _texts(widths, _history.encode(poses.history))
    whole = [
        np.full(max(width, 1), columns[name].dtype.kind == "i") for name, width in widths.items()
    ]
    for at in range(0, len(poses), ROWS):
        rows = slice(at, at + ROWS)
        cells = [
            flat_values(poses[rows], precision)
            if name == KEYPOINTS
            else values[rows].reshape(-1, max(widths[name], 1))
            for name, values in columns.items()
        ]
        part = _spell(np.concatenate(cells, 1, dtype=np.float64), np.concatenate(whole), texts)
        last = at + ROWS >= len(poses)
        yield (b"" if at else b"[") + (part[:-1] + b"]" if last else part)


def _texts(widths: Mapping[str, int], steps: Sequence[str]) -> list[bytes]:
    """Return what stands before each number of a row, and behind the last."""
    texts, behind = [], b"{"
    for name, width in widths.items():
        texts.append(behind + f'"{name}":'.encode() + (b"[" if width else b""))
        texts += [b","] * (width - 1)
        behind = b"]," if width else b","
    behind = behind[:-1] + (f',"{_history.FIELD}":'.encode() + dump_json(steps) if steps else b"")
    return [*texts, behind + b"},"]


def _spell(values: Floats, whole: npt.NDArray[np.bool_], texts: list[bytes]) -> bytes:
    decimals = np.empty(values.shape, np.uint8)
    number = kernels.decimals_of(values, decimals)
    hard = dump_json(values[decimals == kernels.HARD].tolist())[1:-1] if number else b""
    ends = np.cumsum([0, *map(len, texts)])
    out = np.empty(len(values) * (int(ends[-1]) + kernels.LONGEST * len(texts)), np.uint8)
    stop = kernels.spell(
        values,
        decimals,
        whole,
        np.frombuffer(b"".join(texts), np.uint8),
        ends,
        np.frombuffer(hard, np.uint8),
        out,
    )
    return out[:stop].tobytes()


def _columns(poses: Poses) -> dict[str, npt.NDArray[Any]] | None:
    """Return the fields of rows in their order; None where rows differ or are not plain."""
    meta = poses.meta
    ids = [ref.id for ref in poses.images if type(ref.id) is int]
    if any(meta.get(key, usual) != usual for key, usual in PLAIN.items()):
        return None
    if poses.track is not None or len(ids) < len(poses.images):
        return None
    # One mapping may stand for many poses.
    kinds = {id(extra): extra for extra in poses.extra}
    known = [{"category_id": 1, **extra} for extra in kinds.values()]
    if len(set(map(frozenset, known))) != 1 or not known[0].keys() <= {"id", "category_id"}:
        return None
    if set(map(type, chain.from_iterable(extra.values() for extra in known))) != {int}:
        return None
    place = dict(zip(kinds, range(len(kinds)), strict=True))
    row = np.fromiter(map(place.__getitem__, map(id, poses.extra)), np.intp, len(poses))
    columns: dict[str, npt.NDArray[Any]] = {}
    for name in ("id", "image_id", "category_id"):
        if name != "image_id" and name not in known[0]:
            continue
        values = ids if name == "image_id" else [extra[name] for extra in known]
        if not all(abs(value) < kernels.LARGEST for value in values):
            return None
        columns[name] = np.array(values, np.intp)[poses.image if name == "image_id" else row]
    # Their numbers are collected part by part.
    columns[KEYPOINTS] = np.broadcast_to(np.nan, (len(poses), 3 * len(poses.skeleton)))
    columns["score"] = poses.instance_score
    if poses.box is not None:
        columns["bbox"] = sizes_of(poses.box)
    if poses.area is not None:
        columns["area"] = poses.area
    told = [column for name, column in columns.items() if name != KEYPOINTS]
    return columns if all(np.isfinite(column).all() for column in told) else None
