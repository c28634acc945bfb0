"""How published systems turn their outputs into poses; the table is `presets.toml`."""

import difflib
import re
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
SIZE = re.compile(r"[wr]?\d+(x\d+)?")
"""What ends the names of models of several sizes, besides `sizes` of aliases.toml."""


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
    """Look up a preset by its name or another one it goes by; a preset is returned.

    Raises:
        RefineError: no such preset.

    >>> get_preset("YOLO11n_pose.onnx").name, get_preset("RTMPose-m").name
    ('yolov8-pose', 'rtmpose')
    """
    if isinstance(name, Preset):
        return name
    presets, aliases = load_presets(), preset_aliases()
    key = _plain(name)
    while key not in presets and key not in aliases and _ends_with_size(key):
        key = key.rpartition("-")[0]
    if (found := aliases.get(key, key)) in presets:
        return presets[found]
    close = difflib.get_close_matches(_plain(name), [*presets, *aliases], n=3, cutoff=0.6)
    likely = dict.fromkeys(aliases.get(k, k) for k in close)
    raise RefineError(
        f"expected the name of a preset, got {name!r}"
        + (f"; did you mean {' or '.join(likely)}?" if likely else ""),
        hint=f"one of {', '.join(presets)}",
    )


@cache
def preset_aliases() -> Mapping[str, str]:
    """Read the other names of presets: the name of the preset by each.

    >>> preset_aliases()["yolo11-pose"]
    'yolov8-pose'
    """
    table = _aliases()["aliases"]
    return {alias: name for name, others in table.items() for alias in others}


@cache
def _aliases() -> Mapping[str, Any]:
    text = (resources.files("refine.decoding") / "aliases.toml").read_text("utf-8")
    return tomllib.loads(text)


def _plain(name: str) -> str:
    """Return a name in lower case with '-', without the suffix of a file."""
    bare = re.sub(
        r"\.(onnx|pth?|engine|tflite|safetensors|xml|mlmodel|mlpackage)$", "", name.lower()
    )
    return re.sub(r"[\s_.-]+", "-", bare.strip()).strip("-")


def _ends_with_size(name: str) -> bool:
    head, _, last = name.rpartition("-")
    return bool(head) and (last in _aliases()["sizes"] or bool(SIZE.fullmatch(last)))
