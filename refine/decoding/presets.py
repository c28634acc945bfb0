"""How published systems turn their outputs into poses; the table is `presets.toml`."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from refine.decoding.families import FAMILIES
from refine.decoding.family import Options, read_options
from refine.exceptions import RefineError

ABOUT = ("source", "note", "family")


@dataclass(frozen=True, slots=True)
class Preset:
    """One published system.

    Attributes:
        name: of its entry.
        source: code path or paper.
        family: name in `FAMILIES`.
        options: of its family.
        note: what to know before using it.
    """

    name: str
    source: str
    family: str
    options: Options
    note: str = ""


@cache
def load_presets() -> Mapping[str, Preset]:
    """Read the presets that ship, by name.

    >>> load_presets()["hrnet"].options.method
    'quarter'
    """
    text = (resources.files("refine.decoding") / "presets.toml").read_text("utf-8")
    return {name: read_preset(name, entry) for name, entry in tomllib.loads(text).items()}


def read_preset(name: str, entry: Mapping[str, Any]) -> Preset:
    """Read an entry of presets.toml: `source`, `family`, `note`, and options of the family.

    Raises:
        RefineError: no such family, an option that it does not have, or a value of the wrong type.

    >>> read_preset("mine", {"source": "my code", "flip_shift": 1}).options.flip_shift
    1.0
    """
    where = f"presets.toml, [{name}]"
    family = entry.get("family", "heatmap")
    if family not in FAMILIES or "source" not in entry:
        raise RefineError(
            f"expected a source and a family, got {entry.get('source')!r} and {family!r}",
            where=where,
            hint=f"a family of {', '.join(FAMILIES)}",
        )
    table = {key: value for key, value in entry.items() if key not in ABOUT}
    options = read_options(FAMILIES[family].options, table, family, where)
    return Preset(name, entry["source"], family, options, entry.get("note", ""))


def get_preset(name: str | Preset) -> Preset:
    """Look up a preset by name; a preset is returned.

    Raises:
        RefineError: no such preset.
    """
    if isinstance(name, Preset):
        return name
    try:
        return load_presets()[name]
    except KeyError:
        raise RefineError(
            f"expected the name of a preset, got {name!r}",
            hint=f"one of {', '.join(load_presets())}",
        ) from None
