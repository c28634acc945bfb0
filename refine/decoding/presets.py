"""How published systems turn their outputs into poses; the table is `presets.toml`."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cache
from importlib import resources
from typing import Any, Literal, get_args

from refine.decoding.heatmap.arrays import Compat, Method
from refine.exceptions import RefineError
from refine.geometry import Alignment
from refine.rescore import instance_scores

__all__ = ["RECIPES", "Preset", "Recipe", "get_preset", "instance_scores", "load_presets"]

Recipe = Literal["box*mean>0.2", "box*mean", "mean", "box", "box+mean+max"]
RECIPES: tuple[str, ...] = get_args(Recipe)
"""Those of `refine.rescore.RECIPES` that presets name, by formula."""


@dataclass(frozen=True, slots=True)
class Preset:
    """One published system; the attributes are those of `presets.toml`.

    `options` holds what the family of its outputs has beyond them: the keyword arguments of the
    family's decoder.
    """

    name: str
    source: str
    family: str = "heatmap"
    method: Method = "fit"
    kernel: int | None = None
    compat: Compat | None = None
    alignment: Alignment = "stride"
    offset: float = 0.0
    stride: int = 4
    padding: float | None = None
    flip_shift: float = 0.0
    score: Recipe = "box*mean"
    score_scale: float = 1.0
    score_offset: float = 0.0
    skeleton: str = "coco17"
    note: str = ""
    options: Mapping[str, Any] = field(default_factory=dict, hash=False)


@cache
def load_presets() -> Mapping[str, Preset]:
    """Read the presets that ship, by name.

    >>> load_presets()["hrnet"].method
    'quarter'
    """
    text = (resources.files("refine.decoding") / "presets.toml").read_text("utf-8")
    return {name: _preset(name, entry) for name, entry in tomllib.loads(text).items()}


def _preset(name: str, entry: Mapping[str, Any]) -> Preset:
    known = {f.name for f in fields(Preset)}
    options = {k: v for k, v in entry.items() if k not in known}
    return Preset(name=name, options=options, **{k: v for k, v in entry.items() if k in known})


def get_preset(name: str) -> Preset:
    """Look up a preset.

    Raises:
        RefineError: no such preset.
    """
    try:
        return load_presets()[name]
    except KeyError:
        raise RefineError(
            f"expected the name of a preset, got {name!r}",
            hint=f"one of {', '.join(load_presets())}",
        ) from None
