"""Error statistics to TOML; the form is read by `refine.errors.statistics`."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from refine.errors.statistics import ErrorStatistics


def statistics_to_toml(statistics: ErrorStatistics) -> str:
    """Write error statistics as TOML that `read_statistics` reads, numbers to four digits.

    Severity is not part of the form.

    >>> from refine.errors.statistics import read_statistics
    >>> text = statistics_to_toml(read_statistics("posefix"))
    >>> text.splitlines()[0]
    'name = "posefix"'
    """
    s = statistics
    table: dict[str, Any] = {"name": s.name, "source": s.source}
    if s.command:
        table["command"] = s.command
    table["neighbour_iou"] = s.neighbour_iou
    if s.size_exponent:
        table["size_exponent"] = s.size_exponent
    table["bands"] = {"joints": s.joints, "visible": s.visible, "overlap": s.overlap}
    table["similarity"] = s.similarity
    table |= s.rates
    for name in ("omission", "scores", "instances"):
        if getattr(s, name) is not None:
            table[name] = asdict(getattr(s, name))
    if s.counts:
        table["counts"] = s.counts
    return "\n".join(_section(table, "")) + "\n"


def _section(table: Mapping[str, Any], path: str) -> list[str]:
    plain = {key: v for key, v in table.items() if not isinstance(v, Mapping)}
    lines = ["", f"[{path}]"] if path and plain else []
    lines += [f"{key} = {_value(value)}" for key, value in plain.items()]
    for key, value in table.items():
        if isinstance(value, Mapping):
            lines += _section(value, f"{path}.{key}" if path else key)
    return lines


def _value(value: Any) -> str:
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return repr(float(f"{value:.4g}"))
    return "[" + ", ".join(_value(v) for v in np.asarray(value).tolist()) + "]"
